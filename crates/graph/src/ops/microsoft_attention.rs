//! Attention of ONNX Runtime: the projections of one input to queries, keys and values, and scaled dot-product attention of them.
//!
//! Inputs are x [batch, positions, width], weights [width, 3 · size], bias [3 · size], a mask and what is added to the scores. A mask of
//! integers is one of: how many positions each row has, or 1 where a position may be attended to, [batch, keys], [batch, queries, keys] or
//! [batch, 1, queries, keys]. Cached keys and values are refused.

use std::sync::Arc;

use super::attend::{Mask, split_heads};
use super::composite::through_body;
use super::microsoft_scores::Scores;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// Attention's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Attention",
    domain: "com.microsoft",
    since: 1,
    summary: "queries, keys and values projected from one input, and attention of them",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 7)?;
        for (i, what) in [(4, "cached keys and values"), (6, "the length of a cache")] {
            if node.has(i) {
                refuse!("its input {i} ({what}) is not read");
            }
        }
        if node.flag("do_rotary", false)? {
            refuse!("attribute do_rotary is not read");
        }
        if node.outputs > 1 {
            refuse!("its second output (keys and values to cache) is not computed");
        }
        let sizes = match node.ints("qkv_hidden_sizes")? {
            None => None,
            Some(sizes) => Some(
                sizes
                    .iter()
                    .map(|&n| usize::try_from(n))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| OpError(format!("attribute qkv_hidden_sizes is {sizes:?}")))?,
            ),
        };
        Ok(Arc::new(MicrosoftAttention { scores: Scores::import(node)?, sizes }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Queries, keys and values projected from one input, and attention of them.
#[derive(Clone, Debug)]
pub struct MicrosoftAttention {
    /// Heads, scale and masks.
    pub scores: Scores,
    /// The sizes of queries, keys and values; a third of the weights each where it is `None`.
    pub sizes: Option<Vec<usize>>,
}

impl Operator for MicrosoftAttention {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let found = self.scores.attributes();
        match &self.sizes {
            Some(sizes) => {
                found.with("qkv_hidden_sizes", Attribute::Ints(sizes.iter().map(|&n| n as i64).collect()))
            }
            None => found,
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (x, weights) = (needed(0)?, needed(1)?);
        let &[batch, positions, _] = b.shape(x) else {
            refuse!("its input is of shape {:?}, expected three dimensions", b.shape(x))
        };
        let width = b.shape(weights).get(1).copied().unwrap_or(0);
        let sizes = match self.sizes.as_deref() {
            Some(&[q, k, v]) => [q, k, v],
            Some(other) => refuse!("attribute qkv_hidden_sizes is {other:?}, expected three numbers"),
            None if width.is_multiple_of(3) => [width / 3; 3],
            None => refuse!("weights of shape {:?} are not those of three projections", b.shape(weights)),
        };
        if sizes.iter().try_fold(0usize, |n, &s| n.checked_add(s)) != Some(width) {
            refuse!("weights of shape {:?} are not those of sizes {sizes:?}", b.shape(weights));
        }
        let mut all = b.matmul(x, weights)?;
        if let Some(bias) = given(2) {
            all = b.add(all, bias)?;
        }
        let (mut parts, mut start) = (Vec::with_capacity(3), 0);
        for size in sizes {
            let part = b.narrow(all, 2, start, size)?;
            parts.push(split_heads(b, part, self.scores.heads)?);
            start += size;
        }
        let mut mask = Mask::default();
        if let Some(given) = given(3) {
            self.scores.keys(b, &mut mask, given, batch, positions)?;
        }
        let attended = self.scores.attend(b, (parts[0], parts[1], parts[2]), mask, given(5))?;
        Ok(Some(vec![attended]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::microsoft_scores::Scores;
    use super::MicrosoftAttention;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let scores = Scores { heads: 2, causal: false, filter: -10_000.0, scale: None };
        let op = |causal| MicrosoftAttention { scores: Scores { causal, ..scores }, sizes: None };
        let one = Scores { heads: 1, scale: Some(1.0), ..scores };
        let ln3 = 3f64.ln();
        let lengths = || Tensor::vector(vec![2i32, 3]);
        let raw = || Tensor::new(&[2, 3], vec![1i32, 0, 1, 0, 1, 1]).unwrap();
        let base = |causal| Case::new(op(causal)).random(&[2, 3, 4]).random(&[4, 12]).random(&[12]);
        vec![
            // Queries 1, keys ln 3 and 0, values 4 and 8: weights 3/4 and 1/4.
            Case::new(MicrosoftAttention { scores: one, sizes: Some(vec![1, 1, 1]) })
                .input(f64s(&[1, 2, 2], &[1.0, 0.0, 0.0, 1.0]))
                .input(f64s(&[2, 3], &[1.0, ln3, 4.0, 1.0, 0.0, 8.0]))
                .expect(f64s(&[1, 2, 1], &[5.0, 5.0])),
            Case::new(MicrosoftAttention { scores: Scores { causal: true, ..one }, sizes: None })
                .input(f64s(&[1, 2, 2], &[1.0, 0.0, 0.0, 1.0]))
                .input(f64s(&[2, 3], &[1.0, ln3, 4.0, 1.0, 0.0, 8.0]))
                .expect(f64s(&[1, 2, 1], &[4.0, 5.0])),
            base(false),
            base(true).input(lengths()).rows(&[0, 3]),
            base(false).input(raw()).missing().random(&[1, 2, 3, 3]).rows(&[0, 3]),
        ]
    }
}
