//! The activation functions that recurrent operators name, with their numbers.

use super::{Elu, HardSigmoid, LeakyRelu, Softplus, Softsign, ThresholdedRelu};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::refuse;

/// A function of one number, by ONNX's name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    /// alpha · x + beta.
    Affine {
        alpha: f32,
        beta: f32,
    },
    LeakyRelu {
        alpha: f32,
    },
    ThresholdedRelu {
        alpha: f32,
    },
    /// alpha · tanh(beta · x).
    ScaledTanh {
        alpha: f32,
        beta: f32,
    },
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    Elu {
        alpha: f32,
    },
    Softsign,
    Softplus,
}

impl Activation {
    /// Reads a list of names. Each function that has a number takes the next of `alphas` and `betas`; where none is left, its default.
    pub(crate) fn read(names: &[String], alphas: &[f32], betas: &[f32]) -> OpResult<Vec<Self>> {
        let (mut alphas, mut betas) = (alphas.iter().copied(), betas.iter().copied());
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let mut alpha = |default: f32| alphas.next().unwrap_or(default);
            let mut beta = |default: f32| betas.next().unwrap_or(default);
            found.push(match name.to_ascii_lowercase().as_str() {
                "relu" => Self::Relu,
                "tanh" => Self::Tanh,
                "sigmoid" => Self::Sigmoid,
                "affine" => Self::Affine { alpha: alpha(1.0), beta: beta(0.0) },
                "leakyrelu" => Self::LeakyRelu { alpha: alpha(0.01) },
                "thresholdedrelu" => Self::ThresholdedRelu { alpha: alpha(1.0) },
                "scaledtanh" => Self::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
                "hardsigmoid" => Self::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
                "elu" => Self::Elu { alpha: alpha(1.0) },
                "softsign" => Self::Softsign,
                "softplus" => Self::Softplus,
                _ => refuse!("activation {name:?} is not one of those that ONNX names"),
            });
        }
        Ok(found)
    }

    /// ONNX's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::Tanh => "Tanh",
            Self::Sigmoid => "Sigmoid",
            Self::Affine { .. } => "Affine",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::ThresholdedRelu { .. } => "ThresholdedRelu",
            Self::ScaledTanh { .. } => "ScaledTanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::Elu { .. } => "Elu",
            Self::Softsign => "Softsign",
            Self::Softplus => "Softplus",
        }
    }

    /// Its numbers, where it has them.
    pub(crate) fn numbers(self) -> (Option<f32>, Option<f32>) {
        match self {
            Self::Relu | Self::Tanh | Self::Sigmoid | Self::Softsign | Self::Softplus => (None, None),
            Self::LeakyRelu { alpha } | Self::ThresholdedRelu { alpha } | Self::Elu { alpha } => {
                (Some(alpha), None)
            }
            Self::Affine { alpha, beta }
            | Self::ScaledTanh { alpha, beta }
            | Self::HardSigmoid { alpha, beta } => (Some(alpha), Some(beta)),
        }
    }

    /// Emits it.
    pub(crate) fn apply(self, b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
        match self {
            Self::Relu => b.relu(x),
            Self::Tanh => b.tanh(x),
            Self::Sigmoid => b.sigmoid(x),
            Self::Affine { alpha, beta } => {
                let scaled = b.scale(x, f64::from(alpha))?;
                b.shift(scaled, f64::from(beta))
            }
            Self::LeakyRelu { alpha } => b.push(LeakyRelu { alpha }, &[x]),
            Self::ThresholdedRelu { alpha } => b.push(ThresholdedRelu { alpha }, &[x]),
            Self::ScaledTanh { alpha, beta } => {
                let inner = b.scale(x, f64::from(beta))?;
                let bent = b.tanh(inner)?;
                b.scale(bent, f64::from(alpha))
            }
            Self::HardSigmoid { alpha, beta } => b.push(HardSigmoid { alpha, beta }, &[x]),
            Self::Elu { alpha } => b.push(Elu { alpha }, &[x]),
            Self::Softsign => b.push(Softsign, &[x]),
            Self::Softplus => b.push(Softplus, &[x]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Activation;
    use crate::build::Builder;
    use crate::cases::f64s;

    #[test]
    fn each_function_takes_the_next_number_that_it_needs() {
        let names = ["Tanh", "LeakyRelu", "hardsigmoid", "Affine"].map(str::to_owned);
        let found = Activation::read(&names, &[0.3, 0.5], &[0.25]).unwrap();
        let expected = [
            Activation::Tanh,
            Activation::LeakyRelu { alpha: 0.3 },
            Activation::HardSigmoid { alpha: 0.5, beta: 0.25 },
            Activation::Affine { alpha: 1.0, beta: 0.0 },
        ];
        assert_eq!(found, expected);
        assert!(Activation::read(&["Swish".to_owned()], &[], &[]).unwrap_err().0.contains("Swish"));
    }

    #[test]
    fn values_are_those_of_the_definitions() {
        let at = |f: Activation, x: f64| {
            let mut b = Builder::new(1);
            let x = b.constant_value(f64s(&[1], &[x]));
            let y = f.apply(&mut b, x).unwrap();
            b.constant(y).unwrap().to_f64().unwrap()[0]
        };
        assert_eq!(at(Activation::Affine { alpha: 2.0, beta: 0.5 }, -1.5), -2.5);
        assert_eq!(at(Activation::ScaledTanh { alpha: 2.0, beta: 0.5 }, 3.0), 2.0 * 1.5f64.tanh());
        assert_eq!(at(Activation::ThresholdedRelu { alpha: 1.0 }, 0.5), 0.0);
        assert_eq!(at(Activation::Elu { alpha: 2.0 }, -1.0), 2.0 * (-1.0f64).exp_m1());
        assert_eq!(at(Activation::Softsign, -1.0), -0.5);
    }
}
