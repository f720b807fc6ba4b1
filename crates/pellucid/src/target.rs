//! Targets: a scalar for each row, built on the graph.

use pellucid_graph::{Builder, ValueId, ops};

use crate::error::{Error, Result};
use crate::spec::{Scale, Target};

/// The output on the scale that was asked for, and what that scale is.
#[derive(Clone, Debug)]
pub(crate) struct Scaled {
    /// [rows, elements].
    pub(crate) value: ValueId,
    /// `logit`, `probability`, `log-odds`, `log-probability` or `output`.
    pub(crate) name: &'static str,
    /// The number of elements of a row.
    pub(crate) width: usize,
}

fn refused(e: pellucid_graph::OpError) -> Error {
    Error::Spec(e.0)
}

/// The operator that computes a value, and its first input.
fn producer(b: &Builder, value: ValueId) -> Option<(&'static str, ValueId)> {
    let node = &b.nodes()[b.value(value).producer?];
    Some((node.op.definition().name, node.present().next()?))
}

/// Brings the model's output to a scale, flattened to [rows, elements]. `is_logit` says that another output of the model is its
/// sigmoid or softmax.
pub(crate) fn scaled(b: &mut Builder, output: ValueId, scale: Scale, is_logit: bool) -> Result<Scaled> {
    let rows = b.rows();
    let shape = b.shape(output).to_vec();
    if shape.first() != Some(&rows) {
        return Err(Error::Target {
            asked: "in this output".to_owned(),
            available: format!("its shape {shape:?} does not begin with the rows"),
        });
    }
    let width: usize = shape[1..].iter().product();
    // Shapes do not change a value's meaning, so the activation is looked for behind them.
    let mut end = output;
    while let Some(("Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity", input)) = producer(b, end) {
        end = input;
    }
    let last = producer(b, end);
    let activation = last.map(|(name, _)| name);
    let own = match activation {
        Some("Sigmoid" | "Softmax") => "probability",
        Some("LogSoftmax") => "log-probability",
        _ if is_logit => "logit",
        _ => "output",
    };
    let before = last.map(|(_, input)| input);
    let flat = |b: &mut Builder, v: ValueId| b.reshape(v, &[rows, width]).map_err(refused);
    let probability = |b: &mut Builder| -> Result<ValueId> {
        let value = flat(b, output)?;
        match own {
            "probability" => Ok(value),
            "log-probability" => b.exp(value).map_err(refused),
            _ if width == 1 => b.sigmoid(value).map_err(refused),
            _ => b.push(ops::Softmax { axis: 1, flatten: false }, &[value]).map_err(refused),
        }
    };
    let (value, name) = match scale {
        Scale::Output => (flat(b, output)?, own),
        Scale::Logit => match (own, before) {
            ("probability" | "log-probability", Some(input)) => (flat(b, input)?, "logit"),
            // What no sigmoid or softmax follows is taken at the caller's word.
            _ => (flat(b, output)?, "logit"),
        },
        Scale::Probability => (probability(b)?, "probability"),
        Scale::LogOdds => match (activation, before) {
            (Some("Sigmoid"), Some(input)) => (flat(b, input)?, "log-odds"),
            _ => {
                let p = probability(b)?;
                let odds = |b: &mut Builder| {
                    let one = b.scalar_like(p, 1.0)?;
                    let rest = b.sub(one, p)?;
                    let (yes, no) = (b.log(p)?, b.log(rest)?);
                    b.sub(yes, no)
                };
                (odds(b).map_err(refused)?, "log-odds")
            }
        },
    };
    Ok(Scaled { value, name, width })
}

/// Both classes of a binary classifier that has one output: [rows, 2].
pub(crate) fn both_classes(b: &mut Builder, scaled: &Scaled) -> Result<Scaled> {
    let build = |b: &mut Builder| {
        let other = if scaled.name == "probability" {
            let one = b.scalar_like(scaled.value, 1.0)?;
            b.sub(one, scaled.value)?
        } else {
            b.neg(scaled.value)?
        };
        b.concat(&[other, scaled.value], 1)
    };
    Ok(Scaled { value: build(b).map_err(refused)?, name: scaled.name, width: 2 })
}

/// Whether a target names classes, so that a single output stands for two.
pub(crate) fn names_classes(target: &Target) -> bool {
    matches!(target, Target::Class(_) | Target::Predicted | Target::RunnerUp | Target::True)
}

/// Whether a target is another element in each row.
pub(crate) fn is_per_row(target: &Target) -> bool {
    matches!(target, Target::PerRow(_) | Target::Predicted | Target::RunnerUp | Target::True)
}

/// The target of every row, [rows]. `chosen` holds each row's element, [rows, 1], where that differs from row to row.
pub(crate) fn select(
    b: &mut Builder,
    scaled: &Scaled,
    shape: &[usize],
    target: &Target,
    chosen: Option<ValueId>,
) -> Result<ValueId> {
    let rows = b.rows();
    let element = match target {
        Target::Output if scaled.width == 1 => 0,
        Target::Output => {
            return Err(Error::Target {
                asked: "that is the output as a whole".to_owned(),
                available: format!(
                    "a row's output has {} elements: {}",
                    scaled.width,
                    available(scaled.width)
                ),
            });
        }
        Target::Index(index) => flat_index(index, shape)?,
        Target::Class(class) if *class < scaled.width => *class,
        Target::Class(class) => {
            return Err(Error::Target {
                asked: format!("class {class}"),
                available: format!("there are classes 0 to {}", scaled.width.saturating_sub(1)),
            });
        }
        Target::PerRow(_) | Target::Predicted | Target::RunnerUp | Target::True => {
            let chosen =
                chosen.ok_or_else(|| Error::Spec("a target for each row lacks its elements".to_owned()))?;
            let picked = b.push(ops::GatherElements { axis: 1 }, &[scaled.value, chosen]).map_err(refused)?;
            return b.reshape(picked, &[rows]).map_err(refused);
        }
    };
    let one = b.narrow(scaled.value, 1, element, 1).map_err(refused)?;
    b.reshape(one, &[rows]).map_err(refused)
}

fn available(width: usize) -> String {
    format!("give an index from 0 to {}, a class, or predicted", width.saturating_sub(1))
}

/// The position of an index in a row's flat output; negative ones count from the end.
pub(crate) fn flat_index(index: &[i64], shape: &[usize]) -> Result<usize> {
    let dims = shape.get(1..).unwrap_or(&[]);
    let missing = || Error::Target {
        asked: format!("{index:?}"),
        available: format!(
            "a row's output has shape {dims:?}, so give {} indices below these sizes",
            dims.len()
        ),
    };
    if index.len() != dims.len() {
        return Err(missing());
    }
    let mut flat = 0;
    for (&i, &d) in index.iter().zip(dims) {
        let i = if i < 0 { i + d as i64 } else { i };
        if i < 0 || i >= d as i64 {
            return Err(missing());
        }
        flat = flat * d + i as usize;
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::flat_index;

    #[test]
    fn indices_are_row_major_and_count_from_the_end_where_negative() {
        assert_eq!(flat_index(&[1, 2], &[9, 2, 3]).unwrap(), 5);
        assert_eq!(flat_index(&[-1], &[9, 4]).unwrap(), 3);
        for bad in [vec![4], vec![-5], vec![], vec![0, 0]] {
            assert!(flat_index(&bad, &[9, 4]).unwrap_err().to_string().contains("[4]"));
        }
    }
}
