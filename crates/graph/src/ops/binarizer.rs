//! Binarizer: 1 where an element is above a threshold, else 0.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, first};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::tensor::Tensor;

/// Binarizer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Binarizer",
    domain: DOMAIN,
    since: 1,
    summary: "1 where an element is above a threshold, else 0",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Binarizer { threshold: node.float("threshold")?.unwrap_or(0.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// 1 where an element is above a threshold, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Binarizer {
    /// The threshold.
    pub threshold: f32,
}

impl Operator for Binarizer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("threshold", Attribute::Float(self.threshold))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let x = first(inputs)?;
        let dtype = b.fact(x).dtype;
        let threshold = b.constant_value(Tensor::scalar(self.threshold));
        let threshold = b.cast(threshold, dtype)?;
        let above = b.greater(x, threshold)?;
        Ok(Some(vec![b.cast(above, dtype)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Binarizer;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Binarizer { threshold: 0.5 })
                .input(f64s(&[4], &[0.5, 0.6, -1.0, f64::NAN]))
                .expect(f64s(&[4], &[0.0, 1.0, 0.0, 0.0]))
                .fixed(&[0])
                .rows(&[]),
            Case::new(Binarizer { threshold: 2.0 }).input(i64s(&[2, 3])).expect(i64s(&[0, 1])),
            Case::new(Binarizer { threshold: 0.0 }).random(&[3, 4]),
        ]
    }
}
