//! The selected rows of a table or of arrays, some at a time, as a model's inputs.

use std::path::{Path, PathBuf};

use pellucid::graph::{DType, Dim, Tensor};
use pellucid::{Model, Precision};
use pellucid_data::image::ImageSteps;
use pellucid_data::select::{Filter, Selection};
use pellucid_data::steps::Preprocessing;
use pellucid_data::table::{self, Batch, Column, ColumnType, ReadOptions, Rows, Values};

use crate::error::{Error, Result};
use crate::model::{Labels, OpenModel};
pub(crate) use arrays::stacked;
use columns::InputColumns;

mod arrays;
mod columns;
#[cfg(feature = "images")]
mod images;

/// The most rows that are held at a time, and the most numbers of them.
const MOST_ROWS: usize = 256;
const MOST_NUMBERS: usize = 1 << 20;

/// Which rows are wanted, and which columns beside the network's.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The rows, as [`Selection`] writes them.
    pub rows: String,
    /// Columns to pass through.
    pub keep: Vec<String>,
    /// The network's columns, where the model does not say.
    pub features: Option<Vec<String>>,
    /// The column with the truth, where the model does not say.
    pub label: Option<String>,
    /// How pictures are prepared, where the model does not say.
    pub images: Option<ImageSteps>,
    /// The precision of the inputs.
    pub precision: Precision,
}

/// Some of the selected rows.
#[derive(Debug)]
pub struct Chunk {
    /// Their numbers in the file, counted from 0.
    pub numbers: Vec<u64>,
    /// The model's inputs for them: [rows, …].
    pub inputs: Vec<Tensor>,
    /// Their true class or value, where the data has it.
    pub labels: Vec<Option<f64>>,
    /// The rows as the table has them, where it is a table.
    pub table: Option<Batch>,
}

/// Reads the selected rows of a data file for a model.
#[derive(Debug)]
pub struct Reader<'m>(Source<'m>);

#[derive(Debug)]
enum Source<'m> {
    Table(Box<TableReader<'m>>),
    Arrays(arrays::ArrayReader),
    #[cfg(feature = "images")]
    Images(Box<images::ImageReader>),
}

impl<'m> Reader<'m> {
    /// Opens data: a folder of pictures, a picture or arrays by the ending of the name (`.npy`, `.npz`, `.safetensors`), else a table.
    pub fn open(model: &'m OpenModel, path: &Path, wanted: &Wanted) -> Result<Self> {
        if crate::image::is_pictures(path) {
            #[cfg(feature = "images")]
            return Ok(Self(Source::Images(Box::new(images::ImageReader::open(model, path, wanted)?))));
            #[cfg(not(feature = "images"))]
            return Err(Error::request(format!(
                "{}: this program was built without pictures",
                path.display()
            )));
        }
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        Ok(Self(match ending.as_str() {
            "npy" | "npz" | "safetensors" => Source::Arrays(arrays::ArrayReader::open(model, path, wanted)?),
            _ => Source::Table(Box::new(TableReader::open(model, path, wanted)?)),
        }))
    }

    /// The next selected rows; `None` at the end. An error where there were none at all.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        match &mut self.0 {
            Source::Table(t) => t.next_chunk(),
            Source::Arrays(a) => a.next_chunk(),
            #[cfg(feature = "images")]
            Source::Images(i) => i.next_chunk(),
        }
    }

    /// The names of the network's columns where the data has names for them.
    pub fn feature_names(&self) -> Option<Vec<String>> {
        match &self.0 {
            Source::Table(t) => Some(t.feature_names()),
            Source::Arrays(_) => None,
            #[cfg(feature = "images")]
            Source::Images(_) => None,
        }
    }
}

/// Where the network's numbers come from in a table.
enum Encoder<'m> {
    /// As the model's record says.
    Steps(&'m Preprocessing),
    /// These columns, as they are.
    Plain(Vec<String>),
    /// A column for each input of the model, by its name.
    Columns(InputColumns),
}

struct TableReader<'m> {
    path: PathBuf,
    rows: Box<dyn Rows + Send>,
    batch: Batch,
    encoder: Encoder<'m>,
    model: &'m OpenModel,
    filter: Filter,
    selection: String,
    /// How many rows the split is of, where the selection names a part of it.
    split_rows: Option<usize>,
    label: Option<String>,
    precision: Precision,
    limit: usize,
    read: u64,
    selected: u64,
}

