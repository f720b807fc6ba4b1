//! Cast: the elements as another type.
//!
//! Between float types the derivative is 1; to and from whole numbers, booleans and strings there is none. A float becomes a whole
//! number by cutting towards zero and stays within the type (NaN becomes 0); ONNX leaves that open. 16-bit floats widen to 32, so
//! that a cast to them does not round.

use std::sync::Arc;

use super::convert::{code, convert, dtype};
use super::support::{fact, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// Cast's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Cast",
    domain: "",
    since: 6,
    summary: "the elements as another type",
    derivative: "1 between float types, else none",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let to = node.int("to")?.ok_or_else(|| OpError("attribute to is missing".to_owned()))?;
        Ok(Arc::new(Cast { to: dtype(to)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The elements as another type.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The type.
    pub to: DType,
}

impl Operator for Cast {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("to", Attribute::Int(code(self.to)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(self.to, &fact(inputs, 0)?.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        if self.to.is_float() { Kind::Route } else { Kind::Constant }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let from = b.fact(site.input(0)?).dtype;
        Ok(Some(vec![Some(b.cast(g, from)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        convert(view(inputs, 0)?.data, output.data.reborrow())
    }

    fn with_precision(&self, precision: DType) -> Option<Arc<dyn Operator>> {
        (self.to.is_float() && self.to != precision)
            .then(|| Arc::new(Self { to: precision }) as Arc<dyn Operator>)
    }
}

#[cfg(test)]
mod tests {
    use super::Cast;
    use crate::cases::{Case, bools, f64s, i64s};
    use crate::operator::Operator;
    use crate::tensor::{DType, Tensor};

    fn strings(data: &[&str]) -> Tensor {
        Tensor::vector(data.iter().map(|&s| s.to_owned()).collect::<Vec<String>>())
    }

    pub(super) fn cases() -> Vec<Case> {
        let odd = f64s(&[6], &[-1.5, 300.7, f64::NAN, f64::INFINITY, 0.0, -0.25]);
        let to = |to: DType, x: &Tensor| Case::new(Cast { to }).input(x.clone());
        vec![
            to(DType::F64, &f64s(&[2], &[0.1, -3.0])).expect(f64s(&[2], &[0.1, -3.0])),
            to(DType::F64, &Tensor::vector(vec![0.5f32, -3.0])).expect(f64s(&[2], &[0.5, -3.0])),
            to(DType::F32, &f64s(&[2], &[0.5, 1e300])).expect(Tensor::vector(vec![0.5f32, f32::INFINITY])),
            to(DType::I64, &odd).expect(i64s(&[-1, 300, 0, i64::MAX, 0, 0])).fixed(&[0]),
            to(DType::U8, &odd).expect(Tensor::vector(vec![0u8, 255, 0, 255, 0, 0])).fixed(&[0]),
            to(DType::Bool, &odd).expect(bools(&[6], &[true, true, true, true, false, true])).fixed(&[0]),
            to(DType::String, &odd).expect(strings(&["-1.5", "300.7", "NaN", "INF", "0", "-0.25"])),
            to(DType::I32, &i64s(&[1 << 40, -2])).expect(Tensor::vector(vec![0i32, -2])),
            to(DType::U8, &Tensor::vector(vec![-1i16, 513])).expect(Tensor::vector(vec![255u8, 1])),
            to(DType::F64, &bools(&[2], &[true, false])).expect(f64s(&[2], &[1.0, 0.0])),
            to(DType::F64, &strings(&["1e-5", " +INF", "nan", "-inf", "3.25"]))
                .expect(f64s(&[5], &[1e-5, f64::INFINITY, f64::NAN, f64::NEG_INFINITY, 3.25])),
            to(DType::I64, &strings(&["9007199254740993", "2.7"])).expect(i64s(&[9_007_199_254_740_993, 2])),
            Case::new(Cast { to: DType::F64 }).random(&[3, 1, 4]),
            Case::new(Cast { to: DType::I32 }).between(&[3, 4], 0.2, 0.8),
        ]
    }

    #[test]
    fn a_cast_to_floats_follows_the_precision() {
        let changed = |to| Cast { to }.with_precision(DType::F64).map(|op| format!("{op:?}"));
        assert_eq!(changed(DType::F32), Some("Cast { to: F64 }".to_owned()));
        assert_eq!(changed(DType::F64), None);
        assert_eq!(changed(DType::I32), None);
    }
}
