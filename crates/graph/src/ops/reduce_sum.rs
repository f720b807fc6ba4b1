//! ReduceSum: the sum over axes. Integers wrap.

use std::sync::Arc;

use super::composite::through_form;
use super::reduce::{self, Form};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::tensor::{View, ViewMut};

/// ReduceSum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceSum",
    domain: "",
    since: 1,
    summary: "the sum over axes; over all where none is given",
    derivative: "everywhere",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceSum { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sum over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceSum {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceSum {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceSum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_form!();

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        found[0] = Some(self.form().spread(b, site, g)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        reduce::sum_numbers(self.form(), inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceSum;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceSum { keep: true, noop_with_empty_axes: false };
        let drop = ReduceSum { keep: false, noop_with_empty_axes: false };
        let old = Attributes::new().with("axes", Attribute::Ints(vec![0]));
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[3.0, 7.0])),
            Case::new(drop)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[0]))
                .expect(f64s(&[2], &[4.0, 6.0])),
            Case::imported("ReduceSum", 11, &old, vec![i64s(&[1, 2])]).expect(i64s(&[3])),
            Case::new(drop).input(f64s(&[2, 0], &[])).input(i64s(&[1])).expect(f64s(&[2], &[0.0, 0.0])),
            Case::new(drop).input(Tensor::vector(vec![250u8, 7])).expect(Tensor::scalar(1u8)),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceSum { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }
}
