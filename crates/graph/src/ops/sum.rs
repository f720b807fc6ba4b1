//! Sum: the sum of any number of inputs, broadcast as numpy does, added from left to right.

use std::sync::Arc;

use super::elementwise::{elementwise, fold_number};
use super::support::as_broadcast;
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Sum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sum",
    domain: "",
    since: 6,
    summary: "the sum of the inputs, broadcast",
    derivative: "everywhere",
    import: |node| {
        let n = node.inputs.len();
        node.expect_inputs(n.max(1), n)?;
        Ok(Arc::new(Sum))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sum of the inputs, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

impl Operator for Sum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(as_broadcast, Affine);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; site.inputs.len()])) };
        let mut found = vec![None; site.inputs.len()];
        for (i, cotangent) in found.iter_mut().enumerate().filter(|(i, _)| site.active(*i)) {
            let shape = b.shape(site.input(i)?).to_vec();
            *cotangent = Some(b.unbroadcast(g, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fold_number!(inputs, outputs, float | a, b | a + b, integer | a, b | a.wrapping_add(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sum)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .input(f64s(&[], &[100.0]))
                .expect(f64s(&[2, 2], &[111.0, 122.0, 113.0, 124.0])),
            Case::new(Sum).random(&[3, 5]),
            Case::new(Sum).random(&[3, 1, 4]).random(&[2, 1]).random(&[3, 2, 4]).rows(&[0, 2]),
        ]
    }
}
