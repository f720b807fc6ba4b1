//! Reads Parquet: flat columns, some rows at a time, without Arrow.

use std::fs::File;
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;

use super::{Batch, Column, ColumnType, Field, ReadOptions, Rows, Schema, Values};
use crate::error::{Error, ErrorKind, Result};

/// The rows of a Parquet file, read as they are asked for.
///
/// Columns of booleans, whole numbers, floating-point numbers and UTF-8 text are read, by physical type
/// where no other meaning is given to it. A column of another kind, such as a date or a list, is an error
/// where it is asked for, and left out where no columns are named. NaN is a missing value, as in pandas.
pub struct ParquetReader {
    schema: Arc<Schema>,
    file: SerializedFileReader<File>,
    /// For each column of the schema: its place in the file, and how it is stored.
    places: Vec<(usize, Stored)>,
    group: usize,
    left_in_group: usize,
    readers: Vec<ColumnReader>,
    next_row: u64,
    allow_infinite: bool,
}

#[derive(Clone, Copy)]
struct Stored {
    optional: bool,
    unsigned: bool,
}

impl std::fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetReader").field("schema", &self.schema).finish()
    }
}

/// Values that are decoded at once, so that a wrong number of rows in a file costs no memory.
const CHUNK: usize = 1 << 16;

impl ParquetReader {
    /// Opens a Parquet file, under the name that errors give it.
    pub fn new(name: &str, file: File, options: &ReadOptions) -> Result<Self> {
        let source: Arc<str> = Arc::from(name);
        Self::start(&source, file, options).map_err(|e| e.in_file(&source))
    }

    fn start(source: &Arc<str>, file: File, options: &ReadOptions) -> Result<Self> {
        let length = file.metadata()?.len();
        let file = guarded(|| SerializedFileReader::new(file).map_err(|e| malformed(&e)))?;
        check_chunks(file.metadata(), length)?;
        let described = file.metadata().file_metadata().schema_descr_ptr();
        let mut all = Vec::new();
        for (place, column) in described.columns().iter().enumerate() {
            let name = column.path().string();
            all.push((name, place, column_type(column)));
        }
        let names: Vec<String> = all.iter().map(|c| c.0.clone()).collect();
        let wanted: Vec<String> = match &options.columns {
            Some(columns) => columns.clone(),
            None => all.iter().filter(|c| c.2.is_ok()).map(|c| c.0.clone()).collect(),
        };
        for name in options.types.keys().chain(&wanted) {
            if !names.contains(name) {
                let kind = ErrorKind::MissingColumn { name: name.clone(), available: names };
                return Err(kind.into());
            }
        }
        let (mut fields, mut places) = (Vec::new(), Vec::new());
        for name in wanted {
            let Some((_, place, found)) = all.iter().find(|c| c.0 == name) else { continue };
            let (found, stored) = match found {
                Ok(found) => *found,
                Err(what) => {
                    let kind = ErrorKind::Unsupported { format: "Parquet", what: what.clone() };
                    return Err(Error::new(kind).in_column(&name));
                }
            };
            let column_type = match options.types.get(&name) {
                None => found,
                Some(asked) if *asked == found => found,
                // Numbers widen; any may be read in double precision.
                Some(ColumnType::Float) if found.is_number() => ColumnType::Float,
                Some(asked) => {
                    let found = format!("a column of {}", plural(found));
                    let kind = ErrorKind::ColumnType { expected: *asked, found, hint: "" };
                    return Err(Error::new(kind).in_column(&name));
                }
            };
            fields.push(Field::new(name, column_type));
            places.push((*place, stored));
        }
        let rows: i64 = file.metadata().row_groups().iter().map(|g| g.num_rows().max(0)).sum();
        if rows == 0 {
            return Err(ErrorKind::HeaderOnly.into());
        }
        Ok(Self {
            schema: Arc::new(Schema::new(source, fields)?),
            file,
            places,
            group: 0,
            left_in_group: 0,
            readers: Vec::new(),
            next_row: 0,
            allow_infinite: options.csv.allow_infinite,
        })
    }

