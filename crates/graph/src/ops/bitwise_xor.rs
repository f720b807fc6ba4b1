//! BitwiseXor: the bitwise exclusive or of integers, broadcast.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::bitwise::{DERIVATIVE, integers, zip_bits};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// BitwiseXor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitwiseXor",
    domain: "",
    since: 18,
    summary: "the bitwise exclusive or of integers, broadcast",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(BitwiseXor))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The bitwise exclusive or of integers, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct BitwiseXor;

impl Operator for BitwiseXor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(integers, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_bits!(inputs, outputs, |a, b| a ^ b)
    }
}

#[cfg(test)]
mod tests {
    use super::BitwiseXor;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |data: &[u8]| Tensor::vector(data.to_vec());
        vec![
            Case::new(BitwiseXor).input(bytes(&[0b1100])).input(bytes(&[0b1010])).expect(bytes(&[0b0110])),
            Case::new(BitwiseXor)
                .input(Tensor::new(&[2, 1], vec![5i64, -1]).unwrap())
                .input(Tensor::scalar(6i64))
                .expect(Tensor::new(&[2, 1], vec![3i64, -7]).unwrap()),
        ]
    }
}
