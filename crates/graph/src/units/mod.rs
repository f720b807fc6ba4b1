//! Recognising units that a file spells out: GELU, SiLU, Hard-Swish, Mish, softplus, softmax, layer and RMS normalization, attention.
//!
//! Exporters that have no operator for a unit write its steps. Here the steps become one operator again, because rules reason about units
//! and because one kernel is faster than ten. What is matched is structure, with constants to within a part in ten thousand. A unit is left
//! open where a value inside it is an output of the graph or is read from outside the unit.

mod attention;
mod matcher;
mod norms;
mod patterns;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::build::Builder;
use crate::error::{ErrorKind, Result};
use crate::graph::{Graph, ValueId};
use crate::operator::{Arg, Kind, Operator};

use matcher::Matcher;

/// An operator that takes the place of a node and of those that only it needs.
#[derive(Debug)]
struct Unit {
    op: Arc<dyn Operator>,
    inputs: Vec<ValueId>,
    /// Constants behind the inputs, where the unit has none in the graph.
    extra: Vec<crate::tensor::Tensor>,
    /// The input whose last two axes are swapped before.
    turned: Option<usize>,
}

/// A unit that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The operator that it became.
    pub operator: &'static str,
    /// How rules and optimisations see that.
    pub kind: Kind,
    /// The node that gives its output.
    pub node: Arc<str>,
    /// The other nodes that it was spelled out in.
    pub inside: Vec<Arc<str>>,
}

/// A graph with its units as single operators, where each value went, and the units.
pub(crate) type Found = (Graph, HashMap<ValueId, ValueId>, Vec<Recognised>);

/// The graph with its units as single operators; `None` where there is no unit.
pub(crate) fn recognise(graph: &Graph) -> Result<Option<Found>> {
    let readers = readers(graph);
    let mut taken: HashSet<usize> = HashSet::new();
    let mut units: HashMap<usize, Unit> = HashMap::new();
    let mut recognised = Vec::new();
    // From the end on, so that the largest unit is found before its parts are.
    for root in (0..graph.nodes().len()).rev() {
        if taken.contains(&root) {
            continue;
        }
        if let Some(unit) = find(graph, root)
            && let Some(inside) = inner(graph, root, &unit)
            && is_closed(graph, &readers, root, &inside)
            && inside.iter().all(|i| !taken.contains(i) && !units.contains_key(i))
            && fits(graph, root, &unit)
        {
            recognised.push(described(graph, root, &unit, &inside));
            taken.extend(inside);
            units.insert(root, unit);
        }
    }
    if units.is_empty() {
        return Ok(None);
    }
    let (rebuilt, map) = rebuilt(graph, &taken, &units)?;
    recognised.reverse();
    Ok(Some((rebuilt, map, recognised)))
}

fn described(graph: &Graph, root: usize, unit: &Unit, inside: &[usize]) -> Recognised {
    let mut active: Vec<bool> = unit.inputs.iter().map(|&v| graph.constant(v).is_none()).collect();
    active.extend(unit.extra.iter().map(|_| false));
    let name = |i: usize| Arc::clone(&graph.nodes()[i].name);
    let mut nodes = inside.to_vec();
    nodes.sort_unstable();
    Recognised {
        operator: unit.op.definition().name,
        kind: unit.op.kind(&active),
        node: name(root),
        inside: nodes.into_iter().map(name).collect(),
    }
}

/// The first pattern that a node is the root of.
fn find(graph: &Graph, root: usize) -> Option<Unit> {
    let output = *graph.nodes()[root].outputs.first()?;
    patterns::ALL.iter().find_map(|pattern| pattern(Matcher { graph }, output))
}

/// The most nodes inside a unit.
const MOST_NODES: usize = 24;

/// The nodes between a unit's inputs and its root; `None` where there are others than a unit can have.
fn inner(graph: &Graph, root: usize, unit: &Unit) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    let mut waiting: Vec<ValueId> = graph.nodes()[root].present().collect();
    while let Some(v) = waiting.pop() {
        if unit.inputs.contains(&v) || graph.constant(v).is_some() {
            continue;
        }
        let producer = graph.value(v).producer?;
        if !found.contains(&producer) {
            found.push(producer);
            waiting.extend(graph.nodes()[producer].present());
        }
        if found.len() > MOST_NODES {
            return None;
        }
    }
    Some(found)
}

