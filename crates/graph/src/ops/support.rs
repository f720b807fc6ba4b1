//! What many operators share: reading inputs, shapes and axes, and running one body for every element type.

use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Site};
use crate::refuse;
use crate::rows::RowsSite;
use crate::tensor::{DType, Element, Slice, SliceMut, Tensor, View, ViewMut};
use pellucid_kernels::gather::OutOfRange;
use std::borrow::Cow;

pub(crate) use pellucid_kernels::broadcast::broadcast_shape;

/// What to do about an input that must be constant, since its elements say how many the output has.
pub(crate) const GIVES_THE_SIZE: &str = "must be constant: its values give the output's size; where they come from the data, take that step before the \
                                         model (a KNNImputer or dropped rows, on the table), or export it with Where and a mask, whose sizes are fixed";

/// The input at a position.
pub(crate) fn arg<'a>(inputs: &[Option<Arg<'a>>], i: usize) -> OpResult<Arg<'a>> {
    inputs.get(i).copied().flatten().ok_or_else(|| OpError(format!("input {i} is missing")))
}

/// The input at a position, if it is there.
pub(crate) fn optional<'a>(inputs: &[Option<Arg<'a>>], i: usize) -> Option<Arg<'a>> {
    inputs.get(i).copied().flatten()
}

/// The type and shape of the input at a position.
pub(crate) fn fact<'a>(inputs: &[Option<Arg<'a>>], i: usize) -> OpResult<&'a Fact> {
    Ok(arg(inputs, i)?.fact)
}

/// The view of the input at a position.
pub(crate) fn view<'a>(inputs: &[Option<View<'a>>], i: usize) -> OpResult<View<'a>> {
    inputs.get(i).copied().flatten().ok_or_else(|| OpError(format!("input {i} is missing")))
}

/// The elements of the input at a position, of type `T`.
pub(crate) fn data<'a, T: Element>(inputs: &[Option<View<'a>>], i: usize) -> OpResult<&'a [T]> {
    let x = view(inputs, i)?;
    x.as_slice()
        .ok_or_else(|| OpError(format!("input {i} is of type {}, expected {}", x.data.dtype(), T::DTYPE)))
}

/// An output, to be written.
pub(crate) fn output<'a, 'b>(outputs: &'a mut [ViewMut<'b>], i: usize) -> OpResult<&'a mut ViewMut<'b>> {
    outputs.get_mut(i).ok_or_else(|| OpError(format!("output {i} is missing")))
}

/// The integers of the input at a position of a running node; `None` where it is left out.
pub(crate) fn integers_of_view(inputs: &[Option<View<'_>>], i: usize) -> OpResult<Option<Vec<i64>>> {
    match inputs.get(i).copied().flatten() {
        None => Ok(None),
        Some(x) => x
            .to_tensor()
            .to_i64()
            .map(Some)
            .ok_or_else(|| OpError(format!("input {i} is of type {}, expected integers", x.data.dtype()))),
    }
}

/// What stands in an error for a number that is not what was expected, or for one that is missing.
pub(crate) fn said<T: std::fmt::Debug>(given: Option<T>) -> String {
    given.map_or_else(|| "missing".to_owned(), |given| format!("{given:?}"))
}

/// The indices at a position, of either type that ONNX allows.
pub(crate) fn indices<'a>(inputs: &[Option<View<'a>>], i: usize) -> OpResult<Cow<'a, [i64]>> {
    match view(inputs, i)?.data {
        Slice::I64(v) => Ok(Cow::Borrowed(v)),
        Slice::I32(v) => Ok(v.iter().map(|&v| i64::from(v)).collect()),
        other => refuse!("input {i} is of type {}, expected int32 or int64", other.dtype()),
    }
}

