//! ReduceMin: the smallest element over axes; ∞ or the greatest number where there is none, NaN where one is NaN.

use std::sync::Arc;

use super::composite::through_form;
use super::number::{Number, number_type};
use super::reduce::Form;
use super::support::view;
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::tensor::{DType, View, ViewMut};

/// ReduceMin's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceMin",
    domain: "",
    since: 1,
    summary: "the smallest element over axes; over all where none is given",
    derivative: "shared evenly among ties",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceMin { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The smallest element over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceMin {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceMin {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceMin {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_form!();

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Select
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        self.form().shared_among_chosen(b, site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let dtype = view(inputs, 0)?.data.dtype();
        if dtype == DType::Bool {
            return self.form().of_views(inputs)?.run(inputs, outputs, true, |v| v, |a, b| a & b);
        }
        number_type!(dtype, T => self.form().of_views(inputs)?.run(inputs, outputs, T::HIGHEST, |v| v, T::smaller))
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceMin;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::build::Builder;
    use crate::cases::{Case, bools, f64s, i64s};
    use crate::differentiate::{differentiate, no_rule};
    use crate::graph::Fact;
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceMin { keep: true, noop_with_empty_axes: false };
        let drop = ReduceMin { keep: false, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, 2.0, 4.0, 3.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[1.0, 3.0])),
            Case::new(drop).input(f64s(&[2], &[1.0, f64::NAN])).expect(f64s(&[], &[f64::NAN])).fixed(&[0]),
            Case::new(drop).input(f64s(&[0], &[])).expect(f64s(&[], &[f64::INFINITY])),
            Case::new(drop).input(Tensor::vector(vec![-3i8, 5])).expect(Tensor::scalar(-3i8)),
            Case::new(drop).input(bools(&[2], &[true, false])).expect(Tensor::scalar(false)),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceMin { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }

    #[test]
    fn ties_share_evenly() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[2, 3]));
        let y = b.push(ReduceMin { keep: false, noop_with_empty_axes: false }, &[x]).unwrap();
        let seed = b.constant_value(f64s(&[], &[6.0]));
        let g = differentiate(&mut b, &[(y, seed)], &[x], &mut no_rule).unwrap()[0].unwrap();
        let graph = b.finish(&[g]);
        let at = f64s(&[2, 3], &[1.0, -7.0, 2.0, -7.0, -7.0, 9.0]);
        let found = crate::cases::evaluate(&graph, &[(x, at)], &[g]);
        assert_eq!(found[0], f64s(&[2, 3], &[0.0, 2.0, 0.0, 2.0, 2.0, 0.0]));
    }
}
