//! GlobalAveragePool: the mean of each channel, over all spatial axes, which stay as dimensions of size one.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::ReduceMean;
use super::window;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// GlobalAveragePool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GlobalAveragePool",
    domain: "",
    since: 1,
    summary: "the mean of each channel, over all spatial axes",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(GlobalAveragePool))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The mean of each channel.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAveragePool;


impl Operator for GlobalAveragePool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        window::infer_global(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let axes: Vec<i64> = (2..b.shape(x).len() as i64).collect();
        let axes = b.integers(&axes);
        let mean = ReduceMean { keep: true, noop_with_empty_axes: true };
        Ok(Some(vec![b.push(mean, &[x, axes])?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::GlobalAveragePool;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(GlobalAveragePool)
                .input(f64s(&[1, 2, 2], &[1.0, 3.0, -4.0, 0.0]))
                .expect(f64s(&[1, 2, 1], &[2.0, -2.0])),
            Case::new(GlobalAveragePool).random(&[3, 2, 5, 4]),
            Case::new(GlobalAveragePool).random(&[2, 3, 1, 2, 3]),
            Case::new(GlobalAveragePool).random(&[3, 2, 2]).rows_at(0, Rows::plain(2)).mixes(),
        ]
    }
}
