//! Rows of a table as rows of the network's input.

use super::{CategoryMissing, Preprocessing, Real, SourceColumn, Step, Unknown};
use crate::error::{Error, ErrorKind, Result};
use crate::table::{Batch, Cell, Column, ColumnType, Values};

impl Preprocessing {
    /// Encodes all rows of a batch into `out`: as many rows of [`width`](Self::width) values.
    ///
    /// Columns are found by name; others do not matter. Values are computed in double precision and then
    /// rounded, as scikit-learn's are. An error names the file, the line or row, the column and the value.
    pub fn encode<T: Real>(&self, batch: &Batch, out: &mut [T]) -> Result<()> {
        let expected = batch.rows().checked_mul(self.width()).ok_or(ErrorKind::Size {
            what: "encoded values",
            expected: usize::MAX,
            got: out.len(),
        })?;
        if out.len() != expected {
            return Err(ErrorKind::Size { what: "encoded values", expected, got: out.len() }.into());
        }
        out.fill(T::default());
        let columns = self.columns.iter().map(|c| batch.column(&c.name)).collect::<Result<Vec<_>>>()?;
        for ((source, column), place) in self.columns.iter().zip(columns).zip(&self.places) {
            let mut target =
                Target { out: &mut *out, width: self.width(), first: place.0, indicator: place.1 };
            source
                .encode(column, batch.rows(), &mut target)
                .map_err(|(row, kind)| batch.locate(Error::new(kind), row, &source.name))?;
        }
        Ok(())
    }

    /// Encodes all rows of a batch.
    pub fn encode_to_vec<T: Real>(&self, batch: &Batch) -> Result<Vec<T>> {
        let size = batch.rows().saturating_mul(self.width());
        if size > isize::MAX as usize / size_of::<T>() {
            let kind = ErrorKind::Size { what: "encoded values", expected: usize::MAX, got: size };
            return Err(kind.into());
        }
        let mut out = vec![T::default(); size];
        self.encode(batch, &mut out)?;
        Ok(out)
    }
}

/// Where a source column's values go.
struct Target<'a, T> {
    out: &'a mut [T],
    width: usize,
    first: usize,
    indicator: Option<usize>,
}

type Failure = (usize, ErrorKind);

impl SourceColumn {
    fn encode<T: Real>(
        &self,
        column: &Column,
        rows: usize,
        target: &mut Target<'_, T>,
    ) -> Result<(), Failure> {
        match &self.step {
            Step::Numeric { offset, scale, impute, .. } => {
                encode_numbers(column, rows, (*offset, *scale, *impute), target)
            }
            Step::OneHot { categories, drop_first, missing, unknown, statistics } => {
                let most_frequent = statistics
                    .counts
                    .iter()
                    .enumerate()
                    .fold(0, |best, (i, &n)| if n > statistics.counts[best] { i } else { best });
                let step = OneHot {
                    categories,
                    has_missing: categories.last() == Some(&Cell::Missing),
                    skip: usize::from(*drop_first),
                    missing: *missing,
                    unknown: *unknown,
                    most_frequent,
                };
                step.encode(self.column_type, column, rows, target)
            }
        }
    }
}

fn encode_numbers<T: Real>(
    column: &Column,
    rows: usize,
    (offset, scale, impute): (f64, f64, Option<f64>),
    target: &mut Target<'_, T>,
) -> Result<(), Failure> {
    for row in 0..rows {
        let value = match column.values() {
            _ if column.is_missing(row) => None,
            Values::Integer(v) => Some(v[row] as f64),
            Values::Float(v) => Some(v[row]),
            Values::Float32(v) => Some(f64::from(v[row])),
            Values::Bool(v) => Some(f64::from(u8::from(v[row]))),
            Values::Text(v) => {
                let found = format!("{:?}", v.get(row));
                return Err((row, ErrorKind::ColumnType { expected: ColumnType::Float, found, hint: "" }));
            }
        };
        let at = row * target.width;
        let value = match value.filter(|x| !x.is_nan()) {
            Some(x) if !x.is_finite() => return Err((row, ErrorKind::NotFinite { found: x.to_string() })),
            Some(x) => x,
            None => {
                if let Some(indicator) = target.indicator {
                    target.out[at + indicator] = T::from_f64(1.0);
                }
                impute.ok_or((row, ErrorKind::MissingValue))?
            }
        };
        target.out[at + target.first] = T::from_f64((value - offset) / scale);
    }
    Ok(())
}

struct OneHot<'a> {
    categories: &'a [Cell],
    has_missing: bool,
    skip: usize,
    missing: CategoryMissing,
    unknown: Unknown,
    most_frequent: usize,
}

impl OneHot<'_> {
    fn encode<T: Real>(
        &self,
        expected: ColumnType,
        column: &Column,
        rows: usize,
        target: &mut Target<'_, T>,
    ) -> Result<(), Failure> {
        let wrong_type = |row: usize| {
            let found = format!("{} ({})", column.cell(row), column.column_type());
            (row, ErrorKind::ColumnType { expected, found, hint: "" })
        };
        let texts: Vec<&str> = self
            .categories
            .iter()
            .filter_map(|c| if let Cell::Text(t) = c { Some(t.as_str()) } else { None })
            .collect();
        let numbers: Vec<f64> = self.categories.iter().filter_map(number).collect();
        // Neighbours often have the same category.
        let mut last = 0;
        for row in 0..rows {
            let found = match column.values() {
                _ if column.is_missing(row) => self.missing_category(row)?,
                Values::Text(_) if expected != ColumnType::Text => return Err(wrong_type(row)),
                Values::Text(v) => {
                    let text = v.get(row);
                    let same = texts.get(last) == Some(&text);
                    let found = if same { Some(last) } else { texts.binary_search(&text).ok() };
                    last = found.unwrap_or(last);
                    found
                }
                Values::Bool(_) if expected != ColumnType::Bool => return Err(wrong_type(row)),
                Values::Bool(v) => self.categories.iter().position(|c| *c == Cell::Bool(v[row])),
                _ if !expected.is_number() => return Err(wrong_type(row)),
                _ => match column.number(row) {
                    Some(x) if !x.is_nan() => numbers.binary_search_by(|c| c.total_cmp(&(x + 0.0))).ok(),
                    _ => self.missing_category(row)?,
                },
            };
            match found {
                Some(category) if category >= self.skip => {
                    target.out[row * target.width + target.first + category - self.skip] = T::from_f64(1.0);
                }
                Some(_) => {}
                None if self.unknown == Unknown::Ignore => {}
                None => return Err((row, self.unknown_category(column.cell(row).to_string()))),
            }
        }
        Ok(())
    }

    fn missing_category(&self, row: usize) -> Result<Option<usize>, Failure> {
        match self.missing {
            CategoryMissing::Refuse => Err((row, ErrorKind::MissingValue)),
            CategoryMissing::MostFrequent => Ok(Some(self.most_frequent)),
            CategoryMissing::Category => Ok(self.has_missing.then(|| self.categories.len() - 1)),
        }
    }

    fn unknown_category(&self, value: String) -> ErrorKind {
        let known = self.categories.iter().map(Cell::to_string).collect();
        ErrorKind::UnknownCategory { value, known }
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(i) => Some(*i as f64),
        Cell::Number(x) => Some(*x),
        Cell::Bool(_) | Cell::Text(_) | Cell::Missing => None,
    }
}
