//! Sinh: the hyperbolic sine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Sinh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sinh",
    domain: "",
    since: 9,
    summary: "the hyperbolic sine",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Sinh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The hyperbolic sine.
#[derive(Clone, Copy, Debug)]
pub struct Sinh;

impl Operator for Sinh {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let slope = b.push(super::Cosh, &[site.input(0)?])?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.sinh())
    }
}

#[cfg(test)]
mod tests {
    use super::Sinh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sinh).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, 0.5210953054937474])),
            Case::new(Sinh).random(&[3, 5]),
            Case::new(Sinh).random(&[2, 1, 3]),
        ]
    }
}
