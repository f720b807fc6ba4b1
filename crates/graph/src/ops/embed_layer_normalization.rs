//! EmbedLayerNormalization of ONNX Runtime: the embeddings of words, positions and segments summed and normalized, as BERT begins.
//!
//! Inputs are ids, segments, the three tables, scale, shift, a mask and positions; outputs are the result, how many positions each row's mask
//! holds, and the sum.

use std::sync::Arc;

use super::composite::through_body;
use super::{Gather, LayerNormalization};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// EmbedLayerNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "EmbedLayerNormalization",
    domain: "com.microsoft",
    since: 1,
    summary: "the sum of the embeddings of words, positions and segments, normalized",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(7, 9).or_else(|_| node.expect_inputs(1, 9))?;
        Ok(Arc::new(EmbedLayerNormalization { epsilon: node.float("epsilon")?.unwrap_or(1e-12) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sum of the embeddings of words, positions and segments, normalized.
#[derive(Clone, Copy, Debug)]
pub struct EmbedLayerNormalization {
    /// What is added to the variance.
    pub epsilon: f32,
}

impl Operator for EmbedLayerNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("epsilon", Attribute::Float(self.epsilon))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let ids = needed(0)?;
        let &[batch, positions] = b.shape(ids) else { refuse!("ids are of shape {:?}", b.shape(ids)) };
        let take = |b: &mut Builder, table: ValueId, ids: ValueId| b.push(Gather { axis: 0 }, &[table, ids]);
        let words = take(b, needed(2)?, ids)?;
        let place = match given(8) {
            Some(places) => take(b, needed(3)?, places)?,
            None => b.narrow(needed(3)?, 0, 0, positions)?,
        };
        let mut sum = b.add(words, place)?;
        if let (Some(segments), Some(table)) = (given(1), given(4)) {
            let part = take(b, table, segments)?;
            sum = b.add(sum, part)?;
        }
        let op = LayerNormalization { axis: -1, epsilon: self.epsilon };
        let normal = b.node(Arc::new(op), &[Some(sum), given(5), given(6)])?[0];
        let counts = match given(7) {
            Some(mask) => {
                let mask = b.cast(mask, DType::I32)?;
                b.reduce_sum(mask, &[1], false)?
            }
            None => {
                let zeros = Tensor::zeros(DType::I32, &[batch]);
                b.constant_value(zeros.ok_or_else(|| OpError("the batch is too large".to_owned()))?)
            }
        };
        Ok(Some(vec![normal, counts, sum]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::EmbedLayerNormalization;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let op = EmbedLayerNormalization { epsilon: 0.0 };
        let ids = |data: &[i32]| Tensor::new(&[2, 2], data.to_vec()).unwrap();
        vec![
            Case::new(op)
                .input(ids(&[0, 1, 1, 1]))
                .input(ids(&[0, 0, 0, 1]))
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[3, 2], &[0.0, 1.0, 0.0, -2.0, 9.0, 9.0]))
                .input(f64s(&[2, 2], &[0.0, 0.0, 0.0, 5.0]))
                .input(f64s(&[2], &[2.0, 2.0]))
                .input(f64s(&[2], &[0.5, 0.5]))
                .input(ids(&[1, 1, 1, 0]))
                .rows(&[0, 1, 7])
                .expect(f64s(&[2, 2, 2], &[-1.5, 2.5, 2.5, -1.5, -1.5, 2.5, -1.5, 2.5]))
                .expect(Tensor::vector(vec![2i32, 1]))
                .expect(f64s(&[2, 2, 2], &[1.0, 3.0, 3.0, 2.0, 3.0, 5.0, 3.0, 7.0])),
            Case::new(EmbedLayerNormalization { epsilon: 0.5 })
                .input(ids(&[0, 1, 1, 1]))
                .missing()
                .random(&[2, 3])
                .random(&[4, 3])
                .missing()
                .random(&[3])
                .random(&[3])
                .missing()
                .input(ids(&[3, 1, 2, 0]))
                .rows(&[0, 8]),
        ]
    }
}
