//! The structure of scaled dot-product attention: softmax(scale · Q·Kᵀ + mask) · V.

use std::sync::Arc;

use super::Unit;
use super::matcher::{Matcher, near};
use crate::graph::{Node, ValueId};
use crate::ops::Attention;

/// The most reshapes that are walked through in a row.
const MOST_RESHAPES: usize = 6;

/// softmax(scale · Q·Kᵀ + mask) · V, with the scale on Q, on K, on both or on their product.
///
/// Of tensors [batch, heads, positions, size], or [batch · heads, positions, size], which are of one head each.
pub(super) fn attention(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (weights, values) = m.two(v, "MatMul")?;
    let shape = m.graph.shape(weights);
    let rank = shape.len();
    let softmax = softmaxed(m, plain(m, weights))?;
    let (scores, mask) = masked(m, softmax)?;
    let outer = m.factors(scores, &[]);
    let &[product] = outer.rest.as_slice() else { return None };
    let (a, b) = m.two(plain(m, product), "MatMul")?;
    let (left, right) = (m.factors(a, &[]), m.factors(b, &[]));
    let (&[query], &[turned]) = (left.rest.as_slice(), right.rest.as_slice()) else { return None };
    let scale = outer.constant * left.constant * right.constant;
    let facts = |v: ValueId| m.graph.shape(v);
    // What was walked through keeps the rows of the weights whole.
    let whole = facts(plain(m, product)) == shape && facts(softmax).last() == shape.last();
    let moved = facts(softmax) != shape;
    let leading = |v: ValueId| facts(v).get(..rank.checked_sub(2)?);
    let alike =
        [query, turned, values].iter().all(|&v| facts(v).len() == rank && leading(v) == leading(weights));
    let fits = mask.is_none_or(|mask| {
        let own = facts(mask);
        let last = own.last().copied().unwrap_or(1);
        !moved
            && own.len() <= rank
            && (rank == 4 || own.len() <= 2)
            && (last == 1 || Some(&last) == shape.last())
    });
    if !whole || !alike || !fits || !(3..=4).contains(&rank) || scale.is_nan() || scale <= 0.0 {
        return None;
    }
    let size = *facts(query).last()? as f64;
    let (key, back) = match before_turn(m, turned) {
        Some(key) => (key, None),
        None => (turned, Some(1)),
    };
    let heads = (rank == 3).then_some(1);
    let scale = (!near_enough(scale, 1.0 / size.sqrt())).then_some(scale as f32);
    let op = Attention { heads, key_heads: heads, scale, ..Attention::default() };
    let mut inputs = vec![query, key, values];
    inputs.extend(mask);
    Some(Unit { op: Arc::new(op), inputs, extra: Vec::new(), turned: back })
}

/// Whether a scale that a file holds in 32 bits is the one over the root of a head's size.
fn near_enough(found: f64, wanted: f64) -> bool {
    near(found, wanted) && (found - wanted).abs() <= 1e-6 * wanted
}

/// A value behind reshapes, squeezes and unsqueezes.
fn plain(m: Matcher<'_>, mut v: ValueId) -> ValueId {
    for _ in 0..MOST_RESHAPES {
        let inner = ["Reshape", "Squeeze", "Unsqueeze"].iter().find_map(|op| m.one(v, op));
        match inner {
            Some(inner) => v = inner,
            None => break,
        }
    }
    v
}

/// What a softmax over the last axis is of; NaN may be taken for zero behind it, as PyTorch does where a query may attend to nothing.
fn softmaxed(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    let weights = match m.node(v, "Where").map(|n| n.inputs.as_slice()) {
        Some(&[Some(undefined), Some(zero), Some(weights)]) => {
            let same = m.one(undefined, "IsNaN")? == weights && m.number(zero)? == 0.0;
            same.then_some(weights)?
        }
        _ => v,
    };
    let node = m.node(weights, "Softmax")?;
    let x = (*node.inputs.first()?)?;
    let last = m.graph.shape(x).len() as i64 - 1;
    let axis = int(node, "axis").unwrap_or(-1);
    (axis == -1 || axis == last).then_some(x)
}

fn int(node: &Node, name: &str) -> Option<i64> {
    match node.op.attributes().get(name) {
        Some(crate::Attribute::Int(n)) => Some(*n),
        _ => None,
    }
}

