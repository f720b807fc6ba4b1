//! BitwiseAnd: the bitwise and of integers, broadcast.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::bitwise::{DERIVATIVE, integers, zip_bits};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
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

    elementwise!(integers, Constant);

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
