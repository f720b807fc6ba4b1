//! Tensors of a file: types, sizes and elements, checked before memory is taken.

use half::{bf16, f16};

use super::external::Folder;
use super::proto::tensor_proto::{DataLocation, DataType};
use super::proto::{SparseTensorProto, TensorProto};
use crate::build::MOST_ELEMENTS;
use crate::error::{ErrorKind, Result};
use crate::tensor::{Buffer, DType, Tensor, elements, span};

/// The elements of a tensor of a file, or why there are none here.
#[derive(Clone, Debug)]
pub(super) enum Read {
    /// The elements, and what the file calls their type where it was widened.
    Tensor(Tensor, Option<&'static str>),
    /// Well formed, but of a type that Pellucid does not have, by its name.
    Unsupported(String),
}

/// The type by which elements of one of ONNX's types are kept, and what the file calls it where that is wider.
pub(super) fn element_type(code: i32) -> std::result::Result<(DType, Option<&'static str>), String> {
    let kind = DataType::try_from(code).map_err(|_| format!("unknown type {code}"))?;
    Ok(match kind {
        DataType::Float => (DType::F32, None),
        DataType::Double => (DType::F64, None),
        DataType::Float16 => (DType::F32, Some("float16")),
        DataType::Bfloat16 => (DType::F32, Some("bfloat16")),
        DataType::Int8 => (DType::I8, None),
        DataType::Int16 => (DType::I16, None),
        DataType::Int32 => (DType::I32, None),
        DataType::Int64 => (DType::I64, None),
        DataType::Uint8 => (DType::U8, None),
        DataType::Uint16 => (DType::U16, None),
        DataType::Uint32 => (DType::U32, None),
        DataType::Uint64 => (DType::U64, None),
        DataType::Bool => (DType::Bool, None),
        DataType::String => (DType::String, None),
        other => return Err(other.as_str_name().to_lowercase()),
    })
}

/// ONNX's number for a type.
pub(super) fn type_code(dtype: DType) -> i32 {
    let kind = match dtype {
        DType::F32 => DataType::Float,
        DType::F64 => DataType::Double,
        DType::I8 => DataType::Int8,
        DType::I16 => DataType::Int16,
        DType::I32 => DataType::Int32,
        DType::I64 => DataType::Int64,
        DType::U8 => DataType::Uint8,
        DType::U16 => DataType::Uint16,
        DType::U32 => DataType::Uint32,
        DType::U64 => DataType::Uint64,
        DType::Bool => DataType::Bool,
        DType::String => DataType::String,
    };
    kind as i32
}

/// The sizes of a tensor, none negative and their product within bounds.
fn shape_of(dims: &[i64], place: &str) -> Result<Vec<usize>> {
    let shape: Vec<usize> = dims
        .iter()
        .map(|&d| {
            usize::try_from(d)
                .map_err(|_| ErrorKind::Malformed(format!("{place} has a size of {d}: {dims:?}")))
        })
        .collect::<std::result::Result<_, _>>()?;
    match span(&shape) {
        Some(n) if n <= MOST_ELEMENTS => Ok(shape),
        _ => Err(ErrorKind::TooLarge(format!(
            "{place} has shape {dims:?}, which is more than {MOST_ELEMENTS} elements"
        ))
        .into()),
    }
}

/// A tensor that stands in a file of its own, such as the inputs and outputs of a test case.
pub fn tensor_from_proto(proto: &super::proto::TensorProto) -> Result<Tensor> {
    let name = proto.name.clone().unwrap_or_default();
    match read(proto, &format!("tensor {name:?}"), &mut Folder::none())? {
        Read::Tensor(tensor, _) => Ok(tensor),
        Read::Unsupported(kind) => {
            Err(ErrorKind::Input { name, message: format!("elements of type {kind} are not supported") }
                .into())
        }
    }
}

/// Reads a tensor; `place` says in messages which one it is.
pub(super) fn read(proto: &TensorProto, place: &str, folder: &mut Folder) -> Result<Read> {
    let shape = shape_of(&proto.dims, place)?;
    if proto.segment.is_some() {
        return Err(
            ErrorKind::Malformed(format!("{place} is split into segments, which ONNX does not use")).into()
        );
    }
    if let [first, second, ..] = fields_with_elements(proto).as_slice() {
        return Err(ErrorKind::Malformed(format!(
            "{place} has elements in {first} and in {second}; expected them in one of the two"
        ))
        .into());
    }
    let code = proto.data_type.unwrap_or(0);
    let (dtype, widened_from) = match element_type(code) {
        Ok(found) => found,
        Err(name) => return Ok(Read::Unsupported(name)),
    };
    let n = elements(&shape).unwrap_or(usize::MAX);
    let stored = match widened_from {
        Some(_) => 2,
        None => dtype.size(),
    };
    let external = proto.data_location == Some(DataLocation::External as i32);
    let buffer = if external {
        if dtype == DType::String {
            return Err(ErrorKind::Malformed(format!("{place} has strings in an external file")).into());
        }
        let bytes = folder.read(&proto.external_data, n * stored, place)?;
        from_raw(dtype, widened_from, &bytes)
    } else if let Some(raw) = &proto.raw_data {
        if dtype == DType::String {
            return Err(ErrorKind::Malformed(format!("{place} has strings as raw bytes")).into());
        }
        check_count(place, &shape, n * stored, raw.len(), "bytes")?;
        from_raw(dtype, widened_from, raw)
    } else {
        match from_fields(proto, dtype, widened_from, place, &shape)? {
            Some(buffer) => buffer,
            None => return Ok(Read::Unsupported("string that is not UTF-8".to_owned())),
        }
    };
    Tensor::from_buffer(&shape, buffer).map(|tensor| Read::Tensor(tensor, widened_from)).ok_or_else(|| {
        ErrorKind::Malformed(format!("{place} does not have as many elements as its shape")).into()
    })
}

/// The fields of a tensor that hold elements; which of several counts, the file does not say.
fn fields_with_elements(proto: &TensorProto) -> Vec<&'static str> {
    let external = proto.data_location == Some(DataLocation::External as i32);
    let fields = [
        ("an external file", external),
        ("raw_data", proto.raw_data.as_ref().is_some_and(|raw| !raw.is_empty())),
        ("float_data", !proto.float_data.is_empty()),
        ("int32_data", !proto.int32_data.is_empty()),
        ("string_data", !proto.string_data.is_empty()),
        ("int64_data", !proto.int64_data.is_empty()),
        ("double_data", !proto.double_data.is_empty()),
        ("uint64_data", !proto.uint64_data.is_empty()),
    ];
    fields.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

fn check_count(place: &str, shape: &[usize], expected: usize, got: usize, what: &str) -> Result<()> {
    if expected != got {
        return Err(ErrorKind::Malformed(format!(
            "{place} of shape {shape:?} needs {expected} {what}, the file has {got}"
        ))
        .into());
    }
    Ok(())
}

/// Little-endian elements, as many as there are.
fn from_raw(dtype: DType, widened_from: Option<&str>, bytes: &[u8]) -> Buffer {
    macro_rules! read {
        ($type:ty, $variant:ident) => {{
            const SIZE: usize = size_of::<$type>();
            let (chunks, _) = bytes.as_chunks::<SIZE>();
            Buffer::$variant(chunks.iter().map(|c| <$type>::from_le_bytes(*c)).collect())
        }};
    }
    match (dtype, widened_from) {
        (DType::F32, Some("float16")) => {
            let (chunks, _) = bytes.as_chunks::<2>();
            Buffer::F32(chunks.iter().map(|c| f16::from_le_bytes(*c).to_f32()).collect())
        }
        (DType::F32, Some(_)) => {
            let (chunks, _) = bytes.as_chunks::<2>();
            Buffer::F32(chunks.iter().map(|c| bf16::from_le_bytes(*c).to_f32()).collect())
        }
        (DType::F32, None) => read!(f32, F32),
        (DType::F64, _) => read!(f64, F64),
        (DType::I8, _) => read!(i8, I8),
        (DType::I16, _) => read!(i16, I16),
        (DType::I32, _) => read!(i32, I32),
        (DType::I64, _) => read!(i64, I64),
        (DType::U8, _) => Buffer::U8(bytes.to_vec()),
        (DType::U16, _) => read!(u16, U16),
        (DType::U32, _) => read!(u32, U32),
        (DType::U64, _) => read!(u64, U64),
        (DType::Bool, _) => Buffer::Bool(bytes.iter().map(|&b| b != 0).collect()),
        (DType::String, _) => Buffer::String(Vec::new()),
    }
}

/// Elements of the field that ONNX provides for their type; `None` for strings that are not text.
fn from_fields(
    proto: &TensorProto,
    dtype: DType,
    widened_from: Option<&str>,
    place: &str,
    shape: &[usize],
) -> Result<Option<Buffer>> {
    let n = elements(shape).unwrap_or(usize::MAX);
    let got = match dtype {
        DType::F32 if widened_from.is_none() => proto.float_data.len(),
        DType::F64 => proto.double_data.len(),
        DType::I64 => proto.int64_data.len(),
        DType::U32 | DType::U64 => proto.uint64_data.len(),
        DType::String => proto.string_data.len(),
        _ => proto.int32_data.len(),
    };
    check_count(place, shape, n, got, "elements")?;
    macro_rules! narrow {
        ($field:ident, $type:ty, $variant:ident) => {
            Buffer::$variant(
                proto
                    .$field
                    .iter()
                    .map(|&v| <$type>::try_from(v))
                    .collect::<std::result::Result<_, _>>()
                    .map_err(|_| {
                        ErrorKind::Malformed(format!("{place} has an element that is not of type {dtype}"))
                    })?,
            )
        };
    }
    Ok(Some(match (dtype, widened_from) {
        // A 16-bit float stands in the lower half of an integer.
        (DType::F32, Some("float16")) => {
            Buffer::F32(proto.int32_data.iter().map(|&v| f16::from_bits(v as u16).to_f32()).collect())
        }
        (DType::F32, Some(_)) => {
            Buffer::F32(proto.int32_data.iter().map(|&v| bf16::from_bits(v as u16).to_f32()).collect())
        }
        (DType::F32, None) => Buffer::F32(proto.float_data.clone()),
        (DType::F64, _) => Buffer::F64(proto.double_data.clone()),
        (DType::I8, _) => narrow!(int32_data, i8, I8),
        (DType::I16, _) => narrow!(int32_data, i16, I16),
        (DType::I32, _) => Buffer::I32(proto.int32_data.clone()),
        (DType::I64, _) => Buffer::I64(proto.int64_data.clone()),
        (DType::U8, _) => narrow!(int32_data, u8, U8),
        (DType::U16, _) => narrow!(int32_data, u16, U16),
        (DType::U32, _) => narrow!(uint64_data, u32, U32),
        (DType::U64, _) => Buffer::U64(proto.uint64_data.clone()),
        (DType::Bool, _) => Buffer::Bool(proto.int32_data.iter().map(|&v| v != 0).collect()),
        (DType::String, _) => {
            let texts = proto.string_data.iter().map(|s| String::from_utf8(s.to_vec()));
            match texts.collect::<std::result::Result<Vec<String>, _>>() {
                Ok(texts) => Buffer::String(texts),
                Err(_) => return Ok(None),
            }
        }
    }))
}

/// Reads a sparse tensor into a dense one.
pub(super) fn read_sparse(proto: &SparseTensorProto, place: &str, folder: &mut Folder) -> Result<Read> {
    let shape = shape_of(&proto.dims, place)?;
    let bad = |message: &str| ErrorKind::Malformed(format!("{place}: {message}"));
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err(bad("a sparse tensor without values or indices").into());
    };
    let (values, widened_from) = match read(values, place, folder)? {
        Read::Tensor(tensor, widened_from) => (tensor, widened_from),
        unsupported @ Read::Unsupported(_) => return Ok(unsupported),
    };
    let Read::Tensor(indices, _) = read(indices, place, folder)? else {
        return Err(bad("indices of a sparse tensor must be of type int64").into());
    };
    let Some(indices_data) = indices.as_slice::<i64>() else {
        return Err(bad("indices of a sparse tensor must be of type int64").into());
    };
    let total = elements(&shape).unwrap_or(usize::MAX);
    let positions: Option<Vec<usize>> = match *indices.shape() {
        [n] if n == values.len() => {
            indices_data.iter().map(|&i| usize::try_from(i).ok().filter(|&i| i < total)).collect()
        }
        [n, rank] if n == values.len() && rank == shape.len() && rank > 0 => indices_data
            .chunks_exact(rank)
            .map(|index| {
                index.iter().zip(&shape).try_fold(0usize, |at, (&i, &size)| {
                    usize::try_from(i).ok().filter(|&i| i < size).map(|i| at * size + i)
                })
            })
            .collect(),
        _ => return Err(bad("as many indices as values are needed in a sparse tensor").into()),
    };
    let positions = positions.ok_or_else(|| bad("an index of a sparse tensor lies outside its shape"))?;
    folder.take_dense(total.saturating_mul(values.dtype().size()), place)?;
    let mut dense = Buffer::zeros(values.dtype(), total);
    macro_rules! scatter {
        ($($variant:ident),*) => {
            match (&mut dense, values.data()) {
                $((Buffer::$variant(to), Buffer::$variant(from)) => {
                    for (&at, value) in positions.iter().zip(from) {
                        to[at] = value.clone();
                    }
                })*
                _ => {}
            }
        };
    }
    scatter!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, String);
    let tensor = Tensor::from_buffer(&shape, dense).ok_or_else(|| bad("its size does not fit"))?;
    Ok(Read::Tensor(tensor, widened_from))
}
