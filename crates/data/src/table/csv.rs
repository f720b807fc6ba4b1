//! Reads CSV: delimiter, header and column types are found out or set; every error has its line and column.

use std::io::Read;
use std::sync::Arc;

use super::infer::{self, Dialect, MISSING_TOKENS};
use super::input::{BUFFER, Guard, check_encoding, csv_error};
use super::number::{Number, NumberForm, locale_hint, parse_bool};
use super::open::ReadOptions;
use super::{Batch, Column, ColumnType, Field, Rows, Schema, Values};
use crate::error::{Error, ErrorKind, Result};

/// How a CSV file is written. What is `None` is found out from the first rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvOptions {
    /// The byte between two fields: of `,`, `;`, tab and `|`, the one that gives lines of equal length.
    pub delimiter: Option<u8>,
    /// Whether the first line has names. It has unless a number in it stands above a column of numbers.
    pub has_header: Option<bool>,
    /// The quotation mark; doubled, it stands for itself.
    pub quote: u8,
    /// The decimal mark.
    pub decimal: u8,
    /// The separator between thousands, if there is one.
    pub thousands: Option<u8>,
    /// Fields that stand for a missing value, compared as they are; see [`MISSING_TOKENS`].
    pub missing: Vec<String>,
    /// Whether infinities are read; else they are an error, as NaN is where it is not a missing value.
    pub allow_infinite: bool,
    /// The most rows that column types are found out from.
    pub sample_rows: usize,
    /// The most bytes that are held to find things out.
    pub sample_bytes: usize,
    /// The most bytes of one record.
    pub max_record_bytes: u64,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            has_header: None,
            quote: b'"',
            decimal: b'.',
            thousands: None,
            missing: MISSING_TOKENS.iter().map(|&t| t.to_owned()).collect(),
            allow_infinite: false,
            sample_rows: 10_000,
            sample_bytes: 4 << 20,
            max_record_bytes: 16 << 20,
        }
    }
}

impl CsvOptions {
    /// Whether a field stands for a missing value.
    pub fn is_missing(&self, field: &str) -> bool {
        self.missing.iter().any(|t| t == field)
    }

    fn check(&self) -> Result<()> {
        let invalid = |what: &str| Err(ErrorKind::InvalidOption(what.to_owned()).into());
        if self.delimiter.is_some_and(|d| !d.is_ascii() || matches!(d, b'\n' | b'\r') || d == self.quote) {
            return invalid(
                "the delimiter must be an ASCII character, no line end and not the quotation mark",
            );
        }
        if !matches!(self.decimal, b'.' | b',') {
            return invalid("the decimal mark must be '.' or ','");
        }
        if self.thousands.is_some_and(|t| !t.is_ascii() || t.is_ascii_alphanumeric() || t == self.decimal) {
            return invalid("the thousands separator must be an ASCII mark other than the decimal mark");
        }
        Ok(())
    }
}

/// The rows of a CSV file, read as they are asked for.
pub struct CsvReader {
    schema: Arc<Schema>,
    dialect: Dialect,
    options: CsvOptions,
    form: NumberForm,
    /// For each column of the schema: its place in the file, and whether its type was found out.
    places: Vec<(usize, bool)>,
    width: usize,
    reader: ::csv::Reader<Guard>,
    record: ::csv::ByteRecord,
    /// The line where the last record starts, and whether it has line ends inside.
    line: u64,
    multi_line: bool,
    unclosed_line: u64,
    /// For each first byte of a text that stands for a missing value, the lengths of such texts as bits.
    missing_lengths: [u64; 256],
    next_row: u64,
}

impl std::fmt::Debug for CsvReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvReader").field("schema", &self.schema).field("dialect", &self.dialect).finish()
    }
}

