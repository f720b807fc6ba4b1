//! Floor: the largest whole number that is not above x, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Floor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Floor",
    domain: "",
    since: 6,
    summary: "the largest whole number that is not above x",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Floor))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The largest whole number that is not above x.
#[derive(Clone, Copy, Debug)]
pub struct Floor;

impl Operator for Floor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.floor())
    }
}

#[cfg(test)]
mod tests {
    use super::Floor;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Floor)
                .input(f64s(&[4], &[-1.5, 1.2, 2.0, f64::NAN]))
                .expect(f64s(&[4], &[-2.0, 1.0, 2.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Floor).random(&[3, 5]),
            Case::new(Floor).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
