//! IsInf: whether x is infinite, elementwise, for one sign or both.

use std::sync::Arc;

use super::elementwise::{elementwise, test_float};
use super::support::{no_type, out, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{Slice, View, ViewMut};
use pellucid_kernels::broadcast;

/// IsInf's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "IsInf",
    domain: "",
    since: 10,
    summary: "whether x is infinite",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(IsInf {
            detect_positive: node.flag("detect_positive", true)?,
            detect_negative: node.flag("detect_negative", true)?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Whether x is infinite.
#[derive(Clone, Copy, Debug)]
pub struct IsInf {
    /// Whether +∞ counts.
    pub detect_positive: bool,
    /// Whether −∞ counts.
    pub detect_negative: bool,
}

impl Operator for IsInf {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("detect_positive", Attribute::Int(i64::from(self.detect_positive)))
            .with("detect_negative", Attribute::Int(i64::from(self.detect_negative)))
    }

    elementwise!(test_float, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (positive, negative) = (self.detect_positive, self.detect_negative);
        match view(inputs, 0)?.data {
            Slice::F32(x) => broadcast::map(x, out(outputs, 0)?, |&v| {
                (positive && v == f32::INFINITY) || (negative && v == f32::NEG_INFINITY)
            }),
            Slice::F64(x) => broadcast::map(x, out(outputs, 0)?, |&v| {
                (positive && v == f64::INFINITY) || (negative && v == f64::NEG_INFINITY)
            }),
            other => return no_type(other.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::IsInf;
    use crate::cases::{Case, bools, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let x = f64s(&[4], &[1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        let both = IsInf { detect_positive: true, detect_negative: true };
        vec![
            Case::new(both).input(x.clone()).expect(bools(&[4], &[false, false, true, true])).fixed(&[0]),
            Case::new(IsInf { detect_positive: false, ..both })
                .input(x.clone())
                .expect(bools(&[4], &[false, false, false, true]))
                .fixed(&[0]),
            Case::new(IsInf { detect_negative: false, ..both })
                .input(x)
                .expect(bools(&[4], &[false, false, true, false]))
                .fixed(&[0]),
            Case::new(both).random(&[3, 4]),
        ]
    }
}
