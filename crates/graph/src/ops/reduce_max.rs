//! ReduceMax: the largest element over axes; −∞ or the least number where there is none, NaN where one is NaN.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::reduce::Form;
use super::support::view;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// ReduceMax's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceMax",
    domain: "",
    since: 1,
    summary: "the largest element over axes; over all where none is given",
    derivative: "shared evenly among ties",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceMax { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The largest element over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceMax {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceMax {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceMax {
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
        Kind::Select
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        self.form().rows(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let form = self.form();
        let y = form.spread(b, site, site.outputs[0])?;
        let chosen = b.equal(site.input(0)?, y)?;
        let one = b.scalar_like(g, 1.0)?;
        let ones = b.masked(chosen, one)?;
        let count = form.sum(b, site, ones)?;
        let kept = b.shape(count).to_vec();
        let g = b.reshape(g, &kept)?;
        let share = b.div(g, count)?;
        found[0] = Some(b.masked(chosen, share)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let dtype = view(inputs, 0)?.data.dtype();
        if dtype == DType::Bool {
            return self.form().run(inputs, outputs, false, |v| v, |a, b| a | b);
        }
        number_type!(dtype, T => self.form().run(inputs, outputs, T::LOWEST, |v| v, T::larger))
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceMax;
    use crate::build::Builder;
    use crate::cases::{Case, bools, f64s, i64s};
    use crate::differentiate::{differentiate, no_rule};
    use crate::graph::Fact;
    use crate::rows::Rows;
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceMax { keep: true, noop_with_empty_axes: false };
        let drop = ReduceMax { keep: false, noop_with_empty_axes: false };
        let noop = ReduceMax { noop_with_empty_axes: true, ..drop };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, 2.0, 4.0, 3.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[2.0, 4.0])),
            Case::new(drop).input(f64s(&[2], &[1.0, f64::NAN])).expect(f64s(&[], &[f64::NAN])).fixed(&[0]),
            Case::new(drop).input(f64s(&[0], &[])).expect(f64s(&[], &[f64::NEG_INFINITY])),
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
            Case::new(drop).input(Tensor::vector(vec![-3i8, 5])).expect(Tensor::scalar(5i8)),
            Case::new(drop).input(bools(&[2], &[true, false])).expect(Tensor::scalar(true)),
        ]
    }

    #[test]
    fn ties_share_evenly() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[2, 3]));
        let y = b.push(ReduceMax { keep: false, noop_with_empty_axes: false }, &[x]).unwrap();
        let seed = b.constant_value(f64s(&[], &[6.0]));
        let g = differentiate(&mut b, &[(y, seed)], &[x], &mut no_rule).unwrap()[0].unwrap();
        let graph = b.finish(&[g]);
        let at = f64s(&[2, 3], &[1.0, 7.0, 2.0, 7.0, 7.0, -9.0]);
        let found = crate::cases::evaluate(&graph, &[(x, at)], &[g]);
        assert_eq!(found[0], f64s(&[2, 3], &[0.0, 2.0, 0.0, 2.0, 2.0, 0.0]));
    }
}
