//! A CSV file's delimiter, header and column types, found out from its first rows.

use super::number::{Number, NumberForm, locale_hint, parse_bool};
use super::{ColumnType, CsvOptions};
use crate::error::{Error, ErrorKind, Result};

/// Texts that stand for a missing value unless the options name others: those of pandas.
pub const MISSING_TOKENS: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// The delimiters that are tried.
pub(super) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What was found out about a CSV file's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub delimiter: u8,
    /// Whether the first line has the columns' names.
    pub has_header: bool,
}

/// Rows of the sample that decide on the delimiter.
const DELIMITER_ROWS: usize = 100;

/// The records of a sample; the last one is left out where the sample cuts it.
pub(super) fn records(sample: &[u8], whole: bool, delimiter: u8, quote: u8, limit: usize) -> Vec<Record> {
    let mut reader = parser(sample, delimiter, quote);
    let mut rows = Vec::new();
    let mut record = ::csv::ByteRecord::new();
    let (mut counted, mut lines) = (0, 0);
    while rows.len() <= limit && matches!(reader.read_byte_record(&mut record), Ok(true)) {
        // The byte before the end is the one that ends the line.
        let end = usize::try_from(reader.position().byte()).unwrap_or(0);
        let end = end.min(sample.len()).saturating_sub(1).max(counted);
        lines += memchr::memchr_iter(b'\n', &sample[counted..end]).count() as u64;
        counted = end;
        let inner = memchr::memchr_iter(b'\n', record.as_slice()).count() as u64;
        let line = 1 + lines.saturating_sub(inner);
        rows.push(Record { line, record: record.clone() });
    }
    // A record that ends with the sample may be cut.
    if !whole && reader.is_done() && rows.len() > 1 {
        rows.pop();
    }
    rows.truncate(limit);
    rows
}

/// A record and the line where it starts.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) record: ::csv::ByteRecord,
}

/// The numbers of fields of the first records.
fn widths(sample: &[u8], whole: bool, delimiter: u8, quote: u8) -> Vec<usize> {
    let mut reader = parser(sample, delimiter, quote);
    let mut record = ::csv::ByteRecord::new();
    let mut widths = Vec::new();
    while widths.len() <= DELIMITER_ROWS && matches!(reader.read_byte_record(&mut record), Ok(true)) {
        widths.push(record.len());
        if widths == [1] {
            break;
        }
    }
    if !whole && reader.is_done() && widths.len() > 1 {
        widths.pop();
    }
    widths
}

fn parser(sample: &[u8], delimiter: u8, quote: u8) -> ::csv::Reader<&[u8]> {
    ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quote(quote)
        .has_headers(false)
        .flexible(true)
        .from_reader(sample)
}

/// The delimiter that gives the first line more than one field and the other lines as many.
pub(super) fn likely_delimiter(sample: &[u8], whole: bool, quote: u8) -> Option<(u8, usize)> {
    let mut best: Option<(f64, usize, u8)> = None;
    for delimiter in DELIMITERS {
        let widths = widths(sample, whole, delimiter, quote);
        let Some(&first) = widths.first().filter(|w| **w > 1) else { continue };
        let alike = widths.iter().filter(|w| **w == first).count() as f64 / widths.len() as f64;
        if best.is_none_or(|(a, n, _)| (alike, first) > (a, n)) {
            best = Some((alike, first, delimiter));
        }
    }
    best.map(|(_, columns, delimiter)| (delimiter, columns))
}

/// Whether the first line holds names: it does unless it has a number above a column of numbers.
pub(super) fn looks_like_header(rows: &[Record], form: NumberForm) -> bool {
    let Some((first, rest)) = rows.split_first() else { return true };
    let numeric = |field: Option<&[u8]>| {
        field.and_then(|f| std::str::from_utf8(f).ok()).is_some_and(|f| {
            form.parse(f).is_some_and(|n| !matches!(n, Number::Float(x) if x.is_nan()))
                || locale_hint(f).is_some()
        })
    };
    !(0..first.record.len())
        .any(|c| numeric(first.record.get(c)) && rest.iter().all(|r| numeric(r.record.get(c))))
}

/// What a column's sampled values are.
#[derive(Default)]
struct Seen {
    integer: bool,
    float: bool,
    boolean: bool,
    text: bool,
    locale: Option<(u64, String, String)>,
}

/// The type of one column by the sampled rows. A column without a value in them is taken for numbers.
pub(super) fn column_type(
    rows: &[Record],
    column: usize,
    options: &CsvOptions,
    form: NumberForm,
) -> Result<ColumnType> {
    let mut seen = Seen::default();
    for row in rows {
        let Some(field) = row.record.get(column) else { continue };
        let Ok(field) = std::str::from_utf8(field) else { continue };
        if options.is_missing(field) {
            continue;
        }
        match form.parse(field) {
            Some(Number::Integer(_)) => seen.integer = true,
            Some(Number::Float(_)) => seen.float = true,
            None if parse_bool(field).is_some() => seen.boolean = true,
            None => match locale_hint(field) {
                Some(hint) if seen.locale.is_none() => {
                    seen.locale = Some((row.line, field.to_owned(), hint));
                }
                Some(_) => {}
                None => {
                    seen.text = true;
                    break;
                }
            },
        }
    }
    let number = seen.integer || seen.float;
    Ok(match seen {
        Seen { text: true, .. } => ColumnType::Text,
        Seen { boolean: true, locale, .. } if number || locale.is_some() => ColumnType::Text,
        Seen { boolean: true, .. } => ColumnType::Bool,
        Seen { locale: Some((line, found, hint)), .. } => {
            return Err(Error::new(ErrorKind::LocaleNumber { found, hint }).at_line(line));
        }
        Seen { integer: true, float: false, .. } => ColumnType::Integer,
        _ => ColumnType::Float,
    })
}
