//! Makes the steps of a plan ready to run: joins neighbours whose values nobody else reads, and prepares kernels.
//!
//! | pattern | becomes |
//! |---|---|
//! | `x > 0` where `max(x, 0)` is at hand, or a bound where `x` clipped is | the same of that, so that `x` itself need not be kept |
//! | `g` where `x > 0`, or is between two bounds, else 0 | one gate |
//! | a product by weights plus a bias | one product |
//! | max(·, 0), a clip or a gate on an operator that can do it on the way | that operator, with it |
//! | a product of transposed values | a product that reads them as they lie |
//! | a sum of values with zeros around, which nowhere meet | the values written side by side |
//! | elementwise and row-wise steps that only read each other | a chain, run block by block |
//!
//! All of them give the same bits as the single operators.

use std::collections::HashMap;
use std::sync::Arc;

use pellucid_graph::error::{OpError, OpResult};
use pellucid_graph::ops::MatMul;
use pellucid_graph::{Arg, Graph, Kernel, Node, Operator, Then, ValueId, View, ViewMut};

use crate::chain::{Chain, Group, Link};
use crate::error::{Error, Result};
use crate::gate::{Gate, bounds, make_gates, read_bounded};
use crate::moved::{Padded, Side, Sums, order};

/// A step of a plan.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    /// What it is called in errors and profiles.
    pub(crate) operator: &'static str,
    pub(crate) run: Run,
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) outputs: Vec<ValueId>,
}

/// How a step runs.
#[derive(Debug)]
pub(crate) enum Run {
    Operator(Arc<dyn Operator>),
    Kernel(Box<dyn Kernel>),
}

impl Run {
    pub(crate) fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match self {
            Self::Operator(op) => op.run(inputs, outputs),
            Self::Kernel(kernel) => kernel.run(inputs, outputs),
        }
    }
}

/// The steps that compute a graph's outputs, and the values that have the elements of another, in its order: they need no step.
pub(crate) fn steps(graph: &Graph) -> Result<(Vec<Step>, HashMap<ValueId, ValueId>)> {
    let needed = graph.needed(graph.outputs(), &[]);
    let nodes = graph.nodes().iter().zip(&needed).filter(|(_, n)| **n).map(|(n, _)| n);
    let mut steps: Vec<Option<Draft>> = nodes.map(|n| Some(Draft::new(n))).collect();
    read_bounded(graph, &mut steps);
    make_gates(graph, &mut steps);
    drop_unread(graph, &mut steps);
    add_on_the_way(graph, &mut steps);
    join(graph, &mut steps)?;
    put_side_by_side(graph, &mut steps);
    read_moved(graph, &mut steps);
    drop_unread(graph, &mut steps);
    make_chains(graph, &mut steps);
    let same = take_same(graph, &mut steps);
    let steps: Result<Vec<Step>> = steps.into_iter().flatten().map(|draft| draft.ready(graph)).collect();
    Ok((steps?, same))
}

/// A step that may still be joined to another.
#[derive(Debug)]
pub(crate) struct Draft {
    name: Arc<str>,
    pub(crate) what: What,
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) outputs: Vec<ValueId>,
}

#[derive(Debug)]
pub(crate) enum What {
    Operator(Arc<dyn Operator>),
    /// Input 0 where input 1 is as a gate has it, else 0.
    Gate(Gate),
    Joined(&'static str, Box<dyn Kernel>),
}

impl Draft {
    fn new(node: &Node) -> Self {
        Self {
            name: Arc::clone(&node.name),
            what: What::Operator(Arc::clone(&node.op)),
            inputs: node.inputs.clone(),
            outputs: node.outputs.clone(),
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(&self.what, What::Operator(op) if op.definition().name == name && op.definition().domain.is_empty())
    }

    pub(crate) fn input(&self, i: usize) -> Option<ValueId> {
        self.inputs.get(i).copied().flatten()
    }

    fn link(&self, graph: &Graph) -> Option<Link<'_>> {
        let Self { name, what, inputs, outputs } = self;
        match what {
            What::Operator(op) => Link::of_operator(graph, name, &**op, inputs, outputs),
            What::Gate(_) => Link::elementwise(graph, name, inputs, outputs),
            What::Joined(..) => None,
        }
    }

