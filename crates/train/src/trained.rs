//! A trained network and the course of its training.

use crate::activation::Activation;
use crate::error::{ErrorKind, Result};
use crate::tape::Parameters;
use crate::weights;

/// A fully connected layer: outputs = weight × inputs + bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Layer {
    /// Values it takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values it gives.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// [outputs, inputs], row-major.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// One per output.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }
}

/// What the last layer's values mean.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Head {
    /// Logits of independent yes-or-no answers; their sigmoids are probabilities.
    Logit,
    /// A logit per class; their softmax is the probabilities.
    Logits,
    /// Predictions, once value × deviation + mean is taken where the target was standardised.
    Prediction(Option<Standardisation>),
}

/// The mean and the deviation of each target on the training rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    /// One per output.
    pub mean: Vec<f32>,
    /// One per output, above zero.
    pub deviation: Vec<f32>,
}

/// The losses of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// The mean loss of the training rows as they were seen: with dropout, and before each step.
    pub train_loss: f64,
    /// The mean loss of the validation rows behind the epoch, without dropout.
    pub validation_loss: Option<f64>,
}

/// A network that was fitted, with what happened on the way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trained {
    pub(crate) layers: Vec<Layer>,
    /// The function between them.
    pub activation: Activation,
    pub(crate) head: Head,
    /// The losses of every epoch that was run. A standardised target's are in its deviations.
    pub history: Vec<Epoch>,
    /// The epoch whose weights these are, from 1.
    pub best_epoch: usize,
    /// Whether training ended before the last epoch of the recipe.
    pub stopped_early: bool,
    /// The weights the loss gave: `pos_weight` per output, or a weight per class; none for the squared error.
    pub loss_weights: Vec<f64>,
}

impl Trained {
    /// The layers, inputs first: at least one, each taking what the one before gives.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What the last layer's values mean.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Features the network takes.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Values it gives per row.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// The layers as the bytes of a safetensors file, which [`Network::initial_weights`] can name.
    ///
    /// [`Network::initial_weights`]: crate::Network::initial_weights
    pub fn to_safetensors(&self) -> Vec<u8> {
        weights::write(&self.layers)
    }

    /// The logits, or the predictions in the target's units, of rows of features: [rows, outputs] row-major.
    pub fn predict(&self, features: &[f32]) -> Result<Vec<f32>> {
        let columns = self.inputs();
        if columns == 0 || !features.len().is_multiple_of(columns) {
            let (expected, got) =
                (format!("rows of {columns} features"), format!("{} numbers", features.len()));
            return Err(ErrorKind::Samples { split: "given", expected, got }.into());
        }
        let mut values = Vec::new();
        let rows = features.len() / columns;
        Parameters::new(&self.layers, self.activation).outputs(features, rows, &mut values);
        if let Head::Prediction(Some(target)) = &self.head {
            for row in values.chunks_exact_mut(self.outputs()) {
                for ((value, deviation), mean) in row.iter_mut().zip(&target.deviation).zip(&target.mean) {
                    *value = *value * deviation + mean;
                }
            }
        }
        Ok(values)
    }
}
