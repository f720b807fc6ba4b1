//! ConvInteger: the convolution of integers less their zero points, summed in 32 bits.

use std::sync::Arc;

use super::composite::through_body;
use super::conv::group;
use super::window::{Window, joined};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Definition, Kind, Operator};
use crate::ops::Conv;
use crate::refuse;
use crate::tensor::DType;

/// ConvInteger's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ConvInteger",
    domain: "",
    since: 10,
    summary: "the convolution of integers less their zero points, in 32 bits",
    derivative: "none: integers carry no gradient",
    import: |node| {
        node.expect_inputs(2, 4)?;
        Ok(Arc::new(ConvInteger::import(node)?))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The convolution of integers less their zero points, in 32 bits.
#[derive(Clone, Debug)]
pub struct ConvInteger {
    /// The number of groups of channels, each with its own outputs.
    pub group: usize,
    /// How the kernel slides.
    pub window: Window,
}

impl ConvInteger {
    /// Reads the attributes.
    pub(super) fn import(node: &Import<'_>) -> OpResult<Self> {
        Ok(Self { group: group(node)?, window: Window::import(node)? })
    }

    /// The sums as 64-bit floats, which hold them exactly. Weights have one zero point, or one for each output.
    pub(super) fn sums(
        &self,
        b: &mut Builder,
        (x, x_zero): (ValueId, Option<ValueId>),
        (weights, weights_zero): (ValueId, Option<ValueId>),
    ) -> OpResult<ValueId> {
        let mut factors = Vec::with_capacity(2);
        for (factor, zero) in [(x, x_zero), (weights, weights_zero)] {
            if !matches!(b.fact(factor).dtype, DType::I8 | DType::U8) {
                refuse!("a factor is of type {}, expected int8 or uint8", b.fact(factor).dtype);
            }
            let rank = b.shape(factor).len();
            let mut wide = b.cast(factor, DType::F64)?;
            if let Some(zero) = zero {
                let shape = match *b.shape(zero) {
                    [] | [1] => Vec::new(),
                    [n] if factor == weights && rank > 0 && b.shape(weights)[0] == n => first_of(n, rank),
                    ref other => refuse!("zero points of shape {other:?}, expected one number, or one for each output"),
                };
                let zero = b.cast(zero, DType::F64)?;
                let zero = b.reshape(zero, &shape)?;
                wide = b.sub(wide, zero)?;
            }
            factors.push(wide);
        }
        b.push(Conv::new(self.group, self.window.clone()), &factors)
    }
}

/// A shape of `rank` axes, the first of size `n`, the others of size 1.
pub(super) fn first_of(n: usize, rank: usize) -> Vec<usize> {
    std::iter::once(n).chain(std::iter::repeat_n(1, rank.saturating_sub(1))).collect()
}

impl Operator for ConvInteger {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        joined(self.window.attributes(), &[("group", Attribute::Int(self.group as i64))])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let sums = self.sums(b, (needed(0)?, given(2)), (needed(1)?, given(3)))?;
        Ok(Some(vec![b.cast(sums, DType::I32)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::ConvInteger;
    use crate::cases::{Case, refusal};
    use crate::ops::window::Window;
    use crate::tensor::Tensor;

    fn op(pads: &[usize]) -> ConvInteger {
        ConvInteger { group: 1, window: Window { pads: pads.to_vec(), ..Window::default() } }
    }

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |shape: &[usize], data: &[u8]| Tensor::new(shape, data.to_vec()).unwrap();
        let ints = |shape: &[usize], data: &[i32]| Tensor::new(shape, data.to_vec()).unwrap();
        let x = || bytes(&[1, 1, 3, 3], &[2, 3, 4, 5, 6, 7, 8, 9, 10]);
        vec![
            Case::new(op(&[]))
                .input(x())
                .input(bytes(&[1, 1, 2, 2], &[1; 4]))
                .input(Tensor::scalar(1u8))
                .expect(ints(&[1, 1, 2, 2], &[12, 16, 24, 28])),
            // Pads are zeros after the zero point is taken away.
            Case::new(op(&[1, 1, 1, 1]))
                .input(x())
                .input(bytes(&[1, 1, 2, 2], &[1; 4]))
                .input(Tensor::vector(vec![1u8]))
                .expect(ints(&[1, 1, 4, 4], &[1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9])),
            Case::new(op(&[]))
                .input(Tensor::new(&[2, 1, 2], vec![1i8, -2, 3, 100]).unwrap())
                .input(bytes(&[2, 1, 1], &[3, 4]))
                .missing()
                .input(bytes(&[2], &[1, 0]))
                .expect(ints(&[2, 2, 2], &[2, -4, 4, -8, 6, 200, 12, 400])),
        ]
    }

    #[test]
    fn other_types_and_zero_points_are_refused() {
        let floats = || Tensor::new(&[1, 1, 1], vec![1.0f32]).unwrap();
        assert!(refusal(op(&[]), &[floats(), floats()]).contains("float32"));
        let bytes = |shape: &[usize]| Tensor::zeros(crate::tensor::DType::U8, shape).unwrap();
        let inputs = [bytes(&[1, 1, 1]), bytes(&[1, 1, 1]), bytes(&[2])];
        assert!(refusal(op(&[]), &inputs).contains("zero points of shape [2]"));
    }
}
