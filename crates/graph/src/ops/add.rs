//! Add: x + y, broadcast as numpy does. Integers wrap.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{as_broadcast, zip_number};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Add's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Add",
    domain: "",
    since: 7,
    summary: "x + y, broadcast",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Add))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x + y.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Operator for Add {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(as_broadcast, Affine);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let mut found = vec![None, None];
        for (i, cotangent) in found.iter_mut().enumerate().filter(|(i, _)| site.active(*i)) {
            let shape = b.shape(site.input(i)?).to_vec();
            *cotangent = Some(b.unbroadcast(g, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_number!(inputs, outputs, float |a, b| a + b, integer |a, b| a.wrapping_add(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Add;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Add).input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])).input(f64s(&[2], &[10.0, 20.0])).expect(f64s(&[2, 2], &[11.0, 22.0, 13.0, 24.0])),
            Case::new(Add).random(&[3, 1, 4]).random(&[2, 1]),
            Case::new(Add).random(&[3, 4]).random(&[]),
            Case::new(Add).input(Tensor::vector(vec![250u8])).input(Tensor::vector(vec![10u8])).expect(Tensor::vector(vec![4u8])),
        ]
    }
}
