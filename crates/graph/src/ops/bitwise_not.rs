//! BitwiseNot: every bit of integers turned over.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::bitwise::{DERIVATIVE, integers};
use super::support::{no_type, view};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{Slice, SliceMut, View, ViewMut};

/// BitwiseNot's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitwiseNot",
    domain: "",
    since: 18,
    summary: "every bit of integers turned over",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(BitwiseNot))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Every bit of integers turned over.
#[derive(Clone, Copy, Debug)]
pub struct BitwiseNot;

impl Operator for BitwiseNot {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(integers, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let Some(output) = outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        macro_rules! go {
            ($xs:expr, $o:expr) => {
                pellucid_kernels::broadcast::map($xs, $o, |&v| !v)
            };
        }
        match (x.data, &mut output.data) {
            (Slice::I8(xs), SliceMut::I8(o)) => go!(xs, o),
            (Slice::I16(xs), SliceMut::I16(o)) => go!(xs, o),
            (Slice::I32(xs), SliceMut::I32(o)) => go!(xs, o),
            (Slice::I64(xs), SliceMut::I64(o)) => go!(xs, o),
            (Slice::U8(xs), SliceMut::U8(o)) => go!(xs, o),
            (Slice::U16(xs), SliceMut::U16(o)) => go!(xs, o),
            (Slice::U32(xs), SliceMut::U32(o)) => go!(xs, o),
            (Slice::U64(xs), SliceMut::U64(o)) => go!(xs, o),
            _ => return no_type(x.data.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::BitwiseNot;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(BitwiseNot)
                .input(Tensor::vector(vec![0u8, 0b1111_0000]))
                .expect(Tensor::vector(vec![255u8, 0b1111])),
            Case::new(BitwiseNot)
                .input(Tensor::vector(vec![5i32, -1]))
                .expect(Tensor::vector(vec![-6i32, 0])),
        ]
    }
}
