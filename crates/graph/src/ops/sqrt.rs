//! Sqrt: the square root, elementwise; NaN below 0.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Sqrt's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sqrt",
    domain: "",
    since: 6,
    summary: "the square root",
    derivative: "everywhere above 0; infinite at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Sqrt))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The square root.
#[derive(Clone, Copy, Debug)]
pub struct Sqrt;

impl Operator for Sqrt {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let twice = b.scale(y, 2.0)?;
        Ok(Some(vec![Some(b.div(g, twice)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::Sqrt;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sqrt)
                .input(f64s(&[3], &[0.0, 2.0, -1.0]))
                .expect(f64s(&[3], &[0.0, std::f64::consts::SQRT_2, f64::NAN]))
                .fixed(&[0]),
            Case::new(Sqrt).between(&[3, 5], 0.5, 3.0),
            Case::new(Sqrt).between(&[2, 1, 3], 0.5, 3.0),
        ]
    }
}
