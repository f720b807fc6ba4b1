//! The update rules: Adam, AdamW, RMSprop and SGD with PyTorch's formulas and defaults.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// An update rule; its learning rate and weight decay stand in the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Optimiser {
    /// Adam (Kingma and Ba, 2015); weight decay is added to the gradient.
    #[serde(rename = "adam")]
    Adam {
        /// Decay rates of the two moments.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the root of the second moment.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay rates of the two moments.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the root of the second moment.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// RMSprop (Hinton's lecture 6e); `centered` is Graves' variant (2013).
    #[serde(rename = "rmsprop")]
    RmsProp {
        /// Decay rate of the mean square.
        #[serde(default = "alpha")]
        alpha: f64,
        /// Added to the root of the mean square.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Decay rate of the velocity.
        #[serde(default)]
        momentum: f64,
        /// Whether the mean is taken off the mean square.
        #[serde(default)]
        centered: bool,
    },
    /// Gradient descent.
    #[serde(rename = "sgd")]
    Sgd {
        /// Decay rate of the velocity.
        #[serde(default)]
        momentum: f64,
        /// What is taken off the gradient before it enters the velocity.
        #[serde(default)]
        dampening: f64,
        /// Whether the step looks ahead (Nesterov).
        #[serde(default)]
        nesterov: bool,
    },
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f64 {
    1e-8
}

fn alpha() -> f64 {
    0.99
}

impl Default for Optimiser {
    fn default() -> Self {
        Self::Adam { betas: betas(), epsilon: epsilon() }
    }
}

impl Optimiser {
    /// PyTorch's learning rate for it.
    pub fn default_learning_rate(&self) -> f64 {
        if matches!(self, Self::RmsProp { .. }) { 0.01 } else { 0.001 }
    }

    /// PyTorch's weight decay for it.
    pub fn default_weight_decay(&self) -> f64 {
        if matches!(self, Self::AdamW { .. }) { 0.01 } else { 0.0 }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let rate = |option, value: f64| {
            if (0.0..1.0).contains(&value) {
                return Ok(());
            }
            Err(Error::recipe(option, "a number from 0 up to, but not, 1", value))
        };
        let positive = |option, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(Error::recipe(option, "a positive number", value))
        };
        match *self {
            Self::Adam { betas, epsilon } | Self::AdamW { betas, epsilon } => {
                betas.into_iter().try_for_each(|beta| rate("optimiser.betas", beta))?;
                positive("optimiser.epsilon", epsilon)
            }
            Self::RmsProp { alpha, epsilon, momentum, .. } => {
                rate("optimiser.alpha", alpha)?;
                rate("optimiser.momentum", momentum)?;
                positive("optimiser.epsilon", epsilon)
            }
            Self::Sgd { momentum, dampening, nesterov } => {
                rate("optimiser.momentum", momentum)?;
                if !(0.0..=1.0).contains(&dampening) {
                    return Err(Error::recipe("optimiser.dampening", "a number from 0 to 1", dampening));
                }
                if nesterov && (momentum == 0.0 || dampening != 0.0) {
                    let got = format!("momentum {momentum} and dampening {dampening}");
                    return Err(Error::recipe("optimiser.nesterov", "a momentum and no dampening", got));
                }
                Ok(())
            }
        }
    }
}

/// What the rule remembers of one parameter tensor.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    first: Vec<f32>,
    second: Vec<f32>,
    third: Vec<f32>,
}

/// An update rule with its rates, and the steps taken.
#[derive(Clone, Debug)]
pub(crate) struct Updater {
    rule: Optimiser,
    learning_rate: f64,
    weight_decay: f64,
    step: u64,
}

impl Updater {
    pub(crate) fn new(rule: Optimiser, learning_rate: f64, weight_decay: f64) -> Self {
        Self { rule, learning_rate, weight_decay, step: 0 }
    }

    /// Memory of a tensor of `len` parameters.
    pub(crate) fn memory(&self, len: usize) -> Memory {
        let [first, second, third] = match self.rule {
            Optimiser::Adam { .. } | Optimiser::AdamW { .. } => [true, true, false],
            Optimiser::RmsProp { momentum, centered, .. } => [true, momentum > 0.0, centered],
            Optimiser::Sgd { momentum, .. } => [momentum > 0.0, false, false],
        }
        .map(|used| vec![0.0; if used { len } else { 0 }]);
        Memory { first, second, third }
    }

    /// Begins the next step, which updates every tensor once.
    pub(crate) fn begin(&mut self) {
        self.step += 1;
    }

    /// Moves one tensor against its gradient.
    pub(crate) fn update(&self, memory: &mut Memory, parameters: &mut [f32], gradient: &[f32]) {
        let rate = self.learning_rate as f32;
        let decay = if matches!(self.rule, Optimiser::AdamW { .. }) { 0.0 } else { self.weight_decay as f32 };
        let pairs = parameters.iter_mut().zip(gradient).map(|(p, &g)| {
            let g = g + decay * *p;
            (p, g)
        });
        match self.rule {
            Optimiser::Adam { betas, epsilon } | Optimiser::AdamW { betas, epsilon } => {
                let kept = match self.rule {
                    Optimiser::AdamW { .. } => (1.0 - self.learning_rate * self.weight_decay) as f32,
                    _ => 1.0,
                };
                let power = i32::try_from(self.step).unwrap_or(i32::MAX);
                let [one, two] = betas.map(|beta| 1.0 - beta.powi(power));
                let (size, root) = ((self.learning_rate / one) as f32, two.sqrt() as f32);
                let [rest, rest2] = betas.map(|beta| (1.0 - beta) as f32);
                let (beta2, epsilon) = (betas[1] as f32, epsilon as f32);
                for (((p, g), m), v) in pairs.zip(&mut memory.first).zip(&mut memory.second) {
                    *m += rest * (g - *m);
                    *v = beta2 * *v + rest2 * g * g;
                    *p = *p * kept - size * *m / (v.sqrt() / root + epsilon);
                }
            }
            Optimiser::RmsProp { alpha, epsilon, momentum, centered } => {
                let (rest, alpha, epsilon) = ((1.0 - alpha) as f32, alpha as f32, epsilon as f32);
                let momentum = momentum as f32;
                for (i, (p, g)) in pairs.enumerate() {
                    let square = &mut memory.first[i];
                    *square = alpha * *square + rest * g * g;
                    let mut variance = *square;
                    if centered {
                        let mean = &mut memory.third[i];
                        *mean += rest * (g - *mean);
                        // Rounding can take a constant gradient's variance below zero.
                        variance = (variance - *mean * *mean).max(0.0);
                    }
                    let step = g / (variance.sqrt() + epsilon);
                    if let Some(velocity) = memory.second.get_mut(i) {
                        *velocity = momentum * *velocity + step;
                        *p -= rate * *velocity;
                    } else {
                        *p -= rate * step;
                    }
                }
            }
            Optimiser::Sgd { momentum, dampening, nesterov } => {
                // The first velocity is the first gradient itself.
                let entering = if self.step == 1 { 1.0 } else { (1.0 - dampening) as f32 };
                let momentum = momentum as f32;
                for (i, (p, g)) in pairs.enumerate() {
                    let step = match memory.first.get_mut(i) {
                        Some(velocity) => {
                            *velocity = momentum * *velocity + entering * g;
                            if nesterov { g + momentum * *velocity } else { *velocity }
                        }
                        None => g,
                    };
                    *p -= rate * step;
                }
            }
        }
    }
}
