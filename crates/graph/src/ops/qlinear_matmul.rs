//! QLinearMatMul: the product of quantised factors, quantised itself.

use std::sync::Arc;

use super::QuantizeLinear;
use super::composite::through_body;
use super::matmul_integer::product;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// QLinearMatMul's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "QLinearMatMul",
    domain: "",
    since: 10,
    summary: "the matrix product of quantised factors, quantised",
    derivative: "none: integers carry no gradient",
    import: |node| {
        node.expect_inputs(8, 8)?;
        Ok(Arc::new(QLinearMatMul))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The matrix product of quantised factors, quantised.
#[derive(Clone, Copy, Debug)]
pub struct QLinearMatMul;

impl Operator for QLinearMatMul {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let product = product(b, (needed(0)?, given(2)), (needed(3)?, given(5)))?;
        let (a, c, y) = (needed(1)?, needed(4)?, needed(6)?);
        let columns = |b: &mut Builder, scale: ValueId| match *b.shape(scale) {
            // A scale for each row of A.
            [n] if n > 1 => b.reshape(scale, &[n, 1]),
            _ => Ok(scale),
        };
        let a = columns(b, a)?;
        let both = b.mul(a, c)?;
        let factor = b.div(both, y)?;
        let wide = b.cast(product, b.fact(factor).dtype)?;
        let scaled = b.mul(wide, factor)?;
        let one = b.scalar_like(scaled, 1.0)?;
        let op = QuantizeLinear { axis: 0, block: 0, to: None };
        let zero = needed(7)?;
        let count: usize = b.shape(zero).iter().product();
        if count != 1 {
            refuse!("its result has {count} zero points, expected one");
        }
        let zero = b.reshape(zero, &[])?;
        Ok(Some(vec![b.push(op, &[scaled, one, zero])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::QLinearMatMul;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |shape: &[usize], data: &[u8]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            // (2 − 1) · (6 − 2) · 0.5 · 0.25 / 0.1 = 5, and (3 − 1) · 4 · … = 10, with 100 added.
            Case::new(QLinearMatMul)
                .input(bytes(&[2, 1], &[2, 3]))
                .input(f64s(&[], &[0.5]))
                .input(Tensor::scalar(1u8))
                .input(bytes(&[1, 1], &[6]))
                .input(f64s(&[], &[0.25]))
                .input(Tensor::scalar(2u8))
                .input(f64s(&[], &[0.1]))
                .input(Tensor::scalar(100u8))
                .fixed(&[1, 4, 6])
                .expect(bytes(&[2, 1], &[105, 110])),
        ]
    }
}