/// The nodes that read each value; one past the last stands for the graph's outputs.
fn readers(graph: &Graph) -> HashMap<ValueId, Vec<usize>> {
    let mut found: HashMap<ValueId, Vec<usize>> = HashMap::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        for v in node.present() {
            found.entry(v).or_default().push(i);
        }
    }
    for &v in graph.outputs() {
        found.entry(v).or_default().push(graph.nodes().len());
    }
    found
}

/// Whether what the inner nodes compute is read inside only.
fn is_closed(graph: &Graph, readers: &HashMap<ValueId, Vec<usize>>, root: usize, inside: &[usize]) -> bool {
    inside.iter().flat_map(|&i| &graph.nodes()[i].outputs).all(|output| {
        readers.get(output).is_none_or(|list| list.iter().all(|r| *r == root || inside.contains(r)))
    })
}

/// Whether the operator gives what the root gave.
fn fits(graph: &Graph, root: usize, unit: &Unit) -> bool {
    let facts: Vec<crate::Fact> = unit.extra.iter().map(|t| crate::Fact::new(t.dtype(), t.shape())).collect();
    let mut own_facts: Vec<crate::Fact> = unit.inputs.iter().map(|&v| graph.fact(v).clone()).collect();
    if let Some(i) = unit.turned {
        let rank = own_facts[i].shape.len();
        if rank < 2 || graph.constant(unit.inputs[i]).is_some() {
            return false;
        }
        own_facts[i].shape.swap(rank - 2, rank - 1);
    }
    let own = own_facts.iter().zip(&unit.inputs).map(|(fact, &v)| Arg { fact, constant: graph.constant(v) });
    let extra = facts.iter().zip(&unit.extra).map(|(fact, t)| Arg { fact, constant: Some(t) });
    let args: Vec<Option<Arg<'_>>> = own.chain(extra).map(Some).collect();
    let expected = graph.nodes()[root].outputs.first().map(|&o| graph.fact(o));
    unit.op.infer(&args).is_ok_and(|found| found.first() == expected)
}

fn rebuilt(
    graph: &Graph,
    taken: &HashSet<usize>,
    units: &HashMap<usize, Unit>,
) -> Result<(Graph, HashMap<ValueId, ValueId>)> {
    let mut b = Builder::new(graph.rows());
    let mut map: HashMap<ValueId, ValueId> = HashMap::new();
    for &input in graph.inputs() {
        let value = graph.value(input);
        map.insert(input, b.input(value.name.as_deref().unwrap_or(""), value.fact.clone()));
    }
    for (id, value) in graph.values() {
        if let Some(tensor) = &value.constant {
            let new = b.constant_value(tensor.clone());
            if let Some(name) = &value.name {
                b.rename(new, name);
            }
            map.insert(id, new);
        }
    }
    for (i, node) in graph.nodes().iter().enumerate().filter(|(i, _)| !taken.contains(i)) {
        b.set_origin(Some(node.origin()));
        let place = |v: ValueId, map: &HashMap<ValueId, ValueId>| {
            map.get(&v).copied().ok_or_else(|| {
                let message = format!("a unit took {} away, which node {} reads", graph.label(v), node.name);
                crate::Error::from(ErrorKind::Malformed(message))
            })
        };
        let (op, inputs) = match units.get(&i) {
            Some(unit) => {
                let mut inputs =
                    unit.inputs.iter().map(|&v| place(v, &map).map(Some)).collect::<Result<Vec<_>>>()?;
                if let Some(v) = unit.turned.and_then(|t| inputs.get_mut(t)).and_then(Option::as_mut) {
                    *v = b.transpose_matrix(*v).map_err(|e| crate::build::located(node, e))?;
                }
                inputs.extend(unit.extra.iter().map(|t| Some(b.constant_value(t.clone()))));
                (&unit.op, inputs)
            }
            None => {
                let inputs = node.inputs.iter().map(|v| v.map(|v| place(v, &map)).transpose());
                (&node.op, inputs.collect::<Result<Vec<_>>>()?)
            }
        };
        let outputs = b.node(Arc::clone(op), &inputs).map_err(|e| crate::build::located(node, e))?;
        for (old, &new) in node.outputs.iter().zip(&outputs) {
            if let Some(name) = &graph.value(*old).name {
                b.rename(new, name);
            }
            map.insert(*old, new);
        }
    }
    b.set_origin(None);
    let outputs: Vec<ValueId> = graph.outputs().iter().map(|o| map[o]).collect();
    Ok((b.finish(&outputs), map))
}

#[cfg(test)]
mod tests;