    /// Opens the next row group that has rows; false at the end.
    fn next_group(&mut self) -> Result<bool> {
        while self.left_in_group == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(false);
            }
            let (rows, readers) = guarded(|| {
                let group = self.file.get_row_group(self.group).map_err(|e| malformed(&e))?;
                let readers = self
                    .places
                    .iter()
                    .map(|(place, _)| group.get_column_reader(*place).map_err(|e| malformed(&e)))
                    .collect::<Result<Vec<_>>>()?;
                Ok((group.metadata().num_rows(), readers))
            })?;
            self.left_in_group = usize::try_from(rows).unwrap_or(0);
            self.readers = readers;
            self.group += 1;
        }
        Ok(true)
    }

    fn read_chunk(&mut self, batch: &mut Batch, rows: usize) -> Result<()> {
        let before = batch.rows();
        for (i, reader) in self.readers.iter_mut().enumerate() {
            let column = &mut batch.columns_mut()[i];
            let stored = self.places[i].1;
            let read = guarded(|| read_column(reader, column, rows, stored));
            let checked = read.map_err(|e| (e, 0)).and_then(|()| {
                if column.len() != before + rows {
                    let what = format!("{} values where there are {rows} rows", column.len() - before);
                    return Err((ErrorKind::Malformed { format: "Parquet file", what }.into(), 0));
                }
                clean(column, before, self.allow_infinite)
            });
            if let Err((error, row)) = checked {
                let row = self.next_row + row as u64;
                return Err(error.in_column(&self.schema.fields()[i].name).at_row(row));
            }
        }
        batch.end_rows(rows);
        self.left_in_group -= rows;
        self.next_row += rows as u64;
        Ok(())
    }
}

impl Rows for ParquetReader {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn fill(&mut self, batch: &mut Batch, limit: usize) -> Result<usize> {
        batch.restart(self.next_row);
        let source = Arc::clone(self.schema.source());
        while batch.rows() < limit && self.next_group().map_err(|e| e.in_file(&source))? {
            let rows = self.left_in_group.min(limit - batch.rows()).min(CHUNK);
            self.read_chunk(batch, rows).map_err(|e| e.in_file(&source))?;
        }
        Ok(batch.rows())
    }
}

fn malformed(error: &ParquetError) -> Error {
    ErrorKind::Malformed { format: "Parquet file", what: error.to_string() }.into()
}

/// Runs the decoder. It panics on some malformed files: that is an error like others here.
fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the decoder leaves half done is not used again: an error ends the reading.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("the decoder gave up").to_owned();
        Err(ErrorKind::Malformed { format: "Parquet file", what }.into())
    })
}

/// Checks that every column chunk lies inside the file.
fn check_chunks(metadata: &ParquetMetaData, length: u64) -> Result<()> {
    let chunks = metadata.row_groups().iter().flat_map(|g| g.columns());
    for chunk in chunks {
        let first = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let start = u64::try_from(first.min(chunk.data_page_offset())).ok();
        let size = u64::try_from(chunk.compressed_size()).ok();
        let end = start.zip(size).and_then(|(start, size)| start.checked_add(size));
        if end.is_none_or(|end| end > length) || chunk.num_values() < 0 || chunk.uncompressed_size() < 0 {
            let what = "a column that does not lie inside the file".to_owned();
            let error = Error::new(ErrorKind::Malformed { format: "Parquet file", what });
            return Err(error.in_column(&chunk.column_path().string()));
        }
    }
    Ok(())
}

fn plural(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Integer => "whole numbers",
        ColumnType::Float | ColumnType::Float32 => "numbers",
        ColumnType::Bool => "truth values",
        ColumnType::Text => "text",
    }
}

/// The type of a column of the file, or why it is not read.
fn column_type(column: &ColumnDescriptor) -> Result<(ColumnType, Stored), String> {
    if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() > 1 {
        return Err("a nested column is not read".to_owned());
    }
    let logical = column.logical_type_ref();
    let unsigned = matches!(logical, Some(LogicalType::Integer(t)) if !t.is_signed)
        || matches!(
            column.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
    let stored = Stored { optional: column.max_def_level() > 0, unsigned };
    let plain_number = matches!(logical, None | Some(LogicalType::Integer(_)))
        && (unsigned
            || matches!(
                column.converted_type(),
                ConvertedType::NONE
                    | ConvertedType::INT_8
                    | ConvertedType::INT_16
                    | ConvertedType::INT_32
                    | ConvertedType::INT_64
            ));
    let found = match column.physical_type() {
        Physical::BOOLEAN => ColumnType::Bool,
        Physical::INT32 | Physical::INT64 if plain_number => ColumnType::Integer,
        Physical::FLOAT => ColumnType::Float32,
        Physical::DOUBLE => ColumnType::Float,
        Physical::BYTE_ARRAY
            if matches!(
                logical,
                None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)
            ) =>
        {
            ColumnType::Text
        }
        physical => {
            let meaning = match logical {
                Some(logical) => format!("{logical:?} ({physical})"),
                None => physical.to_string(),
            };
            return Err(format!("a column of type {meaning} is not read"));
        }
    };
    Ok((found, stored))
}