/// Refuses an input that is not of a type that indices have.
pub(crate) fn expect_indices(inputs: &[Option<Arg<'_>>], i: usize) -> OpResult<()> {
    match fact(inputs, i)?.dtype {
        DType::I32 | DType::I64 => Ok(()),
        other => refuse!("input {i} is of type {other}, expected int32 or int64"),
    }
}

/// The error of an index outside its axis.
pub(crate) fn outside(error: OutOfRange) -> OpError {
    OpError(error.to_string())
}

/// The integers of a constant input, for the analysis of rows; `None` where it is left out.
pub(crate) fn integers_of_site(site: &RowsSite<'_>, i: usize) -> OpResult<Option<Vec<i64>>> {
    match site.input(i) {
        None => Ok(None),
        Some(x) => match x.constant.and_then(Tensor::to_i64) {
            Some(list) => Ok(Some(list)),
            None => refuse!("its input {i} must be constant"),
        },
    }
}

/// The integers of a constant input of a node on the way back; `None` where it is left out.
pub(crate) fn integers_of_value(b: &Builder, site: &Site<'_>, i: usize) -> OpResult<Option<Vec<i64>>> {
    match site.inputs.get(i).copied().flatten() {
        None => Ok(None),
        Some(v) => match b.constant(v).and_then(Tensor::to_i64) {
            Some(list) => Ok(Some(list)),
            None => refuse!("its input {i} must be constant"),
        },
    }
}

/// The elements of an output, of type `T`, to be written.
pub(crate) fn out<'a, T: Element>(outputs: &'a mut [ViewMut<'_>], i: usize) -> OpResult<&'a mut [T]> {
    let output = outputs.get_mut(i).ok_or_else(|| OpError(format!("output {i} is missing")))?;
    let dtype = output.data.dtype();
    output.as_slice().ok_or_else(|| OpError(format!("output {i} is of type {dtype}, expected {}", T::DTYPE)))
}

/// Integers that must be known before anything runs: axes, shapes, sizes.
pub(crate) fn integers(inputs: &[Option<Arg<'_>>], i: usize, what: &str) -> OpResult<Option<Vec<i64>>> {
    let Some(x) = optional(inputs, i) else { return Ok(None) };
    let Some(tensor) = x.constant else { refuse!("its {what} (input {i}) must be constant") };
    tensor.to_i64().map(Some).ok_or_else(|| OpError(format!("its {what} (input {i}) must be integers")))
}

/// An axis counted from the end where negative, checked against the rank.
pub(crate) fn axis(axis: i64, rank: usize) -> OpResult<usize> {
    let r = rank as i64;
    if axis < -r || axis >= r {
        refuse!("axis {axis} is outside a tensor of {rank} dimensions");
    }
    Ok(if axis < 0 { (axis + r) as usize } else { axis as usize })
}

/// Several axes, each once, in ascending order.
pub(crate) fn axes(list: &[i64], rank: usize) -> OpResult<Vec<usize>> {
    let mut found: Vec<usize> = list.iter().map(|&a| axis(a, rank)).collect::<OpResult<_>>()?;
    found.sort_unstable();
    if found.windows(2).any(|w| w[0] == w[1]) {
        refuse!("an axis is named twice in {list:?}");
    }
    Ok(found)
}

/// One output of the type and shape of input 0.
pub(crate) fn same_as_input(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    Ok(vec![fact(inputs, 0)?.clone()])
}

/// One output of the type and shape of input 0, which must be of floats.
pub(crate) fn float_as_input(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    let x = fact(inputs, 0)?;
    if !x.dtype.is_float() {
        refuse!("input 0 is of type {}, expected floats", x.dtype);
    }
    Ok(vec![x.clone()])
}

/// The common type of the inputs from `first` on, and the shape that they broadcast to.
pub(crate) fn broadcast(inputs: &[Option<Arg<'_>>]) -> OpResult<Fact> {
    let dtype = fact(inputs, 0)?.dtype;
    for (i, x) in inputs.iter().enumerate() {
        let Some(x) = x else { refuse!("input {i} is missing") };
        if x.fact.dtype != dtype {
            refuse!("input {i} is of type {}, input 0 of {dtype}", x.fact.dtype);
        }
    }
    Ok(Fact { dtype, shape: broadcast_of(inputs)? })
}

/// One output of the type that the inputs share, and of the shape that they broadcast to.
pub(crate) fn as_broadcast(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    Ok(vec![broadcast(inputs)?])
}

/// One output of booleans, of the shape that the inputs, all of one type, broadcast to.
pub(crate) fn bools_as_broadcast(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    Ok(vec![Fact { dtype: DType::Bool, ..broadcast(inputs)? }])
}

/// Writes numbers as floats of the output's type, from a place on.
pub(crate) fn write_floats(
    output: &mut ViewMut<'_>,
    start: usize,
    values: impl IntoIterator<Item = f64>,
) -> OpResult<()> {
    match &mut output.data {
        SliceMut::F32(o) => o.iter_mut().skip(start).zip(values).for_each(|(o, v)| *o = v as f32),
        SliceMut::F64(o) => o.iter_mut().skip(start).zip(values).for_each(|(o, v)| *o = v),
        other => return no_type(other.dtype()),
    }
    Ok(())
}

/// The shape that all inputs broadcast to.
pub(crate) fn broadcast_of(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<usize>> {
    let shapes: Vec<&[usize]> = inputs.iter().flatten().map(|x| x.fact.shape.as_slice()).collect();
    broadcast_shape(&shapes).ok_or_else(|| OpError(format!("shapes {shapes:?} do not broadcast")))
}

/// The product of sizes as a number of steps; the largest there is where it does not fit.
pub(crate) fn steps(sizes: impl IntoIterator<Item = usize>) -> u64 {
    sizes.into_iter().fold(1, |n, size| n.saturating_mul(size as u64))
}

/// A refusal of an element type that an operator does not compute.
pub(crate) fn no_type<T>(dtype: DType) -> OpResult<T> {
    refuse!("it is not computed for elements of type {dtype}")
}

/// Runs one body for an input and an output whose elements are of the same type, whatever it is:
/// `same_type!(x.data, &mut output.data, |xs, o| o.clone_from_slice(xs))`.
macro_rules! same_type {
    ($x:expr, $output:expr, |$xs:ident, $o:ident| $body:expr) => {{
        use crate::tensor::{Slice, SliceMut};
        match ($x, $output) {
            (Slice::F32($xs), SliceMut::F32($o)) => $body,
            (Slice::F64($xs), SliceMut::F64($o)) => $body,
            (Slice::I8($xs), SliceMut::I8($o)) => $body,
            (Slice::I16($xs), SliceMut::I16($o)) => $body,
            (Slice::I32($xs), SliceMut::I32($o)) => $body,
            (Slice::I64($xs), SliceMut::I64($o)) => $body,
            (Slice::U8($xs), SliceMut::U8($o)) => $body,
            (Slice::U16($xs), SliceMut::U16($o)) => $body,
            (Slice::U32($xs), SliceMut::U32($o)) => $body,
            (Slice::U64($xs), SliceMut::U64($o)) => $body,
            (Slice::Bool($xs), SliceMut::Bool($o)) => $body,
            (Slice::String($xs), SliceMut::String($o)) => $body,
            (x, o) => crate::refuse!("its output is of type {}, its input of {}", o.dtype(), x.dtype()),
        }
    }};
}

/// Runs `body` for `f32` and `f64` inputs alike: `map_float!(inputs, outputs, |v| v.tanh())`.
macro_rules! map_float {
    ($inputs:expr, $outputs:expr, |$v:ident| $body:expr) => {{
        use crate::tensor::{Slice, SliceMut};
        let x = crate::ops::support::view($inputs, 0)?;
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        match (x.data, &mut output.data) {
            (Slice::F32(x), SliceMut::F32(o)) => pellucid_kernels::broadcast::map_real(x, o, |&$v| $body),
            (Slice::F64(x), SliceMut::F64(o)) => pellucid_kernels::broadcast::map_real(x, o, |&$v| $body),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

/// Runs a kernel over slices of `f32` or `f64`: `along_float!(inputs, outputs, elementary::exp_of)`.
macro_rules! along_float {
    ($inputs:expr, $outputs:expr, $kernel:path) => {{
        use crate::tensor::{Slice, SliceMut};
        let x = crate::ops::support::view($inputs, 0)?;
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        match (x.data, &mut output.data) {
            (Slice::F32(x), SliceMut::F32(o)) => $kernel(x, o),
            (Slice::F64(x), SliceMut::F64(o)) => $kernel(x, o),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

/// Runs one of two bodies for every pair of broadcast elements, by their type:
/// `zip_number!(inputs, outputs, float |a, b| a + b, integer |a, b| a.wrapping_add(b))`.
macro_rules! zip_number {
    ($inputs:expr, $outputs:expr, float |$a:ident, $b:ident| $float:expr, integer |$c:ident, $d:ident| $integer:expr) => {{
        use crate::tensor::{Slice, SliceMut};
        let (x, y) = (crate::ops::support::view($inputs, 0)?, crate::ops::support::view($inputs, 1)?);
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        let shape = output.shape;
        macro_rules! go {
            ($zip:ident, $xs:expr, $ys:expr, $o:expr, $p:ident, $q:ident, $value:expr) => {
                pellucid_kernels::broadcast::$zip(($xs, x.shape), ($ys, y.shape), ($o, shape), |&$p, &$q| {
                    $value
                })
            };
        }
        match (x.data, y.data, &mut output.data) {
            (Slice::F32(xs), Slice::F32(ys), SliceMut::F32(o)) => go!(zip_real, xs, ys, o, $a, $b, $float),
            (Slice::F64(xs), Slice::F64(ys), SliceMut::F64(o)) => go!(zip_real, xs, ys, o, $a, $b, $float),
            (Slice::I8(xs), Slice::I8(ys), SliceMut::I8(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::I16(xs), Slice::I16(ys), SliceMut::I16(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::I32(xs), Slice::I32(ys), SliceMut::I32(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::I64(xs), Slice::I64(ys), SliceMut::I64(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::U8(xs), Slice::U8(ys), SliceMut::U8(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::U16(xs), Slice::U16(ys), SliceMut::U16(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::U32(xs), Slice::U32(ys), SliceMut::U32(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            (Slice::U64(xs), Slice::U64(ys), SliceMut::U64(o)) => go!(zip, xs, ys, o, $c, $d, $integer),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

/// Runs a comparison for every pair of broadcast elements of the same number type: `compare!(inputs, outputs, |a, b| a < b)`.
macro_rules! compare {
    ($inputs:expr, $outputs:expr, |$a:ident, $b:ident| $body:expr) => {{
        use crate::tensor::{Slice, SliceMut};
        let (x, y) = (crate::ops::support::view($inputs, 0)?, crate::ops::support::view($inputs, 1)?);
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        let shape = output.shape;
        let dtype = output.data.dtype();
        let SliceMut::Bool(o) = &mut output.data else { return crate::ops::support::no_type(dtype) };
        macro_rules! go {
            ($xs:expr, $ys:expr) => {
                pellucid_kernels::broadcast::zip(($xs, x.shape), ($ys, y.shape), (o, shape), |$a, $b| $body)
            };
        }
        match (x.data, y.data) {
            (Slice::F32(xs), Slice::F32(ys)) => go!(xs, ys),
            (Slice::F64(xs), Slice::F64(ys)) => go!(xs, ys),
            (Slice::I8(xs), Slice::I8(ys)) => go!(xs, ys),
            (Slice::I16(xs), Slice::I16(ys)) => go!(xs, ys),
            (Slice::I32(xs), Slice::I32(ys)) => go!(xs, ys),
            (Slice::I64(xs), Slice::I64(ys)) => go!(xs, ys),
            (Slice::U8(xs), Slice::U8(ys)) => go!(xs, ys),
            (Slice::U16(xs), Slice::U16(ys)) => go!(xs, ys),
            (Slice::U32(xs), Slice::U32(ys)) => go!(xs, ys),
            (Slice::U64(xs), Slice::U64(ys)) => go!(xs, ys),
            (Slice::Bool(xs), Slice::Bool(ys)) => go!(xs, ys),
            (Slice::String(xs), Slice::String(ys)) => go!(xs, ys),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

pub(crate) use {along_float, compare, map_float, same_type, zip_number};
