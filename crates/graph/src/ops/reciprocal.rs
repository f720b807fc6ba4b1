//! Reciprocal: 1 / x, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Reciprocal's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Reciprocal",
    domain: "",
    since: 6,
    summary: "1 / x",
    derivative: "everywhere but at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Reciprocal))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// 1 / x.
#[derive(Clone, Copy, Debug)]
pub struct Reciprocal;

impl Operator for Reciprocal {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let square = b.mul(y, y)?;
        let product = b.mul(g, square)?;
        Ok(Some(vec![Some(b.neg(product)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| 1.0 / v)
    }
}

#[cfg(test)]
mod tests {
    use super::Reciprocal;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Reciprocal)
                .input(f64s(&[3], &[2.0, -4.0, 0.0]))
                .expect(f64s(&[3], &[0.5, -0.25, f64::INFINITY]))
                .fixed(&[0]),
            Case::new(Reciprocal).between(&[3, 5], 0.5, 3.0),
            Case::new(Reciprocal).between(&[2, 1, 3], 0.5, 3.0),
        ]
    }
}
