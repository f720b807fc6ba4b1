//! Turning elements of one type into those of another, for Cast and CastLike.
//!
//! A float becomes a whole number by cutting towards zero and stays within the type, where ONNX leaves the result open; NaN
//! becomes 0. A whole number becomes a smaller one by dropping its upper bits. What is not zero is true. Text is read as a
//! number, in plain or scientific form; numbers are written plainly with as many digits as tell them apart, `NaN`, `INF` and
//! `-INF`, booleans as `1` and `0`.

use crate::error::{OpError, OpResult};
use crate::refuse;
use crate::tensor::{DType, Slice, SliceMut};
use pellucid_kernels::broadcast::map;

/// The number by which ONNX names an element type.
pub(crate) fn code(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::String => 8,
        DType::Bool => 9,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
    }
}

/// The element type by ONNX's number; 16-bit floats widen.
pub(crate) fn dtype(code: i64) -> OpResult<DType> {
    Ok(match code {
        1 | 10 | 16 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::String,
        9 => DType::Bool,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        other => refuse!("elements of ONNX's type {other} are not supported"),
    })
}

/// A number or a boolean, as every other type.
trait Source: Copy {
    fn f32(self) -> f32;
    fn f64(self) -> f64;
    fn i8(self) -> i8;
    fn i16(self) -> i16;
    fn i32(self) -> i32;
    fn i64(self) -> i64;
    fn u8(self) -> u8;
    fn u16(self) -> u16;
    fn u32(self) -> u32;
    fn u64(self) -> u64;
    fn bool(self) -> bool;
    fn text(self) -> String;
}

macro_rules! sources {
    ($($type:ident by |$v:ident| $number:expr, $text:expr;)*) => { $(
        impl Source for $type {
            sources!(each |$v: $type| $number; f32 f64 i8 i16 i32 i64 u8 u16 u32 u64);
            fn bool(self) -> bool {
                let $v = self;
                ($number as f64) != 0.0
            }
            fn text(self) -> String {
                let $v = self;
                $text
            }
        }
    )* };
    (each |$v:ident: $type:ident| $number:expr; $($to:ident)*) => {
        sources!(one $v, $number; $($to)*);
    };
    (one $v:ident, $number:expr; $($to:ident)*) => { $(
        fn $to(self) -> $to {
            let $v = self;
            $number as $to
        }
    )* };
}

sources! {
    f32 by |v| v, float_text(f64::from(v), v.to_string());
    f64 by |v| v, float_text(v, v.to_string());
    i8 by |v| v, v.to_string();
    i16 by |v| v, v.to_string();
    i32 by |v| v, v.to_string();
    i64 by |v| v, v.to_string();
    u8 by |v| v, v.to_string();
    u16 by |v| v, v.to_string();
    u32 by |v| v, v.to_string();
    u64 by |v| v, v.to_string();
    bool by |v| u8::from(v), u8::from(v).to_string();
}

fn float_text(value: f64, digits: String) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "INF".to_owned() } else { "-INF".to_owned() }
    } else {
        digits
    }
}

fn from<S: Source>(x: &[S], out: SliceMut<'_>) {
    match out {
        SliceMut::F32(o) => map(x, o, |v| v.f32()),
        SliceMut::F64(o) => map(x, o, |v| v.f64()),
        SliceMut::I8(o) => map(x, o, |v| v.i8()),
        SliceMut::I16(o) => map(x, o, |v| v.i16()),
        SliceMut::I32(o) => map(x, o, |v| v.i32()),
        SliceMut::I64(o) => map(x, o, |v| v.i64()),
        SliceMut::U8(o) => map(x, o, |v| v.u8()),
        SliceMut::U16(o) => map(x, o, |v| v.u16()),
        SliceMut::U32(o) => map(x, o, |v| v.u32()),
        SliceMut::U64(o) => map(x, o, |v| v.u64()),
        SliceMut::Bool(o) => map(x, o, |v| v.bool()),
        SliceMut::String(o) => map(x, o, |v| v.text()),
    }
}

/// Text as a number: whole where it can be, for not every whole number is a float.
enum Number {
    Whole(i64),
    Float(f64),
}

fn parsed(text: &str) -> OpResult<Number> {
    let trimmed = text.trim();
    if let Ok(whole) = trimmed.parse() {
        return Ok(Number::Whole(whole));
    }
    match trimmed.parse() {
        Ok(float) => Ok(Number::Float(float)),
        Err(_) => Err(OpError(format!("{:?} is not a number", text.chars().take(60).collect::<String>()))),
    }
}

fn from_text(x: &[String], out: SliceMut<'_>) -> OpResult<()> {
    macro_rules! go {
        ($o:expr, $method:ident) => {
            for (o, text) in $o.iter_mut().zip(x) {
                *o = match parsed(text)? {
                    Number::Whole(v) => v.$method(),
                    Number::Float(v) => v.$method(),
                };
            }
        };
    }
    match out {
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
        SliceMut::Bool(o) => go!(o, bool),
        SliceMut::String(o) => o.clone_from_slice(x),
    }
    Ok(())
}

/// The elements of `x` as those of `out`, of which there must be as many.
pub(crate) fn convert(x: Slice<'_>, mut out: SliceMut<'_>) -> OpResult<()> {
    if out.copy_from(x) {
        return Ok(());
    }
    match x {
        Slice::F32(v) => from(v, out),
        Slice::F64(v) => from(v, out),
        Slice::I8(v) => from(v, out),
        Slice::I16(v) => from(v, out),
        Slice::I32(v) => from(v, out),
        Slice::I64(v) => from(v, out),
        Slice::U8(v) => from(v, out),
        Slice::U16(v) => from(v, out),
        Slice::U32(v) => from(v, out),
        Slice::U64(v) => from(v, out),
        Slice::Bool(v) => from(v, out),
        Slice::String(v) => return from_text(v, out),
    }
    Ok(())
}
