//! What to train: the network's shape and how it is fitted.

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initialise::{Biases, Initialisation};
use crate::loss::Loss;
use crate::named;
use crate::optimiser::Optimiser;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a network is fitted. Read from TOML, JSON or made in code; `validate` says what is wrong with it.
///
/// ```
/// let recipe: pellucid_train::Recipe = toml::from_str(
///     r#"
///     loss = { kind = "binary_cross_entropy", pos_weight = "balanced" }
///     optimiser = "adam"
///     learning_rate = 0.001
///     epochs = 120
///     batch_size = 10
///     seed = 34
///
///     [network]
///     layers = [80, 30, 10]
///     activation = "relu"
///     dropout = 0.3
///     initialisation = "xavier_uniform"
///     "#,
/// )?;
/// recipe.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The network's shape and first weights.
    pub network: Network,
    /// What is minimised.
    #[serde(deserialize_with = "named::deserialize")]
    pub loss: Loss,
    /// The update rule; Adam by default.
    #[serde(default, deserialize_with = "named::deserialize")]
    pub optimiser: Optimiser,
    /// The step's size; PyTorch's default for the optimiser where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The pull of weights and biases towards zero; PyTorch's default for the optimiser where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// How often every training row is seen.
    pub epochs: usize,
    /// Rows per step; the last batch of an epoch takes what is left.
    pub batch_size: usize,
    /// Whether the rows are put in a new order in every epoch.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Whether numbers to predict are fitted less their mean and divided by their deviation on the training
    /// rows (the population's, as scikit-learn's `StandardScaler`). The saved network undoes it.
    #[serde(default)]
    pub standardise_target: bool,
    /// Whether training ends once the validation loss no longer falls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// The seed of first weights, shuffles and dropout.
    #[serde(default)]
    pub seed: u64,
}

/// A multilayer perceptron.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Widths of the hidden layers; none for a linear model.
    pub layers: Vec<usize>,
    /// The function behind each hidden layer.
    #[serde(default)]
    pub activation: Activation,
    /// The share of each hidden layer's values that is set to zero in a training step.
    #[serde(default)]
    pub dropout: f64,
    /// How the first weights are drawn.
    #[serde(default)]
    pub initialisation: Initialisation,
    /// What the biases begin as.
    #[serde(default)]
    pub biases: Biases,
    /// A safetensors file with `layer1.weight` [outputs, inputs], `layer1.bias` and so on, to begin from
    /// instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<PathBuf>,
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// How many epochs in a row may pass without a lower validation loss.
    pub patience: usize,
    /// By how much a loss has to be lower to count.
    #[serde(default)]
    pub min_delta: f64,
    /// Whether the weights of the best epoch are kept rather than the last's.
    #[serde(default = "yes")]
    pub restore_best: bool,
}

fn yes() -> bool {
    true
}

/// The most parameters a network may have: 400 MB of weights.
const MOST_PARAMETERS: usize = 100_000_000;

impl Recipe {
    /// Checks every option; the error names the first that is wrong.
    pub fn validate(&self) -> Result<()> {
        self.network.validate()?;
        self.loss.validate()?;
        self.optimiser.validate()?;
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate > 0.0) {
            return Err(Error::recipe("learning_rate", "a positive number", rate));
        }
        let decay = self.weight_decay();
        if !(decay.is_finite() && decay >= 0.0) {
            return Err(Error::recipe("weight_decay", "zero or a positive number", decay));
        }
        if self.epochs == 0 {
            return Err(Error::recipe("epochs", "at least 1", 0));
        }
        if self.batch_size == 0 {
            return Err(Error::recipe("batch_size", "at least 1", 0));
        }
        if self.standardise_target && !matches!(self.loss, Loss::SquaredError { .. }) {
            return Err(Error::recipe(
                "standardise_target",
                "the loss squared_error with it",
                self.loss.name(),
            ));
        }
        if let Some(stop) = &self.early_stopping {
            if stop.patience == 0 {
                return Err(Error::recipe("early_stopping.patience", "at least 1", 0));
            }
            if !(stop.min_delta.is_finite() && stop.min_delta >= 0.0) {
                let got = stop.min_delta;
                return Err(Error::recipe("early_stopping.min_delta", "zero or a positive number", got));
            }
        }
        Ok(())
    }

    /// The learning rate in force.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate.unwrap_or_else(|| self.optimiser.default_learning_rate())
    }

    /// The weight decay in force.
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay.unwrap_or_else(|| self.optimiser.default_weight_decay())
    }
}

impl Network {
    fn validate(&self) -> Result<()> {
        if let Some(layer) = self.layers.iter().position(|&width| width == 0) {
            let got = format!("0 for layer {}", layer + 1);
            return Err(Error::recipe("network.layers", "widths of at least 1", got));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::recipe("network.dropout", "a number from 0 up to, but not, 1", self.dropout));
        }
        Ok(())
    }

    /// Widths from the inputs to the outputs, checked for size before anything is allocated.
    pub(crate) fn widths(&self, inputs: usize, outputs: usize) -> Result<Vec<usize>> {
        let widths: Vec<usize> =
            [inputs].into_iter().chain(self.layers.iter().copied()).chain([outputs]).collect();
        let mut parameters = 0usize;
        for pair in widths.windows(2) {
            let layer = pair[0].saturating_add(1).saturating_mul(pair[1]);
            parameters = parameters.saturating_add(layer);
        }
        if parameters > MOST_PARAMETERS {
            let expected = format!("a network of at most {MOST_PARAMETERS} parameters");
            return Err(Error::recipe("network.layers", expected, parameters));
        }
        Ok(widths)
    }
}
