//! Results as files: tables of the published schema, or arrays; with the record beside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pellucid::Precision;
use pellucid::graph::Tensor;
use pellucid_data::arrays;
use pellucid_data::table::{Batch, Cell, Column, Field, Schema};
use pellucid_data::write::{TableFormat, TableWriter, atomically};

use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::result::{Explained, Header, Sink};
use crate::schema;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Parquet.
    Parquet,
    /// NumPy's array: the attributions alone.
    Npy,
    /// Several arrays.
    Safetensors,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Npy, Self::Safetensors];

    /// Its name, which is the ending of a file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Npy => "npy",
            Self::Safetensors => "safetensors",
        }
    }

    /// The format of a file by the ending of its name.
    pub fn of_path(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let ending = if ending == "ndjson" { "jsonl" } else { &ending };
        Self::ALL.into_iter().find(|f| f.name() == ending).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|f| f.name()).collect();
            Error::request(format!(
                "{}: the ending does not say how to write it; there are {}",
                path.display(),
                known.join(", ")
            ))
        })
    }

    fn table(self) -> Option<TableFormat> {
        match self {
            Self::Csv => Some(TableFormat::Csv),
            Self::JsonLines => Some(TableFormat::JsonLines),
            Self::Parquet => Some(TableFormat::Parquet),
            Self::Npy | Self::Safetensors => None,
        }
    }
}

/// Where a result goes.
pub enum Destination {
    /// A file, whole or not there.
    File(PathBuf),
    /// A stream, such as the standard output.
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

/// Writes explained rows.
#[derive(Debug)]
pub struct ResultWriter {
    format: Format,
    path: PathBuf,
    destination: Option<Destination>,
    table: Option<TableWriter>,
    arrays: Gathered,
}

/// Columns that an array file holds.
#[derive(Debug, Default)]
struct Gathered {
    shape: Vec<usize>,
    attributions: Vec<f64>,
    single: bool,
    rows: Vec<i64>,
    output: Vec<f64>,
    baseline_output: Vec<f64>,
    delta: Vec<f64>,
    probability: Vec<f64>,
}

impl ResultWriter {
    /// A writer; a file is made when the first rows come.
    pub fn new(format: Format, destination: Destination) -> Self {
        let path = match &destination {
            Destination::File(path) => path.clone(),
            Destination::Stream(_) => PathBuf::from("standard output"),
        };
        Self { format, path, destination: Some(destination), table: None, arrays: Gathered::default() }
    }

