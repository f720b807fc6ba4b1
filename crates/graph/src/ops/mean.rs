//! Mean: the mean of any number of inputs, broadcast as numpy does.

use std::sync::Arc;

use super::elementwise::{elementwise, fold_number};
use super::support::{as_broadcast, no_type};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::refuse;
use crate::tensor::{SliceMut, View, ViewMut};

/// Mean's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Mean",
    domain: "",
    since: 6,
    summary: "the mean of the inputs, broadcast",
    derivative: "everywhere",
    import: |node| {
        let n = node.inputs.len();
        node.expect_inputs(n.max(1), n)?;
        Ok(Arc::new(Mean))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The mean of the inputs, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Mean;

impl Operator for Mean {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(as_broadcast, Affine);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; site.inputs.len()])) };
        let part = b.scale(g, 1.0 / site.inputs.len() as f64)?;
        let mut found = vec![None; site.inputs.len()];
        for (i, cotangent) in found.iter_mut().enumerate().filter(|(i, _)| site.active(*i)) {
            let shape = b.shape(site.input(i)?).to_vec();
            *cotangent = Some(b.unbroadcast(part, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fold_number!(inputs, outputs, float | a, b | a + b, integer | a, b | a.wrapping_add(b))?;
        let n = inputs.len() as f64;
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        match &mut output.data {
            SliceMut::F32(o) => o.iter_mut().for_each(|v| *v /= n as f32),
            SliceMut::F64(o) => o.iter_mut().for_each(|v| *v /= n),
            other => return no_type(other.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Mean;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Mean)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .input(f64s(&[], &[100.0]))
                .expect(f64s(&[2, 2], &[37.0, 122.0 / 3.0, 113.0 / 3.0, 124.0 / 3.0])),
            Case::new(Mean).random(&[3, 5]),
            Case::new(Mean).random(&[3, 1, 4]).random(&[2, 1]).random(&[3, 2, 4]).rows(&[0, 2]),
        ]
    }
}
