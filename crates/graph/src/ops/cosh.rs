//! Cosh: the hyperbolic cosine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Cosh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Cosh",
    domain: "",
    since: 9,
    summary: "the hyperbolic cosine",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Cosh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The hyperbolic cosine.
#[derive(Clone, Copy, Debug)]
pub struct Cosh;

impl Operator for Cosh {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let slope = b.push(super::Sinh, &[site.input(0)?])?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.cosh())
    }
}

#[cfg(test)]
mod tests {
    use super::Cosh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Cosh).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[1.0, 1.1276259652063807])),
            Case::new(Cosh).random(&[3, 5]),
            Case::new(Cosh).random(&[2, 1, 3]),
        ]
    }
}
