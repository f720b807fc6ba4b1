//! SkipSimplifiedLayerNormalization of ONNX Runtime: x + skip + bias over its root mean square, scaled.
//!
//! Inputs are x, skip, scale and bias; outputs are the result, the mean (which is not computed: zeros), one over the root, and the sum.

use std::sync::Arc;

use super::composite::through_body;
use super::rms_normalization::over_root_mean_square;
use super::skip_layer_normalization::skipped;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// SkipSimplifiedLayerNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SkipSimplifiedLayerNormalization",
    domain: "com.microsoft",
    since: 1,
    summary: "x + skip + bias over its root mean square, scaled",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 4)?;
        Ok(Arc::new(SkipSimplifiedLayerNormalization { epsilon: node.float("epsilon")?.unwrap_or(1e-12) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X + skip + bias over its root mean square, scaled.
#[derive(Clone, Copy, Debug)]
pub struct SkipSimplifiedLayerNormalization {
    /// What is added to the mean square.
    pub epsilon: f32,
}

impl Operator for SkipSimplifiedLayerNormalization {
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
        let sum = skipped(b, given(0), given(1), given(3))?;
        let Some(scale) = given(2) else { refuse!("input 2 is missing") };
        let (normal, inverse) = over_root_mean_square(b, sum, -1, f64::from(self.epsilon))?;
        let mean = b.zeros_like(inverse)?;
        Ok(Some(vec![b.mul(normal, scale)?, mean, inverse, sum]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::SkipSimplifiedLayerNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = SkipSimplifiedLayerNormalization { epsilon: 2.0 };
        vec![
            Case::new(op)
                .input(f64s(&[1, 2], &[1.0, -5.0]))
                .input(f64s(&[1, 2], &[1.0, 1.0]))
                .input(f64s(&[2], &[3.0, 6.0]))
                .expect(f64s(&[1, 2], &[6.0 / 12f64.sqrt(), -24.0 / 12f64.sqrt()])),
            Case::new(op).random(&[3, 2, 5]).random(&[3, 2, 5]).random(&[5]).random(&[5]).rows(&[0, 1]),
        ]
    }
}