/// The scores, and what is added to them.
fn masked(m: Matcher<'_>, v: ValueId) -> Option<(ValueId, Option<ValueId>)> {
    let Some((a, b)) = m.two(v, "Add") else { return Some((plain(m, v), None)) };
    let is_product = |v: ValueId| {
        let rest = m.factors(v, &[]).rest;
        rest.len() == 1 && m.two(rest[0], "MatMul").is_some()
    };
    match (is_product(a), is_product(b)) {
        (true, false) => Some((a, Some(b))),
        (false, true) => Some((b, Some(a))),
        _ => None,
    }
}

/// The value whose last two axes were swapped, directly or with the leading ones joined meanwhile.
fn before_turn(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    if let Some(x) = swapped(m, v) {
        return Some(x);
    }
    let joined = m.one(v, "Reshape")?;
    let x = m.one(swapped(m, joined)?, "Reshape")?;
    let (from, to) = (m.graph.shape(x), m.graph.shape(v));
    let rank = from.len();
    let ends = rank >= 2 && to.len() == rank && from[..rank - 2] == to[..rank - 2];
    let kept = m.graph.shape(joined).iter().rev().take(2).eq(to.iter().rev().take(2));
    (ends && kept && from[rank - 2] == to[rank - 1] && from[rank - 1] == to[rank - 2]).then_some(x)
}

fn swapped(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    let node = m.node(v, "Transpose")?;
    let rank = m.graph.shape(v).len();
    let Some(crate::Attribute::Ints(order)) = node.op.attributes().get("perm").cloned() else { return None };
    let mut wanted: Vec<i64> = (0..rank as i64).collect();
    if rank < 2 {
        return None;
    }
    wanted.swap(rank - 2, rank - 1);
    (order == wanted).then_some((*node.inputs.first()?)?)
}

#[cfg(test)]
mod tests {
    use super::super::recognise;
    use crate::build::Builder;
    use crate::cases::{evaluate, f64s};
    use crate::error::OpResult;
    use crate::graph::{Fact, Graph, ValueId};
    use crate::ops::{IsNaN, MatMul, Softmax, Where};
    use crate::random::Stream;
    use crate::tensor::DType;

    type Body = fn(&mut Builder, [ValueId; 4]) -> OpResult<ValueId>;

    const SHAPES: [[usize; 4]; 4] = [[2, 3, 4, 8], [2, 3, 5, 8], [2, 3, 5, 6], [2, 1, 4, 5]];

    fn softmax(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
        b.push(Softmax { axis: -1, flatten: false }, &[x])
    }

    fn matmul(b: &mut Builder, x: ValueId, y: ValueId) -> OpResult<ValueId> {
        b.push(MatMul, &[x, y])
    }

    fn graph(body: Body) -> (Graph, [ValueId; 4]) {
        let mut b = Builder::new(2);
        let mut of = |i: usize| b.input(["q", "k", "v", "mask"][i], Fact::new(DType::F64, &SHAPES[i]));
        let inputs = [of(0), of(1), of(2), of(3)];
        let y = body(&mut b, inputs).unwrap_or_else(|e| panic!("{e}"));
        (b.finish(&[y]), inputs)
    }

    /// The steps are one node in the end, with what stays around it, and give what they gave.
    #[track_caller]
    fn check(expected: &[&str], body: Body) {
        let (before, inputs) = graph(body);
        let (after, map, _) = recognise(&before).unwrap().expect("attention is not found");
        let names: Vec<&str> = after.nodes().iter().map(|n| n.op.definition().name).collect();
        assert_eq!(names, expected);
        let mut stream = Stream::new(3, [0, 0, 0]);
        let data = SHAPES.map(|s| {
            let n = s.iter().product();
            f64s(&s, &(0..n).map(|_| stream.normal()).collect::<Vec<f64>>())
        });
        let given = |of: &dyn Fn(ValueId) -> ValueId| -> Vec<(ValueId, crate::Tensor)> {
            inputs.iter().zip(&data).map(|(&v, t)| (of(v), t.clone())).collect()
        };
        let want = evaluate(&before, &given(&|v| v), before.outputs()).remove(0).to_f64().unwrap();
        let (flat, at) = crate::lower::lower(&after, &|n| !n.op.runs()).unwrap();
        let inner = given(&|v| at[&map[&v]]);
        let got = evaluate(&flat, &inner, flat.outputs()).remove(0).to_f64().unwrap();
        for (a, b) in got.iter().zip(&want) {
            assert!((a - b).abs() < 1e-6, "{a}, expected {b}");
        }
    }

