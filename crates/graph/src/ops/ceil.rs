//! Ceil: the smallest whole number that is not below x, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Ceil's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Ceil",
    domain: "",
    since: 6,
    summary: "the smallest whole number that is not below x",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Ceil))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The smallest whole number that is not below x.
#[derive(Clone, Copy, Debug)]
pub struct Ceil;

impl Operator for Ceil {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::Ceil;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Ceil)
                .input(f64s(&[4], &[-1.5, 1.2, 2.0, f64::NAN]))
                .expect(f64s(&[4], &[-1.0, 2.0, 2.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Ceil).random(&[3, 5]),
            Case::new(Ceil).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
