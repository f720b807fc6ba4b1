//! Finds numbers that depend on how many rows a batch has.
//!
//! Most files ask for the shapes of their values to give others a shape, and that is the same network for any number of rows. A mean that divides by
//! the number of rows is not: rows that run in tiles would be divided by the size of a tile.

use crate::attributes::Attribute;
use crate::error::{ErrorKind, Result};
use crate::graph::{Graph, Node, ValueId};
use crate::network::Network;
use crate::operator::Operator;
use crate::ops::convert::code;
use crate::specialise::{Specialisation, Specialised};
use crate::tensor::{DType, Tensor};

/// Operators whose inputs behind the first say what shape their output has, and no more than that.
const SHAPED: [&str; 8] = ["Reshape", "Expand", "Tile", "Pad", "Resize", "Split", "Squeeze", "Unsqueeze"];
/// Operators whose inputs behind the first are places in it.
const PLACED: [&str; 4] = ["Slice", "Gather", "GatherElements", "GatherND"];
/// Operators that compute sizes and places from others, beside those that compute each element for itself.
const OF_SIZES: [&str; 7] = ["Concat", "CumSum", "Flatten", "Range", "ReduceProd", "Transpose", "Trilu"];
/// Numbers of rows at which the branches of an If are compared.
const TRIED: [usize; 5] = [2, 3, 5, 17, 65];

/// What a file computes from sizes, beside shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    numbers: bool,
    branches: bool,
}

impl Network {
    /// The graph of [`Network::specialise`] for a batch of several rows, as `how` says for a number of them; refused where what it computes depends
    /// on that number. A single row stands for itself.
    pub fn specialise_rows(
        &self,
        how: impl Fn(usize) -> Specialisation,
        rows: usize,
        targets: &[usize],
    ) -> Result<Specialised> {
        let found = self.specialise(&how(rows), targets)?;
        let counted = self.counted();
        if rows > 1 && self.fixed_rows().is_none() && counted != Counted::default() {
            let tried = TRIED.iter().copied().filter(|n| counted.branches && *n != rows);
            for n in tried.chain([rows + 1]) {
                // What does not fit another number of rows has none to compare.
                let Ok(other) = self.specialise(&how(n), targets) else { continue };
                compare(&found.graph, &other.graph, counted)?;
            }
        }
        Ok(found)
    }

    fn counted(&self) -> Counted {
        let mut sized = vec![false; self.symbols().len()];
        let mut counted = Counted::default();
        for node in self.nodes() {
            let Ok(op) = &node.op else { continue };
            let from = |v: &Option<usize>| v.is_some_and(|v| sized[v]);
            let gives_sizes = match op.definition().name {
                "Shape" | "Size" => true,
                _ if !node.inputs.iter().any(from) => false,
                "ConstantOfShape" => false,
                "If" => {
                    counted.branches = true;
                    false
                }
                _ if keeps_sizes(&**op, |i| node.inputs.get(i).is_some_and(from)) => true,
                name => {
                    counted.numbers |= !SHAPED.contains(&name);
                    false
                }
            };
            if gives_sizes {
                node.outputs.iter().flatten().for_each(|&o| sized[o] = true);
            }
        }
        counted
    }
}

/// Whether an operator, some of whose inputs are sizes, computes sizes and not other numbers.
fn keeps_sizes(op: &dyn Operator, is_size: impl Fn(usize) -> bool) -> bool {
    let definition = op.definition();
    match definition.name {
        "Cast" => !to_floats(op),
        "Pow" => is_size(0),
        "Where" => is_size(1) || is_size(2),
        name if SHAPED.contains(&name) || PLACED.contains(&name) => is_size(0),
        name => definition.is_elementwise() || OF_SIZES.contains(&name),
    }
}

fn to_floats(cast: &dyn Operator) -> bool {
    let floats = [DType::F32, DType::F64].map(|t| Attribute::Int(code(t)));
    cast.attributes().get("to").is_some_and(|to| floats.contains(to))
}

/// Refuses two graphs of one network, for two numbers of rows, that compute differently.
fn compare(graph: &Graph, other: &Graph, counted: Counted) -> Result<()> {
    let (nodes, others) = (graph.nodes(), other.nodes());
    let same = |a: &Node, b: &Node| a.op.definition().name == b.op.definition().name && a.name == b.name;
    for (a, b) in nodes.iter().zip(others) {
        if !same(a, b) {
            // Where no branch depends on sizes, the difference is one of form.
            return if counted.branches { Err(mixes(a)) } else { Ok(()) };
        }
        // Whole numbers that give a shape may differ, also where a slice is all of what it is cut from.
        let is_whole = |g: &Graph, n: &Node| {
            n.inputs.iter().flatten().next().map(|x| g.shape(*x)) == n.outputs.first().map(|y| g.shape(*y))
        };
        let definition = a.op.definition();
        let chosen = match definition.name {
            "Slice" => !(is_whole(graph, a) && is_whole(other, b)),
            name => definition.is_elementwise() || PLACED.contains(&name),
        };
        let pairs = a.inputs.iter().zip(&b.inputs);
        let differ = |(x, y): (&Option<ValueId>, &Option<ValueId>)| {
            let (Some(x), Some(y)) = (x.and_then(|x| graph.constant(x)), y.and_then(|y| other.constant(y)))
            else {
                return false;
            };
            x.shape() == y.shape() && x != y && different(x, y) && (x.dtype().is_float() || chosen)
        };
        if pairs.into_iter().any(differ) {
            return Err(mixes(a));
        }
    }
    Ok(())
}

/// Numbers that are not equal; what is no number is equal to itself.
fn different(a: &Tensor, b: &Tensor) -> bool {
    let (Some(a), Some(b)) = (a.to_f64(), b.to_f64()) else { return true };
    a.iter().zip(&b).any(|(a, b)| a != b && !(a.is_nan() && b.is_nan()))
}

fn mixes(node: &Node) -> crate::Error {
    let (operator, opset, reason) = node
        .said("what it computes with depends on the number of rows, which is 1 in a tile of 1".to_owned());
    ErrorKind::RowsMix { node: node.name.to_string(), operator, opset, reason }.into()
}
