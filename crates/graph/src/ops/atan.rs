//! Atan: the inverse tangent, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Atan's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Atan",
    domain: "",
    since: 7,
    summary: "the inverse tangent",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Atan))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The inverse tangent.
#[derive(Clone, Copy, Debug)]
pub struct Atan;

impl Operator for Atan {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let square = b.mul(x, x)?;
        let inside = b.shift(square, 1.0)?;
        Ok(Some(vec![Some(b.div(g, inside)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.atan())
    }
}

#[cfg(test)]
mod tests {
    use super::Atan;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Atan).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, 0.4636476090008061])),
            Case::new(Atan).random(&[3, 5]),
            Case::new(Atan).random(&[2, 1, 3]),
        ]
    }
}
