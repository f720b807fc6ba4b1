//! ReduceProd: the product over axes. Integers wrap.

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
use crate::tensor::{View, ViewMut};

/// ReduceProd's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceProd",
    domain: "",
    since: 1,
    summary: "the product over axes; over all where none is given",
    derivative: "everywhere, zeros among the factors included",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceProd { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The product over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceProd {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceProd {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceProd {
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
        Kind::Product
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        self.form().rows(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let form = self.form();
        let x = site.input(0)?;
        let (zero, one) = (b.scalar_like(x, 0.0)?, b.scalar_like(x, 1.0)?);
        let is_zero = b.equal(x, zero)?;
        let ones = b.masked(is_zero, one)?;
        let zeros = form.sum(b, site, ones)?;
        // The product of the factors that are not zero: what a zero that is alone is multiplied with.
        let others = b.select(is_zero, one, x)?;
        let axes = b.integers(&form.of_site(b, site)?.axes.iter().map(|&a| a as i64).collect::<Vec<_>>());
        let rest = b.push(Self { keep: true, noop_with_empty_axes: true }, &[others, axes])?;
        let none = b.equal(zeros, zero)?;
        let alone = b.equal(zeros, one)?;
        let by_factor = b.div(rest, others)?;
        let at_others = b.masked(none, by_factor)?;
        let at_zero = b.masked(alone, rest)?;
        let slope = b.select(is_zero, at_zero, at_others)?;
        let g = form.spread(b, site, g)?;
        found[0] = Some(b.mul(g, slope)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        number_type!(view(inputs, 0)?.data.dtype(), T => {
            self.form().run(inputs, outputs, T::ONE, |v| v, T::times)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceProd;
    use crate::cases::{Case, f64s, i64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceProd { keep: true, noop_with_empty_axes: false };
        let drop = ReduceProd { keep: false, noop_with_empty_axes: false };
        let noop = ReduceProd { noop_with_empty_axes: true, ..drop };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[2.0, 12.0])),
            Case::new(drop)
                .input(f64s(&[3, 3], &[2.0, 0.0, 3.0, 0.0, 0.0, 5.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[3], &[0.0, 0.0, 24.0])),
            Case::new(drop).input(f64s(&[0], &[])).expect(f64s(&[], &[1.0])),
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
            Case::new(keep).input(i64s(&[-2, 3])).expect(i64s(&[-6])),
        ]
    }
}
