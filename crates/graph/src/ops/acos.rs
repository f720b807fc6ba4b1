//! Acos: the inverse cosine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Acos's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Acos",
    domain: "",
    since: 7,
    summary: "the inverse cosine",
    derivative: "everywhere between −1 and 1; infinite at both",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Acos))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The inverse cosine.
#[derive(Clone, Copy, Debug)]
pub struct Acos;

impl Operator for Acos {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let square = b.mul(x, x)?;
        let turned = b.neg(square)?;
        let inside = b.shift(turned, 1.0)?;
        let root = b.sqrt(inside)?;
        let quotient = b.div(g, root)?;
        Ok(Some(vec![Some(b.neg(quotient)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.acos())
    }
}

#[cfg(test)]
mod tests {
    use super::Acos;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Acos)
                .input(f64s(&[3], &[0.0, 0.5, 2.0]))
                .expect(f64s(&[3], &[std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_3, f64::NAN]))
                .fixed(&[0]),
            Case::new(Acos).between(&[3, 5], -0.8, 0.8),
            Case::new(Acos).between(&[2, 1, 3], -0.8, 0.8),
        ]
    }
}