/// Appends the next rows of one column.
fn read_column(reader: &mut ColumnReader, column: &mut Column, rows: usize, stored: Stored) -> Result<()> {
    let optional = stored.optional;
    match reader {
        ColumnReader::BoolColumnReader(r) => {
            each(r, rows, optional, column, |values, v: bool| match values {
                Values::Bool(to) => {
                    to.push(v);
                    Ok(())
                }
                _ => Err("a truth value".to_owned()),
            })
        }
        ColumnReader::Int32ColumnReader(r) => each(r, rows, optional, column, |values, v: i32| {
            let wide = if stored.unsigned { i64::from(v as u32) } else { i64::from(v) };
            push_integer(values, wide)
        }),
        ColumnReader::Int64ColumnReader(r) => each(r, rows, optional, column, |values, v: i64| {
            if stored.unsigned && v < 0 {
                return Err(format!("{}, which does not fit 64 bits with a sign", v as u64));
            }
            push_integer(values, v)
        }),
        ColumnReader::FloatColumnReader(r) => {
            each(r, rows, optional, column, |values, v: f32| match values {
                Values::Float32(to) => {
                    to.push(v);
                    Ok(())
                }
                Values::Float(to) => {
                    to.push(f64::from(v));
                    Ok(())
                }
                _ => Err("a number".to_owned()),
            })
        }
        ColumnReader::DoubleColumnReader(r) => {
            each(r, rows, optional, column, |values, v: f64| match values {
                Values::Float(to) => {
                    to.push(v);
                    Ok(())
                }
                _ => Err("a number".to_owned()),
            })
        }
        ColumnReader::ByteArrayColumnReader(r) => each(r, rows, optional, column, |values, v: ByteArray| {
            match (values, std::str::from_utf8(v.data())) {
                (Values::Text(to), Ok(text)) => {
                    to.push(text);
                    Ok(())
                }
                (_, Err(_)) => Err("bytes that are not UTF-8".to_owned()),
                _ => Err("text".to_owned()),
            }
        }),
        ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
            Err(ErrorKind::Unsupported { format: "Parquet", what: "a type that is not read".to_owned() }
                .into())
        }
    }
}

fn push_integer(values: &mut Values, value: i64) -> Result<(), String> {
    match values {
        Values::Integer(to) => to.push(value),
        Values::Float(to) => to.push(value as f64),
        _ => return Err("a whole number".to_owned()),
    }
    Ok(())
}

fn each<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    optional: bool,
    column: &mut Column,
    mut push: impl FnMut(&mut Values, T::T) -> Result<(), String>,
) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let definition = optional.then_some(&mut levels);
        let (records, _, _) =
            reader.read_records(rows - read, definition, None, &mut values).map_err(|e| malformed(&e))?;
        if records == 0 {
            break;
        }
        read += records;
    }
    let mut values = values.into_iter();
    for i in 0..read {
        if optional && levels.get(i).is_none_or(|l| *l == 0) {
            column.push_missing();
            continue;
        }
        let Some(value) = values.next() else { break };
        let expected = column.column_type();
        push(column.values_mut(), value)
            .map_err(|found| Error::new(ErrorKind::ColumnType { expected, found, hint: "" }))?;
        column.present();
    }
    Ok(())
}

/// Makes NaN a missing value and refuses infinities, in the values from `start`.
fn clean(column: &mut Column, start: usize, allow_infinite: bool) -> Result<(), (Error, usize)> {
    let (mut nan, mut infinite) = (Vec::new(), None);
    let mut look = |i: usize, x: f64| {
        if x.is_nan() {
            nan.push(start + i);
        } else if x.is_infinite() && infinite.is_none() {
            infinite = Some((i, x));
        }
    };
    match column.values() {
        Values::Float(v) => v[start..].iter().enumerate().for_each(|(i, &x)| look(i, x)),
        Values::Float32(v) => v[start..].iter().enumerate().for_each(|(i, &x)| look(i, f64::from(x))),
        Values::Integer(_) | Values::Bool(_) | Values::Text(_) => {}
    }
    match infinite {
        Some((row, x)) if !allow_infinite => {
            return Err((ErrorKind::NotFinite { found: x.to_string() }.into(), row));
        }
        _ => {}
    }
    nan.into_iter().for_each(|i| column.set_missing(i));
    Ok(())
}
