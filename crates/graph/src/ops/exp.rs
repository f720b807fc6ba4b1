//! Exp: the exponential, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::elementary;

/// Exp's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Exp",
    domain: "",
    since: 6,
    summary: "exp(x)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Exp))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// exp(x).
#[derive(Clone, Copy, Debug)]
pub struct Exp;

impl Operator for Exp {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        Ok(Some(vec![Some(b.mul(g, site.outputs[0])?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        along_float!(inputs, outputs, elementary::exp_of)
    }
}

#[cfg(test)]
mod tests {
    use super::Exp;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Exp)
                .input(f64s(&[4], &[0.0, 1.0, f64::NEG_INFINITY, f64::NAN]))
                .expect(f64s(&[4], &[1.0, std::f64::consts::E, 0.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Exp).random(&[3, 5]),
            Case::new(Exp).random(&[2, 1, 3]),
        ]
    }
}