impl CsvReader {
    /// Reads CSV from anything, under the name that errors give it.
    pub fn new(name: &str, input: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self> {
        let source: Arc<str> = Arc::from(name);
        Self::start(&source, Box::new(input), options).map_err(|e| e.in_file(&source))
    }

    /// The delimiter and header, as found or set.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn start(source: &Arc<str>, mut input: Box<dyn Read + Send>, read: &ReadOptions) -> Result<Self> {
        let options = read.csv.clone();
        options.check()?;
        let form = NumberForm { decimal: options.decimal, thousands: options.thousands };
        let mut sample = Vec::new();
        let wanted = options.sample_bytes.max(1) as u64;
        input.by_ref().take(wanted).read_to_end(&mut sample)?;
        let whole = (sample.len() as u64) < wanted;
        check_encoding(&mut sample)?;
        let dialect = Self::dialect_of(&sample, whole, &options, form)?;
        let Dialect { delimiter, has_header } = dialect;

        let all_known = read.columns.as_ref().is_some_and(|c| c.iter().all(|n| read.types.contains_key(n)));
        let rows_needed = if all_known { 1 } else { options.sample_rows.max(1) };
        let limit = rows_needed.saturating_add(usize::from(has_header));
        let mut rows = infer::records(&sample, whole, delimiter, options.quote, limit);
        let Some(first) = rows.first() else { return Err(ErrorKind::EmptyFile.into()) };
        let width = first.record.len();
        let names = if has_header {
            let first = rows.remove(0);
            header_names(first)?
        } else {
            (1..=width).map(|c| format!("column{c}")).collect()
        };
        if has_header && rows.is_empty() {
            return Err(ErrorKind::HeaderOnly.into());
        }
        let any = names.iter().map(|n| Field::new(n.clone(), ColumnType::Text)).collect();
        let all = Schema::new(source, any)?;
        for name in read.types.keys() {
            all.index(name)?;
        }
        let wanted = read.columns.as_ref().unwrap_or(&names);
        let (mut fields, mut places) = (Vec::new(), Vec::new());
        for name in wanted {
            let place = all.index(name)?;
            let column_type = match read.types.get(name) {
                Some(column_type) => *column_type,
                None => infer::column_type(&rows, place, &options, form).map_err(|e| e.in_column(name))?,
            };
            fields.push(Field::new(name.clone(), column_type));
            places.push((place, !read.types.contains_key(name)));
        }
        let mut missing_lengths = [0; 256];
        for token in &options.missing {
            missing_lengths[usize::from(token.as_bytes().first().copied().unwrap_or(0))] |= length_bit(token);
        }
        let input = Box::new(std::io::Cursor::new(sample).chain(input));
        let guard = Guard::new(input, options.quote, options.max_record_bytes);
        let reader = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quote(options.quote)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            .from_reader(guard);
        let mut this = Self {
            schema: Arc::new(Schema::new(source, fields)?),
            dialect,
            form,
            options,
            places,
            width,
            reader,
            record: ::csv::ByteRecord::new(),
            line: 0,
            unclosed_line: 0,
            multi_line: false,
            missing_lengths,
            next_row: 0,
        };
        if has_header {
            this.next_record()?;
        }
        Ok(this)
    }

    fn dialect_of(sample: &[u8], whole: bool, options: &CsvOptions, form: NumberForm) -> Result<Dialect> {
        let found = infer::likely_delimiter(sample, whole, options.quote);
        let delimiter = options.delimiter.or(found.map(|f| f.0)).unwrap_or(b',');
        let rows = infer::records(sample, whole, delimiter, options.quote, 100);
        let Some(first) = rows.first() else { return Err(ErrorKind::EmptyFile.into()) };
        if let (Some(used), Some((likely, columns))) = (options.delimiter, found)
            && used != likely
            && first.record.len() == 1
        {
            return Err(ErrorKind::WrongDelimiter { used, likely, columns }.into());
        }
        let has_header = options.has_header.unwrap_or_else(|| infer::looks_like_header(&rows, form));
        Ok(Dialect { delimiter, has_header })
    }

