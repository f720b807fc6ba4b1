//! The units' structures, each as a function from the last value of a unit to the operator that it is.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::sync::Arc;

use super::Unit;
use super::attention::attention;
use super::matcher::{Factors, Matcher, near};
use super::norms::{
    layer_norm, layer_norm_folded, layer_norm_with_bias, layer_norm_with_scale, rms_norm, rms_norm_with_scale,
};
use crate::graph::ValueId;
use crate::operator::Operator;
use crate::ops::{Gelu, HardSwish, Mish, Softmax, Softplus, Swish};
use pellucid_kernels::activation::{GELU_CUBE, GELU_SCALE};

type Pattern = fn(Matcher<'_>, ValueId) -> Option<Unit>;

/// Every pattern, the larger ones first.
pub(super) const ALL: &[Pattern] = &[
    attention,
    layer_norm_with_bias,
    layer_norm_folded,
    layer_norm_with_scale,
    layer_norm,
    rms_norm_with_scale,
    rms_norm,
    gelu,
    swish,
    hard_swish,
    mish,
    softplus,
    softmax,
];

fn of_one(op: impl Operator, x: ValueId) -> Unit {
    Unit { op: Arc::new(op), inputs: vec![x], extra: Vec::new(), turned: None }
}

/// Whether the factors are x, another value and nothing else.
fn are(factors: &Factors, x: ValueId, other: ValueId, constant: f64) -> bool {
    near(factors.constant, constant) && (factors.rest == [x, other] || factors.rest == [other, x])
}

/// x/2 · (1 + erf(x/√2)), or x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))), in any order of factors.
fn gelu(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    m.factors(v, &[]).rest.into_iter().find_map(|bent| {
        let (inner, one) = m.plus(bent)?;
        let (x, tanh) = match m.one(inner, "Erf") {
            Some(scaled) => (over_root_two(m, scaled)?, false),
            None => (of_cubic(m, m.one(inner, "Tanh")?)?, true),
        };
        // The product once more, with x as one factor whatever it is made of.
        let factors = m.factors(v, &[x, bent]);
        (near(one, 1.0) && are(&factors, x, bent, 0.5)).then(|| of_one(Gelu { tanh }, x))
    })
}

/// x of x/√2.
fn over_root_two(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    if let Some((x, n)) = m.two(v, "Div") {
        return m.number(n).filter(|&n| near(n, SQRT_2)).map(|_| x);
    }
    let (a, b) = m.two(v, "Mul")?;
    let scaled = |n: Option<f64>| n.is_some_and(|n| near(n, FRAC_1_SQRT_2));
    if scaled(m.number(b)) { Some(a) } else { scaled(m.number(a)).then_some(b) }
}

/// x of √(2/π) · (x + 0.044715 · x³) or √(2/π) · x · (1 + 0.044715 · x²).
fn of_cubic(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    let mut candidates = m.factors(v, &[]).rest;
    for sum in candidates.clone() {
        if let Some((a, b)) = m.two(sum, "Add") {
            candidates.extend([a, b]);
        }
    }
    candidates.into_iter().find(|&x| cubic_of(m, v, x).is_some())
}

/// Whether a value is √(2/π) · (x + 0.044715 · x³) or √(2/π) · x · (1 + 0.044715 · x²), of this x.
fn cubic_of(m: Matcher<'_>, v: ValueId, x: ValueId) -> Option<()> {
    let factors = m.factors(v, &[x]);
    if !near(factors.constant, GELU_SCALE) {
        return None;
    }
    match *factors.rest.as_slice() {
        [sum] if sum != x => {
            let (a, b) = m.two(sum, "Add")?;
            let cube = if a == x { b } else { (b == x).then_some(a)? };
            power_of(m, cube, x, 3)
        }
        [a, b] => {
            let sum = if a == x { b } else { (b == x).then_some(a)? };
            let (square, one) = m.plus(sum)?;
            if near(one, 1.0) { power_of(m, square, x, 2) } else { None }
        }
        _ => None,
    }
}

/// Whether a value is 0.044715 times a power of x.
fn power_of(m: Matcher<'_>, v: ValueId, x: ValueId, power: usize) -> Option<()> {
    let factors = m.factors(v, &[x]);
    if !near(factors.constant, GELU_CUBE) {
        return None;
    }
    let mut count = 0;
    for factor in factors.rest {
        if factor == x {
            count += 1;
        } else {
            let (base, exponent) = m.two(factor, "Pow")?;
            let n = m.number(exponent).filter(|_| base == x)?;
            count += [2.0, 3.0].iter().position(|&k| k == n)? + 2;
        }
    }
    (count == power).then_some(())
}

/// x · sigmoid(alpha · x).
fn swish(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (a, b) = m.two(v, "Mul")?;
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let inner = m.one(gate, "Sigmoid")?;
        if inner == x {
            return Some(of_one(Swish { alpha: 1.0 }, x));
        }
        let (p, q) = m.two(inner, "Mul")?;
        let alpha = if p == x { m.number(q)? } else { m.number(p).filter(|_| q == x)? };
        Some(of_one(Swish { alpha: alpha as f32 }, x))
    })
}

