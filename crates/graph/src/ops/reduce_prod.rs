//! ReduceProd: the product over axes. Integers wrap.

use std::sync::Arc;

use super::composite::through_form;
use super::number::{Number, number_type};
use super::reduce::Form;
use super::support::view;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::tensor::{Tensor, View, ViewMut};

/// ReduceProd's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceProd",
    domain: "",
    since: 1,
    summary: "the product over axes; over all where none is given",
    derivative: "everywhere, for products of up to 4096 factors",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceProd { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The most factors of a product whose derivative is computed; it takes the square of their number.
const MOST_FACTORS: usize = 4096;

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

    through_form!();

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Product
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        // Each factor's slope is the product of the others, so that zeros need no care and every further derivative is exact.
        let x = site.input(0)?;
        let reduction = self.form().of_site(b, site)?;
        if reduction.count > MOST_FACTORS {
            refuse!("its derivative is not computed for products of more than {MOST_FACTORS} factors");
        }
        let n = reduction.count;
        let shape = b.shape(x).to_vec();
        let kept = (0..shape.len()).filter(|&a| !reduction.reduced[a]);
        let order: Vec<usize> = kept.chain(reduction.axes.iter().copied()).collect();
        let last = b.transpose(x, &order)?;
        let moved = b.shape(last).to_vec();
        let lead = &moved[..shape.len() - reduction.axes.len()];
        let row = b.reshape(last, &[lead, &[1, n]].concat())?;
        let own: Vec<bool> = (0..n * n).map(|i| i / n == i % n).collect();
        let own = Tensor::new(&[n, n], own).ok_or_else(|| OpError("its factors are too many".to_owned()))?;
        let (own, one) = (b.constant_value(own), b.scalar_like(x, 1.0)?);
        let others = b.select(own, one, row)?;
        let axis = b.integers(&[-1]);
        let slopes = b.push(Self { keep: false, noop_with_empty_axes: false }, &[others, axis])?;
        let slopes = b.reshape(slopes, &moved)?;
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &axis)| back[axis] = i);
        let slopes = b.transpose(slopes, &back)?;
        let g = self.form().spread(b, site, g)?;
        found[0] = Some(b.mul(g, slopes)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        number_type!(view(inputs, 0)?.data.dtype(), T => {
            self.form().of_views(inputs)?.run(inputs, outputs, T::ONE, |v| v, T::times)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceProd;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceProd { keep: true, noop_with_empty_axes: false };
        let drop = ReduceProd { keep: false, noop_with_empty_axes: false };
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
            Case::new(keep).input(i64s(&[-2, 3])).expect(i64s(&[-6])),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceProd { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }
}