    /// Reads the next record; its first line, or `None` at the end.
    fn next_record(&mut self) -> Result<Option<u64>> {
        self.reader.get_mut().start_record();
        if !self.reader.read_byte_record(&mut self.record).map_err(|e| csv_error(e).at_line(self.line + 1))? {
            return Ok(None);
        }
        // The record ends before its last byte, which ends the line, or at the end of the file.
        let end = self.reader.position().byte().saturating_sub(1);
        let inner = memchr::memchr_iter(b'\n', self.record.as_slice()).count() as u64;
        self.line = 1 + self.reader.get_mut().lines_before(end).saturating_sub(inner);
        self.multi_line = inner > 0;
        // Where a quotation mark is not closed, the last line end belongs to the field.
        self.unclosed_line = self.line + u64::from(self.record.as_slice().ends_with(b"\n"));
        Ok(Some(self.line))
    }

    fn read_row(&mut self, batch: &mut Batch, line: u64) -> Result<()> {
        if self.record.len() != self.width {
            if self.multi_line && self.is_last() && self.reader.get_ref().open_quote() {
                return Err(self.unclosed_quote());
            }
            let (expected, found) = (self.width, self.record.len());
            return Err(ErrorKind::RaggedLine { expected, found }.into());
        }
        self.push_fields(batch)?;
        batch.end_row(Some(line));
        Ok(())
    }

    fn push_fields(&self, batch: &mut Batch) -> Result<()> {
        // Fields stand one behind the other: where the whole is UTF-8, so is each that starts at a character.
        let whole = std::str::from_utf8(self.record.as_slice()).map_err(|_| self.not_utf8())?;
        let columns = batch.columns_mut().iter_mut().zip(self.schema.fields());
        for ((column, field), &(place, inferred)) in columns.zip(&self.places) {
            let text = self.record.range(place).and_then(|r| whole.get(r)).ok_or_else(|| self.not_utf8())?;
            self.push(column, field.column_type, text, inferred).map_err(|e| e.in_column(&field.name))?;
        }
        Ok(())
    }

    fn unclosed_quote(&self) -> Error {
        Error::new(ErrorKind::UnclosedQuote).at_line(self.unclosed_line)
    }

    /// Whether no record follows; called before an error only, since it reads on.
    fn is_last(&mut self) -> bool {
        let mut next = ::csv::ByteRecord::new();
        matches!(self.reader.read_byte_record(&mut next), Ok(false))
    }

    fn is_missing(&self, field: &str) -> bool {
        let start = field.as_bytes().first().copied().unwrap_or(0);
        let lengths = self.missing_lengths[usize::from(start)];
        lengths & length_bit(field) != 0 && self.options.is_missing(field)
    }

    fn push(&self, column: &mut Column, expected: ColumnType, field: &str, inferred: bool) -> Result<()> {
        if self.is_missing(field) {
            column.push_missing();
            return Ok(());
        }
        if expected.is_number() {
            let number =
                self.form.parse(field).ok_or_else(|| self.not_a_number(expected, field, inferred))?;
            self.push_number(column, expected, number, field, inferred)?;
        } else {
            match column.values_mut() {
                Values::Text(values) => values.push(field),
                Values::Bool(values) => match parse_bool(field) {
                    Some(value) => values.push(value),
                    None => return Err(self.wrong_type(expected, format!("{field:?}"), inferred)),
                },
                Values::Integer(_) | Values::Float(_) | Values::Float32(_) => {
                    return Err(self.wrong_type(expected, format!("{field:?}"), inferred));
                }
            }
        }
        column.present();
        Ok(())
    }

