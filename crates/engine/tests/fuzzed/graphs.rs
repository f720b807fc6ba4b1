//! What must hold of every graph: it runs or is refused, planned as plain, row by row as whole, and so do its derivatives.

use std::collections::HashMap;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use pellucid_engine::{Control, Feed, Plan, Stage, Sweep, Yield};
use pellucid_graph::build::filled;
use pellucid_graph::differentiate::{differentiate, no_rule};
use pellucid_graph::evaluate::evaluate;
use pellucid_graph::lower::lower;
use pellucid_graph::{Arg, Buffer, Builder, Fact, Graph, Rows, Slice, Tensor, ValueId, each_type};

use super::generate::{Made, generate};

static POOL: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap_or_else(|e| panic!("{e}"))
});

/// The most bytes of all values together, and the most steps, of a graph that is run here.
const MOST: (usize, u64) = (1 << 25, 1 << 25);

/// Builds a graph from bytes and holds it to all that must be true of it.
pub(crate) fn graph(data: &[u8]) {
    let Ok(Made { mut builder, inputs, values }) = generate(&mut Unstructured::new(data)) else { return };
    let outputs: Vec<ValueId> = values.iter().rev().take(3).copied().collect();
    let graph = builder.clone().finish(&outputs);
    if !is_small(&graph) {
        return;
    }
    if let Some(plain) = planned_is_plain(&graph, &inputs) {
        rows_stay_apart(&graph, &inputs, &plain);
    }
    let sources: Vec<ValueId> =
        inputs.iter().map(|x| x.0).filter(|&v| builder.fact(v).dtype.is_float()).collect();
    if let Some(gradients) = derivative(&mut builder, &outputs, &sources) {
        let graph = builder.clone().finish(&gradients);
        if is_small(&graph) {
            planned_is_plain(&graph, &inputs);
            // Once more: second derivatives are the same call.
            if derivative(&mut builder, &gradients, &sources).is_some() {
                let graph = builder.finish(&gradients);
                assert!(graph.nodes().len() >= gradients.len() || graph.outputs().len() == gradients.len());
            }
        }
    }
}

/// Whether running takes little memory and time.
pub(crate) fn is_small(graph: &Graph) -> bool {
    let bytes = graph
        .values()
        .fold(0usize, |n, (_, v)| n.saturating_add(v.fact.len().saturating_mul(v.fact.dtype.size())));
    let work = |n: &pellucid_graph::Node| {
        let args: Vec<Option<Arg<'_>>> = n
            .inputs
            .iter()
            .map(|v| v.map(|v| Arg { fact: graph.fact(v), constant: graph.constant(v) }))
            .collect();
        let facts: Vec<Fact> = n.outputs.iter().map(|&o| graph.fact(o).clone()).collect();
        n.op.work(&args, &facts)
    };
    bytes <= MOST.0 && graph.nodes().iter().map(work).fold(0, u64::saturating_add) <= MOST.1
}

/// Runs a graph one operator at a time and as a plan; gives the outputs where neither is refused. Composites are their bodies in both: a body may leave out
/// an input, and with it what would be refused on the way there.
pub(crate) fn planned_is_plain(graph: &Graph, inputs: &[(ValueId, Tensor)]) -> Option<Vec<Tensor>> {
    let (opened, map) = lower(graph, &|node| !node.op.runs()).ok()?;
    let given: Vec<(ValueId, Tensor)> = inputs.iter().map(|(id, x)| (map[id], x.clone())).collect();
    let plain = evaluate(&opened, &given, opened.outputs());
    let plan = Plan::new(graph).ok()?;
    if plan.bytes() > MOST.0 {
        return None;
    }
    let mut space = plan.workspace();
    for (i, (_, tensor)) in inputs.iter().enumerate() {
        assert!(
            plan.input(&mut space, i).copy_from(tensor.data().as_slice()),
            "input {i} does not fit its plan"
        );
    }
    match (plan.run(&mut space, None), plain) {
        (Ok(()), Ok(plain)) => {
            for (i, want) in plain.iter().enumerate() {
                same(plan.output(&space, i), want.data().as_slice(), || {
                    format!("output {i} as planned and as plain, of {}", describe(graph))
                });
            }
            Some(plain)
        }
        (Err(_), Err(_)) => None,
        (Ok(()), Err(e)) => panic!("the plan runs, the evaluator refuses: {e}; {}", describe(graph)),
        (Err(e), Ok(_)) => panic!("the evaluator runs, the plan refuses: {e}; {}", describe(graph)),
    }
}

