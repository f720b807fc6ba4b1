//! Relu: max(x, 0), elementwise. The derivative at 0 is 0, as PyTorch's.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Relu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Relu",
    domain: "",
    since: 1,
    summary: "max(x, 0)",
    derivative: "0 at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Relu))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// max(x, 0).
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Operator for Relu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let on = b.positive(site.input(0)?)?;
        Ok(Some(vec![Some(b.masked(on, g)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        // A comparison keeps NaN, which `f32::max` would drop.
        map_float!(inputs, outputs, |v| if v < 0.0 { 0.0 } else { v })
    }
}

#[cfg(test)]
mod tests {
    use super::Relu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Relu).input(f64s(&[2, 3], &[-1.0, 0.5, 2.0, -0.25, 3.0, 4.0])).expect(f64s(&[2, 3], &[0.0, 0.5, 2.0, 0.0, 3.0, 4.0])),
            Case::new(Relu).random(&[4, 5]),
        ]
    }
}
