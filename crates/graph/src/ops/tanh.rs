//! Tanh: the hyperbolic tangent, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::elementary;

/// Tanh's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Tanh",
    domain: "",
    since: 6,
    summary: "the hyperbolic tangent",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Tanh))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Operator for Tanh {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let square = b.mul(y, y)?;
        let one = b.scalar_like(y, 1.0)?;
        let slope = b.sub(one, square)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        along_float!(inputs, outputs, elementary::tanh_of)
    }
}

#[cfg(test)]
mod tests {
    use super::Tanh;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Tanh)
                .input(f64s(&[4], &[0.0, 0.5, f64::INFINITY, f64::NAN]))
                .expect(f64s(&[4], &[0.0, 0.46211715726000974, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Tanh).random(&[3, 5]),
            Case::new(Tanh).random(&[2, 1, 3]),
        ]
    }
}
