//! Fits steps on training rows, a batch at a time.

use std::collections::BTreeMap;

use super::lineage::compare;
use super::{
    CategoricalOptions, CategoryMissing, CategoryStatistics, NumericMissing, NumericOptions,
    NumericStatistics, Preprocessing, Role, Scale, SourceColumn, Step, StepsOptions, TwoValued,
};
use crate::error::{Error, ErrorKind, Result};
use crate::split::{Part, Split};
use crate::table::{Batch, Cell, Column, ColumnType, Schema, Values};

/// Fits steps for `features` on the training rows of a table, or on all rows without a split.
pub fn fit(
    table: &Batch,
    features: &[String],
    split: Option<&Split>,
    options: &StepsOptions,
) -> Result<Preprocessing> {
    let mut fitter = Fitter::new(table.schema(), features, options)?;
    fitter.observe(table, split)?;
    fitter.finish()
}

/// Fits steps on batches that follow one another.
#[derive(Debug)]
pub struct Fitter {
    columns: Vec<ColumnFit>,
    options: StepsOptions,
    rows: u64,
    all_rows: bool,
}

#[derive(Debug)]
struct ColumnFit {
    name: String,
    place: usize,
    column_type: ColumnType,
    missing: u64,
    seen: Seen,
}

#[derive(Debug)]
enum Seen {
    Numeric { options: NumericOptions, moments: Moments, values: Vec<f64> },
    Categorical { options: CategoricalOptions, counts: Counts },
}

/// Mean and squared deviations in one pass (Welford).
#[derive(Debug)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    squares: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    pub(crate) fn add(&mut self, x: f64) {
        self.count += 1;
        let delta = x - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    /// The population variance.
    fn variance(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).max(0.0) }
    }

    pub(crate) fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }

    /// The deviation to divide by: one where the variance is zero or below rounding, as in scikit-learn.
    pub(crate) fn scale(&self) -> f64 {
        let n = self.count as f64;
        let rounding = n * f64::EPSILON * self.variance() + (n * self.mean * f64::EPSILON).powi(2);
        if self.variance() <= rounding { 1.0 } else { self.deviation() }
    }
}

/// Rows of each category.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    texts: BTreeMap<String, u64>,
    /// By the bits of a number whose order is that of the numbers.
    numbers: BTreeMap<i64, (Cell, u64)>,
}

/// Whole numbers that a double holds exactly.
const EXACT: i64 = 1 << 53;

impl Counts {
    /// Counts a value that is not missing.
    pub(crate) fn add(&mut self, column: &Column, row: usize) -> Result<()> {
        let cell = match column.values() {
            Values::Text(texts) => {
                let text = texts.get(row);
                match self.texts.get_mut(text) {
                    Some(count) => *count += 1,
                    None => {
                        self.texts.insert(text.to_owned(), 1);
                    }
                }
                return Ok(());
            }
            Values::Bool(values) => Cell::Bool(values[row]),
            Values::Integer(values) if values[row].abs() <= EXACT => Cell::Integer(values[row]),
            Values::Integer(values) => {
                let found = format!("{}, too large for a category", values[row]);
                let hint = "; declare the column as text";
                return Err(ErrorKind::ColumnType { expected: ColumnType::Integer, found, hint }.into());
            }
            Values::Float(values) => number_cell(values[row])?,
            Values::Float32(values) => number_cell(f64::from(values[row]))?,
        };
        let key = match &cell {
            Cell::Bool(b) => i64::from(*b),
            Cell::Integer(i) => ordered_bits(*i as f64),
            Cell::Number(x) => ordered_bits(*x),
            Cell::Missing | Cell::Text(_) => 0,
        };
        self.numbers.entry(key).or_insert((cell, 0)).1 += 1;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len() + self.numbers.len()
    }

    /// The categories, sorted, and their rows.
    pub(crate) fn finish(self) -> (Vec<Cell>, Vec<u64>) {
        let texts = self.texts.into_iter().map(|(text, count)| (Cell::Text(text), count));
        let mut all: Vec<(Cell, u64)> = self.numbers.into_values().chain(texts).collect();
        all.sort_by(|a, b| compare(&a.0, &b.0));
        all.into_iter().unzip()
    }
}

/// A number as a category: whole where it is whole, and zero without a sign.
fn number_cell(x: f64) -> Result<Cell> {
    if !x.is_finite() {
        return Err(ErrorKind::NotFinite { found: x.to_string() }.into());
    }
    Ok(if x.fract() == 0.0 && x.abs() <= EXACT as f64 { Cell::Integer(x as i64) } else { Cell::Number(x) })
}

/// Bits that are ordered as finite numbers are.
fn ordered_bits(x: f64) -> i64 {
    let bits = (x + 0.0).to_bits() as i64;
    bits ^ ((((bits >> 63) as u64) >> 1) as i64)
}

