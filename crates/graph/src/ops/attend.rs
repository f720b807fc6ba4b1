//! Scaled dot-product attention: the body that every attention operator lowers to.

use super::{IsInf, Not, ReduceMax, Softmax, Tanh};
use crate::build::{Builder, makeable};
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// What takes the place of a score that is not allowed: its exponential is zero, and it is finite, so that differences of scores are.
const FORBIDDEN: f64 = -1e30;

/// What restricts and shifts the scores.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mask {
    /// Which keys a query may attend to, broadcast to [batch, heads, queries, keys]; `None` for all.
    pub(crate) allowed: Option<ValueId>,
    /// What is added to the scores, broadcast alike, and nowhere −∞.
    pub(crate) bias: Option<ValueId>,
    /// Where not a condition, broadcast alike, holds, this is added to the scores.
    pub(crate) filtered: Option<(ValueId, f64)>,
}

impl Mask {
    /// Forbids what `allowed` does not hold for, too.
    pub(crate) fn allow(&mut self, b: &mut Builder, allowed: ValueId) -> OpResult<()> {
        self.allowed = Some(match self.allowed {
            Some(before) => b.and(before, allowed)?,
            None => allowed,
        });
        Ok(())
    }

    /// Adds to the scores; −∞ forbids.
    pub(crate) fn add(&mut self, b: &mut Builder, bias: ValueId) -> OpResult<()> {
        let constant = b.constant(bias).and_then(Tensor::to_f64);
        let mut bias = bias;
        if constant.is_none_or(|v| v.contains(&f64::NEG_INFINITY)) {
            let forbidden = b.push(IsInf { detect_positive: false, detect_negative: true }, &[bias])?;
            let allowed = b.push(Not, &[forbidden])?;
            self.allow(b, allowed)?;
            bias = b.masked(allowed, bias)?;
        }
        self.bias = Some(match self.bias {
            Some(before) => b.add(before, bias)?,
            None => bias,
        });
        Ok(())
    }

    /// Adds a mask of either kind: booleans allow, floats are added. A last dimension below `keys` is filled up with what forbids.
    pub(crate) fn apply(&mut self, b: &mut Builder, mask: ValueId, keys: usize) -> OpResult<()> {
        let shape = b.shape(mask).to_vec();
        let Some((&last, leading)) = shape.split_last() else { return self.either(b, mask) };
        if last >= keys || last == 1 {
            return self.either(b, mask);
        }
        let mut rest = leading.to_vec();
        rest.push(keys - last);
        makeable(&rest, b.fact(mask).dtype)?;
        let filler = match b.fact(mask).dtype {
            DType::Bool => Tensor::zeros(DType::Bool, &rest),
            dtype => crate::build::filled(dtype, &rest, f64::NEG_INFINITY),
        };
        let Some(filler) = filler else { refuse!("its mask is of type {}", b.fact(mask).dtype) };
        let filler = b.constant_value(filler);
        let mask = b.concat(&[mask, filler], leading.len())?;
        self.either(b, mask)
    }

    fn either(&mut self, b: &mut Builder, mask: ValueId) -> OpResult<()> {
        if b.fact(mask).dtype == DType::Bool { self.allow(b, mask) } else { self.add(b, mask) }
    }
}

/// The results of attention.
pub(crate) struct Attended {
    /// [batch, heads, queries, size of a value].
    pub(crate) output: ValueId,
    /// The scaled products of queries and keys.
    pub(crate) scores: ValueId,
    /// Those after the soft cap.
    pub(crate) capped: ValueId,
    /// Those with the mask, −∞ where a key is forbidden.
    pub(crate) masked: ValueId,
    /// The weights of the values.
    pub(crate) weights: ValueId,
}