    fn ready(self, graph: &Graph) -> Result<Step> {
        let (operator, run) = match self.what {
            What::Operator(op) => {
                let name = op.definition().name;
                let kernel = op
                    .prepare(&arguments(graph, &self.inputs), None)
                    .map_err(|e| failed(&self.name, name, e))?;
                (name, kernel.map_or(Run::Operator(op), Run::Kernel))
            }
            What::Gate(gate) => ("Gate", Run::Kernel(Box::new(gate))),
            What::Joined(name, kernel) => (name, Run::Kernel(kernel)),
        };
        Ok(Step { name: self.name, operator, run, inputs: self.inputs, outputs: self.outputs })
    }
}

fn failed(node: &str, operator: &'static str, error: OpError) -> Error {
    Error::Run { node: node.to_owned(), operator, message: error.0 }
}

fn arguments<'a>(graph: &'a Graph, inputs: &[Option<ValueId>]) -> Vec<Option<Arg<'a>>> {
    let arg = |v: ValueId| Arg { fact: graph.fact(v), constant: graph.constant(v) };
    inputs.iter().map(|v| v.map(arg)).collect()
}

/// How often each value is read.
fn readers(graph: &Graph, steps: &[Option<Draft>]) -> HashMap<ValueId, usize> {
    let mut readers: HashMap<ValueId, usize> = HashMap::new();
    let inputs = steps.iter().flatten().flat_map(|s| s.inputs.iter().copied().flatten());
    inputs.chain(graph.outputs().iter().copied()).for_each(|v| *readers.entry(v).or_default() += 1);
    readers
}

fn drop_unread(graph: &Graph, steps: &mut [Option<Draft>]) {
    let mut readers = readers(graph, steps);
    for step in steps.iter_mut().rev() {
        if step.as_ref().is_some_and(|s| s.outputs.iter().all(|o| readers.get(o).is_none_or(|&n| n == 0)))
            && let Some(dead) = step.take()
        {
            dead.inputs.iter().flatten().for_each(|v| *readers.entry(*v).or_default() -= 1);
        }
    }
}

/// Lets products by weights add the bias that stands behind them.
fn add_on_the_way(graph: &Graph, steps: &mut [Option<Draft>]) {
    let makers = makers_of_single(graph, steps);
    for i in 0..steps.len() {
        let Some(sum) = steps[i].as_ref().filter(|s| s.is("Add")) else { continue };
        let (Some(x), Some(y), [output]) = (sum.input(0), sum.input(1), sum.outputs.as_slice()) else {
            continue;
        };
        let output = *output;
        let found = [(x, y), (y, x)].into_iter().find_map(|(product, bias)| {
            graph.constant(bias)?;
            let at = *makers.get(&product)?;
            let maker = steps[at].as_ref().filter(|m| m.is("MatMul") && m.inputs.len() == 2)?;
            let weights = maker.input(1).filter(|w| graph.constant(*w).is_some())?;
            let fits = MatMul::takes_bias(graph.fact(weights), graph.fact(bias));
            (fits && graph.fact(product) == graph.fact(output)).then_some((at, bias))
        });
        if let Some((at, bias)) = found
            && let Some(mut product) = steps[at].take()
        {
            product.inputs.push(Some(bias));
            product.outputs = vec![output];
            steps[i] = Some(product);
        }
    }
}

fn join(graph: &Graph, steps: &mut [Option<Draft>]) -> Result<()> {
    let readers = readers(graph, steps);
    let mut producers: HashMap<ValueId, usize> = HashMap::new();
    for i in 0..steps.len() {
        let Some(step) = &steps[i] else { continue };
        let then = match &step.what {
            What::Gate(Gate(then)) => Some(*then),
            _ if step.is("Relu") => Some(Then::Relu),
            _ if step.is("Clip") => bounds(graph, step).map(|(low, high)| Then::Clip(low, high)),
            _ => None,
        };
        let from =
            step.input(0).filter(|v| readers.get(v) == Some(&1)).and_then(|v| producers.get(&v).copied());
        if let (Some(then), Some(p)) = (then, from)
            && let Some(producer) = &steps[p]
            && let What::Operator(op) = &producer.what
            && graph.fact(producer.outputs[0]) == graph.fact(step.outputs[0])
        {
            let name = op.definition().name;
            let kernel = op
                .prepare(&arguments(graph, &producer.inputs), Some(then))
                .map_err(|e| failed(&producer.name, name, e))?;
            if let Some(kernel) = kernel {
                let mut joined = Draft {
                    name: Arc::clone(&producer.name),
                    what: What::Joined(name, kernel),
                    inputs: producer.inputs.clone(),
                    outputs: step.outputs.clone(),
                };
                if then.is_gate() {
                    joined.inputs.push(step.input(1));
                }
                steps[p] = None;
                steps[i] = Some(joined);
            }
        }
        if let Some(step) = &steps[i]
            && let [output] = step.outputs.as_slice()
        {
            producers.insert(*output, i);
        }
    }
    Ok(())
}

