//! The network on Burn: parameters, the recorded forward pass and its gradients.
//!
//! Only this file names Burn. Its tensors live on burn-flex without threads, its tape is burn-autodiff's.
//! Activation and dropout are one operation of ours on that tape, so that their formulas are PyTorch's and a
//! small batch does not pay for many small operations.

use crate::activation::Activation;
use crate::trained::Layer;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::ops::{FloatTensorOps, ModuleOps};
use burn_backend::{AutodiffBackend, BackendTypes, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

type Tracked = <Tape as BackendTypes>::FloatTensorPrimitive;
type Tape = Autodiff<Flex>;

/// The weights [inputs, outputs] and biases of all layers, in turn.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    tensors: Vec<FlexTensor>,
    activation: Activation,
}

/// A forward pass that can be differentiated.
pub(crate) struct Pass {
    parameters: Vec<Tracked>,
    outputs: Tracked,
    values: FlexTensor,
}

fn tensor<const RANK: usize>(values: Vec<f32>, shape: [usize; RANK]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The numbers of a contiguous f32 tensor.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("every tensor here is made contiguous and of f32")
}

fn transposed(from: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| from[i % rows * columns + i / rows]).collect()
}

impl Parameters {
    pub(crate) fn new(layers: &[Layer], activation: Activation) -> Self {
        let both = |layer: &Layer| {
            let weight = transposed(&layer.weight, layer.outputs, layer.inputs);
            [tensor(weight, [layer.inputs, layer.outputs]), tensor(layer.bias.clone(), [layer.outputs])]
        };
        Self { tensors: layers.iter().flat_map(both).collect(), activation }
    }

    pub(crate) fn layers(&self) -> Vec<Layer> {
        let layer = |pair: &[FlexTensor]| {
            let shape = pair[0].shape();
            let (inputs, outputs) = (shape[0], shape[1]);
            let weight = transposed(numbers(&pair[0]), inputs, outputs);
            Layer { inputs, outputs, weight, bias: numbers(&pair[1]).to_vec() }
        };
        self.tensors.chunks_exact(2).map(layer).collect()
    }

    /// How many numbers each tensor holds.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.tensors.iter().map(|tensor| tensor.shape().num_elements())
    }

    pub(crate) fn are_finite(&self) -> bool {
        self.tensors.iter().all(|tensor| numbers(tensor).iter().all(|x| x.is_finite()))
    }

    /// Runs a batch and records it. `mask` gives the factors of a hidden layer's values, by layer and count.
    pub(crate) fn record(
        &self,
        features: Vec<f32>,
        rows: usize,
        mut mask: impl FnMut(usize, usize) -> Option<Vec<f32>>,
    ) -> Pass {
        let track = |tensor: &FlexTensor| Tape::from_inner(tensor.clone()).require_grad();
        let parameters: Vec<Tracked> = self.tensors.iter().map(track).collect();
        let columns = features.len() / rows;
        let mut values = Tape::from_inner(tensor(features, [rows, columns]));
        let last = parameters.len() / 2 - 1;
        for (layer, pair) in parameters.chunks_exact(2).enumerate() {
            values = Tape::linear(values, pair[0].clone(), Some(pair[1].clone()));
            if layer < last {
                let count = values.shape().num_elements();
                values = activate(values, self.activation, mask(layer, count));
            }
        }
        Pass { parameters, values: values.primitive().to_contiguous(), outputs: values }
    }

    /// The outputs of rows, [rows, outputs], without a tape or dropout, appended to `to`.
    pub(crate) fn outputs(&self, features: &[f32], rows: usize, to: &mut Vec<f32>) {
        const CHUNK: usize = 1024;
        let columns = features.len() / rows.max(1);
        for chunk in features.chunks(CHUNK * columns.max(1)) {
            let mut values = tensor(chunk.to_vec(), [chunk.len() / columns, columns]);
            let last = self.tensors.len() / 2 - 1;
            for (layer, pair) in self.tensors.chunks_exact(2).enumerate() {
                values = Flex::linear(values, pair[0].clone(), Some(pair[1].clone())).to_contiguous();
                if layer < last {
                    values.storage_mut::<f32>().iter_mut().for_each(|x| *x = self.activation.value(*x));
                }
            }
            to.extend_from_slice(numbers(&values));
        }
    }

    /// Calls `update` with the place, the numbers and the gradient of every tensor.
    pub(crate) fn update(
        &mut self,
        gradients: &[FlexTensor],
        mut update: impl FnMut(usize, &mut [f32], &[f32]),
    ) {
        for (place, (tensor, gradient)) in self.tensors.iter_mut().zip(gradients).enumerate() {
            update(place, tensor.storage_mut(), numbers(gradient));
        }
    }
}

impl Pass {
    /// The outputs, [rows, outputs] row-major.
    pub(crate) fn outputs(&self) -> &[f32] {
        numbers(&self.values)
    }

