//! What training minimises: the losses, their values and their gradients in closed form.

use crate::activation::{sigmoid, softplus};
use crate::error::{Error, Result};
use crate::samples::Encoded;
use serde::{Deserialize, Serialize};

/// A loss, as PyTorch defines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Binary cross-entropy of logits (`BCEWithLogitsLoss`), averaged over rows and outputs. The targets are
    /// 0 and 1.
    BinaryCrossEntropy {
        /// What a positive row counts, where a negative one counts 1.
        #[serde(default)]
        pos_weight: Option<PosWeight>,
    },
    /// Cross-entropy of the softmax of logits (`CrossEntropyLoss`), averaged over rows by their class weights.
    CrossEntropy {
        /// What a row of each class counts.
        #[serde(default)]
        class_weights: Option<ClassWeights>,
    },
    /// The squared difference (`MSELoss`).
    SquaredError {
        /// How a batch's squares become its loss.
        #[serde(default)]
        reduction: Reduction,
    },
}

/// The weight of positive rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or \"balanced\"")]
pub enum PosWeight {
    /// From the training rows.
    Counted(Balanced),
    /// As given.
    Given(f64),
}

/// The weights of classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a list of one number per class or \"balanced\"")]
pub enum ClassWeights {
    /// From the training rows.
    Counted(Balanced),
    /// As given, one per class.
    Given(Vec<f64>),
}

/// Weights that make every class count the same: negatives ÷ positives for [`PosWeight`], rows ÷ (classes ×
/// rows of the class) for [`ClassWeights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balanced {
    /// The only word.
    Balanced,
}

/// How the squared differences of a batch become its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean over rows and outputs.
    #[default]
    Mean,
    /// Their sum. Losses are still reported as means, to be comparable.
    Sum,
}

/// A loss with its weights counted.
#[derive(Clone, Debug)]
pub(crate) enum Objective {
    Binary { pos_weight: Vec<f64> },
    Classes { weights: Vec<f64> },
    Squared { reduction: Reduction },
}

/// A sum of losses and of what they count; their quotient is the loss reported.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    pub(crate) sum: f64,
    pub(crate) weight: f64,
}

impl Total {
    pub(crate) fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
    }

    pub(crate) fn mean(self) -> f64 {
        self.sum / self.weight
    }
}

impl Loss {
    /// The name a recipe uses.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BinaryCrossEntropy { .. } => "binary_cross_entropy",
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::SquaredError { .. } => "squared_error",
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let check = |option, weight: f64| {
            if weight.is_finite() && weight > 0.0 {
                return Ok(());
            }
            Err(Error::recipe(option, "a positive number", weight))
        };
        match self {
            Self::BinaryCrossEntropy { pos_weight: Some(PosWeight::Given(weight)) } => {
                check("loss.pos_weight", *weight)
            }
            Self::CrossEntropy { class_weights: Some(ClassWeights::Given(weights)) } => {
                weights.iter().try_for_each(|&weight| check("loss.class_weights", weight))
            }
            _ => Ok(()),
        }
    }

    /// Counts the weights on the training rows.
    pub(crate) fn objective(&self, targets: &Encoded, outputs: usize) -> Result<Objective> {
        Ok(match (self, targets) {
            (Self::BinaryCrossEntropy { pos_weight }, Encoded::Values(values)) => Objective::Binary {
                pos_weight: match pos_weight {
                    None => vec![1.0; outputs],
                    Some(PosWeight::Given(weight)) => vec![*weight; outputs],
                    Some(PosWeight::Counted(_)) => {
                        (0..outputs).map(|output| balance(values, outputs, output)).collect::<Result<_>>()?
                    }
                },
            },
            (Self::CrossEntropy { class_weights }, Encoded::Classes(classes)) => Objective::Classes {
                weights: match class_weights {
                    None => vec![1.0; outputs],
                    Some(ClassWeights::Given(weights)) if weights.len() == outputs => weights.clone(),
                    Some(ClassWeights::Given(weights)) => {
                        let expected = format!("{outputs} weights, one per class");
                        return Err(Error::recipe("loss.class_weights", expected, weights.len()));
                    }
                    Some(ClassWeights::Counted(_)) => {
                        let mut counts = vec![0usize; outputs];
                        classes.iter().for_each(|&class| counts[class as usize] += 1);
                        if let Some(class) = counts.iter().position(|&count| count == 0) {
                            let got = format!("no training row of class {class} to count");
                            return Err(Error::recipe("loss.class_weights", "rows of every class", got));
                        }
                        let share = classes.len() as f64 / outputs as f64;
                        counts.iter().map(|&count| share / count as f64).collect()
                    }
                },
            },
            (Self::SquaredError { reduction }, _) => Objective::Squared { reduction: *reduction },
            // `Samples::encode` gives each loss the form it takes.
            _ => return Err(Error::recipe("loss", "targets of the loss's own form", self.name())),
        })
    }
}

