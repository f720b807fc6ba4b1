//! ReduceLogSumExp: the logarithm of the sum of exponentials over axes.

use std::sync::Arc;

use super::composite::through_form;
use super::reduce::Form;
use super::support::{no_type, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Kind, Operator, Site};
use crate::tensor::{DType, View, ViewMut};

/// ReduceLogSumExp's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceLogSumExp",
    domain: "",
    since: 1,
    summary: "the logarithm of the sum of exponentials over axes",
    derivative: "everywhere",
    import: |node| {
        let form = Form::import(node)?;
        Ok(Arc::new(ReduceLogSumExp { keep: form.keep, noop_with_empty_axes: form.noop }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The logarithm of the sum of exponentials over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceLogSumExp {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceLogSumExp {
    fn form(self) -> Form {
        Form { keep: self.keep, noop: self.noop_with_empty_axes }
    }
}

impl Operator for ReduceLogSumExp {
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
        let y = self.form().spread(b, site, site.outputs[0])?;
        let less = b.sub(site.input(0)?, y)?;
        let weights = b.exp(less)?;
        let g = self.form().spread(b, site, g)?;
        found[0] = Some(b.mul(g, weights)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.form().run_log_sum_exp::<f32>(inputs, outputs),
            DType::F64 => self.form().run_log_sum_exp::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceLogSumExp;
    use crate::ops::reduce::{EVERYWHERE, awkward};
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceLogSumExp { keep: true, noop_with_empty_axes: false };
        let drop = ReduceLogSumExp { keep: false, noop_with_empty_axes: false };
        vec![
            Case::new(keep)
                .input(f64s(&[2, 2], &[1000.0, 1000.0, 0.0, 0.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[2, 1], &[1000.0 + std::f64::consts::LN_2, std::f64::consts::LN_2])),
            Case::new(drop)
                .input(f64s(&[2], &[f64::NEG_INFINITY; 2]))
                .expect(f64s(&[], &[f64::NEG_INFINITY]))
                .fixed(&[0]),
            Case::new(drop)
                .input(f64s(&[2], &[f64::INFINITY, 1.0]))
                .expect(f64s(&[], &[f64::INFINITY]))
                .fixed(&[0]),
        ]
        .into_iter()
        .chain(awkward(|keep, noop_with_empty_axes| ReduceLogSumExp { keep, noop_with_empty_axes }, EVERYWHERE))
        .collect()
    }
}
