//! Softsign: x / (1 + |x|), elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation;

/// Softsign's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Softsign",
    domain: "",
    since: 1,
    summary: "x / (1 + |x|)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Softsign))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x / (1 + |x|).
#[derive(Clone, Copy, Debug)]
pub struct Softsign;

impl Operator for Softsign {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let size = b.abs(x)?;
        let below = b.shift(size, 1.0)?;
        let square = b.mul(below, below)?;
        Ok(Some(vec![Some(b.div(g, square)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::softsign(v))
    }
}

#[cfg(test)]
mod tests {
    use super::Softsign;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Softsign)
                .input(f64s(&[4], &[0.0, 1.0, -3.0, f64::NAN]))
                .expect(f64s(&[4], &[0.0, 0.5, -0.75, f64::NAN]))
                .fixed(&[0]),
            Case::new(Softsign).random(&[3, 5]),
            Case::new(Softsign).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(Softsign, &[f64s(&[1], &[0.0])], &[]);
        assert_eq!(found, [f64s(&[1], &[1.0])]);
    }
}