/// x · hard sigmoid of x, or x · min(max(x + 3, 0), 6) / 6.
fn hard_swish(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    if let Some((a, b)) = m.two(v, "Mul") {
        for (x, gate) in [(a, b), (b, a)] {
            if let Some(node) = m.node(gate, "HardSigmoid")
                && node.inputs.first() == Some(&Some(x))
            {
                let number = |name: &str| match node.op.attributes().get(name) {
                    Some(crate::Attribute::Float(n)) => f64::from(*n),
                    _ => f64::NAN,
                };
                if near(number("alpha"), 1.0 / 6.0) && near(number("beta"), 0.5) {
                    return Some(of_one(HardSwish, x));
                }
            }
        }
    }
    let candidates = m.factors(v, &[]).rest;
    candidates.into_iter().find_map(|gate| {
        let node = m.node(gate, "Clip")?;
        let &[Some(sum), Some(low), Some(high)] = node.inputs.as_slice() else { return None };
        let (x, three) = m.plus(sum)?;
        let bounds = m.number(low)? == 0.0 && m.number(high)? == 6.0 && three == 3.0;
        let factors = m.factors(v, &[x, gate]);
        (bounds && are(&factors, x, gate, 1.0 / 6.0)).then(|| of_one(HardSwish, x))
    })
}

/// x · tanh(softplus(x)).
fn mish(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (a, b) = m.two(v, "Mul")?;
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let inner = m.one(gate, "Tanh")?;
        let of = match m.one(inner, "Softplus") {
            Some(of) => of,
            None => log_one_plus_exp(m, inner)?,
        };
        (of == x).then(|| of_one(Mish, x))
    })
}

/// x of log(1 + exp(x)).
fn log_one_plus_exp(m: Matcher<'_>, v: ValueId) -> Option<ValueId> {
    let sum = m.one(v, "Log")?;
    let (exponential, one) = m.plus(sum)?;
    if one == 1.0 { m.one(exponential, "Exp") } else { None }
}

fn softplus(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    log_one_plus_exp(m, v).map(|x| of_one(Softplus, x))
}

/// exp(x) over its sum along one axis, with or without the largest element taken away before.
fn softmax(m: Matcher<'_>, v: ValueId) -> Option<Unit> {
    let (exponential, sum) = m.two(v, "Div")?;
    let (summed, axes) = m.reduced(sum, "ReduceSum")?;
    let &[axis] = axes.as_slice() else { return None };
    if summed != exponential {
        return None;
    }
    let inner = m.one(exponential, "Exp")?;
    let shifted = m.two(inner, "Sub").and_then(|(x, largest)| {
        let (of, over) = m.reduced(largest, "ReduceMax")?;
        (of == x && over == axes).then_some(x)
    });
    Some(of_one(Softmax { axis: axis as i64, flatten: false }, shifted.unwrap_or(inner)))
}
