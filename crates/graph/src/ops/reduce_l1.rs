//! ReduceL1: the sum of magnitudes over axes.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::reduce::Form;
use super::reduce_sum::ReduceSum;
use super::support::view;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
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

    fn attributes(&self) -> Attributes {
        self.form().attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        self.form().infer(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        self.form().rows(site)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let magnitudes = b.abs(x)?;
        let sum = ReduceSum { keep: self.keep, noop_with_empty_axes: self.noop_with_empty_axes };
        let inputs: Vec<Option<ValueId>> =
            [Some(magnitudes)].into_iter().chain(inputs.iter().skip(1).copied()).collect();
        Ok(Some(b.node(Arc::new(sum), &inputs)?))
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
    use crate::cases::{Case, f64s, i64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceL1 { keep: true, noop_with_empty_axes: false };
        let drop = ReduceL1 { keep: false, noop_with_empty_axes: false };
        let noop = ReduceL1 { noop_with_empty_axes: true, ..drop };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, -2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[3.0, 7.0])),
            Case::new(drop).random(&[3, 4, 5]).input(i64s(&[-1, 1])),
            Case::new(keep).random(&[3, 4, 5]).input(i64s(&[-2])).rows(&[0]),
            Case::new(drop)
                .random(&[2, 4, 19])
                .input(i64s(&[0, 2]))
                .rows_at(0, Rows { axis: 1, outer: 2, inner: 1 }),
            Case::new(drop).random(&[3, 4]).input(i64s(&[0])).rows(&[0]).mixes(),
            Case::new(drop).random(&[3, 4]),
            Case::new(noop).random(&[3, 4]).input(i64s(&[])),
            Case::new(drop).random(&[]),
            Case::new(keep).input(i64s(&[-2, 3])).expect(i64s(&[5])),
        ]
    }
}
