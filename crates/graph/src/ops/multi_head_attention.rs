//! MultiHeadAttention of ONNX Runtime: scaled dot-product attention of queries, keys and values that are projected already.
//!
//! Inputs are queries [batch, positions, heads · size], keys and values alike or by head [batch, heads, positions, size], or all three in
//! one [batch, positions, heads, 3, size]; a bias of the three, a mask of keys, and what is added to the scores. Caches are refused.

use std::sync::Arc;

use super::Split;
use super::attend::{Mask, split_heads};
use super::composite::through_body;
use super::microsoft_scores::Scores;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// MultiHeadAttention's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MultiHeadAttention",
    domain: "com.microsoft",
    since: 1,
    summary: "attention of queries, keys and values, by heads",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 10)?;
        for (i, what) in
            [(6, "cached keys"), (7, "cached values"), (8, "the length of a cache"), (9, "a cache's order")]
        {
            if node.has(i) {
                refuse!("its input {i} ({what}) is not read");
            }
        }
        if node.outputs > 1 {
            refuse!("its outputs behind the first (keys and values to cache) are not computed");
        }
        Ok(Arc::new(MultiHeadAttention { scores: Scores::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Attention of queries, keys and values, by heads.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    /// Heads, scale and masks.
    pub scores: Scores,
}

impl Operator for MultiHeadAttention {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.scores.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (heads, query) = (self.scores.heads, needed(0)?);
        let mut parts = match (b.shape(query), given(1), given(2)) {
            (&[batch, positions, own, 3, size], None, None) => {
                let parts = b.node(Arc::new(Split { axis: 3, parts: Some(3) }), &[Some(query)])?;
                let flat = |b: &mut Builder, x| b.reshape(x, &[batch, positions, own * size]);
                parts.into_iter().map(|x| flat(b, x)).collect::<OpResult<Vec<_>>>()?
            }
            (_, Some(key), Some(value)) => vec![query, key, value],
            (shape, ..) => refuse!("queries of shape {shape:?} without keys or values are not read"),
        };
        if let Some(bias) = given(3) {
            let mut start = 0;
            for part in &mut parts {
                let size = match *b.shape(*part) {
                    [_, _, width] => width,
                    // By head already: the bias was added to these before.
                    [_, own, _, size] => own * size,
                    _ => refuse!("an input is of shape {:?}", b.shape(*part)),
                };
                if b.shape(*part).len() == 3 {
                    let own = b.narrow(bias, 0, start, size)?;
                    *part = b.add(*part, own)?;
                }
                start += size;
            }
        }
        for part in &mut parts {
            if b.shape(*part).len() != 4 {
                *part = split_heads(b, *part, heads)?;
            }
        }
        let (batch, keys) = (b.shape(parts[0])[0], b.shape(parts[1])[2]);
        let mut mask = Mask::default();
        if let Some(given) = given(4) {
            self.scores.keys(b, &mut mask, given, batch, keys)?;
        }
        let attended = self.scores.attend(b, (parts[0], parts[1], parts[2]), mask, given(5))?;
        Ok(Some(vec![attended]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::microsoft_scores::Scores;
    use super::MultiHeadAttention;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let scores = Scores { heads: 2, causal: false, filter: -10_000.0, scale: None };
        let op = || Case::new(MultiHeadAttention { scores });
        let one = Scores { heads: 1, scale: Some(1.0), ..scores };
        let raw = || Tensor::new(&[2, 3], vec![1i32, 0, 1, 0, 1, 1]).unwrap();
        vec![
            Case::new(MultiHeadAttention { scores: one })
                .input(f64s(&[1, 1, 1], &[3f64.ln()]))
                .input(f64s(&[1, 2, 1], &[1.0, 0.0]))
                .input(f64s(&[1, 2, 1], &[4.0, 8.0]))
                .expect(f64s(&[1, 1, 1], &[5.0])),
            op().random(&[2, 4, 6])
                .random(&[2, 3, 6])
                .random(&[2, 3, 8])
                .random(&[20])
                .input(raw())
                .rows(&[0, 1, 2, 4]),
            op().random(&[2, 4, 6]).random(&[2, 2, 3, 3]).random(&[2, 2, 3, 4]).rows(&[0, 1, 2]),
            op().random(&[2, 4, 2, 3, 5]),
        ]
    }
}