/// What makes each value that is read once.
fn makers_of_single(graph: &Graph, steps: &[Option<Draft>]) -> HashMap<ValueId, usize> {
    let readers = readers(graph, steps);
    let made = steps.iter().enumerate().filter_map(|(i, s)| Some((i, s.as_ref()?.outputs.as_slice())));
    let single = made.filter_map(|(i, outputs)| if let [o] = *outputs { Some((o, i)) } else { None });
    single.filter(|(o, _)| readers.get(o) == Some(&1)).collect()
}

fn read_moved(graph: &Graph, steps: &mut [Option<Draft>]) {
    let makers = makers_of_single(graph, steps);
    for i in 0..steps.len() {
        let Some(step) = &steps[i] else { continue };
        let (Some(a), Some(b)) = (step.input(0), step.input(1)) else { continue };
        if !step.is("MatMul") || !graph.fact(a).dtype.is_float() || graph.constant(b).is_some() {
            continue;
        }
        let moved = |v: ValueId| -> Option<(ValueId, Vec<usize>)> {
            let maker = steps[*makers.get(&v)?].as_ref().filter(|m| m.is("Transpose"))?;
            let What::Operator(op) = &maker.what else { return None };
            let from = maker.input(0)?;
            Some((from, order(&op.attributes(), graph.shape(from).len())?))
        };
        let as_it_is = |v: ValueId| (v, (0..graph.shape(v).len()).collect());
        let (left, right) = (moved(a), moved(b));
        if left.is_none() && right.is_none() {
            continue;
        }
        let (left, right) = (left.unwrap_or_else(|| as_it_is(a)), right.unwrap_or_else(|| as_it_is(b)));
        let shapes = [graph.shape(left.0), graph.shape(right.0)];
        if let Some(kernel) = MatMul::of_moved(shapes, [&left.1, &right.1])
            && let Some(step) = &mut steps[i]
        {
            step.what = What::Joined("MatMul", kernel);
            step.inputs = vec![Some(left.0), Some(right.0)];
        }
    }
}

fn put_side_by_side(graph: &Graph, steps: &mut [Option<Draft>]) {
    let makers = makers_of_single(graph, steps);
    let mut sums = Sums::new();
    for step in steps.iter_mut().flatten() {
        let [output] = *step.outputs.as_slice() else { continue };
        if !graph.fact(output).dtype.is_float() {
            continue;
        }
        if let What::Operator(op) = &step.what
            && step.is("Pad")
            && let Some(padded) = Padded::of(graph, &step.inputs, &op.attributes())
        {
            sums.insert(output, vec![padded]);
        } else if step.is("Add")
            && let (Some(x), Some(y)) = (step.input(0), step.input(1))
            && [x, y].iter().all(|v| makers.contains_key(v) && graph.shape(*v) == graph.shape(output))
            && let (Some(first), Some(rest)) = (sums.get(&x), sums.get(&y))
        {
            let values: Vec<Padded> = first.iter().chain(rest).cloned().collect();
            if let Some(side) = Side::new(graph.shape(output), &values) {
                step.what = What::Joined("Concat", Box::new(side));
                step.inputs = values.iter().map(|v| Some(v.value)).collect();
                sums.insert(output, values);
            }
        }
    }
    drop_unread(graph, steps);
}

/// Operators whose output has the elements of their first input, in its order.
const RESHAPING: [&str; 5] = ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// Takes out the steps that only give their input another shape. What they make is found under what they read.
fn take_same(graph: &Graph, steps: &mut [Option<Draft>]) -> HashMap<ValueId, ValueId> {
    let mut same: HashMap<ValueId, ValueId> = HashMap::new();
    for step in steps {
        if let Some(draft) = step
            && RESHAPING.iter().any(|name| draft.is(name))
            && let (Some(x), [y]) = (draft.input(0), draft.outputs.as_slice())
            && graph.constant(x).is_none()
        {
            same.insert(*y, same.get(&x).copied().unwrap_or(x));
            *step = None;
        }
    }
    same
}

