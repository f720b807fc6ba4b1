//! Writes Parquet without Arrow: rows are gathered into row groups of bounded size.
//!
//! A row group holds its columns one behind the other, and the writer notes some 20 kB of each group until the end. So groups are large, and their
//! rows wait in a file.

use std::borrow::Cow;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnPath, Type};

use super::spool::Spool;
use super::table::Output;
use crate::error::{Error, ErrorKind, Result};
use crate::table::{Batch, Column, ColumnType, Schema, Values};

/// Values that are gathered before they are written, and how many of them in memory.
const GROUP_VALUES: usize = 1 << 22;
const MEMORY_VALUES: usize = 1 << 15;
/// The bytes of a dictionary, from which on a column does without; until then its pages wait in memory.
const DICTIONARY: usize = 1 << 16;
/// The rows of a page, which is held twice while it is compressed.
const PAGE: usize = 1 << 13;

pub(super) struct ParquetSink {
    writer: SerializedFileWriter<Output>,
    waiting: Waiting,
    values: usize,
    /// Whether rows were lost on the way; then nothing more is written.
    broken: bool,
}

/// The batches of the next row group.
enum Waiting {
    Memory(Vec<Batch>),
    File(Spool),
}

impl Waiting {
    fn push(&mut self, batch: &Batch) -> std::io::Result<()> {
        match self {
            Self::Memory(batches) => batches.push(batch.clone()),
            Self::File(spool) => spool.push(batch)?,
        }
        Ok(())
    }

    fn batches(&self) -> usize {
        match self {
            Self::Memory(batches) => batches.len(),
            Self::File(spool) => spool.batches(),
        }
    }

    fn column(&mut self, batch: usize, column: usize) -> std::io::Result<Cow<'_, Column>> {
        match self {
            Self::Memory(batches) => Ok(Cow::Borrowed(&batches[batch].columns()[column])),
            Self::File(spool) => spool.column(batch, column).map(Cow::Owned),
        }
    }

    fn clear(&mut self) -> std::io::Result<()> {
        match self {
            Self::Memory(batches) => batches.clear(),
            Self::File(spool) => spool.clear()?,
        }
        Ok(())
    }
}

impl ParquetSink {
    pub(super) fn new(output: Output, schema: &Schema) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| {
            let (physical, logical) = match field.column_type {
                ColumnType::Integer => (Physical::INT64, None),
                ColumnType::Float => (Physical::DOUBLE, None),
                ColumnType::Float32 => (Physical::FLOAT, None),
                ColumnType::Bool => (Physical::BOOLEAN, None),
                ColumnType::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            };
            Type::primitive_type_builder(&field.name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        });
        let fields = fields.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
        let root = Type::group_type_builder("schema").with_fields(fields).build().map_err(failed)?;
        // Indices of pages would be held until the end, for files that are read whole.
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_data_page_row_count_limit(PAGE)
            .set_dictionary_page_size_limit(DICTIONARY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for field in schema.fields() {
            // Floats seldom repeat; a dictionary of them is built in vain.
            if matches!(field.column_type, ColumnType::Float | ColumnType::Float32) {
                let path = ColumnPath::new(vec![field.name.clone()]);
                properties = properties.set_column_dictionary_enabled(path, false);
            }
        }
        let writer = SerializedFileWriter::new(output, Arc::new(root), Arc::new(properties.build()))
            .map_err(failed)?;
        Ok(Self { writer, waiting: Waiting::Memory(Vec::new()), values: 0, broken: false })
    }

    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        let done = if self.broken { Err(broken()) } else { self.gather(batch) };
        self.broken |= done.is_err();
        done
    }

    fn gather(&mut self, batch: &Batch) -> Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        self.values = self.values.saturating_add(batch.rows().saturating_mul(batch.columns().len()));
        self.waiting.push(batch)?;
        if self.values >= MEMORY_VALUES
            && let Waiting::Memory(batches) = &self.waiting
        {
            let mut spool = Spool::new(self.writer.inner().spare_file()?);
            batches.iter().try_for_each(|batch| spool.push(batch))?;
            self.waiting = Waiting::File(spool);
        }
        if self.values >= GROUP_VALUES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if std::mem::take(&mut self.values) == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group().map_err(failed)?;
        let mut place = 0;
        while let Some(mut writer) = group.next_column().map_err(failed)? {
            for batch in 0..self.waiting.batches() {
                write_column(writer.untyped(), &*self.waiting.column(batch, place)?)?;
            }
            writer.close().map_err(failed)?;
            place += 1;
        }
        group.close().map_err(failed)?;
        Ok(self.waiting.clear()?)
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if self.broken {
            return Err(broken());
        }
        self.flush()?;
        self.writer.into_inner().map_err(failed)?.finish()
    }
}

fn broken() -> Error {
    std::io::Error::other("rows could not be written before").into()
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => std::io::Error::other(error).into(),
        },
        error => std::io::Error::other(error).into(),
    }
}

fn write_column(writer: &mut ColumnWriter<'_>, column: &Column) -> Result<()> {
    let there: Vec<usize> = (0..column.len()).filter(|&i| !column.is_missing(i)).collect();
    let levels: Vec<i16> = (0..column.len()).map(|i| i16::from(!column.is_missing(i))).collect();
    let levels = Some(levels.as_slice());
    fn pick<T: Copy>(values: &[T], there: &[usize]) -> Vec<T> {
        there.iter().map(|&i| values[i]).collect()
    }
    let written = match (writer, column.values()) {
        (ColumnWriter::Int64ColumnWriter(w), Values::Integer(v)) => {
            w.write_batch(&pick(v, &there), levels, None)
        }
        (ColumnWriter::DoubleColumnWriter(w), Values::Float(v)) => {
            w.write_batch(&pick(v, &there), levels, None)
        }
        (ColumnWriter::DoubleColumnWriter(w), Values::Integer(v)) => {
            let wide: Vec<f64> = there.iter().map(|&i| v[i] as f64).collect();
            w.write_batch(&wide, levels, None)
        }
        (ColumnWriter::FloatColumnWriter(w), Values::Float32(v)) => {
            w.write_batch(&pick(v, &there), levels, None)
        }
        (ColumnWriter::BoolColumnWriter(w), Values::Bool(v)) => w.write_batch(&pick(v, &there), levels, None),
        (ColumnWriter::ByteArrayColumnWriter(w), Values::Text(v)) => {
            let texts: Vec<ByteArray> = there.iter().map(|&i| ByteArray::from(v.get(i))).collect();
            w.write_batch(&texts, levels, None)
        }
        _ => {
            let what = format!("values of {} in a column of another type", column.column_type());
            return Err(ErrorKind::InvalidOption(what).into());
        }
    };
    written.map(|_| ()).map_err(failed)
}
