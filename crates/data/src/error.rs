//! The crate's error: a kind, and the place in the data where it was found.

use std::fmt;
use std::sync::Arc;

use crate::table::ColumnType;

/// What went wrong and where. One pointer wide.
#[derive(Debug)]
pub struct Error(Box<(ErrorKind, Place)>);

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a file something was found. Every part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as the caller named it.
    pub file: Option<Arc<str>>,
    /// The line, counted from 1.
    pub line: Option<u64>,
    /// The data row, counted from 0.
    pub row: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// A file without content.
    #[error("the file is empty")]
    EmptyFile,
    /// A table with column names and no rows.
    #[error("the file has a header and no rows")]
    HeaderOnly,
    /// A line with more or fewer fields than the first.
    #[error("{found} fields where the first line has {expected}")]
    RaggedLine {
        /// Fields of the first line.
        expected: usize,
        /// Fields of this line.
        found: usize,
    },
    /// One column was found, and another delimiter would give more.
    #[error(
        "one column only with the delimiter {}; the delimiter looks like {}, which gives {columns} columns",
        delimiter_name(*.used), delimiter_name(*.likely)
    )]
    WrongDelimiter {
        /// The delimiter that was used.
        used: u8,
        /// The delimiter that fits.
        likely: u8,
        /// The columns that it gives.
        columns: usize,
    },
    /// A column that is needed is not there.
    #[error("no column named {name:?}; the columns are {}", list(available))]
    MissingColumn {
        /// The column looked for.
        name: String,
        /// The columns there are.
        available: Vec<String>,
    },
    /// An array that is needed is not in the file.
    #[error("no array named {name:?}; the arrays are {}", list(available))]
    MissingArray {
        /// The array looked for.
        name: String,
        /// The arrays there are.
        available: Vec<String>,
    },
    /// Two columns have the same name.
    #[error("two columns are named {0:?}")]
    DuplicateColumn(String),
    /// A value or column is not of the type that is expected.
    #[error("expected {expected}, found {found}{hint}")]
    ColumnType {
        /// The type expected.
        expected: ColumnType,
        /// What was found, as a phrase.
        found: String,
        /// What to do about it, starting with `; `, or nothing.
        hint: &'static str,
    },
    /// A number with a decimal comma or a thousands separator.
    #[error("{found:?} is a number in another locale's form; {hint}")]
    LocaleNumber {
        /// The field as it stands.
        found: String,
        /// What to set.
        hint: String,
    },
    /// NaN or an infinity where a finite number is expected.
    #[error("{found} where a finite number is expected")]
    NotFinite {
        /// The value as it stands.
        found: String,
    },
    /// Text that is not UTF-8.
    #[error("not UTF-8: byte 0x{byte:02x} at position {offset}{hint}")]
    NotUtf8 {
        /// The first byte that does not fit.
        byte: u8,
        /// Its place, in bytes from the file's start, or from the field's where quoting hides it.
        offset: u64,
        /// What the encoding may be, starting with `; `, or nothing.
        hint: &'static str,
    },
    /// A quoted field that does not end.
    #[error("a quotation mark that is opened here is never closed")]
    UnclosedQuote,
    /// A record that is longer than the reader allows.
    #[error("a record of more than {limit} bytes; a quotation mark may be unclosed")]
    RecordTooLong {
        /// The most bytes allowed.
        limit: u64,
    },
    /// A missing value where the options refuse it.
    #[error("a missing value, which the options refuse")]
    MissingValue,
    /// A category that the training rows did not have.
    #[error("unknown category {value:?}; the training rows have {}", list(known))]
    UnknownCategory {
        /// The value as it stands.
        value: String,
        /// The categories seen in training.
        known: Vec<String>,
    },
    /// A categorical column with more categories than allowed.
    #[error("more than {limit} categories; leave the column out, or declare it numeric")]
    TooManyCategories {
        /// The most categories allowed.
        limit: usize,
    },
    /// A class that the training rows did not have.
    #[error("unknown class {value:?}; the classes are {}", list(known))]
    UnknownClass {
        /// The value as it stands.
        value: String,
        /// The classes seen in training.
        known: Vec<String>,
    },
    /// Too few rows for what was asked.
    #[error("{0}")]
    TooFewRows(String),
    /// A split that cannot be made or does not fit the table.
    #[error("{0}")]
    Split(String),
    /// An array, Parquet or metadata file that breaks its format.
    #[error("not a valid {format}: {what}")]
    Malformed {
        /// The format's name.
        format: &'static str,
        /// What is wrong, and where.
        what: String,
    },
    /// Valid content that this version does not read or write.
    #[error("{format}: {what}")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// What is not supported.
        what: String,
    },
    /// A slice or matrix of another size than needed.
    #[error("{what}: expected {expected}, got {got}")]
    Size {
        /// What has the wrong size.
        what: &'static str,
        /// The size needed.
        expected: usize,
        /// The size given.
        got: usize,
    },
    /// An option that makes no sense.
    #[error("{0}")]
    InvalidOption(String),
    /// A row selection that cannot be read or applied.
    #[error("{message}\n  {expression}\n  {}^", " ".repeat(*position))]
    Selection {
        /// The selection as written.
        expression: String,
        /// The character where it goes wrong, counted from 0.
        position: usize,
        /// What is wrong.
        message: String,
    },
    /// A picture with more pixels than are decoded.
    #[error("a picture of {width} × {height} pixels: expected at most {limit} pixels in all")]
    PictureTooLarge {
        /// Pixels in a row, as the header says.
        width: u64,
        /// Rows, as the header says.
        height: u64,
        /// The most pixels allowed.
        limit: u64,
    },
    /// A metric that is undefined on these values.
    #[error("{0}")]
    Undefined(String),
}

impl Error {
    /// An error of a kind, its place unknown.
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new((kind, Place::default())))
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.0
    }

    /// Where it was found.
    pub fn place(&self) -> &Place {
        &self.0.1
    }

    /// The same error in a file.
    pub fn in_file(mut self, file: &Arc<str>) -> Self {
        self.0.1.file.get_or_insert_with(|| Arc::clone(file));
        self
    }

    /// The same error at a line, counted from 1.
    pub fn at_line(mut self, line: u64) -> Self {
        self.0.1.line.get_or_insert(line);
        self
    }

    /// The same error at a data row, counted from 0.
    pub fn at_row(mut self, row: u64) -> Self {
        self.0.1.row.get_or_insert(row);
        self
    }

    /// The same error in a column.
    pub fn in_column(mut self, column: &str) -> Self {
        self.0.1.column.get_or_insert_with(|| column.to_owned());
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place) = &*self.0;
        let mut separator = "";
        if let Some(file) = &place.file {
            write!(f, "{file}")?;
            separator = ", ";
        }
        match (place.line, place.row) {
            (Some(line), _) => {
                write!(f, "{separator}line {line}")?;
                separator = ", ";
            }
            (None, Some(row)) => {
                write!(f, "{separator}row {row}")?;
                separator = ", ";
            }
            (None, None) => {}
        }
        if let Some(column) = &place.column {
            write!(f, "{separator}column {column:?}")?;
            separator = ", ";
        }
        if !separator.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{kind}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.0.source()
    }
}

fn delimiter_name(byte: u8) -> String {
    match byte {
        b'\t' => "tab".to_owned(),
        _ => format!("{:?}", char::from(byte)),
    }
}

/// The first names of a list, quoted, and how many more there are.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    if names.is_empty() {
        text.push_str("none");
    }
    text
}