/// softmax(cap(scale · q·kᵀ) + mask) · v, of tensors [batch, heads, positions, size]. A query that may attend to nothing gives zeros.
pub(crate) fn attend(
    b: &mut Builder,
    (q, k, v): (ValueId, ValueId, ValueId),
    scale: f64,
    cap: f64,
    mask: Mask,
) -> OpResult<Attended> {
    let (heads, key_heads) = (b.shape(q)[1], b.shape(k)[1]);
    let (k, v) = (repeat_heads(b, k, key_heads, heads)?, repeat_heads(b, v, b.shape(v)[1], heads)?);
    let scaled = b.scale(q, scale)?;
    let turned = b.transpose_matrix(k)?;
    let scores = b.matmul(scaled, turned)?;
    let capped = if cap > 0.0 {
        let small = b.scale(scores, 1.0 / cap)?;
        let bent = b.push(Tanh, &[small])?;
        b.scale(bent, cap)?
    } else {
        scores
    };
    let mut shifted = match mask.bias {
        Some(bias) => b.add(capped, bias)?,
        None => capped,
    };
    if let Some((on, filter)) = mask.filtered {
        let (zero, filter) = (b.scalar_like(shifted, 0.0)?, b.scalar_like(shifted, filter)?);
        let bias = b.select(on, zero, filter)?;
        shifted = b.add(shifted, bias)?;
    }
    let softmax = |b: &mut Builder, x| b.push(Softmax { axis: -1, flatten: false }, &[x]);
    let (masked, weights) = match mask.allowed {
        None => (shifted, softmax(b, shifted)?),
        Some(allowed) => {
            let low = b.scalar_like(shifted, FORBIDDEN)?;
            let finite = b.select(allowed, shifted, low)?;
            let weights = softmax(b, finite)?;
            let infinite = b.scalar_like(shifted, f64::NEG_INFINITY)?;
            let masked = b.select(allowed, shifted, infinite)?;
            (masked, zero_where_nothing_is_allowed(b, allowed, weights)?)
        }
    };
    let output = b.matmul(weights, v)?;
    Ok(Attended { output, scores, capped, masked, weights })
}

fn zero_where_nothing_is_allowed(b: &mut Builder, allowed: ValueId, weights: ValueId) -> OpResult<ValueId> {
    let some = {
        let number = b.cast(allowed, b.fact(weights).dtype)?;
        if b.shape(number).is_empty() {
            allowed
        } else {
            let last = b.integers(&[-1]);
            let most = b.push(ReduceMax { keep: true, noop_with_empty_axes: false }, &[number, last])?;
            b.positive(most)?
        }
    };
    let always = b.constant(some).and_then(Tensor::as_slice::<bool>).is_some_and(|v| v.iter().all(|&x| x));
    if always { Ok(weights) } else { b.masked(some, weights) }
}

/// Each head of [batch, heads, positions, size] as often, one behind the other, as there are queries' heads for it.
pub(crate) fn repeat_heads(b: &mut Builder, x: ValueId, from: usize, to: usize) -> OpResult<ValueId> {
    if from == to {
        return Ok(x);
    }
    if from == 0 || !to.is_multiple_of(from) {
        refuse!("{to} heads of queries cannot share {from} heads of keys and values");
    }
    let &[batch, _, positions, size] = b.shape(x) else { refuse!("it has not four dimensions") };
    let each = b.reshape(x, &[batch, from, 1, positions, size])?;
    let wide = b.expand(each, &[batch, from, to / from, positions, size])?;
    b.reshape(wide, &[batch, to, positions, size])
}

/// [batch, positions, heads · size] as [batch, heads, positions, size].
pub(crate) fn split_heads(b: &mut Builder, x: ValueId, heads: usize) -> OpResult<ValueId> {
    let &[batch, positions, width] = b.shape(x) else {
        refuse!("an input of shape {:?} has not three dimensions", b.shape(x))
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        refuse!("a width of {width} cannot be cut into {heads} heads");
    }
    let parts = b.reshape(x, &[batch, positions, heads, width / heads])?;
    b.transpose(parts, &[0, 2, 1, 3])
}

/// [batch, heads, positions, size] as [batch, positions, heads · size].
pub(crate) fn join_heads(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let &[batch, heads, positions, size] = b.shape(x) else { refuse!("it has not four dimensions") };
    let turned = b.transpose(x, &[0, 2, 1, 3])?;
    b.reshape(turned, &[batch, positions, heads * size])
}

/// Which keys a query may attend to by its position: those up to `right` behind it and from `left` before it, the first query standing
/// at `offset`. `None` leaves a side open. [queries, keys].
pub(crate) fn window(
    b: &mut Builder,
    (queries, keys): (usize, usize),
    offset: i64,
    left: Option<i64>,
    right: Option<i64>,
) -> OpResult<ValueId> {
    makeable(&[queries, keys], DType::Bool)?;
    let mut allowed = Vec::with_capacity(queries * keys);
    for i in 0..queries as i64 {
        for j in 0..keys as i64 {
            let ahead = j - i - offset;
            allowed.push(right.is_none_or(|r| ahead <= r) && left.is_none_or(|l| -ahead <= l));
        }
    }
    match Tensor::new(&[queries, keys], allowed) {
        Some(tensor) => Ok(b.constant_value(tensor)),
        None => refuse!("its mask is too large"),
    }
}
