//! What ONNX Runtime's attention operators share: heads, the scale, and masks of keys.

use super::attend::{Mask, attend, join_heads, window};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::import::Import;
use crate::refuse;
use crate::tensor::Tensor;

/// How scores are scaled and masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The number of heads.
    pub heads: usize,
    /// Whether a position attends to none behind it.
    pub causal: bool,
    /// What is added to the score of a key that the mask leaves out.
    pub filter: f32,
    /// The factor of the scores; one over the root of a head's size where it is `None`.
    pub scale: Option<f32>,
}

impl Scores {
    /// Reads the attributes of a node.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        let heads = node.int("num_heads")?;
        let Some(heads) = heads.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0) else {
            refuse!("attribute num_heads is {heads:?}, expected a positive number")
        };
        Ok(Self {
            heads,
            causal: node.flag("unidirectional", false)?,
            filter: node.float("mask_filter_value")?.unwrap_or(-10_000.0),
            scale: node.float("scale")?.filter(|&s| s != 0.0),
        })
    }

    /// The attributes, as ONNX Runtime writes them.
    pub(crate) fn attributes(&self) -> Attributes {
        let found = Attributes::new()
            .with("num_heads", Attribute::Int(self.heads as i64))
            .with("unidirectional", Attribute::Int(i64::from(self.causal)))
            .with("mask_filter_value", Attribute::Float(self.filter));
        match self.scale {
            Some(scale) => found.with("scale", Attribute::Float(scale)),
            None => found,
        }
    }

    /// Adds a mask of integers to the scores: numbers of keys [batch], or 1 and 0 for each key.
    pub(crate) fn keys(
        &self,
        b: &mut Builder,
        mask: &mut Mask,
        given: ValueId,
        batch: usize,
        keys: usize,
    ) -> OpResult<()> {
        let on = match *b.shape(given) {
            [rows] if rows == batch => {
                let counts = b.reshape(given, &[batch, 1, 1, 1])?;
                let line = b.constant_value(Tensor::vector((0..keys as i64).collect::<Vec<i64>>()));
                let line = b.cast(line, b.fact(counts).dtype)?;
                b.less(line, counts)?
            }
            [rows, n] if n == keys => {
                let each = b.reshape(given, &[rows, 1, 1, n])?;
                b.positive(each)?
            }
            [rows, queries, n] if n == keys => {
                let each = b.reshape(given, &[rows, 1, queries, n])?;
                b.positive(each)?
            }
            [_, 1, _, n] if n == keys => b.positive(given)?,
            ref other => refuse!("a mask of shape {other:?} is not read, for {batch} rows and {keys} keys"),
        };
        mask.filtered = Some((on, f64::from(self.filter)));
        Ok(())
    }

    /// Attention of [batch, heads, positions, size], with its heads joined.
    pub(crate) fn attend(
        &self,
        b: &mut Builder,
        (q, k, v): (ValueId, ValueId, ValueId),
        mut mask: Mask,
        bias: Option<ValueId>,
    ) -> OpResult<ValueId> {
        let (queries, keys, size) = (b.shape(q)[2], b.shape(k)[2], b.shape(q)[3]);
        if self.causal {
            let allowed = window(b, (queries, keys), keys as i64 - queries as i64, None, Some(0))?;
            mask.allow(b, allowed)?;
        }
        if let Some(bias) = bias {
            mask.add(b, bias)?;
        }
        let scale = self.scale.map_or_else(|| 1.0 / (size as f64).sqrt(), f64::from);
        let attended = attend(b, (q, k, v), scale, 0.0, mask)?;
        join_heads(b, attended.output)
    }
}
