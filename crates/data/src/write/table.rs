//! Tables out: CSV, JSON lines and Parquet, a batch at a time.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::AtomicFile;
use crate::error::{Error, ErrorKind, Result};
use crate::table::{Batch, Column, Schema, Values};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFormat {
    /// Comma-separated, with a header. A missing value is an empty field.
    Csv,
    /// One JSON object per line. A missing value is null, and so are NaN and infinities.
    JsonLines,
    /// Parquet, compressed with Snappy.
    Parquet,
}

impl TableFormat {
    /// The format of a path's extension: csv, jsonl or ndjson, parquet.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Writes a table. A file appears under its name when [`finish`](Self::finish) returns, and not before.
pub struct TableWriter {
    schema: Schema,
    name: Arc<str>,
    sink: Sink,
}

enum Sink {
    Csv(Output, String),
    JsonLines(Output, Vec<String>, Vec<u8>),
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::ParquetSink>),
}

/// A file that appears when it is complete, or a stream.
pub(super) enum Output {
    File(AtomicFile),
    Stream(BufWriter<Box<dyn Write + Send>>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

impl Output {
    /// A file without a name for what is to be laid by, on the disk that the result goes to.
    #[cfg(feature = "parquet")]
    pub(super) fn spare_file(&self) -> std::io::Result<std::fs::File> {
        match self {
            Self::File(file) => tempfile::tempfile_in(file.folder()),
            Self::Stream(_) => tempfile::tempfile(),
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stream(mut stream) => Ok(stream.flush()?),
        }
    }
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("schema", &self.schema).field("name", &self.name).finish()
    }
}

impl TableWriter {
    /// Starts a file.
    pub fn create(path: impl AsRef<Path>, format: TableFormat, schema: &Schema) -> Result<Self> {
        let path = path.as_ref();
        let output = Output::File(AtomicFile::create(path)?);
        Self::start(&path.to_string_lossy(), output, format, schema)
    }

    /// Starts writing to a stream, such as the standard output, under the name that errors give it.
    pub fn stream(
        name: &str,
        stream: impl Write + Send + 'static,
        format: TableFormat,
        schema: &Schema,
    ) -> Result<Self> {
        let stream: Box<dyn Write + Send> = Box::new(stream);
        Self::start(name, Output::Stream(BufWriter::new(stream)), format, schema)
    }

    fn start(name: &str, mut output: Output, format: TableFormat, schema: &Schema) -> Result<Self> {
        let name: Arc<str> = Arc::from(name);
        let sink = match format {
            TableFormat::Csv => {
                let mut line = String::new();
                for (i, field) in schema.fields().iter().enumerate() {
                    if i > 0 {
                        line.push(',');
                    }
                    push_csv(&mut line, &field.name);
                }
                line.push('\n');
                output.write_all(line.as_bytes()).map_err(|e| Error::from(e).in_file(&name))?;
                Sink::Csv(output, line)
            }
            TableFormat::JsonLines => {
                let keys = schema.fields().iter().map(|f| json_text(&f.name)).collect::<Result<_>>()?;
                Sink::JsonLines(output, keys, Vec::new())
            }
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => {
                let sink = super::parquet::ParquetSink::new(output, schema).map_err(|e| e.in_file(&name))?;
                Sink::Parquet(Box::new(sink))
            }
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => {
                let what = "this build was made without the feature `parquet`".to_owned();
                return Err(ErrorKind::Unsupported { format: "Parquet", what }.into());
            }
        };
        Ok(Self { schema: schema.clone(), name, sink })
    }

    /// Appends rows, which must have the writer's columns.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        if batch.schema().fields() != self.schema.fields() {
            let what = "the batch has other columns than the table being written".to_owned();
            return Err(Error::new(ErrorKind::InvalidOption(what)).in_file(&self.name));
        }
        self.append(batch).map_err(|e| e.in_file(&self.name))
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        match &mut self.sink {
            Sink::Csv(output, line) => {
                for row in 0..batch.rows() {
                    line.clear();
                    for (i, column) in batch.columns().iter().enumerate() {
                        if i > 0 {
                            line.push(',');
                        }
                        push_csv_value(line, column, row, batch.columns().len() == 1);
                    }
                    line.push('\n');
                    output.write_all(line.as_bytes())?;
                }
            }
            Sink::JsonLines(output, keys, line) => {
                for row in 0..batch.rows() {
                    line.clear();
                    line.push(b'{');
                    for (i, column) in batch.columns().iter().enumerate() {
                        if i > 0 {
                            line.push(b',');
                        }
                        line.extend_from_slice(keys[i].as_bytes());
                        line.push(b':');
                        push_json(line, column, row)?;
                    }
                    line.extend_from_slice(b"}\n");
                    output.write_all(line)?;
                }
            }
            #[cfg(feature = "parquet")]
            Sink::Parquet(sink) => sink.write(batch)?,
        }
        Ok(())
    }

    /// Ends the table.
    pub fn finish(self) -> Result<()> {
        let result = match self.sink {
            Sink::Csv(output, _) => output.finish(),
            Sink::JsonLines(output, ..) => output.finish(),
            #[cfg(feature = "parquet")]
            Sink::Parquet(sink) => sink.finish(),
        };
        result.map_err(|e| e.in_file(&self.name))
    }
}

fn push_csv(line: &mut String, text: &str) {
    let quoted = text.contains([',', '"', '\n', '\r']) || text.is_empty() || text.trim() != text;
    if quoted {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

/// A value that is missing in the only column would leave a blank line, which readers skip.
fn push_csv_value(line: &mut String, column: &Column, row: usize, only: bool) {
    if column.is_missing(row) {
        line.push_str(if only { "\"\"" } else { "" });
        return;
    }
    // Writing to a string does not fail.
    let _ = match column.values() {
        Values::Integer(v) => write!(line, "{}", v[row]),
        Values::Float(v) => write!(line, "{:?}", v[row]),
        Values::Float32(v) => write!(line, "{:?}", v[row]),
        Values::Bool(v) => write!(line, "{}", v[row]),
        Values::Text(v) => {
            push_csv(line, v.get(row));
            Ok(())
        }
    };
}

fn json_text(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|e| std::io::Error::from(e).into())
}

fn push_json(line: &mut Vec<u8>, column: &Column, row: usize) -> Result<()> {
    if column.is_missing(row) {
        line.extend_from_slice(b"null");
        return Ok(());
    }
    match column.values() {
        Values::Integer(v) => write!(line, "{}", v[row])?,
        Values::Float(v) if v[row].is_finite() => write!(line, "{:?}", v[row])?,
        Values::Float32(v) if v[row].is_finite() => write!(line, "{:?}", v[row])?,
        Values::Float(_) | Values::Float32(_) => line.extend_from_slice(b"null"),
        Values::Bool(v) => write!(line, "{}", v[row])?,
        Values::Text(v) => serde_json::to_writer(line, v.get(row)).map_err(std::io::Error::from)?,
    }
    Ok(())
}
