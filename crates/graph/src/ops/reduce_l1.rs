//! ReduceL1: the sum of magnitudes over axes.

use std::sync::Arc;

use super::composite::through_form;
use super::number::{Number, number_type};
use super::reduce::Form;
use super::support::view;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::tensor::{View, ViewMut};

/// ReduceL1's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceL1",
    domain: "",
    since: 1,
    summary: "the sum of magnitudes over axes",
    derivative: "that of the magnitude, 0 at 0",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceL1 { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sum of magnitudes over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceL1 {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceL1 {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceL1 {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_form!();

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        Ok(Some(vec![self.form().lower_sum(b, inputs, |b, x| b.abs(x))?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        number_type!(view(inputs, 0)?.data.dtype(), T => {
            self.form().run_sum(inputs, outputs, T::magnitude, |sum, _| sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceL1;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceL1 { keep: true, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, -2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[3.0, 7.0])),
            Case::new(keep).input(i64s(&[-2, 3])).expect(i64s(&[5])),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceL1 { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }
}
