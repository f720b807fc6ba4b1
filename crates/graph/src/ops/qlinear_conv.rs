//! QLinearConv: the convolution of quantised values with quantised weights, quantised itself.

use std::sync::Arc;

use super::QuantizeLinear;
use super::composite::through_body;
use super::conv_integer::{ConvInteger, first_of};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// QLinearConv's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "QLinearConv",
    domain: "",
    since: 10,
    summary: "the convolution of quantised values with quantised weights, quantised",
    derivative: "none: integers carry no gradient",
    import: |node| {
        node.expect_inputs(8, 9)?;
        Ok(Arc::new(QLinearConv { convolution: ConvInteger::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The convolution of quantised values with quantised weights, quantised.
#[derive(Clone, Debug)]
pub struct QLinearConv {
    /// The convolution of the integers.
    pub convolution: ConvInteger,
}

impl Operator for QLinearConv {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.convolution.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let mut sums = self.convolution.sums(b, (needed(0)?, given(2)), (needed(3)?, given(5)))?;
        // A number for each output stands before the spatial axes.
        let (outputs, rank) = (b.shape(sums).get(1).copied().unwrap_or(1), b.shape(sums).len().saturating_sub(1));
        if let Some(bias) = given(8) {
            if b.fact(bias).dtype != DType::I32 || b.shape(bias) != [outputs] {
                refuse!("its bias is {}, expected int32[{outputs}]", b.fact(bias));
            }
            let bias = b.cast(bias, DType::F64)?;
            let bias = b.reshape(bias, &first_of(outputs, rank))?;
            sums = b.add(sums, bias)?;
        }
        let (x_scale, scale, y_scale) = (needed(1)?, needed(4)?, needed(6)?);
        let scale = match *b.shape(scale) {
            [n] if n > 1 => b.reshape(scale, &first_of(n, rank))?,
            _ => b.reshape(scale, &[])?,
        };
        let (x_scale, y_scale) = (b.reshape(x_scale, &[])?, b.reshape(y_scale, &[])?);
        let both = b.mul(x_scale, scale)?;
        let factor = b.div(both, y_scale)?;
        let wide = b.cast(sums, b.fact(factor).dtype)?;
        let scaled = b.mul(wide, factor)?;
        let one = b.scalar_like(scaled, 1.0)?;
        let zero = b.reshape(needed(7)?, &[])?;
        Ok(Some(vec![b.push(QuantizeLinear { axis: 0, block: 0, to: None }, &[scaled, one, zero])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::{ConvInteger, QLinearConv};
    use crate::cases::{Case, f64s};
    use crate::ops::window::Window;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |shape: &[usize], data: &[u8]| Tensor::new(shape, data.to_vec()).unwrap();
        let of = |weights: Tensor, scale: Tensor, zero: Tensor| {
            Case::new(QLinearConv { convolution: ConvInteger { group: 1, window: Window::default() } })
                .input(bytes(&[1, 1, 2], &[10, 14]))
                .input(f64s(&[], &[0.5]))
                .input(Tensor::scalar(12u8))
                .input(weights)
                .input(scale)
                .input(zero)
                .input(f64s(&[], &[0.25]))
                .input(Tensor::scalar(100u8))
        };
        vec![
            // (−2, 2) · 3 · 0.5 · 2 / 0.25 + 100.
            of(bytes(&[1, 1, 1], &[4]), f64s(&[], &[2.0]), Tensor::scalar(1u8)).expect(bytes(&[1, 1, 2], &[76, 124])),
            // Two outputs, each with its scale and zero point, and a bias before they are scaled.
            of(bytes(&[2, 1, 1], &[4, 9]), f64s(&[2], &[2.0, 0.5]), bytes(&[2], &[1, 9]))
                .input(Tensor::vector(vec![1i32, 1000]))
                .expect(bytes(&[1, 2, 2], &[80, 128, 255, 255])),
        ]
    }
}
