//! Mish: x · tanh(softplus(x)), elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation;

/// Mish's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Mish",
    domain: "",
    since: 18,
    summary: "x · tanh(softplus(x))",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Mish))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x · tanh(softplus(x)).
#[derive(Clone, Copy, Debug)]
pub struct Mish;

impl Operator for Mish {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let plus = b.push(super::Softplus, &[x])?;
        let t = b.tanh(plus)?;
        let square = b.mul(t, t)?;
        let one = b.scalar_like(x, 1.0)?;
        let rest = b.sub(one, square)?;
        let s = b.sigmoid(x)?;
        let inner = b.mul(rest, s)?;
        let product = b.mul(x, inner)?;
        let slope = b.add(t, product)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::mish(v))
    }
}

#[cfg(test)]
mod tests {
    use super::Mish;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Mish)
                .input(f64s(&[5], &[0.0, 1.0, -1000.0, 1000.0, f64::NAN]))
                .expect(f64s(&[5], &[0.0, 0.8650983882673103, 0.0, 1000.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Mish).random(&[3, 5]),
            Case::new(Mish).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
