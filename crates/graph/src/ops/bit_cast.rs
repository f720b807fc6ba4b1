//! BitCast: the bytes of elements read as those of another type of the same width.

use std::sync::Arc;

use super::convert::{code, dtype};
use super::support::{fact, no_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};

/// BitCast's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitCast",
    domain: "",
    since: 26,
    summary: "the bytes of elements read as those of another type",
    derivative: "none: bytes have no slope",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let to = node.int("to")?.ok_or_else(|| OpError("attribute to is missing".to_owned()))?;
        if to == 10 || to == 16 {
            refuse!("floats of 16 bits are widened here, so that their bytes are not there");
        }
        Ok(Arc::new(BitCast { to: dtype(to)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The bytes of elements, read as those of another type.
#[derive(Clone, Copy, Debug)]
pub struct BitCast {
    /// The type.
    pub to: DType,
}

fn bytes(x: Slice<'_>) -> OpResult<Vec<u8>> {
    macro_rules! go {
        ($v:expr) => {
            $v.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
    }
    Ok(match x {
        Slice::F32(v) => go!(v),
        Slice::F64(v) => go!(v),
        Slice::I8(v) => go!(v),
        Slice::I16(v) => go!(v),
        Slice::I32(v) => go!(v),
        Slice::I64(v) => go!(v),
        Slice::U8(v) => v.to_vec(),
        Slice::U16(v) => go!(v),
        Slice::U32(v) => go!(v),
        Slice::U64(v) => go!(v),
        Slice::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
        Slice::String(_) => return no_type(DType::String),
    })
}

impl Operator for BitCast {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("to", Attribute::Int(code(self.to)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if x.dtype == DType::String || self.to == DType::String || x.dtype.size() != self.to.size() {
            refuse!("elements of type {} have not the bytes of type {}", x.dtype, self.to);
        }
        Ok(vec![Fact::new(self.to, &x.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let bytes = bytes(view(inputs, 0)?.data)?;
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        macro_rules! go {
            ($o:expr, $type:ty) => {
                $o.iter_mut().zip(bytes.as_chunks().0).for_each(|(o, c)| *o = <$type>::from_le_bytes(*c))
            };
        }
        match &mut output.data {
            SliceMut::F32(o) => go!(o, f32),
            SliceMut::F64(o) => go!(o, f64),
            SliceMut::I8(o) => go!(o, i8),
            SliceMut::I16(o) => go!(o, i16),
            SliceMut::I32(o) => go!(o, i32),
            SliceMut::I64(o) => go!(o, i64),
            SliceMut::U8(o) => go!(o, u8),
            SliceMut::U16(o) => go!(o, u16),
            SliceMut::U32(o) => go!(o, u32),
            SliceMut::U64(o) => go!(o, u64),
            SliceMut::Bool(o) => o.iter_mut().zip(&bytes).for_each(|(o, &b)| *o = b != 0),
            SliceMut::String(_) => return no_type(DType::String),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::BitCast;
    use crate::cases::{Case, f64s, refusal};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(BitCast { to: DType::U32 })
                .input(Tensor::vector(vec![1.0f32, -2.0]))
                .expect(Tensor::vector(vec![0x3f80_0000u32, 0xc000_0000])),
            Case::new(BitCast { to: DType::I64 })
                .input(f64s(&[1], &[1.0]))
                .fixed(&[0])
                .expect(Tensor::vector(vec![0x3ff0_0000_0000_0000i64])),
            Case::new(BitCast { to: DType::I8 })
                .input(Tensor::vector(vec![255u8, 1]))
                .expect(Tensor::vector(vec![-1i8, 1])),
        ]
    }

    #[test]
    fn another_width_is_refused() {
        let message = refusal(BitCast { to: DType::U8 }, &[Tensor::vector(vec![1.0f32])]);
        assert!(message.contains("have not the bytes"), "{message}");
    }
}