/// Where the analysis says that rows stay apart, a row gives the same bits whatever its neighbours.
fn rows_stay_apart(graph: &Graph, inputs: &[(ValueId, Tensor)], plain: &[Tensor]) {
    let given: HashMap<ValueId, Rows> = inputs.iter().map(|x| (x.0, Rows::BATCH)).collect();
    let Ok(rows) = graph.rows_of_values(&given) else { return };
    let n = graph.rows();
    let feeds: Vec<Feed> = (0..inputs.len()).map(Feed::Row).collect();
    let places = vec![Some(Rows::BATCH); inputs.len()];
    let Ok(stage) = Stage::new(graph, &feeds, &places, &[]) else { return };
    let results = (0..plain.len()).map(Yield::Before).collect();
    let sweep = Sweep { before: stage, point: None, after: None, results };
    // As they are, in reverse, and the first alone.
    let order: Vec<usize> = (0..n).chain((0..n).rev()).chain([0]).collect();
    let tensors: Vec<Tensor> = inputs.iter().map(|(_, t)| picked(t, &order, n)).collect();
    let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let control = Control { pool: &POOL, cancel: None, progress: None, profile: None };
    let found = match sweep.run(&views, order.len(), None, &control) {
        Ok(found) => found,
        Err(e) => panic!("the plan runs, the sweep does not: {e}; {}", describe(graph)),
    };
    for (i, (found, plain)) in found.iter().zip(plain).enumerate() {
        let (outer, each) = match rows[graph.outputs()[i].index()] {
            Some(r) => r.flat(plain.shape(), n),
            None => (1, plain.len()),
        };
        let shared = rows[graph.outputs()[i].index()].is_none();
        let record = outer * each;
        for (place, &row) in order.iter().enumerate() {
            for o in 0..outer {
                let from = if shared { 0 } else { (o * n + row) * each };
                let at = place * record + o * each;
                let (got, want) = (found.data().as_slice(), plain.data().as_slice());
                same(got.range(at..at + each), want.range(from..from + each), || {
                    format!("output {i}, row {row} at place {place} of a sweep, of {}", describe(graph))
                });
            }
        }
    }
}

/// Rows of a tensor in another order.
fn picked(tensor: &Tensor, order: &[usize], rows: usize) -> Tensor {
    let each = tensor.len() / rows;
    let data = each_type!(tensor.data(), Buffer, v => {
        element_buffer(order.iter().flat_map(|r| v[r * each..(r + 1) * each].to_vec()).collect())
    });
    let shape = [&[order.len()][..], &tensor.shape()[1..]].concat();
    Tensor::from_buffer(&shape, data).unwrap_or_else(|| panic!("rows of {shape:?}"))
}

fn element_buffer<T: pellucid_graph::Element>(data: Vec<T>) -> Buffer {
    T::buffer(data)
}

/// The derivative of the sum of the float outputs; `None` where there is none, or it is refused.
fn derivative(b: &mut Builder, outputs: &[ValueId], sources: &[ValueId]) -> Option<Vec<ValueId>> {
    let mut seeds = Vec::new();
    for &output in outputs {
        let fact = b.fact(output).clone();
        if fact.dtype.is_float() && b.constant(output).is_none() {
            seeds.push((output, b.constant_value(filled(fact.dtype, &fact.shape, 1.0)?)));
        }
    }
    let found = differentiate(b, &seeds, sources, &mut no_rule).ok()?;
    for (&source, found) in sources.iter().zip(&found) {
        if let Some(found) = found {
            assert_eq!(b.fact(*found), b.fact(source), "a cotangent of another type or shape");
        }
    }
    let found: Vec<ValueId> = found.into_iter().flatten().collect();
    (!found.is_empty()).then_some(found)
}

/// Two lists of elements have the same bits, NaN for NaN.
#[track_caller]
fn same(got: Slice<'_>, want: Slice<'_>, what: impl Fn() -> String) {
    let place = match (got, want) {
        (Slice::F32(g), Slice::F32(w)) if g.len() == w.len() => {
            g.iter().zip(w).position(|(g, w)| g.to_bits() != w.to_bits() && !(g.is_nan() && w.is_nan()))
        }
        (Slice::F64(g), Slice::F64(w)) if g.len() == w.len() => {
            g.iter().zip(w).position(|(g, w)| g.to_bits() != w.to_bits() && !(g.is_nan() && w.is_nan()))
        }
        _ => (got.to_buffer() != want.to_buffer()).then_some(0),
    };
    if let Some(place) = place {
        panic!("{} at {place}: {got:?}, expected {want:?}", what());
    }
}

/// The nodes of a graph, for messages.
fn describe(graph: &Graph) -> String {
    let fact = |v: &ValueId| {
        let constant = graph.constant(*v).map_or(String::new(), |t| {
            if t.len() <= 8 { format!("={:?}", t.data()) } else { "=…".to_owned() }
        });
        format!("#{} {}{constant}", v.index(), graph.fact(*v))
    };
    let node = |n: &pellucid_graph::Node| {
        let inputs: Vec<String> = n.inputs.iter().map(|v| v.as_ref().map_or("-".to_owned(), fact)).collect();
        let outputs: Vec<String> = n.outputs.iter().map(fact).collect();
        format!("{:?}({}) -> {}", n.op, inputs.join(", "), outputs.join(", "))
    };
    let nodes: Vec<String> = graph.nodes().iter().map(node).collect();
    format!("\n  {}\n", nodes.join("\n  "))
}
