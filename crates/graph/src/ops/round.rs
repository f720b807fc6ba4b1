//! Round: the nearest whole number, the even one of two, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Round's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Round",
    domain: "",
    since: 11,
    summary: "the nearest whole number, the even one of two",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Round))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The nearest whole number, the even one of two.
#[derive(Clone, Copy, Debug)]
pub struct Round;

impl Operator for Round {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.round_ties_even())
    }
}

#[cfg(test)]
mod tests {
    use super::Round;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Round)
                .input(f64s(&[5], &[-1.5, 0.5, 2.5, 1.2, f64::NAN]))
                .expect(f64s(&[5], &[-2.0, 0.0, 2.0, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Round).random(&[3, 5]),
            Case::new(Round).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
