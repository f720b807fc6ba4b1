//! Sigmoid: 1 / (1 + exp(−x)), elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::elementary;

/// Sigmoid's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sigmoid",
    domain: "",
    since: 6,
    summary: "1 / (1 + exp(−x))",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Sigmoid))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// 1 / (1 + exp(−x)).
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl Operator for Sigmoid {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let one = b.scalar_like(y, 1.0)?;
        let rest = b.sub(one, y)?;
        let slope = b.mul(y, rest)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        along_float!(inputs, outputs, elementary::sigmoid_of)
    }
}

#[cfg(test)]
mod tests {
    use super::Sigmoid;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sigmoid)
                .input(f64s(&[5], &[0.0, 1.0, -1000.0, 1000.0, f64::NAN]))
                .expect(f64s(&[5], &[0.5, 0.7310585786300049, 0.0, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Sigmoid).random(&[3, 5]),
            Case::new(Sigmoid).random(&[2, 1, 3]),
        ]
    }
}
