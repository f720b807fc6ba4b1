//! Asinh: the inverse hyperbolic sine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Asinh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Asinh",
    domain: "",
    since: 9,
    summary: "the inverse hyperbolic sine",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Asinh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The inverse hyperbolic sine.
#[derive(Clone, Copy, Debug)]
pub struct Asinh;

impl Operator for Asinh {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let square = b.mul(x, x)?;
        let inside = b.shift(square, 1.0)?;
        let root = b.sqrt(inside)?;
        Ok(Some(vec![Some(b.div(g, root)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.asinh())
    }
}

#[cfg(test)]
mod tests {
    use super::Asinh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Asinh).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, 0.48121182505960347])),
            Case::new(Asinh).random(&[3, 5]),
            Case::new(Asinh).random(&[2, 1, 3]),
        ]
    }
}
