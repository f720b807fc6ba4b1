//! Fitted preprocessing, and which tensor column comes from which column of the table.

use serde::{Deserialize, Serialize};

use super::{CategoryMissing, Order, Real, Unknown};
use crate::error::{ErrorKind, Result};
use crate::table::{Cell, ColumnType, ReadOptions};

/// Fitted steps of all feature columns. Serialises to a record that is checked when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Preprocessing {
    pub(super) columns: Vec<SourceColumn>,
    pub(super) order: Order,
    pub(super) rows: u64,
    pub(super) fitted_on_all_rows: bool,
    tensor: Vec<TensorColumn>,
    /// For each source column: its first tensor column, and its indicator.
    pub(super) places: Vec<(usize, Option<usize>)>,
}

/// What is written of [`Preprocessing`]; the rest follows from it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    rows: u64,
    fitted_on_all_rows: bool,
    order: Order,
    columns: Vec<SourceColumn>,
}

const VERSION: u32 = 1;
/// More tensor columns than any network on tables has.
const MAX_WIDTH: usize = 1 << 24;

/// A column of the table, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// Its type in the table that the steps were fitted on.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// The fitted step.
    pub step: Step,
}

/// A fitted step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// `(value − offset) / scale`.
    Numeric {
        /// Subtracted from the value.
        offset: f64,
        /// Divides the difference; not zero.
        scale: f64,
        /// What stands for a missing value, in the column's own units; `None` refuses it.
        impute: Option<f64>,
        /// Whether a further tensor column is one where the value is missing.
        indicator: bool,
        /// The column in the training rows.
        statistics: NumericStatistics,
    },
    /// One in the tensor column of the value's category, zero in the others.
    OneHot {
        /// The categories, sorted; a missing value, where it is a category, is last.
        categories: Vec<Cell>,
        /// Whether the first category has no tensor column.
        drop_first: bool,
        /// What a missing value becomes.
        missing: CategoryMissing,
        /// What an unknown category becomes.
        unknown: Unknown,
        /// The column in the training rows.
        statistics: CategoryStatistics,
    },
}

/// A numeric column in the training rows. Missing values are left out of all but their own count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NumericStatistics {
    pub mean: f64,
    /// The population deviation.
    pub deviation: f64,
    pub min: f64,
    pub max: f64,
    /// Where missing values are replaced by it.
    pub median: Option<f64>,
    /// Values that are there.
    pub count: u64,
    /// Values that are missing.
    pub missing: u64,
}

/// A categorical column in the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryStatistics {
    /// Rows of each category, in the order of the categories.
    pub counts: Vec<u64>,
    /// Rows without a value, where that is no category of its own.
    pub missing: u64,
}

/// A column of the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorColumn {
    /// As scikit-learn names it: the source's name, and behind `_` the category.
    pub name: String,
    /// The place of its column among [`Preprocessing::sources`].
    pub source: usize,
    /// What of that column it is.
    pub kind: TensorColumnKind,
}

/// What a tensor column holds of its source column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorColumnKind {
    /// The scaled value.
    Value,
    /// One where the value is missing.
    MissingIndicator,
    /// One where the value is this category, by its place in the step's list.
    Category(usize),
}

impl Preprocessing {
    /// Lays out and checks fitted columns.
    pub(super) fn new(
        columns: Vec<SourceColumn>,
        order: Order,
        rows: u64,
        fitted_on_all_rows: bool,
    ) -> Result<Self> {
        let mut names = std::collections::HashSet::new();
        let mut width = 0usize;
        for column in &columns {
            if !names.insert(column.name.as_str()) {
                return Err(ErrorKind::DuplicateColumn(column.name.clone()).into());
            }
            column.check()?;
            width += match &column.step {
                Step::Numeric { indicator, .. } => 1 + usize::from(*indicator),
                Step::OneHot { categories, drop_first, .. } => categories.len() - usize::from(*drop_first),
            };
        }
        if width > MAX_WIDTH {
            return Err(malformed(format!("{width} tensor columns")));
        }
        let mut this =
            Self { columns, order, rows, fitted_on_all_rows, tensor: Vec::new(), places: Vec::new() };
        this.lay_out();
        Ok(this)
    }

