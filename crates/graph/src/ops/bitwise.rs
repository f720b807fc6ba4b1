//! What operators on the bits of integers share.

use super::support::broadcast;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::Arg;
use crate::refuse;
use crate::tensor::DType;

/// Why there is no gradient, in the table and in messages.
pub(crate) const DERIVATIVE: &str = "none: integers carry no gradient";

/// One output of the shape that the inputs broadcast to, all of them integers of one type.
pub(crate) fn integers(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    let fact = broadcast(inputs)?;
    if fact.dtype.is_float() || matches!(fact.dtype, DType::Bool | DType::String) {
        refuse!("its inputs are of type {}, expected integers", fact.dtype);
    }
    Ok(vec![fact])
}

/// Runs one body for every pair of broadcast integers of the same type: `zip_bits!(inputs, outputs, |a, b| a & b)`.
macro_rules! zip_bits {
    ($inputs:expr, $outputs:expr, |$a:ident, $b:ident| $body:expr) => {{
        use crate::tensor::{Slice, SliceMut};
        let (x, y) = (crate::ops::support::view($inputs, 0)?, crate::ops::support::view($inputs, 1)?);
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        let shape = output.shape;
        macro_rules! go {
            ($xs:expr, $ys:expr, $o:expr) => {
                pellucid_kernels::broadcast::zip(($xs, x.shape), ($ys, y.shape), ($o, shape), |&$a, &$b| {
                    $body
                })
            };
        }
        match (x.data, y.data, &mut output.data) {
            (Slice::I8(xs), Slice::I8(ys), SliceMut::I8(o)) => go!(xs, ys, o),
            (Slice::I16(xs), Slice::I16(ys), SliceMut::I16(o)) => go!(xs, ys, o),
            (Slice::I32(xs), Slice::I32(ys), SliceMut::I32(o)) => go!(xs, ys, o),
            (Slice::I64(xs), Slice::I64(ys), SliceMut::I64(o)) => go!(xs, ys, o),
            (Slice::U8(xs), Slice::U8(ys), SliceMut::U8(o)) => go!(xs, ys, o),
            (Slice::U16(xs), Slice::U16(ys), SliceMut::U16(o)) => go!(xs, ys, o),
            (Slice::U32(xs), Slice::U32(ys), SliceMut::U32(o)) => go!(xs, ys, o),
            (Slice::U64(xs), Slice::U64(ys), SliceMut::U64(o)) => go!(xs, ys, o),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

pub(crate) use zip_bits;
