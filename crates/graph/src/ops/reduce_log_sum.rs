//! ReduceLogSum: the logarithm of the sum over axes.

use std::sync::Arc;

use super::composite::through_form;
use super::reduce::Form;
use super::support::{no_type, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
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

    through_form!(floats);

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let sum = self.form().lower_sum(b, inputs, |_, x| Ok(x))?;
        Ok(Some(vec![b.log(sum)?]))
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
    use crate::ops::reduce::awkward;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceLogSum { keep: true, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[0.25, 0.75, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[0.0, 1.945910149055313])),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceLogSum { keep, noop_with_empty_axes }, (0.5, 2.0)))
        .collect()
    }
}