    fn lay_out(&mut self) {
        self.places = vec![(0, None); self.columns.len()];
        let passes: &[&[u8]] = match self.order {
            Order::NumericFirst => &[b"v", b"i", b"c"],
            Order::Table => &[b"vic"],
        };
        for parts in passes {
            for (source, column) in self.columns.iter().enumerate() {
                for part in *parts {
                    let next = self.tensor.len();
                    let name = &column.name;
                    let mut add = |name: String, kind| self.tensor.push(TensorColumn { name, source, kind });
                    match (&column.step, part) {
                        (Step::Numeric { .. }, b'v') => {
                            add(name.clone(), TensorColumnKind::Value);
                            self.places[source].0 = next;
                        }
                        (Step::Numeric { indicator: true, .. }, b'i') => {
                            add(format!("{name}_missing"), TensorColumnKind::MissingIndicator);
                            self.places[source].1 = Some(next);
                        }
                        (Step::OneHot { categories, drop_first, .. }, b'c') => {
                            for (i, category) in categories.iter().enumerate().skip(usize::from(*drop_first))
                            {
                                let category = match category {
                                    Cell::Missing => "nan".to_owned(),
                                    category => category.to_string(),
                                };
                                add(format!("{name}_{category}"), TensorColumnKind::Category(i));
                            }
                            self.places[source].0 = next;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// The table's columns, in the table's order when the steps were fitted.
    pub fn sources(&self) -> &[SourceColumn] {
        &self.columns
    }

    /// The network's columns.
    pub fn tensor_columns(&self) -> &[TensorColumn] {
        &self.tensor
    }

    /// The number of the network's columns.
    pub fn width(&self) -> usize {
        self.tensor.len()
    }

    /// The rows that the steps were fitted on.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether validation and test rows were among them.
    pub fn fitted_on_all_rows(&self) -> bool {
        self.fitted_on_all_rows
    }

    /// Options that read just the columns that the steps need, as the types that they need.
    pub fn read_options(&self, mut base: ReadOptions) -> ReadOptions {
        base.columns = Some(self.columns.iter().map(|c| c.name.clone()).collect());
        for column in &self.columns {
            let column_type = match column.column_type {
                ColumnType::Integer | ColumnType::Float | ColumnType::Float32 => ColumnType::Float,
                other => other,
            };
            base.types.insert(column.name.clone(), column_type);
        }
        base
    }

    /// Sums values of tensor columns, such as attributions, over those of one source column.
    ///
    /// `values` has rows of [`width`](Self::width) values, `folded` as many rows of one value per source.
    pub fn fold<T: Real>(&self, values: &[T], folded: &mut [f64]) -> Result<()> {
        let (width, sources) = (self.width(), self.columns.len());
        let rows = values.len().checked_div(width).unwrap_or(0);
        if rows * width != values.len() {
            let expected = rows * width;
            return Err(ErrorKind::Size { what: "values to fold", expected, got: values.len() }.into());
        }
        if folded.len() != rows * sources {
            let kind = ErrorKind::Size { what: "folded values", expected: rows * sources, got: folded.len() };
            return Err(kind.into());
        }
        folded.fill(0.0);
        if sources == 0 {
            return Ok(());
        }
        for (row, folded) in values.chunks_exact(width).zip(folded.chunks_exact_mut(sources)) {
            for (value, column) in row.iter().zip(&self.tensor) {
                folded[column.source] += value.to_f64();
            }
        }
        Ok(())
    }
}

impl SourceColumn {
    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(malformed(format!("column {:?}: {what}", self.name)));
        match &self.step {
            Step::Numeric { offset, scale, impute, statistics, .. } => {
                if self.column_type == ColumnType::Text {
                    return wrong("a numeric step of text");
                }
                let s = statistics;
                let numbers = [*offset, *scale, impute.unwrap_or(0.0), s.mean, s.deviation, s.min, s.max];
                if *scale == 0.0 || !numbers.iter().all(|x| x.is_finite()) {
                    return wrong("a number that is not finite, or a scale of zero");
                }
                if s.deviation < 0.0 || s.min > s.max {
                    return wrong("statistics that contradict each other");
                }
            }
            Step::OneHot { categories, drop_first, missing, statistics, .. } => {
                if categories.is_empty() {
                    return wrong("no categories");
                }
                if *drop_first && categories.len() != 2 {
                    return wrong("a dropped category of more than two");
                }
                if statistics.counts.len() != categories.len() {
                    return wrong("not one count for each category");
                }
                let fits = |cell: &Cell| match (self.column_type, cell) {
                    (_, Cell::Missing) => *missing == CategoryMissing::Category,
                    (ColumnType::Text, Cell::Text(_)) | (ColumnType::Bool, Cell::Bool(_)) => true,
                    (t, Cell::Integer(_) | Cell::Number(_)) => t.is_number(),
                    _ => false,
                };
                if !categories.iter().all(fits) {
                    return wrong("a category of another type");
                }
                if !categories.windows(2).all(|w| compare(&w[0], &w[1]).is_lt()) {
                    return wrong("categories that are not sorted, or twice the same");
                }
            }
        }
        Ok(())
    }
}

/// The order of categories: numbers by value, texts by their characters, a missing value last.
pub(crate) fn compare(a: &Cell, b: &Cell) -> std::cmp::Ordering {
    let rank = |c: &Cell| match c {
        Cell::Bool(_) => 0,
        Cell::Integer(_) | Cell::Number(_) => 1,
        Cell::Text(_) => 2,
        Cell::Missing => 3,
    };
    let number = |c: &Cell| match c {
        Cell::Integer(i) => *i as f64,
        Cell::Number(x) => *x,
        _ => 0.0,
    };
    match (a, b) {
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)).then(number(a).total_cmp(&number(b))),
    }
}

fn malformed(what: String) -> crate::Error {
    ErrorKind::Malformed { format: "preprocessing record", what }.into()
}

impl From<Preprocessing> for Record {
    fn from(p: Preprocessing) -> Self {
        Self {
            version: VERSION,
            rows: p.rows,
            fitted_on_all_rows: p.fitted_on_all_rows,
            order: p.order,
            columns: p.columns,
        }
    }
}

impl TryFrom<Record> for Preprocessing {
    type Error = crate::Error;

    fn try_from(record: Record) -> Result<Self> {
        if record.version != VERSION {
            let what = format!("version {} is not {VERSION}, the one this program knows", record.version);
            return Err(ErrorKind::Unsupported { format: "preprocessing record", what }.into());
        }
        Self::new(record.columns, record.order, record.rows, record.fitted_on_all_rows)
    }
}
