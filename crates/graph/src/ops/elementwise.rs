//! What elementwise operators share beyond [`super::support`]: bodies by class of number, logic, and any number of inputs.

use super::support::{data, fact, out, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::Arg;
use crate::refuse;
use crate::tensor::{DType, View, ViewMut};

/// One output of the shape that the inputs broadcast to, all of them booleans.
pub(crate) fn bools(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    for (i, x) in inputs.iter().enumerate() {
        if let Some(x) = x
            && x.fact.dtype != DType::Bool
        {
            refuse!("input {i} is of type {}, expected bool", x.fact.dtype);
        }
    }
    Ok(vec![super::support::broadcast(inputs)?])
}

/// One output of booleans, of the shape of input 0, which must be of floats.
pub(crate) fn test_float(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    let x = fact(inputs, 0)?;
    if !x.dtype.is_float() {
        refuse!("input 0 is of type {}, expected floats", x.dtype);
    }
    Ok(vec![Fact::new(DType::Bool, &x.shape)])
}

/// `f` of every pair of broadcast booleans.
pub(crate) fn logic(
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    f: impl Fn(bool, bool) -> bool,
) -> OpResult<()> {
    let (x, y) = (data::<bool>(inputs, 0)?, data::<bool>(inputs, 1)?);
    let (x_shape, y_shape) = (view(inputs, 0)?.shape, view(inputs, 1)?.shape);
    let Some(shape) = outputs.first().map(|o| o.shape) else { refuse!("output 0 is missing") };
    let o = out::<bool>(outputs, 0)?;
    pellucid_kernels::broadcast::zip((x, x_shape), (y, y_shape), (o, shape), |&a, &b| f(a, b));
    Ok(())
}

/// The part of a cotangent that goes to `x` where `x` and `y` compete: all where `x` wins, half at a tie, none elsewhere.
pub(crate) fn share(b: &mut Builder, g: ValueId, wins: ValueId, ties: ValueId) -> OpResult<ValueId> {
    let half = b.scale(g, 0.5)?;
    let tied = b.masked(ties, half)?;
    b.select(wins, g, tied)
}

/// `elementwise!(infer, kind)`: the types, shapes, kind and rows of an operator whose results are of single elements, broadcast where there
/// are several inputs. `infer` gives the output's type and shape.
macro_rules! elementwise {
    ($infer:path, $kind:ident) => {
        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            $infer(inputs)
        }

        fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
            crate::operator::Kind::$kind
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            crate::rows::elementwise(site)
        }
    };
}

pub(crate) use elementwise;

/// The cotangent of x behind a function that is x above 0, and has the slope that is given of min(x, 0) elsewhere.
pub(crate) fn bent_below_zero(
    b: &mut Builder,
    (x, g): (ValueId, ValueId),
    slope: impl FnOnce(&mut Builder, ValueId) -> OpResult<ValueId>,
) -> OpResult<ValueId> {
    let on = b.positive(x)?;
    let zero = b.scalar_like(x, 0.0)?;
    let below = b.select(on, zero, x)?;
    let slope = slope(b, below)?;
    let product = b.mul(g, slope)?;
    b.select(on, g, product)
}

/// Runs one of three bodies for every element, by the class of its type:
/// `map_number!(inputs, outputs, float |a| a.abs(), signed |b| b.wrapping_abs(), unsigned |c| c)`.
macro_rules! map_number {
    (
        $inputs:expr, $outputs:expr,
        float |$a:ident| $float:expr, signed |$b:ident| $signed:expr, unsigned |$c:ident| $unsigned:expr
    ) => {{
        use crate::tensor::{Slice, SliceMut};
        let x = crate::ops::support::view($inputs, 0)?;
        let Some(output) = $outputs.first_mut() else { crate::refuse!("output 0 is missing") };
        macro_rules! go {
            ($xs:expr, $o:expr, $p:ident, $value:expr) => {
                pellucid_kernels::broadcast::map($xs, $o, |&$p| $value)
            };
        }
        match (x.data, &mut output.data) {
            (Slice::F32(xs), SliceMut::F32(o)) => go!(xs, o, $a, $float),
            (Slice::F64(xs), SliceMut::F64(o)) => go!(xs, o, $a, $float),
            (Slice::I8(xs), SliceMut::I8(o)) => go!(xs, o, $b, $signed),
            (Slice::I16(xs), SliceMut::I16(o)) => go!(xs, o, $b, $signed),
            (Slice::I32(xs), SliceMut::I32(o)) => go!(xs, o, $b, $signed),
            (Slice::I64(xs), SliceMut::I64(o)) => go!(xs, o, $b, $signed),
            (Slice::U8(xs), SliceMut::U8(o)) => go!(xs, o, $c, $unsigned),
            (Slice::U16(xs), SliceMut::U16(o)) => go!(xs, o, $c, $unsigned),
            (Slice::U32(xs), SliceMut::U32(o)) => go!(xs, o, $c, $unsigned),
            (Slice::U64(xs), SliceMut::U64(o)) => go!(xs, o, $c, $unsigned),
            _ => return crate::ops::support::no_type(x.data.dtype()),
        }
        Ok(())
    }};
}

/// Folds any number of broadcast inputs, element by element, from left to right:
/// `fold_number!(inputs, outputs, float |a, b| a + b, integer |c, d| c.wrapping_add(d))`.
macro_rules! fold_number {
    (
        $inputs:expr, $outputs:expr,
        float |$a:ident, $b:ident| $float:expr, integer |$c:ident, $d:ident| $integer:expr
    ) => {{
        use crate::tensor::DType;
        let first = crate::ops::support::view($inputs, 0)?;
        macro_rules! go {
            ($type:ty, $p:ident, $q:ident, $value:expr) => {
                crate::ops::elementwise::fold::<$type>($inputs, $outputs, |$p, $q| $value)
            };
        }
        match first.data.dtype() {
            DType::F32 => go!(f32, $a, $b, $float),
            DType::F64 => go!(f64, $a, $b, $float),
            DType::I8 => go!(i8, $c, $d, $integer),
            DType::I16 => go!(i16, $c, $d, $integer),
            DType::I32 => go!(i32, $c, $d, $integer),
            DType::I64 => go!(i64, $c, $d, $integer),
            DType::U8 => go!(u8, $c, $d, $integer),
            DType::U16 => go!(u16, $c, $d, $integer),
            DType::U32 => go!(u32, $c, $d, $integer),
            DType::U64 => go!(u64, $c, $d, $integer),
            other => crate::ops::support::no_type(other),
        }
    }};
}

/// Folds the broadcast inputs into the output, from left to right.
pub(crate) fn fold<T: crate::tensor::Element + Copy>(
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    f: impl Fn(T, T) -> T,
) -> OpResult<()> {
    let Some(shape) = outputs.first().map(|o| o.shape) else { refuse!("output 0 is missing") };
    let o = out::<T>(outputs, 0)?;
    for i in 0..inputs.len() {
        let x = (data::<T>(inputs, i)?, view(inputs, i)?.shape);
        pellucid_kernels::broadcast::walk(shape, [x.1], |at, [from], run, [step]| {
            let o = &mut o[at..at + run];
            match (i, step) {
                (0, 0) => o.fill(x.0[from]),
                (0, _) => o.copy_from_slice(&x.0[from..from + run]),
                (_, 0) => o.iter_mut().for_each(|o| *o = f(*o, x.0[from])),
                _ => o.iter_mut().zip(&x.0[from..from + run]).for_each(|(o, &v)| *o = f(*o, v)),
            }
        });
    }
    Ok(())
}

pub(crate) use {fold_number, map_number};
