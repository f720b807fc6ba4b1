//! RotaryEmbedding of ONNX Runtime: that of ONNX with the positions as the second input, [batch, positions] or the first of them alone.
//!
//! Where X is [batch, positions, heads · size] and no number of heads is given, a head is twice as wide as the cosines.

use std::sync::Arc;

use super::RotaryEmbedding;
use super::composite::through_body;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// RotaryEmbedding's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "RotaryEmbedding",
    domain: "com.microsoft",
    since: 1,
    summary: "pairs of numbers of each head turned by an angle of their position",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(4, 4)?;
        if node.flag("is_packed_batching", false)? {
            refuse!("packed batches (is_packed_batching) are not supported");
        }
        if node.float("scale")?.is_some_and(|scale| scale != 1.0) {
            refuse!("attribute scale is not supported, which ONNX Runtime's own kernels leave aside");
        }
        Ok(Arc::new(MicrosoftRotaryEmbedding { rotary: RotaryEmbedding::read(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Pairs of numbers of each head, turned.
#[derive(Clone, Copy, Debug, Default)]
pub struct MicrosoftRotaryEmbedding {
    /// How they are turned.
    pub rotary: RotaryEmbedding,
}

impl Operator for MicrosoftRotaryEmbedding {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.rotary.attributes()
    }

    fn kind(&self, active: &[bool]) -> Kind {
        let on = |i: usize| active.get(i).copied().unwrap_or(false);
        self.rotary.kind(&[on(0), on(2), on(3)])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(ids), Some(cos), Some(sin)] = inputs else { refuse!("it needs four inputs") };
        let shape = b.shape(x).to_vec();
        let (positions, heads) = match *shape.as_slice() {
            [_, _, positions, _] => (positions, None),
            [_, positions, width] => {
                let size = 2 * b.shape(cos).last().copied().unwrap_or(0);
                let whole = self.rotary.turned.is_none() && size > 0 && width.is_multiple_of(size);
                (positions, self.rotary.heads.or(whole.then(|| width / size)))
            }
            _ => refuse!("X is of shape {shape:?}, expected three or four dimensions"),
        };
        let ids = match *b.shape(ids) {
            [1] => {
                let steps: Vec<i64> = (0..positions as i64).collect();
                let steps = b.integers(&steps);
                let steps = b.reshape(steps, &[1, positions])?;
                b.add(steps, ids)?
            }
            [_, count] if count == positions => ids,
            _ => refuse!("positions are of shape {:?}, expected [{}, {positions}] or [1]", b.shape(ids), shape[0]),
        };
        let rotary = RotaryEmbedding { heads, ..self.rotary };
        Ok(Some(b.node(Arc::new(rotary), &[Some(x), Some(cos), Some(sin), Some(ids)])?))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::{MicrosoftRotaryEmbedding, RotaryEmbedding};
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |rotary| Case::new(MicrosoftRotaryEmbedding { rotary });
        let plain = RotaryEmbedding::default();
        vec![
            // Position 1 is a quarter turn, which takes (1, 2) to (−2, 1); two heads of two numbers each follow from the cosines.
            of(plain)
                .input(f64s(&[1, 1, 4], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .input(f64s(&[2, 1], &[1.0, 0.0]))
                .input(f64s(&[2, 1], &[0.0, 1.0]))
                .expect(f64s(&[1, 1, 4], &[-2.0, 1.0, -4.0, 3.0])),
            of(plain)
                .random(&[2, 2, 3, 4])
                .input(Tensor::new(&[2, 3], vec![0i64, 1, 2, 2, 1, 0]).unwrap())
                .random(&[5, 2])
                .random(&[5, 2])
                .rows(&[0, 1]),
            of(RotaryEmbedding { interleaved: true, heads: Some(2), turned: Some(4) })
                .random(&[2, 3, 12])
                .input(i64s(&[1]))
                .random(&[4, 2])
                .random(&[4, 2])
                .rows(&[0]),
        ]
    }
}
