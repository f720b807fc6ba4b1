//! DynamicQuantizeLinear: x as bytes, with the scale and the zero point that its own extremes need. Rows of a batch share them.

use std::sync::Arc;

use super::quantized::{DERIVATIVE, floats};
use super::support::{float_as_input, view};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};

/// DynamicQuantizeLinear's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "DynamicQuantizeLinear",
    domain: "",
    since: 11,
    summary: "x as bytes, with the scale and zero point that its extremes need",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(DynamicQuantizeLinear))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x as bytes, their scale and their zero point.
#[derive(Clone, Copy, Debug)]
pub struct DynamicQuantizeLinear;

impl Operator for DynamicQuantizeLinear {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = float_as_input(inputs)?.remove(0);
        Ok(vec![Fact::new(DType::U8, &x.shape), Fact::new(x.dtype, &[]), Fact::new(DType::U8, &[])])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        match site.rows_of(0) {
            Some(_) if site.rows > 1 => refuse!("its scale depends on all rows"),
            rows => Ok(vec![rows, None, None]),
        }
    }

    fn refuses_gradients(&self) -> bool {
        true
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let narrow = matches!(x.data, Slice::F32(_));
        let cut = |v: f64| if narrow { f64::from(v as f32) } else { v };
        let values = floats(x)?;
        let high = values.iter().copied().fold(0.0, f64::max);
        let low = values.iter().copied().fold(0.0, f64::min);
        let scale = if high == low { cut(1.0 / 255.0) } else { cut(cut(high - low) / 255.0) };
        let zero = cut(-low / scale).clamp(0.0, 255.0).round_ties_even();
        let [bytes, factor, point] = outputs else { refuse!("it has {} outputs, expected 3", outputs.len()) };
        match (&mut bytes.data, &mut factor.data, &mut point.data) {
            (SliceMut::U8(bytes), SliceMut::F32([factor]), SliceMut::U8([point])) => {
                (*factor, *point) = (scale as f32, zero as u8);
                fill(bytes, &values, |v| cut(v / scale), zero);
            }
            (SliceMut::U8(bytes), SliceMut::F64([factor]), SliceMut::U8([point])) => {
                (*factor, *point) = (scale, zero as u8);
                fill(bytes, &values, |v| v / scale, zero);
            }
            _ => refuse!("its outputs are not bytes, a float and a byte"),
        }
        Ok(())
    }
}

fn fill(bytes: &mut [u8], values: &[f64], quotient: impl Fn(f64) -> f64, zero: f64) {
    for (o, &v) in bytes.iter_mut().zip(values) {
        *o = (quotient(v).round_ties_even() + zero).clamp(0.0, 255.0) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::DynamicQuantizeLinear;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |data: &[f64]| Case::new(DynamicQuantizeLinear).fixed(&[0]).input(f64s(&[data.len()], data));
        vec![
            of(&[-1.0, 0.0, 4.1])
                .expect(Tensor::vector(vec![0u8, 50, 255]))
                .expect(f64s(&[], &[0.02]))
                .expect(Tensor::scalar(50u8))
                .rows(&[]),
            of(&[0.0]).expect(Tensor::vector(vec![0u8])).expect(f64s(&[], &[1.0 / 255.0])).rows(&[]),
            of(&[255.0, 51.0]).expect(Tensor::vector(vec![255u8, 51])).rows(&[0]).mixes(),
        ]
    }
}
