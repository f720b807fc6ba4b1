//! What classifiers and regressors do to their scores in the end, as ONNX Runtime does it.
//!
//! A score that stands alone is left as it is but for PROBIT. Where it stands for two classes, the second class has it and the first has,
//! without LOGISTIC, one minus the score or, where scores have signs, minus the score.

use super::{ReduceMax, Softmax};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::refuse;

/// A function of a row's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostTransform {
    /// None.
    None,
    /// exp, divided by their sum.
    Softmax,
    /// 1 / (1 + exp(−x)), each by itself.
    Logistic,
    /// Softmax of the scores that are not zero; those that are stay zero.
    SoftmaxZero,
    /// The quantile of the normal distribution, each by itself, in ONNX Runtime's approximation.
    Probit,
}

const NAMES: [(PostTransform, &str); 5] = [
    (PostTransform::None, "NONE"),
    (PostTransform::Softmax, "SOFTMAX"),
    (PostTransform::Logistic, "LOGISTIC"),
    (PostTransform::SoftmaxZero, "SOFTMAX_ZERO"),
    (PostTransform::Probit, "PROBIT"),
];

impl PostTransform {
    /// That of the attribute `post_transform`.
    pub(crate) fn read(node: &Import<'_>) -> OpResult<Self> {
        let name = node.text("post_transform")?.unwrap_or_else(|| "NONE".to_owned());
        let found = NAMES.iter().find(|(_, n)| *n == name).map(|(t, _)| *t);
        found.ok_or_else(|| OpError(format!("attribute post_transform is {name:?}")))
    }

    /// That of a number, as TreeEnsemble has it.
    pub(crate) fn of_number(number: i64) -> OpResult<Self> {
        let found = usize::try_from(number).ok().and_then(|i| NAMES.get(i)).map(|(t, _)| *t);
        found.ok_or_else(|| OpError(format!("attribute post_transform is {number}, expected 0 to 4")))
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(t, _)| *t == self).map_or("NONE", |(_, name)| name)
    }

    /// Done to scores [rows, scores].
    pub(crate) fn emit(self, b: &mut Builder, scores: ValueId) -> OpResult<ValueId> {
        let single = b.shape(scores).last() == Some(&1);
        match self {
            Self::Probit => probit(b, scores),
            _ if single => Ok(scores),
            Self::None => Ok(scores),
            Self::Softmax => b.push(Softmax { axis: 1, flatten: false }, &[scores]),
            Self::Logistic => b.sigmoid(scores),
            Self::SoftmaxZero => softmax_zero(b, scores),
        }
    }

    /// Done to one score [rows, 1] that stands for two classes: [rows, 2].
    pub(crate) fn pair(self, b: &mut Builder, score: ValueId, signed: bool) -> OpResult<ValueId> {
        let (first, second) = match self {
            Self::Probit => {
                refuse!(
                    "PROBIT of one score for two classes is not defined; ONNX Runtime gives unset numbers"
                )
            }
            Self::Logistic => {
                let opposite = b.neg(score)?;
                (b.sigmoid(opposite)?, b.sigmoid(score)?)
            }
            _ => {
                let opposite = b.neg(score)?;
                (if signed { opposite } else { b.shift(opposite, 1.0)? }, score)
            }
        };
        b.concat(&[first, second], 1)
    }
}

/// √2 · erf⁻¹(2x − 1), by Winitzki's formula, as in ONNX Runtime.
fn probit(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    const A: f64 = 0.147;
    let x = b.scale(x, 2.0)?;
    let x = b.shift(x, -1.0)?;
    let sign = b.sign(x)?;
    let square = b.mul(x, x)?;
    let rest = b.neg(square)?;
    let rest = b.shift(rest, 1.0)?;
    let log = b.log(rest)?;
    let half = b.scale(log, 0.5)?;
    let v = b.shift(half, 2.0 / (std::f64::consts::PI * A))?;
    let w = b.scale(log, 1.0 / A)?;
    let inner = b.mul(v, v)?;
    let inner = b.sub(inner, w)?;
    let root = b.sqrt(inner)?;
    let difference = b.sub(root, v)?;
    let size = b.sqrt(difference)?;
    let size = b.scale(size, std::f64::consts::SQRT_2)?;
    b.mul(sign, size)
}

fn softmax_zero(b: &mut Builder, scores: ValueId) -> OpResult<ValueId> {
    let axis = b.integers(&[1]);
    let largest = b.push(ReduceMax { keep: true, noop_with_empty_axes: false }, &[scores, axis])?;
    let lowered = b.sub(scores, largest)?;
    let powers = b.exp(lowered)?;
    // What is as good as zero keeps its size relative to the others.
    let scale = b.neg(largest)?;
    let scale = b.exp(scale)?;
    let small = b.mul(scores, scale)?;
    let size = b.abs(scores)?;
    let limit = b.scalar_like(size, 1e-7)?;
    let counts = b.greater(size, limit)?;
    let powers = b.select(counts, powers, small)?;
    let sum = b.reduce_sum(powers, &[1], true)?;
    b.div(powers, sum)
}
