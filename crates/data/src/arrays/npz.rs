//! NumPy's .npz: a zip archive of .npy files.

use std::io::{Cursor, Read, Write};

use pellucid_graph::Tensor;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{malformed, read_npy, write_npy};
use crate::error::{Error, Result};

const FORMAT: &str = ".npz file";
/// Deflate makes a byte of at most so many.
const MAX_RATIO: u64 = 1032;

/// Reads all arrays, in the archive's order.
pub fn read_npz(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let wrong = |e: zip::result::ZipError| malformed(FORMAT, e.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(wrong)?;
        let name = entry.name().map_err(wrong)?.into_owned();
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
            return Err(malformed(FORMAT, format!("the entry {name:?} is no .npy file")));
        };
        let size = entry.size();
        if size > entry.compressed_size().saturating_mul(MAX_RATIO).saturating_add(MAX_RATIO) {
            let what = format!("the array {name:?} claims {size} bytes, more than can be packed in it");
            return Err(malformed(FORMAT, what));
        }
        let mut content = Vec::new();
        entry
            .take(size)
            .read_to_end(&mut content)
            .map_err(|e| malformed(FORMAT, format!("{name:?}: {e}")))?;
        arrays.push((name.clone(), read_npy(&content).map_err(|e| e.in_column(&name))?));
    }
    Ok(arrays)
}

/// Writes arrays, uncompressed as `numpy.savez` does.
pub fn write_npz(arrays: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let wrong = |e: zip::result::ZipError| Error::from(std::io::Error::other(e));
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    for (name, tensor) in arrays {
        let mut content = Vec::new();
        write_npy(tensor, &mut content).map_err(|e| e.in_column(name))?;
        writer.start_file(format!("{name}.npy"), options).map_err(wrong)?;
        writer.write_all(&content)?;
    }
    Ok(writer.finish().map_err(wrong)?.into_inner())
}