impl std::fmt::Debug for TableReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableReader").field("path", &self.path).field("rows", &self.selection).finish()
    }
}

impl<'m> TableReader<'m> {
    fn open(model: &'m OpenModel, path: &Path, wanted: &Wanted) -> Result<Self> {
        let columns = InputColumns::of(model);
        if model.model().input_names().len() != 1 && columns.is_none() {
            return Err(Error::request(format!(
                "the model has {} inputs; a table can only be given to a model with one, or with one column for each: give arrays \
                 (.npz or .safetensors) with the names {}",
                model.model().input_names().len(),
                model.model().input_names().join(", ")
            )));
        }
        let selection = Selection::parse(if wanted.rows.trim().is_empty() { "all" } else { &wanted.rows })?;
        let label = wanted.label.clone().or_else(|| model.target().map(|t| t.column().to_owned()));
        let says = || Error::request("the model says itself which columns it takes: leave features out");
        let (rows, encoder, label) = match (model.preprocessing(), columns) {
            (Some(_), _) | (_, Some(_)) if wanted.features.is_some() => return Err(says()),
            (Some(steps), _) => {
                let options = steps.read_options(ReadOptions::default());
                let (rows, label) = open_for_model(model, options, path, wanted, &selection, label)?;
                (rows, Encoder::Steps(steps), label)
            }
            (None, Some(columns)) => {
                let looks = table::open(path, &ReadOptions::default())?;
                let options = columns.read_options(looks.schema());
                let (rows, label) = open_for_model(model, options, path, wanted, &selection, label)?;
                (rows, Encoder::Columns(columns), label)
            }
            (None, None) => {
                let rows = table::open(path, &ReadOptions::default())?;
                let features = plain_features(model, rows.as_ref(), path, wanted)?;
                if let Some(label) = &wanted.label {
                    rows.schema().index(label)?;
                }
                (rows, Encoder::Plain(features), wanted.label.clone())
            }
        };
        for name in &wanted.keep {
            rows.schema().index(name)?;
        }
        let split_rows = match (selection.bind(rows.schema(), None), model.split()) {
            (Err(_), Some(split)) => Some(split.len()),
            _ => None,
        };
        let filter = selection.bind(rows.schema(), model.split())?;
        let width = match &encoder {
            Encoder::Steps(steps) => steps.width(),
            Encoder::Plain(features) => features.len(),
            Encoder::Columns(columns) => columns.names().len(),
        };
        let batch = Batch::new(std::sync::Arc::clone(rows.schema()));
        Ok(Self {
            path: path.to_path_buf(),
            rows,
            batch,
            encoder,
            model,
            filter,
            selection: selection.text().to_owned(),
            split_rows,
            label,
            precision: wanted.precision,
            limit: (MOST_NUMBERS / width.max(1)).clamp(1, MOST_ROWS),
            read: 0,
            selected: 0,
        })
    }

