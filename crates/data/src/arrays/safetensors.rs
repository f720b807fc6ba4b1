//! Hugging Face's .safetensors: named arrays behind a JSON header.

use ::safetensors::tensor::{Dtype, SafeTensors, TensorView};
use half::{bf16, f16};
use pellucid_graph::{Buffer, Tensor};

use super::malformed;
use super::npy::element_bytes;
use crate::error::{Error, ErrorKind, Result};

const FORMAT: &str = ".safetensors file";

/// Reads all arrays, sorted by name.
pub fn read_safetensors(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| malformed(FORMAT, e.to_string()))?;
    let mut arrays = Vec::new();
    for (name, view) in file.iter() {
        arrays.push((name.to_owned(), tensor(&view).map_err(|e| e.in_column(name))?));
    }
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(arrays)
}

fn tensor(view: &TensorView<'_>) -> Result<Tensor> {
    fn decode<const N: usize, T>(data: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
        data.as_chunks::<N>().0.iter().map(|b| decode(*b)).collect()
    }
    let data = view.data();
    let buffer = match view.dtype() {
        Dtype::F32 => Buffer::F32(decode(data, f32::from_le_bytes)),
        Dtype::F64 => Buffer::F64(decode(data, f64::from_le_bytes)),
        Dtype::F16 => Buffer::F32(decode(data, |b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Buffer::F32(decode(data, |b| bf16::from_le_bytes(b).to_f32())),
        Dtype::I8 => Buffer::I8(decode(data, i8::from_le_bytes)),
        Dtype::I16 => Buffer::I16(decode(data, i16::from_le_bytes)),
        Dtype::I32 => Buffer::I32(decode(data, i32::from_le_bytes)),
        Dtype::I64 => Buffer::I64(decode(data, i64::from_le_bytes)),
        Dtype::U8 => Buffer::U8(data.to_vec()),
        Dtype::U16 => Buffer::U16(decode(data, u16::from_le_bytes)),
        Dtype::U32 => Buffer::U32(decode(data, u32::from_le_bytes)),
        Dtype::U64 => Buffer::U64(decode(data, u64::from_le_bytes)),
        Dtype::BOOL => Buffer::Bool(data.iter().map(|&b| b != 0).collect()),
        other => {
            let what = format!("elements of type {other:?} are not read");
            return Err(ErrorKind::Unsupported { format: FORMAT, what }.into());
        }
    };
    Tensor::from_buffer(view.shape(), buffer).ok_or_else(|| malformed(FORMAT, "a shape that does not fit"))
}

/// Writes arrays.
pub fn write_safetensors(arrays: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut parts = Vec::new();
    for (name, tensor) in arrays {
        let dtype = match tensor.data() {
            Buffer::F32(_) => Dtype::F32,
            Buffer::F64(_) => Dtype::F64,
            Buffer::I8(_) => Dtype::I8,
            Buffer::I16(_) => Dtype::I16,
            Buffer::I32(_) => Dtype::I32,
            Buffer::I64(_) => Dtype::I64,
            Buffer::U8(_) => Dtype::U8,
            Buffer::U16(_) => Dtype::U16,
            Buffer::U32(_) => Dtype::U32,
            Buffer::U64(_) => Dtype::U64,
            Buffer::Bool(_) => Dtype::BOOL,
            Buffer::String(_) => {
                let what = "strings are not written".to_owned();
                return Err(Error::new(ErrorKind::Unsupported { format: FORMAT, what }).in_column(name));
            }
        };
        parts.push((name, dtype, tensor.shape().to_vec(), element_bytes(tensor.data())));
    }
    let views: Vec<(&String, TensorView<'_>)> = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            view.map(|v| (*name, v)).map_err(|e| malformed(FORMAT, e.to_string()))
        })
        .collect::<Result<_>>()?;
    ::safetensors::serialize(views, None).map_err(|e| malformed(FORMAT, e.to_string()))
}