fn make_chains(graph: &Graph, steps: &mut [Option<Draft>]) {
    let readers = readers(graph, steps);
    let made = steps
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.iter().flat_map(move |s| s.outputs.iter().map(move |&o| (o, i))));
    let producers: HashMap<ValueId, usize> = made.collect();
    let links = steps.iter().map(|s| s.as_ref().and_then(|s| s.link(graph)));
    let mut links: Vec<Option<Link<'_>>> = links.collect();
    // No group is worth its blocks then; looking for them is what takes longest to plan many small steps.
    if !links.iter().flatten().any(|l| l.is_large(graph)) {
        return;
    }
    let mut chains = Vec::new();
    for last in (0..steps.len()).rev() {
        let producer = |v| producers.get(&v).copied();
        let count = |v| readers.get(&v).copied().unwrap_or(0);
        let Some(group) = Group::around(graph, last, &links, producer, count) else { continue };
        let (chain, inputs) =
            Chain::new(graph, &group, &links, |m| match steps[m].as_ref().map(|s| &s.what) {
                Some(What::Operator(op)) => Run::Operator(Arc::clone(op)),
                Some(What::Gate(gate)) => Run::Kernel(Box::new(*gate)),
                _ => Run::Kernel(Box::new(Gate(Then::Gate))),
            });
        group.members.iter().for_each(|&m| links[m] = None);
        chains.push((group, chain, inputs));
    }
    for (group, chain, inputs) in chains {
        let Some((last, others)) = group.members.split_last() else { continue };
        others.iter().for_each(|&m| steps[m] = None);
        if let Some(step) = &mut steps[*last] {
            step.what = What::Joined("Chain", Box::new(chain));
            step.inputs = inputs;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::Plan;
    use pellucid_graph::{Builder, DType, Fact, Tensor, ops};

    /// A network with its input's derivative: Gemm and MatMul, a Relu whose input is read twice, one that is an output.
    fn network(dtype: DType) -> Graph {
        let mut b = Builder::new(5);
        let number = |seed: usize, shape: &[usize]| {
            let n = shape.iter().product();
            let values = (0..n).map(|i| ((i * 37 + seed * 11) % 23) as f64 / 11.0 - 1.0).collect();
            Tensor::new::<f64>(shape, values).unwrap().with_precision(dtype)
        };
        let x = b.input("x", Fact::new(dtype, &[5, 7]));
        let gate = b.input("gate", Fact::new(dtype, &[5, 3]));
        let (w1, c1) = (b.constant_value(number(1, &[8, 7])), b.constant_value(number(2, &[8])));
        let (w2, w3) = (b.constant_value(number(3, &[8, 9])), b.constant_value(number(4, &[9, 3])));
        let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
        let z1 = b.push(gemm, &[x, w1, c1]).unwrap();
        let h1 = b.relu(z1).unwrap();
        let c2 = b.constant_value(number(6, &[9]));
        let z2 = b.matmul(h1, w2).unwrap();
        let z2 = b.add(c2, z2).unwrap();
        let h2 = b.relu(z2).unwrap();
        let z3 = b.matmul(h2, w3).unwrap();
        let twice = b.add(z2, z2).unwrap();
        let on = b.positive(gate).unwrap();
        let y = b.masked(on, z3).unwrap();
        let on = b.positive(z2).unwrap();
        let back = b.masked(on, twice).unwrap();
        let constant = b.constant_value(number(5, &[9]));
        let flat = b.masked(on, constant).unwrap();
        b.finish(&[y, back, flat, h1])
    }

    /// Holds the plan of a graph to the bits that its nodes give one by one.
    pub(crate) fn check_bits(graph: &Graph) {
        let numbers = |fact: &Fact| {
            let values = (0..fact.len()).map(|i| (i as f64 * 0.7).sin()).collect();
            Tensor::new::<f64>(&fact.shape, values).unwrap().with_precision(fact.dtype)
        };
        let inputs: Vec<Tensor> = graph.inputs().iter().map(|&id| numbers(graph.fact(id))).collect();
        let given: Vec<_> = graph.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
        let want = pellucid_graph::evaluate::evaluate(graph, &given, graph.outputs()).unwrap();
        let plan = Plan::new(graph).unwrap();
        let mut space = plan.workspace();
        for (i, x) in inputs.iter().enumerate() {
            plan.input(&mut space, i).copy_from(x.data().as_slice());
        }
        plan.run(&mut space, None).unwrap();
        for (i, want) in want.iter().enumerate() {
            assert_eq!(plan.output(&space, i).to_buffer(), *want.data(), "output {i}");
        }
    }

    #[test]
    fn joined_steps_give_the_same_bits() {
        for dtype in [DType::F32, DType::F64] {
            let graph = network(dtype);
            let (found, _) = steps(&graph).unwrap();
            let names: Vec<&str> = found.iter().map(|s| s.operator).collect();
            assert_eq!(names, ["Gemm", "MatMul", "Relu", "Add", "MatMul", "Gate", "Gate"]);
            check_bits(&graph);
        }
    }
}