    fn feature_names(&self) -> Vec<String> {
        match &self.encoder {
            Encoder::Steps(steps) => steps.tensor_columns().iter().map(|c| c.name.clone()).collect(),
            Encoder::Plain(names) => names.clone(),
            Encoder::Columns(columns) => columns.names(),
        }
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            // Behind the last selected row nothing is read, unless the split has to be checked against the whole table.
            let done = self.split_rows.is_none() && self.filter.end().is_some_and(|end| end <= self.read);
            if done || self.rows.fill(&mut self.batch, self.limit)? == 0 {
                return self.finish(done);
            }
            let first = self.read;
            self.read += self.batch.rows() as u64;
            let mut places = Vec::new();
            self.filter.select(&self.batch, &mut places);
            if places.is_empty() {
                continue;
            }
            self.selected += places.len() as u64;
            let numbers = places.iter().map(|&r| first + r as u64).collect();
            let taken = self.batch.take(&places)?;
            return self.chunk(numbers, taken).map(Some);
        }
    }

    fn finish(&self, stopped: bool) -> Result<Option<Chunk>> {
        if let Some(expected) = self.split_rows.filter(|&n| n as u64 != self.read) {
            return Err(Error::input(format!(
                "{}: the split in the model is of a table with {expected} rows, this one has {}; rows can be chosen by \
                 number, range or condition instead",
                self.path.display(),
                self.read
            )));
        }
        if self.selected == 0 {
            let more = if stopped { " at least" } else { "" };
            return Err(Error::request(format!(
                "no row of {} is selected by {:?}; it has{more} {} rows, counted from 0",
                self.path.display(),
                self.selection,
                self.read
            )));
        }
        Ok(None)
    }

    /// The model's inputs for some rows.
    fn inputs(&self, taken: &Batch) -> Result<Vec<Tensor>> {
        let unfilled = || Error::input("rows do not fill the model's input");
        let shape = |values: usize| input_shape(self.model.model(), taken.rows(), values);
        let values = match (&self.encoder, self.precision) {
            (Encoder::Columns(columns), _) => return columns.inputs(taken),
            (Encoder::Steps(steps), Precision::Float32) => {
                let values = steps.encode_to_vec::<f32>(taken)?;
                Tensor::new(&shape(values.len()), values)
            }
            (Encoder::Steps(steps), Precision::Float64) => {
                let values = steps.encode_to_vec::<f64>(taken)?;
                Tensor::new(&shape(values.len()), values)
            }
            (Encoder::Plain(names), precision) => {
                let values = plain(taken, names, self.model)?;
                let declared = self.model.model().input_declared(0);
                if declared.is_some_and(|d| matches!(d.dtype, DType::I64 | DType::I32)) {
                    let values = whole(taken, names, &values)?;
                    return Ok(vec![Tensor::new(&shape(values.len()), values).ok_or_else(unfilled)?]);
                }
                Tensor::new(&shape(values.len()), values).map(|t| t.with_precision(precision.dtype()))
            }
        };
        Ok(vec![values.ok_or_else(unfilled)?])
    }

    fn chunk(&self, numbers: Vec<u64>, taken: Batch) -> Result<Chunk> {
        let rows = taken.rows();
        let inputs = self.inputs(&taken)?;
        let labels = match (&self.label, self.model.target()) {
            (None, _) => Vec::new(),
            (Some(_), Some(target)) if self.label.as_deref() == Some(target.column()) => {
                target.encode(&taken)?.into_iter().map(|v| v.map(|v| target.decode(v))).collect()
            }
            (Some(label), _) if self.model.has_labels() => {
                let column = taken.column(label)?;
                let labels = Labels::new(self.model, &self.path);
                (0..rows).map(|r| labels.class(&column.cell(r))).collect::<Result<_>>()?
            }
            (Some(label), _) => {
                let column = taken.column(label)?;
                if matches!(column.values(), Values::Text(_)) {
                    return Err(Error::input(format!(
                        "{}, column {label:?}: expected the number of a class or a value, found text; the model has no \
                         names of classes",
                        self.path.display()
                    )));
                }
                (0..rows).map(|r| column.number(r)).collect()
            }
        };
        Ok(Chunk { numbers, inputs, labels, table: Some(taken) })
    }
}

type Opened = (Box<dyn Rows + Send>, Option<String>);

/// Opens a table for the columns that the model, the selection and the person need. The true class need not be there.
fn open_for_model(
    model: &OpenModel,
    mut options: ReadOptions,
    path: &Path,
    wanted: &Wanted,
    selection: &Selection,
    label: Option<String>,
) -> Result<Opened> {
    let columns = options.columns.get_or_insert_default();
    for name in selection.columns().into_iter().chain(wanted.keep.iter().cloned()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let Some(label) = label else { return Ok((table::open(path, &options)?, None)) };
    let mut with_label = options.clone();
    let columns = with_label.columns.get_or_insert_default();
    if !columns.contains(&label) {
        columns.push(label.clone());
    }
    if let Some(target) = model.target().filter(|t| t.column() == label) {
        let read_as = if target.column_type().is_number() { ColumnType::Float } else { target.column_type() };
        with_label.types.insert(label.clone(), read_as);
    }
    match table::open(path, &with_label) {
        Err(e) if wanted.label.is_none() && misses(&e, &label) && !options_have(&options, &label) => {
            Ok((table::open(path, &options)?, None))
        }
        other => Ok((other?, Some(label))),
    }
}

fn options_have(options: &ReadOptions, name: &str) -> bool {
    options.columns.as_ref().is_some_and(|c| c.iter().any(|c| c == name))
}

fn misses(error: &pellucid_data::Error, column: &str) -> bool {
    matches!(error.kind(), pellucid_data::ErrorKind::MissingColumn { name, .. } if name == column)
}

/// The columns of a table that a model without a record takes.
fn plain_features(model: &OpenModel, rows: &dyn Rows, path: &Path, wanted: &Wanted) -> Result<Vec<String>> {
    let schema = rows.schema();
    let features: Vec<String> = match &wanted.features {
        Some(given) => given.clone(),
        None => {
            let other = |n: &str| wanted.keep.iter().any(|k| k == n) || wanted.label.as_deref() == Some(n);
            schema
                .fields()
                .iter()
                .filter(|f| f.column_type.is_number() && !other(&f.name))
                .map(|f| f.name.clone())
                .collect()
        }
    };
    for name in &features {
        schema.index(name)?;
    }
    if let Some(width) = model.width().filter(|&w| w != features.len()) {
        let message = format!(
            "{}: the model takes {width} numbers a row, the table has {} columns of numbers for it ({}); the model holds no \
             record of its table, so name its columns in their order with features (--features)",
            path.display(),
            features.len(),
            listed(&features)
        );
        return Err(Error::input(message));
    }
    Ok(features)
}

/// Whether a table is given to a model column by column, one to each of its inputs.
pub(crate) fn has_columns(model: &OpenModel) -> bool {
    InputColumns::of(model).is_some()
}

pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    if names.is_empty() { "none".to_owned() } else { text }
}

