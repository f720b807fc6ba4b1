//! SimplifiedLayerNormalization of ONNX Runtime, which registers it in ONNX's own domain: x / √(mean of x² + epsilon) · scale.
//!
//! One over the root is its second output.

use std::sync::Arc;

use super::composite::through_body;
use super::rms_normalization::over_root_mean_square;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// SimplifiedLayerNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SimplifiedLayerNormalization",
    domain: "",
    since: 1,
    summary: "x / √(mean of x² + epsilon) · scale, over the axes from one on",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(SimplifiedLayerNormalization {
            axis: node.int("axis")?.unwrap_or(-1),
            epsilon: node.float("epsilon")?.unwrap_or(1e-5),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X / √(mean of x² + epsilon) · scale, over the axes from one on.
#[derive(Clone, Copy, Debug)]
pub struct SimplifiedLayerNormalization {
    /// The first of the axes; counted from the end where negative.
    pub axis: i64,
    /// What is added to the mean square.
    pub epsilon: f32,
}

impl Operator for SimplifiedLayerNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("epsilon", Attribute::Float(self.epsilon))
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.first() == Some(&true) { Kind::Normalize } else { Kind::Affine }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(scale)] = inputs else { refuse!("it needs two inputs") };
        let (normal, inverse) = over_root_mean_square(b, x, self.axis, f64::from(self.epsilon))?;
        Ok(Some(vec![b.mul(normal, scale)?, inverse]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::SimplifiedLayerNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = SimplifiedLayerNormalization { axis: -1, epsilon: 2.0 };
        vec![
            Case::new(op)
                .input(f64s(&[1, 2], &[2.0, -4.0]))
                .input(f64s(&[2], &[3.0, 6.0]))
                .expect(f64s(&[1, 2], &[6.0 / 12f64.sqrt(), -24.0 / 12f64.sqrt()]))
                .expect(f64s(&[1, 1], &[1.0 / 12f64.sqrt()])),
            Case::new(op).random(&[3, 2, 5]).random(&[5]),
        ]
    }
}
