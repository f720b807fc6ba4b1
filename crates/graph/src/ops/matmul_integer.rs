//! MatMulInteger: the product of integers less their zero points, summed in 32 bits.

use std::sync::Arc;

use super::composite::through_body;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// MatMulInteger's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MatMulInteger",
    domain: "",
    since: 10,
    summary: "the matrix product of integers less their zero points, in 32 bits",
    derivative: "none: integers carry no gradient",
    import: |node| {
        node.expect_inputs(2, 4)?;
        Ok(Arc::new(MatMulInteger))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The matrix product of integers less their zero points, in 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct MatMulInteger;

/// The product of A and B, each with its zero points: one, or one for each row of A or column of B.
pub(crate) fn product(
    b: &mut Builder,
    (x, x_zero): (ValueId, Option<ValueId>),
    (y, y_zero): (ValueId, Option<ValueId>),
) -> OpResult<ValueId> {
    let mut factors = Vec::with_capacity(2);
    for (factor, zero, by_row) in [(x, x_zero, true), (y, y_zero, false)] {
        if !matches!(b.fact(factor).dtype, DType::I8 | DType::U8) {
            refuse!("a factor is of type {}, expected int8 or uint8", b.fact(factor).dtype);
        }
        let mut wide = b.cast(factor, DType::I32)?;
        if let Some(zero) = zero {
            let mut zero = b.cast(zero, DType::I32)?;
            if let (&[n], true) = (b.shape(zero), by_row) {
                zero = b.reshape(zero, &[n, 1])?;
                if n == 1 {
                    zero = b.reshape(zero, &[])?;
                }
            }
            wide = b.sub(wide, zero)?;
        }
        factors.push(wide);
    }
    b.matmul(factors[0], factors[1])
}

impl Operator for MatMulInteger {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        Ok(Some(vec![product(b, (needed(0)?, given(2)), (needed(1)?, given(3)))?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::MatMulInteger;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |shape: &[usize], data: &[u8]| Tensor::new(shape, data.to_vec()).unwrap();
        let ints = |shape: &[usize], data: &[i32]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            Case::new(MatMulInteger)
                .input(bytes(&[2, 2], &[11, 7, 3, 10]))
                .input(bytes(&[2, 1], &[1, 4]))
                .input(Tensor::scalar(12u8))
                .input(Tensor::scalar(0u8))
                .expect(ints(&[2, 1], &[-21, -17])),
            Case::new(MatMulInteger)
                .input(Tensor::new(&[2, 1], vec![1i8, -2]).unwrap())
                .input(bytes(&[1, 2], &[3, 4]))
                .input(Tensor::vector(vec![1i8, 2]))
                .input(bytes(&[2], &[1, 0]))
                .expect(ints(&[2, 2], &[0, 0, -8, -16])),
        ]
    }
}
