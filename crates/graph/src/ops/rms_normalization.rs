//! RMSNormalization: x / √(mean of x² + epsilon) · scale, over the axes from one on (Zhang and Sennrich 2019).

use std::sync::Arc;

use super::composite::through_body;
use super::support::axis as checked_axis;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// RMSNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "RMSNormalization",
    domain: "",
    since: 23,
    summary: "x / √(mean of x² + epsilon) · scale, over the axes from one on",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(RmsNormalization {
            axis: node.int("axis")?.unwrap_or(-1),
            epsilon: node.float("epsilon")?.unwrap_or(1e-5),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x / √(mean of x² + epsilon) · scale; inputs x and scale.
#[derive(Clone, Copy, Debug)]
pub struct RmsNormalization {
    /// The first of the axes; counted from the end where negative.
    pub axis: i64,
    /// What is added to the mean square.
    pub epsilon: f32,
}

/// x over the root of its mean square from an axis on, and one over that root.
pub(crate) fn over_root_mean_square(
    b: &mut Builder,
    x: ValueId,
    axis: i64,
    epsilon: f64,
) -> OpResult<(ValueId, ValueId)> {
    let shape = b.shape(x).to_vec();
    let axes: Vec<usize> = (checked_axis(axis, shape.len())?..shape.len()).collect();
    let n: usize = axes.iter().map(|&a| shape[a]).product();
    let square = b.mul(x, x)?;
    let sum = b.reduce_sum(square, &axes, true)?;
    let mean = b.scale(sum, 1.0 / n as f64)?;
    let raised = b.shift(mean, epsilon)?;
    let root = b.sqrt(raised)?;
    let inverse = b.reciprocal(root)?;
    Ok((b.mul(x, inverse)?, inverse))
}

impl Operator for RmsNormalization {
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
        let (normal, _) = over_root_mean_square(b, x, self.axis, f64::from(self.epsilon))?;
        let y = b.mul(normal, scale)?;
        if b.shape(y) != b.shape(x) {
            refuse!("a scale of shape {:?} does not broadcast to {:?}", b.shape(scale), b.shape(x));
        }
        Ok(Some(vec![y]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::RmsNormalization;
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        let op = RmsNormalization { axis: -1, epsilon: 0.25 };
        vec![
            Case::new(RmsNormalization { axis: -1, epsilon: 2.0 })
                .input(f64s(&[1, 2], &[2.0, -4.0]))
                .input(f64s(&[2], &[3.0, 6.0]))
                .expect(f64s(&[1, 2], &[6.0 / 12f64.sqrt(), -24.0 / 12f64.sqrt()])),
            Case::new(op).random(&[3, 2, 5]).random(&[5]),
            Case::new(RmsNormalization { axis: 1, ..op }).random(&[3, 2, 5]).random(&[2, 1]),
            Case::new(RmsNormalization { axis: 0, ..op }).random(&[3, 2]).random(&[]).rows(&[0]).mixes(),
        ]
    }

    #[test]
    fn a_scale_that_is_larger_is_refused() {
        let op = RmsNormalization { axis: -1, epsilon: 0.0 };
        assert!(
            refusal(op, &[f64s(&[2], &[1.0, 2.0]), f64s(&[2, 1], &[1.0, 2.0])])
                .contains("does not broadcast")
        );
    }
}
