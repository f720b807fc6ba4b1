//! The structures of layer normalization and of its form without a mean.

use std::sync::Arc;

use super::Unit;
use super::matcher::Matcher;
use crate::build::filled;
use crate::graph::ValueId;
use crate::ops::{LayerNormalization, RmsNormalization};

/// A normalization without scale and bias, as far as it was walked.
struct Normal {
    x: ValueId,
    first: usize,
    epsilon: f64,
}

/// x − mean(x), and the first of the axes.
fn centred(m: Matcher<'_>, v: ValueId) -> Option<(ValueId, usize)> {
    let (x, mean) = m.two(v, "Sub")?;
    let (of, first) = m.mean(mean)?;
    (of == x).then_some((x, first))
}

/// √(variance of x + epsilon).
fn deviation(m: Matcher<'_>, v: ValueId) -> Option<Normal> {
    let raised = m.one(v, "Sqrt")?;
    let (variance, epsilon) = m.plus(raised)?;
    let (square, first) = m.mean(variance)?;
    let apart = m.square(square)?;
    let (x, own) = centred(m, apart)?;
    (own == first && epsilon >= 0.0).then_some(Normal { x, first, epsilon })
}

/// One over √(variance of x + epsilon).
fn inverse(m: Matcher<'_>, v: ValueId) -> Option<Normal> {
    inverse_of(m, v, deviation)
}

/// One over a root.
fn inverse_of(
    m: Matcher<'_>,
    v: ValueId,
    root: fn(Matcher<'_>, ValueId) -> Option<Normal>,
) -> Option<Normal> {
    if let Some(of) = m.one(v, "Reciprocal") {
        return root(m, of);
    }
    let (one, of) = m.two(v, "Div")?;
    if m.number(one) == Some(1.0) { root(m, of) } else { None }
}

/// (x − mean) / deviation.
fn normal(m: Matcher<'_>, v: ValueId) -> Option<Normal> {
    if let Some((apart, root)) = m.two(v, "Div")
        && let Some(found) = deviation(m, root)
    {
        return (centred(m, apart)? == (found.x, found.first)).then_some(found);
    }
    let (a, b) = m.two(v, "Mul")?;
    [(a, b), (b, a)].into_iter().find_map(|(apart, factor)| {
        let found = inverse(m, factor)?;
        (centred(m, apart)? == (found.x, found.first)).then_some(found)
    })
}

/// Which of the two a normalization is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Layer,
    RootMeanSquare,
}

fn unit_of(
    m: Matcher<'_>,
    form: Form,
    found: &Normal,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
) -> Option<Unit> {
    let within = m.graph.shape(found.x).get(found.first..)?;
    let parameter = |v: ValueId| {
        // A parameter is a constant of the normalized axes.
        m.graph.constant(v)?;
        let shape = m.graph.shape(v);
        let ones = shape.len().saturating_sub(within.len());
        (ones == 0 || shape[..ones].iter().all(|&d| d == 1)).then_some(v)
    };
    let (mut inputs, mut extra) = (vec![found.x], Vec::new());
    match (scale, bias) {
        (Some(scale), bias) => {
            inputs.push(parameter(scale)?);
            if let Some(bias) = bias {
                inputs.push(parameter(bias)?);
            }
        }
        (None, bias) => {
            extra.push(filled(m.graph.fact(found.x).dtype, within, 1.0)?);
            if let Some(bias) = bias {
                extra.push(m.graph.constant(parameter(bias)?)?.clone());
            }
        }
    }
    let (axis, epsilon) = (found.first as i64, found.epsilon as f32);
    Some(match form {
        Form::Layer => {
            Unit { op: Arc::new(LayerNormalization { axis, epsilon }), inputs, extra, turned: None }
        }
        Form::RootMeanSquare => {
            Unit { op: Arc::new(RmsNormalization { axis, epsilon }), inputs, extra, turned: None }
        }
    })
}

/// (x − mean) / deviation · scale + bias.
pub(super) fn layer_norm_with_bias(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (a, b) = m.two(v, "Add")?;
    let (scaled, bias) = if m.graph.constant(b).is_some() { (a, b) } else { (b, a) };
    let (found, scale) = scaled_normal(m, scaled)?;
    unit_of(m, Form::Layer, &found, Some(scale), Some(bias))
}

