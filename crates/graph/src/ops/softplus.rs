//! Softplus: log(1 + exp(x)), elementwise, without overflow.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation;

/// Softplus's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Softplus",
    domain: "",
    since: 1,
    summary: "log(1 + exp(x))",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Softplus))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// log(1 + exp(x)).
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

impl Operator for Softplus {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let slope = b.sigmoid(site.input(0)?)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::softplus(v))
    }
}

#[cfg(test)]
mod tests {
    use super::Softplus;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Softplus)
                .input(f64s(&[5], &[0.0, 1.0, 1000.0, -1000.0, f64::NAN]))
                .expect(f64s(&[5], &[std::f64::consts::LN_2, 1.3132616875182228, 1000.0, 0.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Softplus).random(&[3, 5]),
            Case::new(Softplus).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
