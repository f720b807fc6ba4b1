//! Erf: the error function, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::elementary;

/// Erf's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Erf",
    domain: "",
    since: 9,
    summary: "the error function",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Erf))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The error function.
#[derive(Clone, Copy, Debug)]
pub struct Erf;

impl Operator for Erf {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let square = b.mul(x, x)?;
        let negated = b.neg(square)?;
        let bell = b.exp(negated)?;
        let slope = b.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        along_float!(inputs, outputs, elementary::erf_of)
    }
}

#[cfg(test)]
mod tests {
    use super::Erf;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Erf)
                .input(f64s(&[4], &[0.0, 0.5, f64::INFINITY, f64::NAN]))
                .expect(f64s(&[4], &[0.0, 0.5204998778130465, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Erf).random(&[3, 5]),
            Case::new(Erf).random(&[2, 1, 3]),
        ]
    }
}
