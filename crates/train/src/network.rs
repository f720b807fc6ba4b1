//! A trained network as a graph, ready to be saved as ONNX.

use crate::activation::{Activation, LEAKY_SLOPE};
use crate::error::{ErrorKind, Result};
use crate::trained::{Head, Trained};
use pellucid_graph::ops;
use pellucid_graph::{DType, Dim, Network, Tensor};

impl Trained {
    /// The network as a graph. Its input is `input` [batch, features].
    ///
    /// Layer k is a `Gemm` named `layerk` with the constants `layerk.weight` [outputs, inputs] and
    /// `layerk.bias`; behind it stands its activation, `reluk` for instance. A classifier has the outputs `logit`
    /// and `probability` [batch, outputs]; other networks have `prediction`, in the target's units.
    pub fn to_network(&self) -> Result<Network> {
        let mut network = Network::new();
        self.build(&mut network).map_err(ErrorKind::Graph)?;
        Ok(network)
    }

    fn build(&self, network: &mut Network) -> pellucid_graph::Result<()> {
        let shape = |columns| [Dim::Symbol("batch".into()), Dim::Fixed(columns)];
        let mut value = network.add_input("input", DType::F32, &shape(self.inputs()))?;
        let last = self.layers().len();
        for (k, layer) in self.layers().iter().enumerate() {
            let name = format!("layer{}", k + 1);
            let weight = tensor(&[layer.outputs(), layer.inputs()], layer.weight());
            let weight = network.add_constant(&format!("{name}.weight"), weight)?;
            let bias = tensor(&[layer.outputs()], layer.bias());
            let bias = network.add_constant(&format!("{name}.bias"), bias)?;
            let output = match &self.head {
                _ if k + 1 < last => name.as_str(),
                Head::Logit | Head::Logits => "logit",
                Head::Prediction(None) => "prediction",
                Head::Prediction(Some(_)) => name.as_str(),
            };
            let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
            value = network.add_node(&name, gemm, &[value, weight, bias], output)?;
            if k + 1 < last {
                value = activate(network, self.activation, value, k + 1)?;
            }
        }
        let shape = shape(self.outputs());
        match &self.head {
            Head::Logit | Head::Logits => {
                network.add_output(value, DType::F32, &shape);
                value = match self.head {
                    Head::Logit => network.add_node("probability", ops::Sigmoid, &[value], "probability")?,
                    _ => network.add_node(
                        "probability",
                        ops::Softmax { axis: -1, flatten: false },
                        &[value],
                        "probability",
                    )?,
                };
            }
            Head::Prediction(Some(target)) => {
                let columns = [self.outputs()];
                let deviation =
                    network.add_constant("target.deviation", tensor(&columns, &target.deviation))?;
                let mean = network.add_constant("target.mean", tensor(&columns, &target.mean))?;
                value = network.add_node("scaled", ops::Mul, &[value, deviation], "scaled")?;
                value = network.add_node("prediction", ops::Add, &[value, mean], "prediction")?;
            }
            Head::Prediction(None) => {}
        }
        network.add_output(value, DType::F32, &shape);
        Ok(())
    }
}

/// Adds the activation behind a layer.
fn activate(
    network: &mut Network,
    activation: Activation,
    value: usize,
    layer: usize,
) -> pellucid_graph::Result<usize> {
    let word = match activation {
        Activation::Relu => "relu",
        Activation::Tanh => "tanh",
        Activation::Sigmoid => "sigmoid",
        Activation::Elu => "elu",
        Activation::LeakyRelu => "leaky_relu",
        Activation::Gelu => "gelu",
        Activation::Silu => "silu",
        Activation::Softplus => "softplus",
        Activation::Identity => return Ok(value),
    };
    let name = format!("{word}{layer}");
    let inputs = &[value];
    match activation {
        Activation::Relu => network.add_node(&name, ops::Relu, inputs, &name),
        Activation::Tanh => network.add_node(&name, ops::Tanh, inputs, &name),
        Activation::Sigmoid => network.add_node(&name, ops::Sigmoid, inputs, &name),
        Activation::Elu => network.add_node(&name, ops::Elu { alpha: 1.0 }, inputs, &name),
        Activation::LeakyRelu => {
            network.add_node(&name, ops::LeakyRelu { alpha: LEAKY_SLOPE }, inputs, &name)
        }
        Activation::Gelu => network.add_node(&name, ops::Gelu { tanh: false }, inputs, &name),
        Activation::Silu => {
            let gate = format!("{name}.gate");
            let gate = network.add_node(&gate, ops::Sigmoid, inputs, &gate)?;
            network.add_node(&name, ops::Mul, &[value, gate], &name)
        }
        Activation::Softplus => network.add_node(&name, ops::Softplus, inputs, &name),
        Activation::Identity => Ok(value),
    }
}

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape, values.to_vec()).expect("a layer's shape is that of its numbers")
}
