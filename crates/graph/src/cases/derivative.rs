//! The derivative of a case, and its derivative, against finite differences.

use std::sync::Arc;

use super::{Case, direction, dot, evaluate, floats, moved};
use crate::build::Builder;
use crate::differentiate::{differentiate, no_rule};
use crate::graph::{Fact, Graph, ValueId};
use crate::operator::{Kind, Operator};
use crate::tensor::{DType, Tensor};

/// Whether the derivative agrees with finite differences of the outputs.
pub(super) fn check(case: &Case) {
    if let Some(g) = gradient_graph(case) {
        g.compare(&g.outputs, &g.seeds, &g.gradients, case.tolerance);
    }
}

/// Whether the derivative of the derivative, by the same call again, agrees with finite differences of the first.
pub(super) fn check_second(case: &Case) {
    let Some(mut g) = gradient_graph(case) else { return };
    let first: Vec<ValueId> =
        g.gradients.iter().flatten().copied().filter(|id| g.graph.constant(*id).is_none()).collect();
    let mut b = Builder::from(std::mem::take(&mut g.graph));
    let seeds = seeds(&b, &first, 200);
    let sources: Vec<ValueId> = g.inputs.iter().map(|(id, _)| *id).collect();
    let second = derive(&mut b, &first, &seeds, &sources, &g.label);
    g.graph = b.finish(&first);
    g.compare(&first, &seeds, &second, 10.0 * case.tolerance);
}

/// The gradients of the sum of an operator's first output with respect to each of `inputs`, behind which stand `constants`; for
/// tests of kinks and ties.
pub(crate) fn gradients(op: impl Operator, inputs: &[Tensor], constants: &[Tensor]) -> Vec<Tensor> {
    let mut b = Builder::new(1);
    let ids: Vec<ValueId> = inputs
        .iter()
        .enumerate()
        .map(|(i, t)| b.input(&format!("x{i}"), Fact::new(t.dtype(), t.shape())))
        .collect();
    let mut all = ids.clone();
    all.extend(constants.iter().map(|t| b.constant_value(t.clone())));
    let output = b.push(op, &all).unwrap();
    let seed = b.ones_like(output).unwrap();
    let found = differentiate(&mut b, &[(output, seed)], &ids, &mut no_rule).unwrap();
    let graph = b.finish(&[output]);
    let given: Vec<(ValueId, Tensor)> = ids.iter().copied().zip(inputs.iter().cloned()).collect();
    let gradient = |id: Option<ValueId>, t: &Tensor| match id {
        Some(id) => evaluate(&graph, &given, &[id]).remove(0),
        None => Tensor::zeros(t.dtype(), t.shape()).unwrap(),
    };
    found.into_iter().zip(inputs).map(|(id, t)| gradient(id, t)).collect()
}

/// The graph of a case with the gradients of ⟨seed, outputs⟩ with respect to the varied inputs.
struct GradientGraph {
    label: String,
    graph: Graph,
    /// The varied inputs, and where.
    inputs: Vec<(ValueId, Tensor)>,
    outputs: Vec<ValueId>,
    seeds: Vec<Vec<f64>>,
    gradients: Vec<Option<ValueId>>,
}

/// `None` where nothing is differentiable.
fn gradient_graph(case: &Case) -> Option<GradientGraph> {
    let label = case.label();
    let active = case.differentiable_inputs();
    let flags: Vec<bool> = (0..case.inputs.len()).map(|i| active.contains(&i)).collect();
    if active.is_empty() || case.op.kind(&flags) == Kind::Constant {
        return None;
    }
    let mut b = Builder::new(1);
    let ids = case.enter(&mut b, &case.inputs, &active);
    let outputs = b.node(Arc::clone(&case.op), &ids).unwrap_or_else(|e| panic!("{label}: {e}"));
    let outputs: Vec<ValueId> = outputs.into_iter().filter(|o| b.fact(*o).dtype == DType::F64).collect();
    if outputs.is_empty() {
        return None;
    }
    let seeds = seeds(&b, &outputs, 100);
    let sources: Vec<ValueId> = active.iter().map(|&i| ids[i].unwrap()).collect();
    let gradients = derive(&mut b, &outputs, &seeds, &sources, &label);
    let inputs = active.iter().map(|&i| (ids[i].unwrap(), case.inputs[i].clone().unwrap())).collect();
    Some(GradientGraph { label, graph: b.finish(&outputs), inputs, outputs, seeds, gradients })
}

fn seeds(graph: &Graph, values: &[ValueId], key: u64) -> Vec<Vec<f64>> {
    values.iter().enumerate().map(|(i, v)| direction(graph.fact(*v).len(), key + i as u64)).collect()
}

fn derive(
    b: &mut Builder,
    values: &[ValueId],
    seeds: &[Vec<f64>],
    sources: &[ValueId],
    label: &str,
) -> Vec<Option<ValueId>> {
    let mut seeded = Vec::new();
    for (value, seed) in values.iter().zip(seeds) {
        let shape = b.shape(*value).to_vec();
        seeded.push((*value, b.constant_value(Tensor::new(&shape, seed.clone()).unwrap())));
    }
    differentiate(b, &seeded, sources, &mut no_rule).unwrap_or_else(|e| panic!("{label}: {e}"))
}

impl GradientGraph {
    /// Compares `gradients` of ⟨seeds, values⟩ with differences of fourth order along a random direction of each input.
    fn compare(&self, values: &[ValueId], seeds: &[Vec<f64>], gradients: &[Option<ValueId>], tolerance: f64) {
        let total = |inputs: &[(ValueId, Tensor)]| {
            let results = evaluate(&self.graph, inputs, values);
            results.iter().zip(seeds).map(|(r, s)| dot(&floats(r), s)).sum::<f64>()
        };
        for (i, gradient) in gradients.iter().enumerate() {
            let x = &self.inputs[i].1;
            let along = direction(x.len(), i as u64);
            let step = 1e-5;
            let at = |by: f64| {
                let mut inputs = self.inputs.clone();
                inputs[i].1 = moved(x, &along, by);
                total(&inputs)
            };
            let want = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
            let got = gradient.map_or(0.0, |id| {
                let value = evaluate(&self.graph, &self.inputs, &[id]).remove(0);
                dot(&floats(&value), &along)
            });
            assert!(
                (got - want).abs() <= tolerance * (1.0 + want.abs().max(got.abs())),
                "{}: derivative in varied input {i}: {got}, finite differences give {want}",
                self.label
            );
        }
    }
}
