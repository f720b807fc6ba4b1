//! Tables: typed columns with missing values, read in batches of rows.

mod column;
mod csv;
mod infer;
mod input;
mod number;
mod open;
#[cfg(feature = "parquet")]
mod parquet;

use std::sync::Arc;

pub use self::column::{Cell, Column, TextValues, Values};
pub use self::csv::{CsvOptions, CsvReader};
pub use self::infer::{Dialect, MISSING_TOKENS};
pub use self::open::{ReadOptions, open, read};
#[cfg(feature = "parquet")]
pub use self::parquet::ParquetReader;

use crate::error::{Error, ErrorKind, Result};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers in double precision.
    Float,
    /// Numbers in single precision, as Parquet files and results have them.
    Float32,
    /// True or false.
    Bool,
    /// Text.
    Text,
}

impl ColumnType {
    /// Whether values are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Float32)
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Integer => "a whole number",
            Self::Float | Self::Float32 => "a number",
            Self::Bool => "true or false",
            Self::Text => "text",
        })
    }
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

impl Field {
    /// A field of a name and a type.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type }
    }
}

/// The columns of a table, in order, and what errors call the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    source: Arc<str>,
    fields: Vec<Field>,
}

impl Schema {
    /// A schema; an error where two columns have the same name.
    pub fn new(source: &str, fields: Vec<Field>) -> Result<Self> {
        let mut names = std::collections::HashSet::new();
        for field in &fields {
            if !names.insert(field.name.as_str()) {
                let kind = ErrorKind::DuplicateColumn(field.name.clone());
                return Err(Error::new(kind).in_file(&Arc::from(source)));
            }
        }
        Ok(Self { source: Arc::from(source), fields })
    }

    /// The file, as the caller named it.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The columns' names.
    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|f| f.name.clone()).collect()
    }

    /// The place of a column, if there is one of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The place of a column; an error that lists the columns there are.
    pub fn index(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            Error::new(ErrorKind::MissingColumn { name: name.to_owned(), available: self.names() })
                .in_file(&self.source)
        })
    }
}

/// Typed columns of some rows: a part of a table, or all of it.
///
/// A numeric column may be wider in a batch than in its schema (a whole number first, a fraction later).
#[derive(Clone, Debug)]
pub struct Batch {
    schema: Arc<Schema>,
    columns: Vec<Column>,
    rows: usize,
    first_row: u64,
    lines: Vec<u64>,
}

impl Batch {
    /// No rows of a schema.
    pub fn new(schema: Arc<Schema>) -> Self {
        let columns = schema.fields.iter().map(|f| Column::new(f.column_type)).collect();
        Self { schema, columns, rows: 0, first_row: 0, lines: Vec::new() }
    }

    /// Rows made of columns of the same length, in the schema's order.
    pub fn from_columns(schema: Arc<Schema>, columns: Vec<Column>) -> Result<Self> {
        if columns.len() != schema.fields.len() {
            let (expected, got) = (schema.fields.len(), columns.len());
            return Err(ErrorKind::Size { what: "columns of a batch", expected, got }.into());
        }
        let rows = columns.first().map_or(0, Column::len);
        for (column, field) in columns.iter().zip(&schema.fields) {
            if column.len() != rows {
                let kind = ErrorKind::Size { what: "rows of a column", expected: rows, got: column.len() };
                return Err(Error::new(kind).in_column(&field.name));
            }
        }
        Ok(Self { schema, columns, rows, first_row: 0, lines: Vec::new() })
    }

    /// The columns' names and types.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number in the table of the first row, counted from 0.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// The columns, in the schema's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A column by name; an error that lists the columns there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        Ok(&self.columns[self.schema.index(name)?])
    }

    /// The number in the file of a row's first line, counted from 1, where the file has lines.
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    /// Gives an error the file, the line or row, and the column.
    pub fn locate(&self, error: Error, row: usize, column: &str) -> Error {
        let error = error.in_file(&self.schema.source).in_column(column);
        match self.line(row) {
            Some(line) => error.at_line(line).at_row(self.first_row + row as u64),
            None => error.at_row(self.first_row + row as u64),
        }
    }

    /// Some of the rows, in the order given; indices beyond the last row are an error.
    pub fn take(&self, rows: &[usize]) -> Result<Self> {
        if let Some(&row) = rows.iter().find(|&&r| r >= self.rows) {
            return Err(ErrorKind::Size { what: "row index", expected: self.rows, got: row }.into());
        }
        Ok(Self {
            schema: Arc::clone(&self.schema),
            columns: self.columns.iter().map(|c| c.take(rows)).collect(),
            rows: rows.len(),
            first_row: 0,
            lines: rows.iter().filter_map(|&r| self.line(r)).collect(),
        })
    }

    /// Some of the columns, in the order given.
    pub fn select(&self, names: &[&str]) -> Result<Self> {
        let places = names.iter().map(|n| self.schema.index(n)).collect::<Result<Vec<_>>>()?;
        let fields = places.iter().map(|&i| self.schema.fields[i].clone()).collect();
        Ok(Self {
            schema: Arc::new(Schema::new(&self.schema.source, fields)?),
            columns: places.iter().map(|&i| self.columns[i].clone()).collect(),
            rows: self.rows,
            first_row: self.first_row,
            lines: self.lines.clone(),
        })
    }

    /// Empties the batch for rows that start at `first_row`, keeping its memory.
    pub(crate) fn restart(&mut self, first_row: u64) {
        for (column, field) in self.columns.iter_mut().zip(&self.schema.fields) {
            column.clear(field.column_type);
        }
        self.rows = 0;
        self.first_row = first_row;
        self.lines.clear();
    }

    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    pub(crate) fn end_row(&mut self, line: Option<u64>) {
        self.rows += 1;
        self.lines.extend(line);
    }

    #[cfg(feature = "parquet")]
    pub(crate) fn end_rows(&mut self, rows: usize) {
        self.rows += rows;
    }
}

/// Something that gives the rows of a table, some at a time.
pub trait Rows {
    /// The columns.
    fn schema(&self) -> &Arc<Schema>;

    /// Replaces a batch's rows with the next ones, `limit` at most, and returns their number: 0 at the end.
    /// The batch must have been made of this reader's schema.
    fn fill(&mut self, batch: &mut Batch, limit: usize) -> Result<usize>;

    /// All rows that are left, as one batch.
    fn read_all(&mut self) -> Result<Batch> {
        let mut batch = Batch::new(Arc::clone(self.schema()));
        self.fill(&mut batch, usize::MAX)?;
        Ok(batch)
    }

    /// An iterator over batches of `limit` rows, each with memory of its own.
    fn batches(&mut self, limit: usize) -> Batches<'_, Self>
    where
        Self: Sized,
    {
        Batches { rows: self, limit: limit.max(1) }
    }
}

impl<R: Rows + ?Sized> Rows for Box<R> {
    fn schema(&self) -> &Arc<Schema> {
        (**self).schema()
    }

    fn fill(&mut self, batch: &mut Batch, limit: usize) -> Result<usize> {
        (**self).fill(batch, limit)
    }
}

/// An iterator over the batches of a table; see [`Rows::batches`].
#[derive(Debug)]
pub struct Batches<'a, R> {
    rows: &'a mut R,
    limit: usize,
}

impl<R: Rows> Iterator for Batches<'_, R> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::new(Arc::clone(self.rows.schema()));
        match self.rows.fill(&mut batch, self.limit) {
            Ok(0) => None,
            Ok(_) => Some(Ok(batch)),
            Err(error) => Some(Err(error)),
        }
    }
}
