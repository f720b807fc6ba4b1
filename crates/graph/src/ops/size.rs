//! Size: the number of an input's elements.

use std::sync::Arc;

use super::support::{fact, out, view};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut, elements};

/// Size's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Size",
    domain: "",
    since: 1,
    summary: "the number of elements",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Size))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The number of elements.
#[derive(Clone, Copy, Debug)]
pub struct Size;

impl Operator for Size {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        fact(inputs, 0)?;
        Ok(vec![Fact::new(DType::I64, &[])])
    }

    fn known(&self, inputs: &[Option<Arg<'_>>]) -> Option<Vec<Tensor>> {
        let n = elements(&fact(inputs, 0).ok()?.shape)?;
        Some(vec![Tensor::scalar(i64::try_from(n).ok()?)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let n = view(inputs, 0)?.data.len() as i64;
        match out::<i64>(outputs, 0)? {
            [out] => *out = n,
            _ => refuse!("its output is not one element"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Size;
    use crate::cases::{Case, bools};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Size).random(&[2, 3]).expect(Tensor::scalar(6i64)),
            Case::new(Size).random(&[]).expect(Tensor::scalar(1i64)),
            Case::new(Size).input(bools(&[0, 3], &[])).expect(Tensor::scalar(0i64)),
        ]
    }
}