/// Why a missing number is refused.
const MISSING: &str = "; numbers may be missing only where the model fills them in (an Imputer of NaN, or IsNaN) or is one of trees";

/// The numbers of some columns, row by row. Those that are missing are NaN where the model fills them in.
fn plain(batch: &Batch, names: &[String], model: &OpenModel) -> Result<Vec<f64>> {
    use pellucid_data::ErrorKind as K;
    let fills = model.takes_missing();
    let columns: Vec<&Column> = names.iter().map(|n| batch.column(n)).collect::<Result<_, _>>()?;
    let mut values = Vec::with_capacity(batch.rows() * names.len());
    for row in 0..batch.rows() {
        for (column, name) in columns.iter().zip(names) {
            let at = |kind: K| Error::from(batch.locate(kind.into(), row, name));
            match (column.values(), column.number(row)) {
                (Values::Bool(v), _) if !column.is_missing(row) => values.push(f64::from(u8::from(v[row]))),
                (Values::Text(v), _) if !column.is_missing(row) => {
                    let found = format!("{:?}", v.get(row));
                    return Err(at(K::ColumnType { expected: ColumnType::Float, found, hint: "" }));
                }
                (_, Some(x)) if x.is_finite() => values.push(x),
                (_, Some(x)) => return Err(at(K::NotFinite { found: x.to_string() })),
                (_, None) if fills => values.push(f64::NAN),
                (_, None) => {
                    let found = "no value".to_owned();
                    return Err(at(K::ColumnType { expected: ColumnType::Float, found, hint: MISSING }));
                }
            }
        }
    }
    Ok(values)
}

/// The numbers of some columns as a model takes them whose input is of integers.
fn whole(batch: &Batch, names: &[String], values: &[f64]) -> Result<Vec<i64>> {
    use pellucid_data::ErrorKind as K;
    let one = |(i, &x): (usize, &f64)| {
        if x.fract() == 0.0 && x.abs() < 9.0e15 {
            return Ok(x as i64);
        }
        let (row, name) = (i / names.len(), &names[i % names.len()]);
        let (expected, found) = (ColumnType::Integer, x.to_string());
        Err(batch
            .locate(
                K::ColumnType {
                    expected,
                    found,
                    hint: "; the model's input is of integers, read up to 9e15",
                }
                .into(),
                row,
                name,
            )
            .into())
    };
    values.iter().enumerate().map(one).collect()
}

/// The shape of a model's input for rows of numbers: as declared, where the sizes are known.
fn input_shape(model: &Model, rows: usize, numbers: usize) -> Vec<usize> {
    let width = numbers.checked_div(rows).unwrap_or(0);
    let mut shape = vec![rows];
    let declared = model.input_declared(0).and_then(|d| d.shape.as_ref());
    let fixed: Option<Vec<usize>> = declared.and_then(|dims| {
        let sizes = dims.iter().skip(1).map(|d| if let Dim::Fixed(n) = d { Some(*n) } else { None });
        sizes.collect()
    });
    match fixed {
        Some(sizes) if sizes.iter().product::<usize>() == width => shape.extend(sizes),
        _ => shape.push(width),
    }
    shape
}

/// Some rows of a tensor; `None` where it holds texts.
pub(crate) fn take_rows(tensor: &Tensor, rows: &[usize]) -> Option<Tensor> {
    arrays::take(tensor, rows)
}
