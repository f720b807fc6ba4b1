//! Targets by the names a person knows.

use pellucid::Target;

use crate::error::{Error, ErrorKind, Result};
use crate::model::OpenModel;

/// A target with how a result names it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTarget {
    /// As it was asked for.
    pub name: String,
    /// What the library is asked.
    pub target: Target,
    /// The number of its class, where it is one class for all rows.
    pub class: Option<usize>,
}

/// The targets of a request; without one, the output where a row has one, else the predicted class.
pub fn resolve(asked: &[String], model: &OpenModel, outputs: usize) -> Result<Vec<NamedTarget>> {
    let classes = model.class_names();
    let by_rank = |text: &String| matches!(text.trim(), "predicted" | "runner-up" | "runner_up" | "true");
    if outputs > 1 && model.scores_pairs() && (asked.is_empty() || asked.iter().any(by_rank)) {
        return Err(ErrorKind::Target {
            asked: asked.first().map_or_else(|| "predicted".to_owned(), Clone::clone),
            available: format!(
                "the scores of this support vector machine stand for pairs of classes: name one by position, [0] to [{}], or export it with probability=True",
                outputs - 1
            ),
        }
        .into());
    }
    if asked.is_empty() {
        return Ok(vec![default(classes, outputs)]);
    }
    asked.iter().map(|text| one(text.trim(), model, classes, outputs)).collect()
}

fn default(classes: &[String], outputs: usize) -> NamedTarget {
    match (outputs, classes) {
        // A single logit is the logit of the second class.
        (1, [_, positive]) => NamedTarget { name: positive.clone(), target: Target::Output, class: Some(1) },
        (1, _) => NamedTarget { name: "output".to_owned(), target: Target::Output, class: None },
        _ => NamedTarget { name: "predicted".to_owned(), target: Target::Predicted, class: None },
    }
}

fn one(text: &str, model: &OpenModel, classes: &[String], outputs: usize) -> Result<NamedTarget> {
    let named = |target, class| NamedTarget { name: text.to_owned(), target, class };
    if let Some(class) = classes.iter().position(|c| c == text) {
        return Ok(named(Target::Class(class), Some(class)));
    }
    match text {
        "output" => return Ok(named(Target::Output, None)),
        "predicted" => return Ok(named(Target::Predicted, None)),
        "runner-up" | "runner_up" => return Ok(named(Target::RunnerUp, None)),
        "true" => return Ok(named(Target::True, None)),
        _ => {}
    }
    let inner = text.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let indices: Option<Vec<i64>> = inner.split(',').map(|i| i.trim().parse().ok()).collect();
    // Where classes are numbers, a number that is none of them is a mistake, not the position of another.
    let position_of_numbers = inner == text && all_numbers(classes);
    match indices.as_deref() {
        Some(&[_]) if position_of_numbers => Err(unknown(text, classes, outputs)),
        Some(&[class]) if class >= 0 && !model.is_regression() => {
            let class = usize::try_from(class).unwrap_or(usize::MAX);
            let count = if outputs == 1 { 2 } else { outputs };
            if class >= count {
                return Err(unknown(text, classes, outputs));
            }
            Ok(NamedTarget {
                name: classes.get(class).map_or_else(|| text.to_owned(), Clone::clone),
                target: Target::Class(class),
                class: Some(class),
            })
        }
        Some(indices) => Ok(named(Target::Index(indices.to_vec()), None)),
        None => Err(unknown(text, classes, outputs)),
    }
}

fn all_numbers(classes: &[String]) -> bool {
    !classes.is_empty() && classes.iter().all(|c| c.parse::<i64>().is_ok())
}

fn unknown(asked: &str, classes: &[String], outputs: usize) -> Error {
    let last = if outputs == 1 { 1 } else { outputs.saturating_sub(1) };
    let words = "predicted, runner-up, true";
    let available = if classes.is_empty() {
        format!("there are the classes 0 to {last}, {words}")
    } else {
        const SHOWN: usize = 20;
        let mut names: Vec<String> = classes.iter().take(SHOWN).map(|c| format!("{c:?}")).collect();
        if classes.len() > SHOWN {
            names.push(format!("{} more", classes.len() - SHOWN));
        }
        let positions = if all_numbers(classes) {
            format!("by position [0] to [{last}]")
        } else {
            format!("or 0 to {last}")
        };
        format!("there are the classes {} ({positions}), {words}", names.join(", "))
    };
    ErrorKind::Target { asked: asked.to_owned(), available }.into()
}