    /// Puts the file in its place, and the record beside it.
    pub fn finish(mut self, record: &Record) -> Result<()> {
        let path = self.path.clone();
        let failed = |e| write_failed(&path, e);
        let is_file = matches!(self.destination, Some(Destination::File(_))) || self.table.is_some();
        if let Some(table) = self.table.take() {
            table.finish().map_err(failed)?;
        } else {
            let bytes = self.arrays.bytes(self.format)?;
            match self.destination.take() {
                Some(Destination::File(path)) => atomically(&path, &bytes).map_err(failed)?,
                Some(Destination::Stream(mut stream)) => {
                    stream.write_all(&bytes).and_then(|()| stream.flush()).map_err(|e| failed(e.into()))?;
                }
                None => {}
            }
        }
        if is_file && self.path != Path::new("standard output") {
            write_text(&record_path(&self.path), &record.to_json())?;
        }
        Ok(())
    }
}

/// Where the record of a result lies: beside it, with the ending `.record.json`.
pub fn record_path(path: &Path) -> PathBuf {
    path.with_extension("record.json")
}

/// Refuses, before any work is done, a path at which no file can be put: a folder, or one in a folder that is not there.
pub fn check_place(path: &Path) -> Result<()> {
    let refused = |reason: String| Err(ErrorKind::Write { path: path.to_owned(), reason }.into());
    if path.is_dir() {
        return refused("it is a folder".to_owned());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            refused(format!("there is no folder {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a text, whole or not at all.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    atomically(path, text.as_bytes()).map_err(|e| write_failed(path, e))
}

/// Writes bytes, whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    atomically(path, bytes).map_err(|e| write_failed(path, e))
}

/// Writing fails for the system's reasons, which are no fault of the data.
pub(crate) fn write_failed(path: &Path, error: pellucid_data::Error) -> Error {
    match error.kind() {
        pellucid_data::ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
            ErrorKind::Closed.into()
        }
        pellucid_data::ErrorKind::Io(e) => Error::write(path, e),
        _ => error.into(),
    }
}

impl Sink for ResultWriter {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        let Some(format) = self.format.table() else {
            self.arrays.take(header, rows);
            return Ok(());
        };
        let batch = table(header, rows)?;
        if self.table.is_none() {
            let made = match self.destination.take() {
                Some(Destination::Stream(stream)) => {
                    TableWriter::stream("standard output", stream, format, batch.schema())
                }
                _ => TableWriter::create(&self.path, format, batch.schema()),
            };
            self.table = Some(made.map_err(|e| write_failed(&self.path, e))?);
        }
        match &mut self.table {
            Some(table) => table.write(&batch).map_err(|e| write_failed(&self.path, e)),
            None => Ok(()),
        }
    }
}

/// Explained rows as a table of the published schema.
pub fn table(header: &Header, rows: &Explained) -> Result<Batch> {
    let fields: Vec<Field> = schema::fields(header)?;
    let mut columns: Vec<Column> = fields.iter().map(|f| Column::new(f.column_type)).collect();
    let fixed = schema::COLUMNS.len();
    let number = |x: Option<f64>| x.map_or(Cell::Missing, Cell::Number);
    let text = |cell: Cell| if cell == Cell::Missing { cell } else { Cell::Text(cell.to_string()) };
    for row in 0..rows.rows() {
        for target in 0..header.targets.len() {
            let of = |list: &Option<Vec<Vec<f64>>>| list.as_ref().map(|l| l[target][row]);
            let cells = [
                Cell::Integer(i64::try_from(rows.numbers[row]).unwrap_or(i64::MAX)),
                Cell::Text(rows.target_name(header, row, target)),
                text(rows.predicted(header, row)),
                number(rows.probability(row, target)),
                text(rows.truth(header, row)),
                number(Some(rows.output[target][row]).filter(|v| !v.is_nan())),
                number(of(&rows.baseline_output)),
                number(of(&rows.delta)),
            ];
            for (column, cell) in columns.iter_mut().zip(&cells) {
                column.push(cell);
            }
            for (i, kept) in header.kept.iter().enumerate() {
                let cell = match &rows.table {
                    Some(table) => table.column(&kept.name)?.cell(row),
                    None => Cell::Missing,
                };
                if !columns[fixed + i].push(&cell) {
                    return Err(Error::input(format!(
                        "the column {:?} is of another type further down in the data: {cell} in row {}",
                        kept.name, rows.numbers[row]
                    )));
                }
            }
            let values = rows.of(header, row, target);
            for (column, &value) in columns[fixed + header.kept.len()..].iter_mut().zip(values) {
                column.push(&Cell::Number(value));
            }
        }
    }
    Ok(Batch::from_columns(Arc::new(Schema::new("the result", fields)?), columns)?)
}

impl Gathered {
    fn take(&mut self, header: &Header, rows: &Explained) {
        let (targets, width) = (header.targets.len(), header.features.len());
        self.shape = if targets == 1 { vec![0, width] } else { vec![0, targets, width] };
        self.single = header.precision == Precision::Float32 && !header.is_folded();
        self.attributions.extend_from_slice(&rows.attributions);
        for row in 0..rows.rows() {
            self.rows.push(i64::try_from(rows.numbers[row]).unwrap_or(i64::MAX));
            for target in 0..targets {
                let of = |list: &Option<Vec<Vec<f64>>>| list.as_ref().map_or(f64::NAN, |l| l[target][row]);
                self.output.push(rows.output[target][row]);
                self.baseline_output.push(of(&rows.baseline_output));
                self.delta.push(of(&rows.delta));
                self.probability.push(rows.probability(row, target).unwrap_or(f64::NAN));
            }
        }
    }

    fn bytes(mut self, format: Format) -> Result<Vec<u8>> {
        let lost = || Error::input("the result has lost its shape");
        let rows = self.rows.len();
        if let Some(first) = self.shape.first_mut() {
            *first = rows;
        }
        let attributions = if self.single {
            Tensor::new(&self.shape, self.attributions.iter().map(|&v| v as f32).collect())
        } else {
            Tensor::new(&self.shape, self.attributions)
        };
        let attributions = attributions.ok_or_else(lost)?;
        if format == Format::Npy {
            let mut bytes = Vec::new();
            arrays::write_npy(&attributions, &mut bytes)?;
            return Ok(bytes);
        }
        let side: Vec<usize> = self.shape[..self.shape.len() - 1].to_vec();
        let column = |values: Vec<f64>| Tensor::new(&side, values).ok_or_else(lost);
        let all = [
            ("attributions".to_owned(), attributions),
            ("row".to_owned(), Tensor::new(&[rows], self.rows).ok_or_else(lost)?),
            ("output".to_owned(), column(self.output)?),
            ("baseline_output".to_owned(), column(self.baseline_output)?),
            ("delta".to_owned(), column(self.delta)?),
            ("probability".to_owned(), column(self.probability)?),
        ];
        Ok(arrays::write_safetensors(&all)?)
    }
}
