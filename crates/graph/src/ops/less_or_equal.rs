//! LessOrEqual: x ≤ y, broadcast as numpy does; false where either is NaN.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{bools_as_broadcast, compare};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// LessOrEqual's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LessOrEqual",
    domain: "",
    since: 12,
    summary: "x ≤ y, broadcast",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(LessOrEqual))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x ≤ y, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct LessOrEqual;

impl Operator for LessOrEqual {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(bools_as_broadcast, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        compare!(inputs, outputs, |a, b| a <= b)
    }
}

#[cfg(test)]
mod tests {
    use super::LessOrEqual;
    use crate::cases::{Case, bools, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(LessOrEqual)
                .input(f64s(&[3], &[1.0, 2.0, 3.0]))
                .input(f64s(&[], &[2.0]))
                .expect(bools(&[3], &[true, true, false]))
                .fixed(&[0, 1]),
            Case::new(LessOrEqual)
                .input(f64s(&[1], &[f64::NAN]))
                .input(f64s(&[1], &[f64::NAN]))
                .expect(bools(&[1], &[false])),
            Case::new(LessOrEqual)
                .input(Tensor::vector(vec![1u8, 9]))
                .input(Tensor::vector(vec![9u8, 1]))
                .expect(bools(&[2], &[true, false])),
            Case::new(LessOrEqual).random(&[3, 4]).random(&[3, 1]),
        ]
    }
}
