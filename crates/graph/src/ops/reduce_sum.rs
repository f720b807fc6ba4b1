//! ReduceSum: the sum over axes, in row-major order.

use std::sync::Arc;

use super::reduce::{self, Reduction};
use super::support::{fact, integers};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// ReduceSum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReduceSum",
    domain: "",
    since: 1,
    summary: "the sum over axes; over all where none is given",
    derivative: "everywhere",
    import: |node| {
        let (keep, noop_with_empty_axes) = reduce::import(node)?;
        Ok(Arc::new(ReduceSum { keep, noop_with_empty_axes }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sum over axes, which input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct ReduceSum {
    /// Whether the axes stay as dimensions of size one.
    pub keep: bool,
    /// Whether naming no axes means none rather than all.
    pub noop_with_empty_axes: bool,
}

impl ReduceSum {
    fn reduction(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Reduction> {
        let axes = integers(inputs, 1, "axes")?;
        Reduction::new(&fact(inputs, 0)?.shape, axes.as_deref(), self.keep, self.noop_with_empty_axes)
    }
}

impl Operator for ReduceSum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("keepdims", Attribute::Int(i64::from(self.keep)))
            .with("noop_with_empty_axes", Attribute::Int(i64::from(self.noop_with_empty_axes)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(fact(inputs, 0)?.dtype, &self.reduction(inputs)?.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let axes = reduce::axes_of_site(site, self.noop_with_empty_axes)?;
        rows::reduce(site, &axes, self.keep)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let x = site.input(0)?;
        let shape = b.shape(x).to_vec();
        let axes = site.inputs.get(1).copied().flatten().and_then(|a| b.constant(a)).and_then(|t| t.to_i64());
        let reduction = Reduction::new(&shape, axes.as_deref(), self.keep, self.noop_with_empty_axes)?;
        let kept = b.reshape(g, &reduction.kept_shape)?;
        Ok(Some(vec![Some(b.expand(kept, &shape)?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let axes = reduce::axes_of_views(inputs)?;
        reduce::fold_number(inputs, outputs, axes.as_deref(), self.noop_with_empty_axes)
    }
}

#[cfg(test)]
mod tests {
    use super::ReduceSum;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let keep = ReduceSum { keep: true, noop_with_empty_axes: false };
        let drop = ReduceSum { keep: false, noop_with_empty_axes: false };
        vec![
            Case::new(keep).input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])).input(i64s(&[1])).expect(f64s(&[2, 1], &[3.0, 7.0])),
            Case::new(drop).input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])).input(i64s(&[0])).expect(f64s(&[2], &[4.0, 6.0])),
            Case::new(drop).random(&[3, 4, 5]).input(i64s(&[-1, 1])),
            Case::new(drop).random(&[3, 4, 5]).input(i64s(&[-2])),
            Case::new(drop).random(&[3, 4]),
            Case::new(ReduceSum { noop_with_empty_axes: true, ..drop }).random(&[3, 4]),
        ]
    }
}
