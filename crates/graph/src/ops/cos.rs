//! Cos: the cosine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Cos's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Cos",
    domain: "",
    since: 7,
    summary: "the cosine",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Cos))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The cosine.
#[derive(Clone, Copy, Debug)]
pub struct Cos;

impl Operator for Cos {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let sine = b.sin(site.input(0)?)?;
        let product = b.mul(g, sine)?;
        Ok(Some(vec![Some(b.neg(product)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.cos())
    }
}

#[cfg(test)]
mod tests {
    use super::Cos;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Cos).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[1.0, 0.8775825618903728])),
            Case::new(Cos).random(&[3, 5]),
            Case::new(Cos).random(&[2, 1, 3]),
        ]
    }
}
