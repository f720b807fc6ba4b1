//! Opens a table by what the file holds: CSV, CSV compressed with gzip, or Parquet.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::{Batch, ColumnType, CsvOptions, CsvReader, Rows};
use crate::error::{Error, ErrorKind, Result};

/// Which columns of a table are read, as what, and how CSV is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// The columns to read, in this order; all where it is `None`.
    pub columns: Option<Vec<String>>,
    /// The types of columns by name; what is not named is found out.
    pub types: BTreeMap<String, ColumnType>,
    /// The form of CSV.
    pub csv: CsvOptions,
}

/// Opens a table. Parquet and gzip are known by their first bytes; anything else is CSV.
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Box<dyn Rows + Send>> {
    let path = path.as_ref();
    let name: Arc<str> = Arc::from(path.to_string_lossy());
    open_named(path, &name, options).map_err(|e| e.in_file(&name))
}

/// Reads a whole table.
pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Batch> {
    open(path, options)?.read_all()
}

fn open_named(path: &Path, name: &str, options: &ReadOptions) -> Result<Box<dyn Rows + Send>> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(Error::from(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic)?;
    if magic == b"PAR1" {
        #[cfg(feature = "parquet")]
        return Ok(Box::new(super::ParquetReader::new(name, file, options)?));
        #[cfg(not(feature = "parquet"))]
        return Err(ErrorKind::Unsupported {
            format: "Parquet",
            what: "this build was made without the feature `parquet`".to_owned(),
        }
        .into());
    }
    if magic.starts_with(b"PK\x03\x04") {
        return Err(ErrorKind::Unsupported {
            format: "zip archive",
            what: "expected a table as CSV or Parquet; a spreadsheet must be saved as CSV first".to_owned(),
        }
        .into());
    }
    // A pipe cannot go back: its first bytes are put in front again.
    let input: Box<dyn Read + Send> = match file.seek(SeekFrom::Start(0)) {
        Ok(_) => Box::new(file),
        Err(_) => Box::new(std::io::Cursor::new(magic.clone()).chain(file)),
    };
    if magic.starts_with(&[0x1f, 0x8b]) {
        let input = flate2::read::MultiGzDecoder::new(input);
        return Ok(Box::new(CsvReader::new(name, input, options)?));
    }
    Ok(Box::new(CsvReader::new(name, input, options)?))
}
