//! Acosh: the inverse hyperbolic cosine; NaN below 1, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Acosh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Acosh",
    domain: "",
    since: 9,
    summary: "the inverse hyperbolic cosine; NaN below 1",
    derivative: "everywhere above 1; infinite at 1",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Acosh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The inverse hyperbolic cosine; NaN below 1.
#[derive(Clone, Copy, Debug)]
pub struct Acosh;

impl Operator for Acosh {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let square = b.mul(x, x)?;
        let inside = b.shift(square, -1.0)?;
        let root = b.sqrt(inside)?;
        Ok(Some(vec![Some(b.div(g, root)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.acosh())
    }
}

#[cfg(test)]
mod tests {
    use super::Acosh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Acosh)
                .input(f64s(&[3], &[1.0, 1.5, 0.0]))
                .expect(f64s(&[3], &[0.0, 0.9624236501192069, f64::NAN]))
                .fixed(&[0]),
            Case::new(Acosh).between(&[3, 5], 1.3, 4.0),
            Case::new(Acosh).between(&[2, 1, 3], 1.3, 4.0),
        ]
    }
}
