//! ReduceMean: the mean over axes. Of integers it is cut towards zero.

use std::sync::Arc;

use super::composite::through_form;
use super::number::{Number, number_type};
use super::reduce::Form;
use super::support::view;
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::tensor::{View, ViewMut};

/// ReduceMean's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceMean",
    domain: "",
    since: 1,
    summary: "the mean over axes; over all where none is given",
    derivative: "everywhere",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceMean { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The mean over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceMean {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceMean {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceMean {
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
        let count = self.form().of_site(b, site)?.count;
        let share = b.scale(g, 1.0 / count as f64)?;
        found[0] = Some(self.form().spread(b, site, share)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        number_type!(view(inputs, 0)?.data.dtype(), T => {
            self.form().run_sum::<T>(inputs, outputs, |v| v, T::over)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceMean;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceMean { keep: true, noop_with_empty_axes: false };
        let drop = ReduceMean { keep: false, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[1.5, 3.5])),
            Case::new(drop).input(f64s(&[0], &[])).expect(f64s(&[], &[f64::NAN])),
            Case::new(keep).input(i64s(&[-2, -1, -2])).expect(i64s(&[-1])),
            Case::new(keep).input(i64s(&[])).expect(i64s(&[0])),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceMean { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }
}
