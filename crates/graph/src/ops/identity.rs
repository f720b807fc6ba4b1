//! Identity: the input, of any type.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{same_as_input, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::refuse;
use crate::tensor::{View, ViewMut};

/// Identity's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Identity",
    domain: "",
    since: 1,
    summary: "the input",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Identity))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The input.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Operator for Identity {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(same_as_input, Route);

    fn derivative(&self, _b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        Ok(Some(vec![Some(g)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        if !output.data.copy_from(view(inputs, 0)?.data) {
            refuse!("its output does not have the input's elements");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Identity).input(f64s(&[2, 1], &[1.0, 2.0])).expect(f64s(&[2, 1], &[1.0, 2.0])),
            Case::new(Identity)
                .input(Tensor::vector(vec!["a".to_owned()]))
                .expect(Tensor::vector(vec!["a".to_owned()])),
            Case::new(Identity).random(&[3, 4]),
        ]
    }
}