impl Fitter {
    /// Prepares to fit steps for `features`, which are taken in this order.
    pub fn new(schema: &Schema, features: &[String], options: &StepsOptions) -> Result<Self> {
        for name in options.columns.keys() {
            if !features.contains(name) {
                let kind = ErrorKind::MissingColumn { name: name.clone(), available: features.to_vec() };
                return Err(Error::new(kind).in_file(schema.source()));
            }
        }
        let columns = features.iter().map(|name| {
            let place = schema.index(name)?;
            let column_type = schema.fields()[place].column_type;
            let own = options.columns.get(name).copied().unwrap_or_default();
            let by_type = if column_type.is_number() { Role::Numeric } else { Role::Categorical };
            let seen = match own.role.unwrap_or(by_type) {
                Role::Numeric if column_type == ColumnType::Text => {
                    let hint = "; the column is declared numeric";
                    let kind =
                        ErrorKind::ColumnType { expected: ColumnType::Float, found: "text".to_owned(), hint };
                    return Err(Error::new(kind).in_file(schema.source()).in_column(name));
                }
                Role::Numeric => Seen::Numeric {
                    options: own.numeric.unwrap_or(options.numeric),
                    moments: Moments::default(),
                    values: Vec::new(),
                },
                Role::Categorical => Seen::Categorical {
                    options: own.categorical.unwrap_or(options.categorical),
                    counts: Counts::default(),
                },
            };
            Ok(ColumnFit { name: name.clone(), place, column_type, missing: 0, seen })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Self { columns, options: options.clone(), rows: 0, all_rows: false })
    }

    /// Takes in the training rows of a batch; all rows without a split, or where the options say so.
    pub fn observe(&mut self, batch: &Batch, split: Option<&Split>) -> Result<()> {
        let all = self.options.fit_on_all_rows || split.is_none();
        self.all_rows |= all;
        let rows: Vec<usize> = match split {
            Some(split) if !all => (0..batch.rows())
                .filter(|&r| split.part(batch.first_row() + r as u64) == Some(Part::Train))
                .collect(),
            _ => (0..batch.rows()).collect(),
        };
        self.rows += rows.len() as u64;
        for fit in &mut self.columns {
            let column = batch.columns().get(fit.place).ok_or(ErrorKind::Size {
                what: "columns of a batch",
                expected: fit.place + 1,
                got: batch.columns().len(),
            })?;
            for &row in &rows {
                fit.observe(column, row).map_err(|e| batch.locate(e, row, &fit.name))?;
            }
        }
        Ok(())
    }

    /// The fitted steps.
    pub fn finish(self) -> Result<Preprocessing> {
        if self.rows == 0 {
            return Err(ErrorKind::TooFewRows("there are no training rows to fit on".to_owned()).into());
        }
        let columns = self.columns.into_iter().map(ColumnFit::finish).collect::<Result<Vec<_>>>()?;
        Preprocessing::new(columns, self.options.order, self.rows, self.all_rows)
    }
}

impl ColumnFit {
    fn observe(&mut self, column: &Column, row: usize) -> Result<()> {
        match &mut self.seen {
            Seen::Numeric { options, moments, values } => {
                let value = match column.values() {
                    Values::Bool(v) if !column.is_missing(row) => Some(f64::from(u8::from(v[row]))),
                    _ => column.number(row).filter(|x| !x.is_nan()),
                };
                match value {
                    Some(x) if !x.is_finite() => {
                        return Err(ErrorKind::NotFinite { found: x.to_string() }.into());
                    }
                    Some(x) => {
                        moments.add(x);
                        if options.missing == NumericMissing::Median {
                            values.push(x);
                        }
                    }
                    None if options.missing == NumericMissing::Refuse => {
                        return Err(ErrorKind::MissingValue.into());
                    }
                    None => self.missing += 1,
                }
            }
            Seen::Categorical { options, counts } => {
                if column.is_missing(row) || column.number(row).is_some_and(f64::is_nan) {
                    if options.missing == CategoryMissing::Refuse {
                        return Err(ErrorKind::MissingValue.into());
                    }
                    self.missing += 1;
                    return Ok(());
                }
                counts.add(column, row)?;
                if counts.len() > options.max_categories {
                    return Err(ErrorKind::TooManyCategories { limit: options.max_categories }.into());
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<SourceColumn> {
        let missing = self.missing;
        let step = match self.seen {
            Seen::Numeric { options, moments, values } => {
                if moments.count == 0 {
                    let what = "no training row has a value in this column".to_owned();
                    return Err(Error::new(ErrorKind::TooFewRows(what)).in_column(&self.name));
                }
                let median = median(values);
                let (offset, scale) = match options.scale {
                    Scale::Standard => (moments.mean, moments.scale()),
                    Scale::MinMax if moments.max > moments.min => (moments.min, moments.max - moments.min),
                    Scale::MinMax => (moments.min, 1.0),
                    Scale::None => (0.0, 1.0),
                };
                Step::Numeric {
                    offset,
                    scale,
                    impute: match options.missing {
                        NumericMissing::Mean => Some(moments.mean),
                        NumericMissing::Median => median,
                        NumericMissing::Refuse => None,
                    },
                    indicator: options.indicator && missing > 0,
                    statistics: NumericStatistics {
                        mean: moments.mean,
                        deviation: moments.deviation(),
                        min: moments.min,
                        max: moments.max,
                        median,
                        count: moments.count,
                        missing,
                    },
                }
            }
            Seen::Categorical { options, counts } => {
                let (mut categories, mut counts) = counts.finish();
                let own = options.missing == CategoryMissing::Category && missing > 0;
                if own {
                    categories.push(Cell::Missing);
                    counts.push(missing);
                }
                if categories.is_empty() {
                    let what = "no training row has a value in this column".to_owned();
                    return Err(Error::new(ErrorKind::TooFewRows(what)).in_column(&self.name));
                }
                Step::OneHot {
                    drop_first: options.two_valued == TwoValued::OneColumn && categories.len() == 2,
                    categories,
                    missing: options.missing,
                    unknown: options.unknown,
                    statistics: CategoryStatistics { counts, missing: if own { 0 } else { missing } },
                }
            }
        };
        Ok(SourceColumn { name: self.name, column_type: self.column_type, step })
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(values[n / 2]),
        _ => Some(0.5 * values[n / 2 - 1] + 0.5 * values[n / 2]),
    }
}
