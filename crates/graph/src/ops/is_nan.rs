//! IsNaN: whether x is NaN, elementwise.

use std::sync::Arc;

use super::elementwise::{elementwise, test_float};
use super::support::{no_type, out, view};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{Slice, View, ViewMut};
use pellucid_kernels::broadcast;

/// IsNaN's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "IsNaN",
    domain: "",
    since: 9,
    summary: "whether x is NaN",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(IsNaN))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Whether x is NaN.
#[derive(Clone, Copy, Debug)]
pub struct IsNaN;

impl Operator for IsNaN {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(test_float, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data {
            Slice::F32(x) => broadcast::map(x, out(outputs, 0)?, |v| v.is_nan()),
            Slice::F64(x) => broadcast::map(x, out(outputs, 0)?, |v| v.is_nan()),
            other => return no_type(other.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::IsNaN;
    use crate::cases::{Case, bools, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(IsNaN)
                .input(f64s(&[3], &[1.0, f64::NAN, f64::INFINITY]))
                .expect(bools(&[3], &[false, true, false]))
                .fixed(&[0]),
            Case::new(IsNaN).input(Tensor::vector(vec![f32::NAN, 0.0])).expect(bools(&[2], &[true, false])),
            Case::new(IsNaN).random(&[3, 4]),
        ]
    }
}