    fn push_number(
        &self,
        column: &mut Column,
        expected: ColumnType,
        number: Number,
        field: &str,
        inferred: bool,
    ) -> Result<()> {
        let value = match number {
            Number::Integer(n) => {
                if let Values::Integer(values) = column.values_mut() {
                    values.push(n);
                    return Ok(());
                }
                n as f64
            }
            Number::Float(x) => {
                if !x.is_finite() && (x.is_nan() || !self.options.allow_infinite) {
                    return Err(ErrorKind::NotFinite { found: field.trim().to_owned() }.into());
                }
                if matches!(column.values(), Values::Integer(_)) {
                    if !inferred {
                        return Err(self.wrong_type(expected, format!("{field:?}"), false));
                    }
                    column.widen();
                }
                x
            }
        };
        match column.values_mut() {
            Values::Float(values) => values.push(value),
            Values::Float32(values) => values.push(value as f32),
            Values::Integer(_) | Values::Bool(_) | Values::Text(_) => {}
        }
        Ok(())
    }

    fn not_a_number(&self, expected: ColumnType, field: &str, inferred: bool) -> Error {
        match locale_hint(field) {
            Some(hint) => ErrorKind::LocaleNumber { found: field.to_owned(), hint }.into(),
            None => self.wrong_type(expected, format!("{field:?}"), inferred),
        }
    }

    fn wrong_type(&self, expected: ColumnType, found: String, inferred: bool) -> Error {
        let hint = if inferred {
            "; the type was found out from the first rows: declare the column as text, or list the value as missing"
        } else {
            ""
        };
        ErrorKind::ColumnType { expected, found, hint }.into()
    }

    /// The error of the first field that is not UTF-8.
    fn not_utf8(&self) -> Error {
        let (mut place, mut found) = (0, (0, 0));
        for (i, field) in self.record.iter().enumerate() {
            if let Err(error) = std::str::from_utf8(field) {
                (place, found) = (i, (error.valid_up_to(), field[error.valid_up_to()]));
                break;
            }
        }
        let (offset, byte) = found;
        let kind = ErrorKind::NotUtf8 { byte, offset: offset as u64, hint: latin_hint(byte) };
        match self.places.iter().position(|p| p.0 == place) {
            Some(column) => Error::new(kind).in_column(&self.schema.fields()[column].name),
            None => Error::new(kind).in_column(&format!("column{}", place + 1)),
        }
    }
}

impl Rows for CsvReader {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn fill(&mut self, batch: &mut Batch, limit: usize) -> Result<usize> {
        batch.restart(self.next_row);
        let source = Arc::clone(self.schema.source());
        while batch.rows() < limit {
            let Some(line) = self.next_record().map_err(|e| e.in_file(&source))? else {
                if std::mem::take(&mut self.multi_line) && self.reader.get_ref().open_quote() {
                    return Err(self.unclosed_quote().in_file(&source));
                }
                break;
            };
            self.read_row(batch, line).map_err(|e| e.at_line(line).at_row(self.next_row).in_file(&source))?;
            self.next_row += 1;
        }
        Ok(batch.rows())
    }
}

fn length_bit(text: &str) -> u64 {
    1 << text.len().min(63)
}

/// The columns' names; an empty one is named by its place.
fn header_names(header: infer::Record) -> Result<Vec<String>> {
    let line = header.line;
    match ::csv::StringRecord::from_byte_record(header.record) {
        Ok(record) => Ok(record
            .iter()
            .enumerate()
            .map(|(i, name)| match name.trim() {
                "" => format!("column{}", i + 1),
                name => name.to_owned(),
            })
            .collect()),
        Err(error) => {
            let utf8 = error.utf8_error().clone();
            let record = error.into_byte_record();
            let field = record.get(utf8.field()).unwrap_or_default();
            let byte = field.get(utf8.valid_up_to()).copied().unwrap_or_default();
            let kind = ErrorKind::NotUtf8 { byte, offset: utf8.valid_up_to() as u64, hint: latin_hint(byte) };
            Err(Error::new(kind).at_line(line).in_column(&format!("column{}", utf8.field() + 1)))
        }
    }
}

fn latin_hint(byte: u8) -> &'static str {
    if byte >= 0xa0 { "; the file may be in Latin-1 or Windows-1252" } else { "" }
}
