//! ReduceL2: the square root of the sum of squares over axes: Euclid's norm.

use std::sync::Arc;

use super::composite::through_form;
use super::reduce::Form;
use super::support::{no_type, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::tensor::{DType, View, ViewMut};

/// ReduceL2's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceL2",
    domain: "",
    since: 1,
    summary: "the square root of the sum of squares over axes",
    derivative: "0 where the norm is 0",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceL2 { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Euclid's norm over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceL2 {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceL2 {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceL2 {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_form!(floats);

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let y = site.outputs[0];
        let zero = b.scalar_like(y, 0.0)?;
        let one = b.scalar_like(y, 1.0)?;
        let vanishes = b.equal(y, zero)?;
        let norm = b.select(vanishes, one, y)?;
        let share = b.div(g, norm)?;
        let share = self.form().spread(b, site, share)?;
        found[0] = Some(b.mul(site.input(0)?, share)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.form().run_sum(inputs, outputs, |v: f32| v * v, |sum, _| sum.sqrt()),
            DType::F64 => self.form().run_sum(inputs, outputs, |v: f64| v * v, |sum, _| sum.sqrt()),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceL2;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::cases::{Case, f64s, gradients, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceL2 { keep: true, noop_with_empty_axes: false };
        let drop = ReduceL2 { keep: false, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[3.0, -4.0, 0.0, 2.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[5.0, 2.0])),
            Case::new(drop).input(f64s(&[2], &[0.0, 0.0])).expect(f64s(&[], &[0.0])).fixed(&[0]),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceL2 { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }

    #[test]
    fn a_vector_of_norm_zero_has_no_slope() {
        let norm = ReduceL2 { keep: false, noop_with_empty_axes: false };
        let found = gradients(norm, &[f64s(&[2], &[0.0, 0.0])], &[]);
        assert_eq!(found[0], f64s(&[2], &[0.0, 0.0]));
    }
}
