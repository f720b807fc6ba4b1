//! Predictions: classes with probabilities, or values, from whichever outputs a model has.

use pellucid::graph::{Attribute, Operator, Tensor};
use pellucid::{Model, Precision};

use crate::activity::Activity;
use crate::error::{Error, Result};
use crate::model::OpenModel;

/// What the numbers of an output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Inputs of a sigmoid or a softmax that the file does not have.
    Logits,
    Probabilities,
    LogProbabilities,
    /// Not known, or no classes.
    Values,
}

/// Reads predictions off a model's outputs.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// The output that predictions are read from.
    output: usize,
    meaning: Meaning,
    /// The output with logits, where there is one.
    logits: Option<usize>,
}

/// The predictions of some rows.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// Elements of the output for each row.
    pub width: usize,
    /// [rows, width]: the output as it is.
    pub values: Vec<f64>,
    /// [rows, classes]: the probability of each class; of both, where one output stands for two.
    pub probabilities: Option<Vec<f64>>,
    /// How many classes there are; 0 where the model has none.
    pub classes: usize,
    /// [rows, width]: the logits, where the model has them.
    pub logits: Option<Vec<f64>>,
}

impl Predictions {
    /// The class with the largest probability or output, the first of equals; `None` where there are no classes.
    ///
    /// Where one output stands for two classes, the second needs a probability above one half.
    pub fn class(&self, row: usize) -> Option<usize> {
        if self.classes == 0 {
            return None;
        }
        let scores: &[f64] = match &self.probabilities {
            Some(p) => &p[row * self.classes..(row + 1) * self.classes],
            None => &self.values[row * self.width..(row + 1) * self.width],
        };
        Some((0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best }))
    }

    /// The probability of a class.
    pub fn probability(&self, row: usize, class: usize) -> Option<f64> {
        let all = self.probabilities.as_ref()?;
        (class < self.classes).then(|| all[row * self.classes + class])
    }

    /// The output of a row.
    pub fn value(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }
}

impl Predictor {
    /// Finds the output with probabilities, or logits, or values.
    pub fn new(model: &OpenModel) -> Result<Self> {
        let outputs = model.model().network().outputs();
        if outputs.is_empty() {
            return Err(Error::input(format!("{}: the model has no output", model.path().display())));
        }
        let activation = |i: &usize| model.maker(*i).map(|op| op.definition().name);
        let find =
            |names: &[&str]| (0..outputs.len()).find(|i| activation(i).is_some_and(|a| names.contains(&a)));
        // So exporters of classifiers call them, and the scores of those that have none, whose last operator says so.
        let called_probabilities = |i: usize| {
            let plain = |op: &dyn Operator| {
                let post = op.attributes().get("post_transform").cloned();
                op.definition().name == "LinearClassifier"
                    && !matches!(post, Some(Attribute::Text(post)) if post != "NONE")
            };
            model.model().output_names().get(i).is_some_and(|name| name.contains("probabilit"))
                && !model.maker(i).is_some_and(plain)
        };
        let classifies = !model.class_names().is_empty() && !model.has_labels();
        let is_number = model.is_regression();
        let main = model.model().main_output().unwrap_or(0);
        let (output, meaning) = if is_number {
            (main, Meaning::Values)
        } else if let Some(i) = find(&["Sigmoid", "Softmax"]) {
            (i, Meaning::Probabilities)
        } else if let Some(i) = find(&["LogSoftmax"]) {
            (i, Meaning::LogProbabilities)
        } else if model.has_labels() && called_probabilities(main) {
            (main, Meaning::Probabilities)
        } else if classifies {
            (main, Meaning::Logits)
        } else {
            (main, Meaning::Values)
        };
        let logits = match meaning {
            Meaning::Logits => Some(output),
            Meaning::Probabilities => {
                (0..outputs.len()).find(|&i| feeds(model.model(), outputs[i], outputs[output]))
            }
            _ => None,
        };
        Ok(Self { output, meaning, logits })
    }

    /// The predictions for rows of inputs, `tile` of which run together: one alone, where a model's rows mix.
    pub fn predict(
        &self,
        model: &OpenModel,
        inputs: &[Tensor],
        precision: Precision,
        tile: Option<usize>,
        activity: &Activity<'_>,
    ) -> Result<Predictions> {
        let rows = inputs.first().and_then(|t| t.shape().first()).copied().unwrap_or(0);
        let found = model.model().run(inputs, precision, tile, &activity.control(None))?;
        let numbers = |i: usize| {
            let output = found.get(i).and_then(Tensor::to_f64);
            output.ok_or_else(|| Error::input("an output holds no numbers"))
        };
        let values = numbers(self.output)?;
        let width = values.len().checked_div(rows).unwrap_or(0);
        let logits = self.logits.map(numbers).transpose()?;
        let probabilities: Option<Vec<f64>> = match self.meaning {
            Meaning::Values => None,
            Meaning::Probabilities => Some(values.clone()),
            Meaning::LogProbabilities => Some(values.iter().map(|v| v.exp()).collect()),
            Meaning::Logits if width == 1 => Some(values.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect()),
            Meaning::Logits => Some(values.chunks_exact(width.max(1)).flat_map(softmax).collect()),
        };
        let probabilities = match probabilities {
            Some(p) if width == 1 => Some(p.iter().flat_map(|&p| [1.0 - p, p]).collect()),
            other => other,
        };
        let classes = match (&probabilities, width) {
            (Some(_), 1) => 2,
            (Some(_), n) => n,
            // Several numbers without a declared meaning are taken for scores of classes.
            (None, n) if n > 1 && !model.is_regression() && !model.scores_pairs() => n,
            (None, _) => 0,
        };
        Ok(Predictions { width, values, probabilities, classes, logits })
    }
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raised: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = raised.iter().sum();
    raised.iter().map(|v| v / sum).collect()
}

/// Whether a value is the input of the node that computes another.
fn feeds(model: &Model, value: usize, output: usize) -> bool {
    let nodes = model.network().nodes();
    let maker = nodes.iter().find(|n| n.outputs.contains(&Some(output)));
    maker.is_some_and(|n| n.inputs.contains(&Some(value)))
}
