//! Or: logical or of booleans, broadcast as numpy does.

use std::sync::Arc;

use super::elementwise::{bools, elementwise, logic};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Or's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Or",
    domain: "",
    since: 7,
    summary: "logical or, broadcast",
    derivative: "none: booleans carry no gradient",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Or))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Logical or, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Or;

impl Operator for Or {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(bools, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        logic(inputs, outputs, |a, b| a | b)
    }
}

#[cfg(test)]
mod tests {
    use super::Or;
    use crate::cases::{Case, bools};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Or)
                .input(bools(&[2, 2], &[true, true, false, false]))
                .input(bools(&[2], &[true, false]))
                .expect(bools(&[2, 2], &[true, true, true, false])),
            Case::new(Or).input(bools(&[3, 1], &[true, false, true])).input(bools(&[1, 2], &[true, false])),
        ]
    }
}