fn scaled_normal(m: Matcher<'_>, v: ValueId) -> Option<(Normal, ValueId)> {
    let (a, b) = m.two(v, "Mul")?;
    let (inner, scale) = if m.graph.constant(b).is_some() { (a, b) } else { (b, a) };
    m.graph.constant(scale)?;
    Some((normal(m, inner)?, scale))
}

pub(super) fn layer_norm_with_scale(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (found, scale) = scaled_normal(m, v)?;
    unit_of(m, Form::Layer, &found, Some(scale), None)
}

pub(super) fn layer_norm(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let found = normal(m, v)?;
    unit_of(m, Form::Layer, &found, None, None)
}

/// x · f + (bias − mean · f), with f = scale / deviation, as TensorFlow writes it; the mean may be taken away as −mean · f is added.
pub(super) fn layer_norm_folded(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (a, b) = m.two(v, "Add")?;
    [(a, b), (b, a)].into_iter().find_map(|(product, rest)| {
        let (level, bias) = level_and_bias(m, rest)?;
        let (p, q) = m.two(product, "Mul")?;
        let (r, s) = m.two(level.product, "Mul")?;
        // The factor is what both products share.
        let factor = [p, q].into_iter().find(|f| [r, s].contains(f))?;
        let (x, mean) = (if p == factor { q } else { p }, if r == factor { s } else { r });
        let mean = if level.negative { m.one(mean, "Neg")? } else { mean };
        let (of, first) = m.mean(mean)?;
        let (inner, scale) = scaled(m, factor);
        let found = inverse(m, inner)?;
        ((of, first) == (x, found.first) && found.x == x).then_some(())?;
        unit_of(m, Form::Layer, &found, scale, bias)
    })
}

/// mean · f, or (−mean) · f.
struct Level {
    product: ValueId,
    negative: bool,
}

/// What is added to x · f: bias − mean · f, (−mean) · f + bias, or (−mean) · f.
fn level_and_bias(m: Matcher<'_>, rest: ValueId) -> Option<(Level, Option<ValueId>)> {
    if let Some((bias, product)) = m.two(rest, "Sub") {
        return Some((Level { product, negative: false }, Some(bias)));
    }
    if let Some((a, b)) = m.two(rest, "Add") {
        let (product, bias) = if m.graph.constant(b).is_some() { (a, b) } else { (b, a) };
        return Some((Level { product, negative: true }, Some(bias)));
    }
    Some((Level { product: rest, negative: true }, None))
}

/// A product with a constant, or a value that is none.
fn scaled(m: Matcher<'_>, v: ValueId) -> (ValueId, Option<ValueId>) {
    match m.two(v, "Mul") {
        Some((a, b)) if m.graph.constant(b).is_some() => (a, Some(b)),
        Some((a, b)) if m.graph.constant(a).is_some() => (b, Some(a)),
        _ => (v, None),
    }
}

/// √(mean of x² + epsilon).
fn root_mean_square(m: Matcher<'_>, v: ValueId) -> Option<Normal> {
    let raised = m.one(v, "Sqrt")?;
    let (mean, epsilon) = m.plus(raised)?;
    let (square, first) = m.mean(mean)?;
    (epsilon >= 0.0).then_some(Normal { x: m.square(square)?, first, epsilon })
}

/// x / √(mean of x² + epsilon), x · (1 / √…), or x · (scale / √…).
fn over_root(m: Matcher<'_>, v: ValueId) -> Option<(Normal, Option<ValueId>)> {
    if let Some((x, root)) = m.two(v, "Div") {
        return root_mean_square(m, root).filter(|found| found.x == x).map(|found| (found, None));
    }
    let (a, b) = m.two(v, "Mul")?;
    [(a, b), (b, a)].into_iter().find_map(|(x, factor)| {
        let (inner, scale) = scaled(m, factor);
        let found = inverse_of(m, inner, root_mean_square)?;
        (found.x == x).then_some((found, scale))
    })
}

/// x / √(mean of x² + epsilon) · scale.
pub(super) fn rms_norm_with_scale(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (inner, Some(scale)) = scaled(m, v) else { return None };
    let (found, None) = over_root(m, inner)? else { return None };
    unit_of(m, Form::RootMeanSquare, &found, Some(scale), None)
}

pub(super) fn rms_norm(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (found, scale) = over_root(m, v)?;
    unit_of(m, Form::RootMeanSquare, &found, scale, None)
}
