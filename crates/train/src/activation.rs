//! Activation functions and their derivatives, as PyTorch defines them.

use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The slope of `leaky_relu` below zero.
pub(crate) const LEAKY_SLOPE: f32 = 0.01;

/// The function behind each hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x above zero, eˣ − 1 below.
    Elu,
    /// x above zero, 0.01 x below.
    LeakyRelu,
    /// x Φ(x), by the error function, not its approximation by tanh.
    Gelu,
    /// x / (1 + e⁻ˣ), also called swish.
    Silu,
    /// ln(1 + eˣ); x itself above 20.
    Softplus,
    /// x: the layers stay linear.
    Identity,
}

/// 1 / (1 + e⁻ˣ) without overflow.
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + eˣ) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Activation {
    /// The function's value.
    pub(crate) fn value(self, x: f32) -> f32 {
        let wide = f64::from(x);
        match self {
            // A comparison, not `max`, so that NaN stays NaN.
            Self::Relu if x <= 0.0 => 0.0,
            Self::Relu | Self::Identity => x,
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(wide) as f32,
            Self::Elu if x <= 0.0 => x.exp_m1(),
            Self::Elu => x,
            Self::LeakyRelu if x <= 0.0 => LEAKY_SLOPE * x,
            Self::LeakyRelu => x,
            Self::Gelu => (0.5 * wide * (1.0 + libm::erf(wide * FRAC_1_SQRT_2))) as f32,
            Self::Silu => (wide * sigmoid(wide)) as f32,
            Self::Softplus if x > 20.0 => x,
            Self::Softplus => softplus(wide) as f32,
        }
    }

    /// The function's derivative at `x`; at a kink, PyTorch's: the one from below.
    pub(crate) fn derivative(self, x: f32) -> f32 {
        let wide = f64::from(x);
        let value = match self {
            Self::Identity => 1.0,
            Self::Relu => f64::from(u8::from(x > 0.0)),
            Self::Tanh => 1.0 - wide.tanh().powi(2),
            Self::Sigmoid => sigmoid(wide) * sigmoid(-wide),
            Self::Elu => wide.min(0.0).exp(),
            Self::LeakyRelu if x > 0.0 => 1.0,
            Self::LeakyRelu => f64::from(LEAKY_SLOPE),
            Self::Gelu => {
                let density = (-0.5 * wide * wide).exp() / (2.0 * PI).sqrt();
                0.5 * (1.0 + libm::erf(wide * FRAC_1_SQRT_2)) + wide * density
            }
            Self::Silu => {
                let s = sigmoid(wide);
                s * (1.0 + wide * (1.0 - s))
            }
            Self::Softplus if x > 20.0 => 1.0,
            Self::Softplus => sigmoid(wide),
        };
        value as f32
    }
}

#[cfg(test)]
mod tests {
    use super::Activation::{self, *};

    const ALL: [Activation; 9] = [Relu, Tanh, Sigmoid, Elu, LeakyRelu, Gelu, Silu, Softplus, Identity];

    #[test]
    fn derivatives_are_the_slopes_of_the_values() {
        for activation in ALL {
            for x in [-6.0f32, -1.5, -0.3, 0.2, 1.0, 4.0] {
                let h = 1e-2;
                let slope = (activation.value(x + h) - activation.value(x - h)) / (2.0 * h);
                let derivative = activation.derivative(x);
                assert!(
                    (slope - derivative).abs() < 1e-3,
                    "{activation:?} at {x}: {derivative}, slope {slope}"
                );
            }
        }
    }

    #[test]
    fn extremes_are_finite_and_nan_stays() {
        for activation in ALL {
            for x in [-1e4f32, -100.0, 0.0, 100.0, 1e4] {
                assert!(
                    activation.value(x).is_finite() && activation.derivative(x).is_finite(),
                    "{activation:?} {x}"
                );
            }
            assert!(activation.value(f32::NAN).is_nan(), "{activation:?}");
        }
    }

    #[test]
    fn kinks_are_pytorchs() {
        assert_eq!([Relu, LeakyRelu, Elu].map(|a| a.derivative(0.0)), [0.0, 0.01, 1.0]);
    }
}
