//! DequantizeLinear: an integer less its zero point, times its scale.

use std::sync::Arc;

use super::quantized::{DERIVATIVE, Form, floats};
use super::support::{fact, no_type, optional, view};
use crate::attributes::Attributes;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, SliceMut, View, ViewMut};

/// DequantizeLinear's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "DequantizeLinear",
    domain: "",
    since: 10,
    summary: "an integer less its zero point, times its scale",
    derivative: DERIVATIVE,
    import: |node| {
        let Form { axis, block } = Form::import(node)?;
        Ok(Arc::new(DequantizeLinear { axis, block }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// An integer less its zero point, times its scale; inputs x, scale and, where it is given, the zero point.
#[derive(Clone, Copy, Debug)]
pub struct DequantizeLinear {
    /// The axis along which scales differ.
    pub axis: i64,
    /// How many neighbours along the axis share a scale; 0 where all of a position do.
    pub block: usize,
}

impl DequantizeLinear {
    fn form(self) -> Form {
        Form { axis: self.axis, block: self.block }
    }
}

impl Operator for DequantizeLinear {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.form().attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, scale) = (fact(inputs, 0)?, fact(inputs, 1)?);
        if !matches!(x.dtype, DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32) {
            return no_type(x.dtype);
        }
        if !scale.dtype.is_float() {
            refuse!("its scale is of type {}, expected floats", scale.dtype);
        }
        self.form().places(&x.shape, &scale.shape)?;
        if let Some(zero) = optional(inputs, 2)
            && (zero.fact.len() != scale.len() || zero.fact.dtype != x.dtype)
        {
            refuse!("its zero points are {}, expected {} of type {}", zero.fact, scale.len(), x.dtype);
        }
        Ok(vec![Fact::new(scale.dtype, &x.shape)])
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
        let values = floats(x)?;
        let apart = values.iter().enumerate().map(|(i, &v)| (v - zeros[places.of(i)], scales[places.of(i)]));
        match outputs.first_mut().map(|o| o.data.reborrow()) {
            Some(SliceMut::F32(o)) => {
                o.iter_mut().zip(apart).for_each(|(o, (v, s))| *o = v as f32 * s as f32);
            }
            Some(SliceMut::F64(o)) => o.iter_mut().zip(apart).for_each(|(o, (v, s))| *o = v * s),
            _ => refuse!("output 0 is missing or of no float type"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DequantizeLinear;
    use crate::cases::{Case, f64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, block| Case::new(DequantizeLinear { axis, block }).fixed(&[1]);
        let bytes = |shape: &[usize], data: &[u8]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            of(1, 0)
                .input(bytes(&[2, 2], &[0, 3, 128, 255]))
                .input(f64s(&[], &[2.0]))
                .input(Tensor::scalar(128u8))
                .expect(f64s(&[2, 2], &[-256.0, -250.0, 0.0, 254.0])),
            of(-1, 0)
                .input(bytes(&[2, 2], &[1, 2, 3, 4]))
                .input(f64s(&[2], &[0.5, 10.0]))
                .expect(f64s(&[2, 2], &[0.5, 20.0, 1.5, 40.0])),
            of(1, 2)
                .input(Tensor::new(&[2, 3], vec![1i32, 2, 3, 4, 5, 6]).unwrap())
                .input(f64s(&[2, 2], &[1.0, 10.0, 1.0, 10.0]))
                .expect(f64s(&[2, 3], &[1.0, 2.0, 30.0, 4.0, 5.0, 60.0])),
        ]
    }

    #[test]
    fn zero_points_of_another_type_are_refused() {
        let op = DequantizeLinear { axis: 1, block: 0 };
        let x = Tensor::vector(vec![1u8]);
        let message = refusal(op, &[x, f64s(&[], &[1.0]), Tensor::scalar(1i8)]);
        assert!(message.contains("expected 1 of type uint8"), "{message}");
    }
}