    /// The gradients of every parameter tensor, given the loss's gradient by the outputs.
    pub(crate) fn gradients(self, slopes: &[f32]) -> Vec<FlexTensor> {
        let shape = self.values.shape();
        let slopes = Tape::from_inner(tensor(slopes.to_vec(), [shape[0], shape[1]]));
        // The sum of outputs × slopes has those slopes as its gradient by the outputs.
        let mut gradients = Tape::float_sum(Tape::float_mul(self.outputs, slopes)).backward();
        let gradient = |parameter: &Tracked| {
            let gradient = parameter.grad_remove(&mut gradients);
            gradient.expect("every parameter leads to the outputs").to_contiguous()
        };
        self.parameters.iter().map(gradient).collect()
    }
}

/// What the derivative of an activation and its dropout needs.
#[derive(Clone, Debug)]
struct Activated {
    activation: Activation,
    input: FlexTensor,
    mask: Option<Vec<f32>>,
}

/// The tape's entry for an activation with dropout.
#[derive(Debug)]
struct ActivationStep;

impl Backward<Flex, 1> for ActivationStep {
    type State = Activated;

    fn backward(self, ops: Ops<Activated, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let Activated { activation, input, mask } = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let mut gradient = gradient.to_contiguous();
            let slopes = gradient.storage_mut::<f32>();
            for (g, &x) in slopes.iter_mut().zip(numbers(&input)) {
                *g *= activation.derivative(x);
            }
            scale(slopes, mask.as_deref());
            gradient
        });
    }
}

fn activate(input: Tracked, activation: Activation, mask: Option<Vec<f32>>) -> Tracked {
    let (input, guard) = input.into_parts();
    let shape = input.shape();
    let input = input.to_contiguous();
    let mut values: Vec<f32> = numbers(&input).iter().map(|&x| activation.value(x)).collect();
    scale(&mut values, mask.as_deref());
    let output = tensor(values, [shape[0], shape[1]]);
    match ActivationStep.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(Activated { activation, input, mask }, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

fn scale(values: &mut [f32], factors: Option<&[f32]>) {
    if let Some(factors) = factors {
        values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initialise::draw;
    use crate::recipe::Network;

    fn layers() -> Vec<Layer> {
        draw(&Network { biases: crate::Biases::Pytorch, ..Network::default() }, &[3, 5, 4, 2], 1)
    }

    fn features() -> Vec<f32> {
        (0..12).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    fn factors(layer: usize, count: usize) -> Option<Vec<f32>> {
        Some((0..count).map(|i| if (i + layer).is_multiple_of(3) { 0.0 } else { 1.5 }).collect())
    }

    #[test]
    fn gradients_with_dropout_are_slopes() {
        let slopes = [0.3, -1.0, 0.5, 2.0, -0.2, 0.1, 1.0, -0.7];
        let value = |layers: &[Layer]| {
            let pass = Parameters::new(layers, Activation::Tanh).record(features(), 4, factors);
            pass.outputs().iter().zip(slopes).map(|(&a, b)| f64::from(a) * f64::from(b)).sum::<f64>()
        };
        let first = layers();
        let parameters = Parameters::new(&first, Activation::Tanh);
        let gradients = parameters.record(features(), 4, factors).gradients(&slopes);
        for (l, layer) in first.iter().enumerate() {
            for i in 0..layer.weight.len() + layer.bias.len() {
                let moved = |step: f32| {
                    let mut layers = first.clone();
                    let Layer { weight, bias, .. } = &mut layers[l];
                    *weight.iter_mut().chain(bias).nth(i).unwrap() += step;
                    value(&layers)
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                let gradient = match i.checked_sub(layer.weight.len()) {
                    // The gradient lies as [inputs, outputs].
                    None => {
                        let (output, input) = (i / layer.inputs, i % layer.inputs);
                        numbers(&gradients[2 * l])[input * layer.outputs + output]
                    }
                    Some(i) => numbers(&gradients[2 * l + 1])[i],
                };
                assert!(
                    (slope - f64::from(gradient)).abs() < 1e-3,
                    "layer {l}, {i}: {gradient}, slope {slope}"
                );
            }
        }
    }

    #[test]
    fn dropped_values_do_not_reach_the_outputs() {
        let layers = layers();
        let parameters = Parameters::new(&layers, Activation::Relu);
        let pass = parameters.record(features(), 4, |_, count| Some(vec![0.0; count]));
        assert_eq!(pass.outputs(), layers[2].bias.repeat(4));
        let mut plain = Vec::new();
        parameters.outputs(&features(), 4, &mut plain);
        assert_eq!(parameters.record(features(), 4, |_, _| None).outputs(), plain);
        assert_ne!(pass.outputs(), plain);
    }
}
