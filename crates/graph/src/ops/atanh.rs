//! Atanh: the inverse hyperbolic tangent, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Atanh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Atanh",
    domain: "",
    since: 9,
    summary: "the inverse hyperbolic tangent",
    derivative: "everywhere between −1 and 1; infinite at both",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Atanh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The inverse hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct Atanh;

impl Operator for Atanh {
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
        Ok(Some(vec![Some(b.div(g, inside)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.atanh())
    }
}

#[cfg(test)]
mod tests {
    use super::Atanh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Atanh)
                .input(f64s(&[3], &[0.0, 0.5, 2.0]))
                .expect(f64s(&[3], &[0.0, 0.5493061443340548, f64::NAN]))
                .fixed(&[0]),
            Case::new(Atanh).between(&[3, 5], -0.8, 0.8),
            Case::new(Atanh).between(&[2, 1, 3], -0.8, 0.8),
        ]
    }
}
