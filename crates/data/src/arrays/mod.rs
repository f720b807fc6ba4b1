//! Arrays in and out: .npy, .npz and .safetensors, to and from tensors.
//!
//! 16-bit floats are widened to 32 bits when they are read. Sizes are checked against the file before memory
//! is taken, and a file is written whole or not at all.

mod npy;
mod npz;
mod safetensors;

use std::path::Path;
use std::sync::Arc;

use pellucid_graph::Tensor;

pub use self::npy::{read_npy, write_npy};
pub use self::npz::{read_npz, write_npz};
pub use self::safetensors::{read_safetensors, write_safetensors};

use crate::error::{Error, ErrorKind, Result};

/// Reads all arrays of a file, known by its first bytes. The array of a .npy file has an empty name.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let name: Arc<str> = Arc::from(path.as_ref().to_string_lossy());
    let bytes = std::fs::read(path.as_ref()).map_err(|e| Error::from(e).in_file(&name))?;
    let arrays = match bytes.as_slice() {
        [] => Err(ErrorKind::EmptyFile.into()),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => read_npy(&bytes).map(|t| vec![(String::new(), t)]),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => read_npz(&bytes),
        [_, _, _, _, _, _, _, _, b'{', ..] => read_safetensors(&bytes),
        _ => {
            let what = "neither .npy, .npz nor .safetensors by its first bytes".to_owned();
            Err(ErrorKind::Unsupported { format: "array file", what }.into())
        }
    };
    arrays.map_err(|e| e.in_file(&name))
}

/// Reads one array of a file: that of a name, or the only one.
pub fn load_one(path: impl AsRef<Path>, array: Option<&str>) -> Result<Tensor> {
    let name: Arc<str> = Arc::from(path.as_ref().to_string_lossy());
    let mut arrays = load(path)?;
    let available = || arrays.iter().map(|a| a.0.clone()).collect();
    let place = match array {
        Some(array) => arrays.iter().position(|a| a.0 == array).ok_or_else(|| {
            Error::new(ErrorKind::MissingArray { name: array.to_owned(), available: available() })
                .in_file(&name)
        })?,
        None if arrays.len() == 1 => 0,
        None => {
            let what = format!("{} arrays, of which one must be named: {:?}", arrays.len(), available());
            return Err(Error::new(ErrorKind::InvalidOption(what)).in_file(&name));
        }
    };
    Ok(arrays.swap_remove(place).1)
}

/// Writes arrays in the format of the path's extension. A .npy file takes exactly one.
pub fn save(path: impl AsRef<Path>, arrays: &[(String, Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("npy") => match arrays {
            [(_, tensor)] => write_npy(tensor, &mut bytes)?,
            _ => {
                let got = arrays.len();
                return Err(ErrorKind::Size { what: "arrays of a .npy file", expected: 1, got }.into());
            }
        },
        Some("npz") => bytes = write_npz(arrays)?,
        Some("safetensors") => bytes = write_safetensors(arrays)?,
        _ => {
            let what = format!("{} ends in none of .npy, .npz and .safetensors", path.display());
            return Err(ErrorKind::InvalidOption(what).into());
        }
    }
    crate::write::atomically(path, &bytes)
}

fn malformed(format: &'static str, what: impl Into<String>) -> Error {
    ErrorKind::Malformed { format, what: what.into() }.into()
}
