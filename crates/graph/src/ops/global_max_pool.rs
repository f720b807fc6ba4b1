//! GlobalMaxPool: the largest element of each channel, over all spatial axes, which stay as dimensions of size one.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::MaxPool;
use super::window::{self, Window};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// GlobalMaxPool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GlobalMaxPool",
    domain: "",
    since: 1,
    summary: "the largest element of each channel, over all spatial axes",
    derivative: "that of the first of the largest elements",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(GlobalMaxPool))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The largest element of each channel.
#[derive(Clone, Copy, Debug)]
pub struct GlobalMaxPool;


impl Operator for GlobalMaxPool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        window::infer_global(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Select
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let window = Window::whole(window::split(b.shape(x))?.2);
        Ok(Some(vec![b.push(MaxPool { window, column_major: false, indices: false }, &[x])?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::GlobalMaxPool;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(GlobalMaxPool)
                .input(f64s(&[1, 2, 2], &[1.0, 3.0, -4.0, -5.0]))
                .expect(f64s(&[1, 2, 1], &[3.0, -4.0])),
            Case::new(GlobalMaxPool).random(&[3, 2, 5, 4]),
            Case::new(GlobalMaxPool).random(&[2, 3, 1, 2, 3]),
            Case::new(GlobalMaxPool).random(&[3, 2, 2]).rows_at(0, Rows::plain(2)).mixes(),
        ]
    }
}