/// Negatives ÷ positives of one output.
fn balance(values: &[f32], outputs: usize, output: usize) -> Result<f64> {
    let column = values.iter().skip(output).step_by(outputs);
    let positives: f64 = column.clone().map(|&y| f64::from(y)).sum();
    let negatives: f64 = column.map(|&y| 1.0 - f64::from(y)).sum();
    if positives > 0.0 && negatives > 0.0 {
        return Ok(negatives / positives);
    }
    let got = format!("{positives} positive and {negatives} negative training rows");
    Err(Error::recipe("loss.pos_weight", "rows of both classes to balance", got))
}

impl Objective {
    /// The loss of a batch, [rows, outputs] row-major, and its gradient by the outputs.
    pub(crate) fn evaluate(&self, outputs: &[f32], targets: &Encoded, gradient: &mut Vec<f32>) -> Total {
        gradient.clear();
        let mut total = Total::default();
        match (self, targets) {
            (Self::Binary { pos_weight }, Encoded::Values(values)) => {
                total.weight = outputs.len() as f64;
                for ((&z, &y), &p) in outputs.iter().zip(values).zip(pos_weight.iter().cycle()) {
                    let (z, y) = (f64::from(z), f64::from(y));
                    total.sum += p * y * softplus(-z) + (1.0 - y) * softplus(z);
                    let slope = (1.0 - y) * sigmoid(z) - p * y * sigmoid(-z);
                    gradient.push((slope / total.weight) as f32);
                }
            }
            (Self::Classes { weights }, Encoded::Classes(classes)) => {
                total.weight = classes.iter().map(|&class| weights[class as usize]).sum();
                for (row, &class) in outputs.chunks_exact(weights.len()).zip(classes) {
                    let weight = weights[class as usize];
                    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let shifted = |z: f32| f64::from(z) - f64::from(top);
                    let sum: f64 = row.iter().map(|&z| shifted(z).exp()).sum();
                    total.sum += weight * (sum.ln() - shifted(row[class as usize]));
                    for (k, &z) in row.iter().enumerate() {
                        let truth = f64::from(u8::from(k == class as usize));
                        gradient.push((weight * (shifted(z).exp() / sum - truth) / total.weight) as f32);
                    }
                }
            }
            (Self::Squared { reduction }, Encoded::Values(values)) => {
                total.weight = outputs.len() as f64;
                let scale = if *reduction == Reduction::Mean { 2.0 / total.weight } else { 2.0 };
                for (&z, &y) in outputs.iter().zip(values) {
                    let difference = f64::from(z) - f64::from(y);
                    total.sum += difference * difference;
                    gradient.push((scale * difference) as f32);
                }
            }
            // Another form of targets than `objective` accepted cannot come here; it reads as divergence.
            _ => total.sum = f64::NAN,
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        let values = || Encoded::Values(vec![1.0, 0.0, 0.3, 1.0, 0.0, 1.0]);
        let classes = || Encoded::Classes(vec![2, 0]);
        let cases = [
            (Objective::Binary { pos_weight: vec![7.5, 1.0, 0.2] }, values()),
            (Objective::Classes { weights: vec![0.5, 3.0, 2.0] }, classes()),
            (Objective::Squared { reduction: Reduction::Mean }, values()),
        ];
        let outputs = [0.3f32, -1.2, 2.0, -0.7, 0.1, 4.0];
        for (objective, targets) in cases {
            let (mut gradient, mut scratch) = (Vec::new(), Vec::new());
            objective.evaluate(&outputs, &targets, &mut gradient);
            for i in 0..outputs.len() {
                let mut at = |step: f32| {
                    let mut moved = outputs;
                    moved[i] += step;
                    objective.evaluate(&moved, &targets, &mut scratch).mean()
                };
                let slope = (at(0.01) - at(-0.01)) / 0.02;
                assert!(
                    (slope - f64::from(gradient[i])).abs() < 1e-4,
                    "{objective:?}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn extreme_logits_have_finite_losses() {
        let binary = Objective::Binary { pos_weight: vec![2.0] };
        let total = binary.evaluate(&[1e4, -1e4], &Encoded::Values(vec![0.0, 1.0]), &mut Vec::new());
        assert_eq!((total.sum, total.weight), (3e4, 2.0));
        let classes = Objective::Classes { weights: vec![1.0, 1.0] };
        let total = classes.evaluate(&[1e4, -1e4], &Encoded::Classes(vec![1]), &mut Vec::new());
        assert_eq!(total.mean(), 2e4);
    }
}
