//! QuantizeLinear: x over its scale, rounded to the nearest integer (the even one of two), plus a zero point, kept within a small
//! integer type.

use std::sync::Arc;

use super::convert::{code, dtype};
use super::quantized::{DERIVATIVE, Form, floats, range};
use super::support::{fact, no_type, optional, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};

/// QuantizeLinear's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "QuantizeLinear",
    domain: "",
    since: 10,
    summary: "x over its scale, rounded, plus a zero point, as small integers",
    derivative: DERIVATIVE,
    import: |node| {
        let Form { axis, block } = Form::import(node)?;
        let to = match node.int("output_dtype")?.unwrap_or(0) {
            0 => None,
            number => Some(dtype(number)?),
        };
        if let Some(to) = to {
            range(to)?;
        }
        Ok(Arc::new(QuantizeLinear { axis, block, to }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x over its scale as small integers; inputs x, scale and, where it is given, the zero point.
#[derive(Clone, Copy, Debug)]
pub struct QuantizeLinear {
    /// The axis along which scales differ.
    pub axis: i64,
    /// How many neighbours along the axis share a scale; 0 where all of a position do.
    pub block: usize,
    /// The type, where no zero point says it.
    pub to: Option<DType>,
}

impl QuantizeLinear {
    fn form(self) -> Form {
        Form { axis: self.axis, block: self.block }
    }
}

impl Operator for QuantizeLinear {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let found = self.form().attributes();
        match self.to {
            Some(to) => found.with("output_dtype", Attribute::Int(code(to))),
            None => found,
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, scale) = (fact(inputs, 0)?, fact(inputs, 1)?);
        if !(x.dtype.is_float() || x.dtype == DType::I32) || !scale.dtype.is_float() {
            refuse!("x is of type {} and its scale of {}, expected floats", x.dtype, scale.dtype);
        }
        self.form().places(&x.shape, &scale.shape)?;
        let mut to = self.to.unwrap_or(DType::U8);
        if let Some(zero) = optional(inputs, 2) {
            if zero.fact.shape != scale.shape && zero.fact.len() != scale.len() {
                refuse!("zero points of shape {:?} do not fit scales of {:?}", zero.fact.shape, scale.shape);
            }
            to = zero.fact.dtype;
        }
        range(to)?;
        Ok(vec![Fact::new(to, &x.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        self.form().rows(site)
    }

    fn refuses_gradients(&self) -> bool {
        true
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, scale) = (view(inputs, 0)?, view(inputs, 1)?);
        let places = self.form().places(x.shape, scale.shape)?;
        let scales = floats(scale)?;
        let zeros = match inputs.get(2).copied().flatten() {
            Some(zero) => floats(zero)?,
            None => vec![0.0; scales.len()],
        };
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        let (low, high) = range(output.data.dtype())?;
        let values = floats(x)?;
        // A quotient of 32-bit floats is rounded to 32 bits before it is rounded to an integer, as ONNX Runtime has it.
        let narrow = !matches!(x.data, Slice::F64(_));
        let rounded = values.iter().enumerate().map(|(i, &v)| {
            let at = places.of(i);
            let quotient = v / scales[at];
            let quotient = if narrow { f64::from(quotient as f32) } else { quotient };
            (quotient.round_ties_even() + zeros[at]).clamp(low, high)
        });
        macro_rules! fill {
            ($o:expr, $type:ty) => {
                $o.iter_mut().zip(rounded).for_each(|(o, v)| *o = v as $type)
            };
        }
        match &mut output.data {
            SliceMut::U8(o) => fill!(o, u8),
            SliceMut::I8(o) => fill!(o, i8),
            SliceMut::U16(o) => fill!(o, u16),
            SliceMut::I16(o) => fill!(o, i16),
            other => return no_type(other.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::QuantizeLinear;
    use crate::build::Builder;
    use crate::cases::{Case, f64s, refusal};
    use crate::differentiate::{differentiate, no_rule};
    use crate::graph::Fact;
    use crate::ops::DequantizeLinear;
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, block, to| Case::new(QuantizeLinear { axis, block, to }).fixed(&[0, 1]);
        vec![
            of(1, 0, None)
                .input(f64s(&[6], &[0.0, 2.0, 3.0, 1000.0, -254.0, -1000.0]))
                .input(f64s(&[], &[2.0]))
                .input(Tensor::scalar(128u8))
                .expect(Tensor::vector(vec![128u8, 129, 130, 255, 1, 0])),
            of(1, 0, Some(DType::I8))
                .input(f64s(&[2, 2], &[1.0, 10.0, -3.0, 25.0]))
                .input(f64s(&[2], &[2.0, 10.0]))
                .expect(Tensor::new(&[2, 2], vec![0i8, 1, -2, 2]).unwrap()),
            of(0, 2, None)
                .input(f64s(&[4], &[1.0, 2.0, 30.0, 40.0]))
                .input(f64s(&[2], &[1.0, 10.0]))
                .input(Tensor::vector(vec![0i16, 1]))
                .rows(&[])
                .expect(Tensor::vector(vec![1i16, 2, 4, 5])),
            of(0, 0, None).random(&[3, 2]).between(&[3], 0.1, 1.0).rows(&[0]).mixes(),
        ]
    }

    #[test]
    fn scales_that_do_not_fit_are_refused() {
        let op = QuantizeLinear { axis: 0, block: 0, to: None };
        assert!(refusal(op, &[f64s(&[3], &[1.0; 3]), f64s(&[2], &[1.0; 2])]).contains("do not fit axis 0"));
    }

    #[test]
    fn gradients_are_refused_by_name() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[1, 2]));
        let scale = b.constant_value(f64s(&[], &[0.5]));
        let q = b.push(QuantizeLinear { axis: 1, block: 0, to: None }, &[x, scale]).unwrap();
        let y = b.push(DequantizeLinear { axis: 1, block: 0 }, &[q, scale]).unwrap();
        let seed = b.ones_like(y).unwrap();
        let error = differentiate(&mut b, &[(y, seed)], &[x], &mut no_rule).unwrap_err().to_string();
        assert!(
            error.contains("QuantizeLinear has no derivative: gradients through quantised"),
            "{error}"
        );
    }
}
