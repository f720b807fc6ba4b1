//! Xor: logical exclusive or of booleans, broadcast as numpy does.

use std::sync::Arc;

use super::elementwise::{bools, elementwise, logic};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Xor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Xor",
    domain: "",
    since: 7,
    summary: "logical exclusive or, broadcast",
    derivative: "none: booleans carry no gradient",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Xor))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Logical exclusive or, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Xor;

impl Operator for Xor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(bools, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        logic(inputs, outputs, |a, b| a ^ b)
    }
}

#[cfg(test)]
mod tests {
    use super::Xor;
    use crate::cases::{Case, bools};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Xor)
                .input(bools(&[2, 2], &[true, true, false, false]))
                .input(bools(&[2], &[true, false]))
                .expect(bools(&[2, 2], &[false, true, true, false])),
            Case::new(Xor).input(bools(&[3, 1], &[true, false, true])).input(bools(&[1, 2], &[true, false])),
        ]
    }
}
