//! BitwiseAnd: the bitwise and of integers, broadcast.

use std::sync::Arc;

use super::bitwise::{DERIVATIVE, integers, zip_bits};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// BitwiseAnd's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitwiseAnd",
    domain: "",
    since: 18,
    summary: "the bitwise and of integers, broadcast",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(BitwiseAnd))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The bitwise and of integers, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct BitwiseAnd;

impl Operator for BitwiseAnd {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        integers(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_bits!(inputs, outputs, |a, b| a & b)
    }
}

#[cfg(test)]
mod tests {
    use super::BitwiseAnd;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |data: &[u8]| Tensor::vector(data.to_vec());
        vec![
            Case::new(BitwiseAnd).input(bytes(&[0b1100])).input(bytes(&[0b1010])).expect(bytes(&[0b1000])),
            Case::new(BitwiseAnd)
                .input(Tensor::new(&[2, 1], vec![5i64, -1]).unwrap())
                .input(Tensor::scalar(6i64))
                .expect(Tensor::new(&[2, 1], vec![4i64, 6]).unwrap()),
        ]
    }
}
