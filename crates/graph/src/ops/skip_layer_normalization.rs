//! SkipLayerNormalization of ONNX Runtime: LayerNormalization over the last axis of x + skip + bias.
//!
//! Inputs are x, skip, scale, shift and bias; outputs are the result, the mean, one over the deviation, and the sum.

use std::sync::Arc;

use super::LayerNormalization;
use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// SkipLayerNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SkipLayerNormalization",
    domain: "com.microsoft",
    since: 1,
    summary: "LayerNormalization of x + skip + bias",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 5)?;
        Ok(Arc::new(SkipLayerNormalization { epsilon: node.float("epsilon")?.unwrap_or(1e-12) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// LayerNormalization of x + skip + bias.
#[derive(Clone, Copy, Debug)]
pub struct SkipLayerNormalization {
    /// What is added to the variance.
    pub epsilon: f32,
}

/// x + skip + bias, of the shape of x.
pub(super) fn skipped(
    b: &mut Builder,
    x: Option<ValueId>,
    skip: Option<ValueId>,
    bias: Option<ValueId>,
) -> OpResult<ValueId> {
    let (Some(x), Some(skip)) = (x, skip) else { refuse!("input 0 or 1 is missing") };
    let sum = b.add(x, skip)?;
    if b.shape(sum) != b.shape(x) {
        refuse!("a skip of shape {:?} is larger than {:?}", b.shape(skip), b.shape(x));
    }
    bias.map_or(Ok(sum), |bias| b.add(sum, bias))
}

impl Operator for SkipLayerNormalization {
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
        let sum = skipped(b, given(0), given(1), given(4))?;
        let op = LayerNormalization { axis: -1, epsilon: self.epsilon };
        let mut outputs = b.node(Arc::new(op), &[Some(sum), given(2), given(3)])?;
        outputs.push(sum);
        Ok(Some(outputs))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::SkipLayerNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = SkipLayerNormalization { epsilon: 0.25 };
        vec![
            Case::new(SkipLayerNormalization { epsilon: 0.0 })
                .input(f64s(&[1, 1, 2], &[1.0, 2.0]))
                .input(f64s(&[1, 1, 2], &[1.0, 3.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .input(f64s(&[2], &[1.0, 2.0]))
                .expect(f64s(&[1, 1, 2], &[8.0, 23.0]))
                .expect(f64s(&[1, 1, 1], &[5.0]))
                .expect(f64s(&[1, 1, 1], &[0.5]))
                .expect(f64s(&[1, 1, 2], &[3.0, 7.0])),
            Case::new(op).random(&[3, 2, 5]).random(&[3, 2, 5]).random(&[5]).random(&[5]).rows(&[0, 1]),
            Case::new(op).random(&[3, 2, 5]).random(&[2, 5]).random(&[5]),
        ]
    }
}
