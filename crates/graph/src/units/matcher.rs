//! Walking back from a value along nodes.

use crate::graph::{Graph, Node, ValueId};
use crate::tensor::Tensor;

/// How near a constant must be to the one in a unit's definition.
const NEAR: f64 = 1e-4;

/// How many factors or steps a product is taken apart into; no unit has more.
const MOST_FACTORS: usize = 8;

/// A graph in which units are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matcher<'g> {
    pub(super) graph: &'g Graph,
}

/// Whether a number is the one that is looked for.
pub(super) fn near(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() <= NEAR * wanted.abs()
}

/// A product taken apart: the constants' product, and the other factors.
pub(super) struct Factors {
    pub(super) constant: f64,
    pub(super) rest: Vec<ValueId>,
}

impl<'g> Matcher<'g> {
    /// The node that computes a value, where it is of this operator.
    pub(super) fn node(self, v: ValueId, op: &str) -> Option<&'g Node> {
        let position = self.graph.value(v).producer?;
        let node = &self.graph.nodes()[position];
        let definition = node.op.definition();
        (definition.name == op && definition.domain.is_empty() && node.outputs.first() == Some(&v))
            .then_some(node)
    }

    /// The input of a node of one operator.
    pub(super) fn one(self, v: ValueId, op: &str) -> Option<ValueId> {
        *self.node(v, op)?.inputs.first()?
    }

    /// Both inputs of a node of one operator.
    pub(super) fn two(self, v: ValueId, op: &str) -> Option<(ValueId, ValueId)> {
        match *self.node(v, op)?.inputs {
            [Some(a), Some(b)] => Some((a, b)),
            _ => None,
        }
    }

    /// The one number that all elements of a constant are.
    pub(super) fn number(self, v: ValueId) -> Option<f64> {
        let values = self.graph.constant(v).filter(|t| !t.is_empty()).and_then(Tensor::to_f64)?;
        values.iter().all(|x| *x == values[0]).then(|| values[0])
    }

    /// A sum of a value and a number.
    pub(super) fn plus(self, v: ValueId) -> Option<(ValueId, f64)> {
        let (a, b) = self.two(v, "Add")?;
        self.number(b).map(|n| (a, n)).or_else(|| self.number(a).map(|n| (b, n)))
    }

    /// The square of a value: x², x^2 or x · x.
    pub(super) fn square(self, v: ValueId) -> Option<ValueId> {
        if let Some((x, n)) = self.two(v, "Pow") {
            return self.number(n).filter(|&n| n == 2.0).map(|_| x);
        }
        self.two(v, "Mul").filter(|(a, b)| a == b).map(|(a, _)| a)
    }

    /// A product taken apart, but for values in `whole`, through products and quotients by constants.
    pub(super) fn factors(self, v: ValueId, whole: &[ValueId]) -> Factors {
        let mut found = Factors { constant: 1.0, rest: Vec::new() };
        let mut waiting = vec![v];
        while let Some(v) = waiting.pop() {
            if let Some(n) = self.number(v) {
                found.constant *= n;
            } else if whole.contains(&v) || found.rest.len() + waiting.len() >= MOST_FACTORS {
                found.rest.push(v);
            } else if let Some((a, b)) = self.two(v, "Mul") {
                waiting.extend([b, a]);
            } else if let Some((a, n)) = self.quotient(v) {
                found.constant /= n;
                waiting.push(a);
            } else {
                found.rest.push(v);
            }
        }
        found
    }

    fn quotient(self, v: ValueId) -> Option<(ValueId, f64)> {
        let (a, b) = self.two(v, "Div")?;
        self.number(b).map(|n| (a, n))
    }

    /// What a reduction that keeps its axes, or gets them back, reduces, and the axes.
    pub(super) fn reduced(self, v: ValueId, op: &str) -> Option<(ValueId, Vec<usize>)> {
        // PyTorch's exporter lets go of the axes of a variance and puts them back.
        let back = self.one(v, "Reshape").or_else(|| self.one(v, "Unsqueeze"));
        let node = self.node(back.unwrap_or(v), op)?;
        let x = (*node.inputs.first()?)?;
        let (from, to) = (self.graph.shape(x), self.graph.shape(v));
        if from.len() != to.len() {
            return None;
        }
        let named = match node.inputs.get(1).copied().flatten() {
            Some(list) => self.graph.constant(list)?.to_i64()?,
            None => Vec::new(),
        };
        let rank = from.len() as i64;
        let mut axes: Vec<usize> = match named.as_slice() {
            [] => (0..from.len()).collect(),
            list => list.iter().map(|&a| if a < 0 { a + rank } else { a } as usize).collect(),
        };
        axes.sort_unstable();
        let kept = from.iter().enumerate().map(|(i, n)| if axes.contains(&i) { 1 } else { *n });
        kept.eq(to.iter().copied()).then_some((x, axes))
    }

    /// What is reduced to a mean over its last axes, and the first of those.
    pub(super) fn mean(self, v: ValueId) -> Option<(ValueId, usize)> {
        if let Some(x) = self.one(v, "GlobalAveragePool") {
            // As tf2onnx writes a mean over all axes from the third on.
            return Some((x, 2));
        }
        let (x, axes) = self.reduced(v, "ReduceMean")?;
        let rank = self.graph.shape(x).len();
        let first = *axes.first()?;
        axes.iter().copied().eq(first..rank).then_some((x, first))
    }
}
