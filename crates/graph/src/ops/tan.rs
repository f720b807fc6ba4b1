//! Tan: the tangent, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Tan's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Tan",
    domain: "",
    since: 7,
    summary: "the tangent",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Tan))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The tangent.
#[derive(Clone, Copy, Debug)]
pub struct Tan;

impl Operator for Tan {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let square = b.mul(y, y)?;
        let slope = b.shift(square, 1.0)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.tan())
    }
}

#[cfg(test)]
mod tests {
    use super::Tan;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Tan).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, 0.5463024898437905])),
            Case::new(Tan).between(&[3, 5], -1.2, 1.2),
            Case::new(Tan).between(&[2, 1, 3], -1.2, 1.2),
        ]
    }
}
