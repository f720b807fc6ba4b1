//! ReduceLogSum: the logarithm of the sum over axes.

use std::sync::Arc;

use super::reduce::Form;
use super::reduce_sum::ReduceSum;
use super::support::{float_as_input, no_type, view};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// ReduceLogSum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceLogSum",
    domain: "",
    since: 1,
    summary: "the logarithm of the sum over axes",
    derivative: "that of the logarithm",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceLogSum { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The logarithm of the sum over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceLogSum {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceLogSum {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceLogSum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.form().attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        float_as_input(inputs)?;
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
        let sum = ReduceSum { keep: self.keep, noop_with_empty_axes: self.noop_with_empty_axes };
        let inputs: Vec<Option<ValueId>> =
            [Some(x)].into_iter().chain(inputs.iter().skip(1).copied()).collect();
        let sum = b.node(Arc::new(sum), &inputs)?;
        Ok(Some(vec![b.log(sum[0])?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.form().run_sum(inputs, outputs, |v: f32| v, |sum, _| sum.ln()),
            DType::F64 => self.form().run_sum(inputs, outputs, |v: f64| v, |sum, _| sum.ln()),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceLogSum;
    use crate::cases::{Case, f64s, i64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceLogSum { keep: true, noop_with_empty_axes: false };
        let drop = ReduceLogSum { keep: false, noop_with_empty_axes: false };
        let noop = ReduceLogSum { noop_with_empty_axes: true, ..drop };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[0.25, 0.75, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[0.0, 1.945910149055313])),
            Case::new(drop).between(&[3, 4, 5], 0.5, 2.0).input(i64s(&[-1, 1])),
            Case::new(keep).between(&[3, 4, 5], 0.5, 2.0).input(i64s(&[-2])).rows(&[0]),
            Case::new(drop)
                .between(&[2, 4, 19], 0.5, 2.0)
                .input(i64s(&[0, 2]))
                .rows_at(0, Rows { axis: 1, outer: 2, inner: 1 }),
            Case::new(drop).between(&[3, 4], 0.5, 2.0).input(i64s(&[0])).rows(&[0]).mixes(),
            Case::new(drop).between(&[3, 4], 0.5, 2.0),
            Case::new(noop).between(&[3, 4], 0.5, 2.0).input(i64s(&[])),
            Case::new(drop).between(&[], 0.5, 2.0),
        ]
    }
}
