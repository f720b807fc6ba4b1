//! Log: the natural logarithm, elementwise; NaN below 0, −∞ at 0.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Log's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Log",
    domain: "",
    since: 6,
    summary: "the natural logarithm",
    derivative: "everywhere above 0; infinite at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Log))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The natural logarithm.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Operator for Log {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        Ok(Some(vec![Some(b.div(g, site.input(0)?)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::Log;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Log)
                .input(f64s(&[4], &[1.0, 2.0, 0.0, -1.0]))
                .expect(f64s(&[4], &[0.0, std::f64::consts::LN_2, f64::NEG_INFINITY, f64::NAN]))
                .fixed(&[0]),
            Case::new(Log).between(&[3, 5], 0.5, 3.0),
            Case::new(Log).between(&[2, 1, 3], 0.5, 3.0),
        ]
    }
}
