//! Abs: |x|, elementwise. The derivative at 0 is 0, as PyTorch's. Of integers, the smallest stays as it is.

use std::sync::Arc;

use super::elementwise::{elementwise, map_number};
use super::support::same_as_input;
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Abs's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Abs",
    domain: "",
    since: 6,
    summary: "|x|",
    derivative: "0 at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Abs))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// |x|.
#[derive(Clone, Copy, Debug)]
pub struct Abs;

impl Operator for Abs {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(same_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let sign = b.sign(site.input(0)?)?;
        Ok(Some(vec![Some(b.mul(g, sign)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_number!(inputs, outputs, float | a | a.abs(), signed | b | b.wrapping_abs(), unsigned | c | c)
    }
}

#[cfg(test)]
mod tests {
    use super::Abs;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Abs)
                .input(f64s(&[2, 2], &[-1.0, 0.5, 2.0, -0.25]))
                .expect(f64s(&[2, 2], &[1.0, 0.5, 2.0, 0.25])),
            Case::new(Abs).input(Tensor::vector(vec![-7i32, 3])).expect(Tensor::vector(vec![7i32, 3])),
            Case::new(Abs).input(Tensor::vector(vec![200u8])).expect(Tensor::vector(vec![200u8])),
            Case::new(Abs).random(&[3, 5]),
        ]
    }
}
