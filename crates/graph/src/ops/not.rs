//! Not: logical not of booleans, elementwise.

use std::sync::Arc;

use super::elementwise::{bools, elementwise};
use super::support::{data, out};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::broadcast;

/// Not's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Not",
    domain: "",
    since: 1,
    summary: "logical not",
    derivative: "none: booleans carry no gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Not))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Logical not.
#[derive(Clone, Copy, Debug)]
pub struct Not;

impl Operator for Not {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(bools, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = data::<bool>(inputs, 0)?;
        broadcast::map(x, out::<bool>(outputs, 0)?, |&v| !v);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Not;
    use crate::cases::{Case, bools};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Not)
                .input(bools(&[2, 2], &[true, true, false, false]))
                .expect(bools(&[2, 2], &[false, false, true, true])),
            Case::new(Not).input(bools(&[3, 1], &[true, false, true])),
        ]
    }
}
