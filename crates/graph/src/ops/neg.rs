//! Neg: −x, elementwise. Integers wrap.

use std::sync::Arc;

use super::elementwise::{elementwise, map_number};
use super::support::same_as_input;
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Neg's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Neg",
    domain: "",
    since: 6,
    summary: "−x",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Neg))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// −x.
#[derive(Clone, Copy, Debug)]
pub struct Neg;

impl Operator for Neg {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(same_as_input, Affine);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        Ok(Some(vec![Some(b.neg(g)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_number!(
            inputs,
            outputs,
            float | a | -a,
            signed | b | b.wrapping_neg(),
            unsigned | c | c.wrapping_neg()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Neg;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Neg)
                .input(f64s(&[2, 2], &[-1.0, 0.5, 2.0, -0.25]))
                .expect(f64s(&[2, 2], &[1.0, -0.5, -2.0, 0.25])),
            Case::new(Neg).input(Tensor::vector(vec![i8::MIN, 3])).expect(Tensor::vector(vec![i8::MIN, -3])),
            Case::new(Neg).random(&[3, 1, 5]),
        ]
    }
}