    #[test]
    fn the_scale_on_either_side() {
        check(&["Attention"], |b, [q, k, v, _]| {
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let scaled = b.scale(scores, 0.353_553_39)?;
            let weights = softmax(b, scaled)?;
            matmul(b, weights, v)
        });
        check(&["Attention"], |b, [q, k, v, mask]| {
            // The root of the scale on both sides, a mask, and zeros for NaN, as PyTorch 2 writes it.
            let (q, turned) = (b.scale(q, 0.594_603_56)?, b.transpose_matrix(k)?);
            let turned = b.scale(turned, 0.594_603_56)?;
            let scores = matmul(b, q, turned)?;
            let masked = b.add(scores, mask)?;
            let weights = softmax(b, masked)?;
            let undefined = b.push(IsNaN, &[weights])?;
            let zero = b.scalar_like(weights, 0.0)?;
            let weights = b.push(Where, &[undefined, zero, weights])?;
            matmul(b, weights, v)
        });
        check(&["Attention"], |b, [q, k, v, mask]| {
            // A scale that is not of the head's size, divided by, and the mask before the scores.
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let by = b.scalar_like(scores, 3.0)?;
            let scaled = b.div(scores, by)?;
            let masked = b.add(mask, scaled)?;
            let weights = softmax(b, masked)?;
            matmul(b, weights, v)
        });
    }

    #[test]
    fn keys_that_come_turned() {
        // Through three dimensions and back, as PyTorch's exporter turns a matrix of four.
        check(&["Attention"], |b, [q, k, v, _]| {
            let joined = b.reshape(k, &[6, 5, 8])?;
            let turned = b.transpose(joined, &[0, 2, 1])?;
            let turned = b.reshape(turned, &[2, 3, 8, 5])?;
            let scores = matmul(b, q, turned)?;
            let weights = softmax(b, scores)?;
            matmul(b, weights, v)
        });
        // By one transpose from [batch, positions, heads, size]: there is no value of the keys, so they are turned back.
        check(&["Reshape", "Transpose", "Transpose", "Attention"], |b, [q, k, v, _]| {
            let apart = b.reshape(k, &[2, 5, 3, 8])?;
            let turned = b.transpose(apart, &[0, 2, 3, 1])?;
            let scores = matmul(b, q, turned)?;
            let weights = softmax(b, scores)?;
            matmul(b, weights, v)
        });
    }

    #[test]
    fn heads_joined_with_the_batch() {
        // As tf2onnx writes an einsum: three dimensions for the products, four for the softmax.
        check(&["Reshape", "Reshape", "Reshape", "Attention"], |b, [q, k, v, _]| {
            let (q, k) = (b.reshape(q, &[6, 4, 8])?, b.reshape(k, &[6, 5, 8])?);
            let v = b.reshape(v, &[6, 5, 6])?;
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let parted = b.reshape(scores, &[2, 3, 4, 5])?;
            let scaled = b.scale(parted, 0.353_553_39)?;
            let weights = softmax(b, scaled)?;
            let joined = b.reshape(weights, &[6, 4, 5])?;
            matmul(b, joined, v)
        });
    }

    #[test]
    fn what_only_looks_like_attention_stays() {
        let stays = |body: Body| assert!(recognise(&graph(body).0).unwrap().is_none());
        // A softmax over the queries.
        stays(|b, [q, k, v, _]| {
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let weights = b.push(Softmax { axis: 2, flatten: false }, &[scores])?;
            matmul(b, weights, v)
        });
        // A negative scale.
        stays(|b, [q, k, v, _]| {
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let scaled = b.scale(scores, -1.0)?;
            let weights = softmax(b, scaled)?;
            matmul(b, weights, v)
        });
        // Weights that something else reads.
        stays(|b, [q, k, v, _]| {
            let turned = b.transpose_matrix(k)?;
            let scores = matmul(b, q, turned)?;
            let weights = softmax(b, scores)?;
            let y = matmul(b, weights, v)?;
            let total = b.reduce_sum(weights, &[3], true)?;
            b.add(y, total)
        });
    }
}
