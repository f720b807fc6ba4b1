//! BitwiseOr: the bitwise or of integers, broadcast.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::bitwise::{DERIVATIVE, integers, zip_bits};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// BitwiseOr's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitwiseOr",
    domain: "",
    since: 18,
    summary: "the bitwise or of integers, broadcast",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(BitwiseOr))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The bitwise or of integers, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct BitwiseOr;

impl Operator for BitwiseOr {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(integers, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_bits!(inputs, outputs, |a, b| a | b)
    }
}

#[cfg(test)]
mod tests {
    use super::BitwiseOr;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |data: &[u8]| Tensor::vector(data.to_vec());
        vec![
            Case::new(BitwiseOr).input(bytes(&[0b1100])).input(bytes(&[0b1010])).expect(bytes(&[0b1110])),
            Case::new(BitwiseOr)
                .input(Tensor::new(&[2, 1], vec![5i64, -1]).unwrap())
                .input(Tensor::scalar(6i64))
                .expect(Tensor::new(&[2, 1], vec![7i64, -1]).unwrap()),
        ]
    }
}
