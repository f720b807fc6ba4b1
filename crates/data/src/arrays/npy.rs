//! NumPy's .npy: a header that is a Python literal, and the elements.

use std::io::Write;

use half::f16;
use pellucid_graph::tensor::elements;
use pellucid_graph::{Buffer, Element, Tensor};

use super::malformed;
use crate::error::{ErrorKind, Result};

const FORMAT: &str = ".npy file";
/// More dimensions than NumPy allows.
const MAX_RANK: usize = 64;

struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads an array; one in Fortran's order is put in row-major order.
pub fn read_npy(bytes: &[u8]) -> Result<Tensor> {
    let (header, data) = split_header(bytes)?;
    let (order, kind) = header.descr.split_at_checked(1).unwrap_or(("", ""));
    let size = match kind {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" | "f2" => 2,
        "i4" | "u4" | "f4" => 4,
        "i8" | "u8" | "f8" => 8,
        _ => {
            let what = format!("elements of type {:?} are not read", header.descr);
            return Err(ErrorKind::Unsupported { format: FORMAT, what }.into());
        }
    };
    let big = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return Err(malformed(FORMAT, format!("the type {:?}", header.descr))),
    };
    let count = elements(&header.shape);
    let needed = count.and_then(|n| n.checked_mul(size));
    if needed != Some(data.len()) {
        let what = format!("the shape {:?} does not fit {} bytes of elements", header.shape, data.len());
        return Err(malformed(FORMAT, what));
    }
    macro_rules! decode {
        ($type:ty) => {
            to_buffer(
                data,
                &header,
                |b| if big { <$type>::from_be_bytes(b) } else { <$type>::from_le_bytes(b) },
            )
        };
    }
    let buffer = match kind {
        "b1" => to_buffer(data, &header, |[b]: [u8; 1]| b != 0),
        "i1" => decode!(i8),
        "u1" => decode!(u8),
        "i2" => decode!(i16),
        "u2" => decode!(u16),
        "i4" => decode!(i32),
        "u4" => decode!(u32),
        "i8" => decode!(i64),
        "u8" => decode!(u64),
        "f2" => to_buffer(data, &header, |b| {
            f32::from(f16::from_bits(if big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) }))
        }),
        "f4" => decode!(f32),
        _ => decode!(f64),
    };
    Tensor::from_buffer(&header.shape, buffer).ok_or_else(|| malformed(FORMAT, "the shape"))
}

fn to_buffer<const N: usize, T: Element>(
    data: &[u8],
    header: &Header,
    decode: impl Fn([u8; N]) -> T,
) -> Buffer {
    let values: Vec<T> = data.as_chunks::<N>().0.iter().map(|b| decode(*b)).collect();
    if !header.fortran || header.shape.len() < 2 {
        return T::buffer(values);
    }
    let shape = &header.shape;
    let mut index = vec![0usize; shape.len()];
    let mut strides = vec![1usize; shape.len()];
    (1..shape.len()).for_each(|d| strides[d] = strides[d - 1] * shape[d - 1]);
    let mut place = 0;
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        ordered.push(values[place].clone());
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            place += strides[d];
            if index[d] < shape[d] {
                break;
            }
            place -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
    T::buffer(ordered)
}

/// Writes an array, little-endian and row-major.
pub fn write_npy(tensor: &Tensor, mut out: impl Write) -> Result<()> {
    let descr = match tensor.data() {
        Buffer::F32(_) => "<f4",
        Buffer::F64(_) => "<f8",
        Buffer::I8(_) => "|i1",
        Buffer::I16(_) => "<i2",
        Buffer::I32(_) => "<i4",
        Buffer::I64(_) => "<i8",
        Buffer::U8(_) => "|u1",
        Buffer::U16(_) => "<u2",
        Buffer::U32(_) => "<u4",
        Buffer::U64(_) => "<u8",
        Buffer::Bool(_) => "|b1",
        Buffer::String(_) => {
            let what = "strings are not written".to_owned();
            return Err(ErrorKind::Unsupported { format: FORMAT, what }.into());
        }
    };
    let sizes: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    // The elements start at a multiple of 64 bytes; ten bytes stand before the header.
    let padding = 63 - (10 + header.len()) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let length =
        u16::try_from(header.len()).map_err(|_| malformed(FORMAT, "a shape of too many dimensions"))?;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    out.write_all(&element_bytes(tensor.data()))?;
    Ok(())
}

/// The elements, little-endian; none for strings.
pub(super) fn element_bytes(data: &Buffer) -> Vec<u8> {
    macro_rules! bytes {
        ($v:expr) => {
            $v.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
    }
    match data {
        Buffer::F32(v) => bytes!(v),
        Buffer::F64(v) => bytes!(v),
        Buffer::I8(v) => bytes!(v),
        Buffer::I16(v) => bytes!(v),
        Buffer::I32(v) => bytes!(v),
        Buffer::I64(v) => bytes!(v),
        Buffer::U8(v) => v.clone(),
        Buffer::U16(v) => bytes!(v),
        Buffer::U32(v) => bytes!(v),
        Buffer::U64(v) => bytes!(v),
        Buffer::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
        Buffer::String(_) => Vec::new(),
    }
}

fn split_header(bytes: &[u8]) -> Result<(Header, &[u8])> {
    let cut = || malformed(FORMAT, "it ends inside the header");
    let body =
        bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| malformed(FORMAT, "it does not start as one"))?;
    let (&[major, _minor], body) = body.split_first_chunk().ok_or_else(cut)?;
    let (length, body) = match major {
        1 => {
            let (length, body) = body.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), body)
        }
        2 | 3 => {
            let (length, body) = body.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, body)
        }
        _ => {
            let what = format!("version {major} is not read");
            return Err(ErrorKind::Unsupported { format: FORMAT, what }.into());
        }
    };
    let (header, data) = body.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| malformed(FORMAT, "the header is not UTF-8"))?;
    Ok((
        parse_header(header).ok_or_else(|| malformed(FORMAT, format!("the header {:?}", shown(header))))?,
        data,
    ))
}

fn shown(header: &str) -> String {
    header.trim().chars().take(200).collect()
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`
fn parse_header(header: &str) -> Option<Header> {
    let mut rest = header.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        match key {
            "descr" => {
                let (value, after) = quoted(rest)?;
                descr = Some(value.to_owned());
                rest = after;
            }
            "fortran_order" => {
                let value = rest.starts_with("True");
                rest = rest.strip_prefix(if value { "True" } else { "False" })?;
                fortran = Some(value);
            }
            "shape" => {
                let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
                let sizes = inside.strip_suffix(',').unwrap_or(inside).trim();
                let sizes = sizes.split(',').map(str::trim).filter(|_| !sizes.is_empty());
                // Python 2 wrote long integers with an L.
                let sizes: Option<Vec<usize>> = sizes.map(|s| s.trim_end_matches('L').parse().ok()).collect();
                shape = Some(sizes.filter(|s| s.len() <= MAX_RANK)?);
                rest = after;
            }
            _ => return None,
        }
        rest = rest.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(Header { descr: descr?, fortran: fortran?, shape: shape? })
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(mark)
}
