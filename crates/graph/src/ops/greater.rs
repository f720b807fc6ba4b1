//! Greater: x > y, broadcast as numpy does.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{bools_as_broadcast, compare};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Greater's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Greater",
    domain: "",
    since: 7,
    summary: "x > y, broadcast",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Greater))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x > y.
#[derive(Clone, Copy, Debug)]
pub struct Greater;

impl Operator for Greater {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(bools_as_broadcast, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        compare!(inputs, outputs, |a, b| a > b)
    }
}

#[cfg(test)]
mod tests {
    use super::Greater;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Greater).input(f64s(&[3], &[1.0, 2.0, 3.0])).input(f64s(&[], &[2.0])).expect(Tensor::vector(vec![false, false, true])),
            Case::new(Greater).input(Tensor::vector(vec![1u8, 9])).input(Tensor::vector(vec![9u8, 1])).expect(Tensor::vector(vec![false, true])),
            Case::new(Greater).random(&[3, 4]).random(&[3, 1]),
        ]
    }
}
