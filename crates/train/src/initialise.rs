//! The weights a network begins with.

use crate::activation::{Activation, LEAKY_SLOPE};
use crate::purpose;
use crate::recipe::Network;
use crate::trained::Layer;
use pellucid_graph::random::Stream;
use serde::{Deserialize, Serialize};

/// The distribution of the first weights of a layer with n inputs and m outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// Uniform within ±√(6 / (n + m)) (Glorot and Bengio, 2010).
    #[default]
    XavierUniform,
    /// Normal of variance 2 / (n + m) (Glorot and Bengio, 2010).
    XavierNormal,
    /// Uniform of variance g² / n (He et al., 2015); g² = 2, or 2 / (1 + slope²) for `leaky_relu`.
    KaimingUniform,
    /// Normal of variance g² / n (He et al., 2015); g² as above.
    KaimingNormal,
    /// Uniform within ±1 / √n, as PyTorch's `nn.Linear` begins.
    Pytorch,
}

/// What the biases begin as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Biases {
    /// Zero.
    #[default]
    Zero,
    /// Uniform within ±1 / √n for n inputs, as PyTorch's `nn.Linear` begins.
    Pytorch,
}

/// Draws the layers of the given widths, inputs first.
pub(crate) fn draw(network: &Network, widths: &[usize], seed: u64) -> Vec<Layer> {
    let layer = |(number, pair): (usize, &[usize])| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let (n, m) = (inputs as f64, outputs as f64);
        let gain = match network.activation {
            Activation::LeakyRelu => 2.0 / (1.0 + f64::from(LEAKY_SLOPE).powi(2)),
            _ => 2.0,
        };
        let (variance, normal) = match network.initialisation {
            Initialisation::XavierUniform => (2.0 / (n + m), false),
            Initialisation::XavierNormal => (2.0 / (n + m), true),
            Initialisation::KaimingUniform => (gain / n, false),
            Initialisation::KaimingNormal => (gain / n, true),
            Initialisation::Pytorch => (1.0 / (3.0 * n), false),
        };
        let mut weights = Stream::new(seed, [purpose::WEIGHTS, number as u64, 0]);
        let weight = || {
            (if normal { variance.sqrt() * weights.normal() } else { uniform(&mut weights, variance) }) as f32
        };
        let weight = std::iter::repeat_with(weight).take(inputs * outputs).collect();
        let bias = match network.biases {
            Biases::Zero => vec![0.0; outputs],
            Biases::Pytorch => {
                let mut biases = Stream::new(seed, [purpose::BIASES, number as u64, 0]);
                let bias = || uniform(&mut biases, 1.0 / (3.0 * n)) as f32;
                std::iter::repeat_with(bias).take(outputs).collect()
            }
        };
        Layer { inputs, outputs, weight, bias }
    };
    widths.windows(2).enumerate().map(layer).collect()
}

/// A uniform draw of mean 0.
fn uniform(stream: &mut Stream, variance: f64) -> f64 {
    (3.0 * variance).sqrt() * (2.0 * stream.uniform() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(initialisation: Initialisation, activation: Activation, variance: f64, bound: Option<f64>) {
        let network = Network { initialisation, activation, biases: Biases::Pytorch, ..Network::default() };
        let layers = draw(&network, &[300, 200, 5], 9);
        let weights = &layers[0].weight;
        let n = weights.len() as f64;
        let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
        let square = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n;
        // The standard error of the mean is √(variance / n), of a normal's variance √(2 / n) of it.
        assert!(mean.abs() < 4.0 * (variance / n).sqrt(), "{initialisation:?}: mean {mean}");
        assert!(
            (square / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(),
            "{initialisation:?}: variance {square}"
        );
        let largest = weights.iter().fold(0.0f32, |a, w| a.max(w.abs()));
        match bound {
            Some(bound) => assert!(f64::from(largest) <= bound && f64::from(largest) > 0.999 * bound),
            None => assert!(f64::from(largest) > 3.5 * variance.sqrt()),
        }
        let bias = layers[0].bias.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!(f64::from(bias) <= 1.0 / 300f64.sqrt() && f64::from(bias) > 0.9 / 300f64.sqrt());
    }

    #[test]
    fn distributions_are_pytorchs() {
        use Initialisation::*;
        let relu = Activation::Relu;
        check(XavierUniform, relu, 2.0 / 500.0, Some((6.0f64 / 500.0).sqrt()));
        check(XavierNormal, relu, 2.0 / 500.0, None);
        check(KaimingUniform, relu, 2.0 / 300.0, Some((6.0f64 / 300.0).sqrt()));
        check(KaimingNormal, relu, 2.0 / 300.0, None);
        let leaky = 2.0 / 1.0001 / 300.0;
        check(KaimingUniform, Activation::LeakyRelu, leaky, Some((3.0f64 * leaky).sqrt()));
        check(Pytorch, relu, 1.0 / 900.0, Some(1.0 / 300f64.sqrt()));
    }

    #[test]
    fn biases_begin_at_zero_unless_told() {
        assert!(draw(&Network::default(), &[3, 4], 0)[0].bias.iter().all(|&b| b == 0.0));
    }

    #[test]
    fn a_layer_does_not_depend_on_the_others() {
        let last = |widths: &[usize]| draw(&Network::default(), widths, 1)[1].clone();
        assert_eq!(last(&[3, 4, 5]), last(&[7, 4, 5]));
    }
}
