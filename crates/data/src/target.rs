//! What the network predicts: one of two classes, one of several, or a number.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::split::{Part, Split};
use crate::steps::{Counts, Moments, compare_cells};
use crate::table::{Batch, Cell, Column, ColumnType, Values};

/// How the target column is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetOptions {
    /// Whether it holds classes or numbers; by its values where it is `None`: text and truth values are
    /// classes, and so are whole numbers of which there are only two.
    pub kind: Option<TargetKind>,
    /// The class, of two, whose logit is positive; the second in sorted order where it is `None`.
    pub positive: Option<String>,
    /// Whether the network is fitted on a number scaled to mean 0 and deviation 1.
    pub standardise: bool,
}

/// What a target column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Names or codes of classes.
    Classes,
    /// Quantities.
    Number,
}

/// A fitted target. Serialises to a record that is checked when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Target(Record);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    column: String,
    #[serde(rename = "type")]
    column_type: ColumnType,
    task: Task,
}

/// What is predicted, with the training rows' statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// One of two classes; the network has one logit.
    Binary {
        /// The negative class and the positive one.
        classes: [Cell; 2],
        /// Training rows of each.
        counts: [u64; 2],
    },
    /// One of several classes; the network has a logit for each.
    Multiclass {
        /// The classes, sorted.
        classes: Vec<Cell>,
        /// Training rows of each.
        counts: Vec<u64>,
    },
    /// A number.
    Regression {
        /// The training mean.
        mean: f64,
        /// The population deviation of the training rows; one where they are all the same.
        deviation: f64,
        /// The smallest training value.
        min: f64,
        /// The largest training value.
        max: f64,
        /// Whether the network is fitted on `(value − mean) / deviation`.
        standardised: bool,
    },
}

impl Target {
    /// Fits a target on the training rows of a table, or on all rows without a split.
    pub fn fit(table: &Batch, column: &str, split: Option<&Split>, options: &TargetOptions) -> Result<Self> {
        let values = table.column(column)?;
        let rows: Vec<usize> = (0..table.rows())
            .filter(|&r| split.is_none_or(|s| s.part(table.first_row() + r as u64) == Some(Part::Train)))
            .collect();
        if let Some(&row) = rows.iter().find(|&&r| values.is_missing(r)) {
            return Err(table.locate(ErrorKind::MissingValue.into(), row, column));
        }
        let named = |error: Error| error.in_file(table.schema().source()).in_column(column);
        let kind = options.kind.unwrap_or_else(|| kind_of(values, &rows));
        let task = match kind {
            TargetKind::Classes => {
                let mut counts = Counts::default();
                for &row in &rows {
                    counts.add(values, row).map_err(|e| table.locate(e, row, column))?;
                    if counts.len() > MAX_CLASSES {
                        return Err(named(ErrorKind::TooManyCategories { limit: MAX_CLASSES }.into()));
                    }
                }
                let (classes, counts) = counts.finish();
                classes_task(classes, counts, options.positive.as_deref()).map_err(named)?
            }
            TargetKind::Number => {
                let mut moments = Moments::default();
                for &row in &rows {
                    let value = number(values, row).map_err(|e| table.locate(e, row, column))?;
                    moments.add(value);
                }
                if moments.count == 0 {
                    return Err(named(ErrorKind::TooFewRows("there are no training rows".to_owned()).into()));
                }
                Task::Regression {
                    mean: moments.mean,
                    deviation: moments.scale(),
                    min: moments.min,
                    max: moments.max,
                    standardised: options.standardise,
                }
            }
        };
        Ok(Self(Record { column: column.to_owned(), column_type: values.column_type(), task }))
    }

    /// The column's name.
    pub fn column(&self) -> &str {
        &self.0.column
    }

    /// The type to read the column as.
    pub fn column_type(&self) -> ColumnType {
        if self.0.column_type.is_number() { ColumnType::Float } else { self.0.column_type }
    }

    /// What is predicted.
    pub fn task(&self) -> &Task {
        &self.0.task
    }

    /// The names of the classes, by number: for two classes, the negative one is first. Empty for a number.
    pub fn class_names(&self) -> Vec<String> {
        self.classes().iter().map(Cell::to_string).collect()
    }

    fn classes(&self) -> &[Cell] {
        match &self.0.task {
            Task::Binary { classes, .. } => classes,
            Task::Multiclass { classes, .. } => classes,
            Task::Regression { .. } => &[],
        }
    }

    /// The number of a class by its name; an error that lists the classes.
    pub fn class(&self, name: &str) -> Result<usize> {
        let known = self.class_names();
        let found = known.iter().position(|c| c == name);
        found.ok_or_else(|| ErrorKind::UnknownClass { value: name.to_owned(), known }.into())
    }

    /// The target of every row: the number of its class, or its value, standardised where the target is.
    ///
    /// `None` stands for a missing value, as a table to be explained may have it.
    pub fn encode(&self, table: &Batch) -> Result<Vec<Option<f64>>> {
        let column = table.column(&self.0.column)?;
        let encode = |row| {
            if column.is_missing(row) {
                return Ok(None);
            }
            let value = match &self.0.task {
                Task::Regression { mean, deviation, standardised, .. } => {
                    let value = number(column, row)?;
                    if *standardised { (value - mean) / deviation } else { value }
                }
                _ => self.class_of(column, row)? as f64,
            };
            Ok(Some(value))
        };
        (0..table.rows()).map(|r| encode(r).map_err(|e| table.locate(e, r, &self.0.column))).collect()
    }

    fn class_of(&self, column: &Column, row: usize) -> Result<usize> {
        let cell = column.cell(row);
        let same = |class: &&Cell| compare_cells(class, &cell).is_eq();
        self.classes().iter().position(|c| same(&c)).ok_or_else(|| {
            ErrorKind::UnknownClass { value: cell.to_string(), known: self.class_names() }.into()
        })
    }

    /// A predicted number in the target's own units.
    pub fn decode(&self, value: f64) -> f64 {
        match &self.0.task {
            Task::Regression { mean, deviation, standardised: true, .. } => value * deviation + mean,
            _ => value,
        }
    }

    /// Training rows of the negative class for each of the positive: what `pos_weight` is set to.
    /// `None` where there are not two classes.
    pub fn positive_weight(&self) -> Option<f64> {
        match &self.0.task {
            Task::Binary { counts: [negative, positive], .. } => Some(*negative as f64 / *positive as f64),
            _ => None,
        }
    }

    /// Weights that give every class the same sum over the training rows, scikit-learn's `balanced`:
    /// rows / (classes × rows of the class). Empty for a number.
    pub fn class_weights(&self) -> Vec<f64> {
        let counts: &[u64] = match &self.0.task {
            Task::Binary { counts, .. } => counts,
            Task::Multiclass { counts, .. } => counts,
            Task::Regression { .. } => &[],
        };
        let rows = counts.iter().map(|&c| c as f64).sum::<f64>();
        counts.iter().map(|&c| rows / (counts.len() as f64 * c as f64)).collect()
    }
}

/// More classes than any classifier of table rows has.
const MAX_CLASSES: usize = 10_000;

fn kind_of(values: &Column, rows: &[usize]) -> TargetKind {
    match values.values() {
        Values::Text(_) | Values::Bool(_) => TargetKind::Classes,
        Values::Float(_) | Values::Float32(_) => TargetKind::Number,
        Values::Integer(v) => {
            let first = rows.first().map(|&r| v[r]);
            let other = rows.iter().map(|&r| v[r]).find(|x| Some(*x) != first);
            let two = other.is_some() && rows.iter().all(|&r| Some(v[r]) == first || Some(v[r]) == other);
            if two { TargetKind::Classes } else { TargetKind::Number }
        }
    }
}

fn classes_task(mut classes: Vec<Cell>, mut counts: Vec<u64>, positive: Option<&str>) -> Result<Task> {
    if classes.len() < 2 {
        let what = match classes.first() {
            Some(class) => format!("all training rows are of the class {:?}", class.to_string()),
            None => "there are no training rows".to_owned(),
        };
        return Err(ErrorKind::TooFewRows(what).into());
    }
    if let Some(positive) = positive {
        let known: Vec<String> = classes.iter().map(Cell::to_string).collect();
        let place = known.iter().position(|c| c == positive);
        let Some(place) = place else {
            return Err(ErrorKind::UnknownClass { value: positive.to_owned(), known }.into());
        };
        if classes.len() > 2 {
            let what = format!("a positive class is given, but there are {} classes", classes.len());
            return Err(ErrorKind::InvalidOption(what).into());
        }
        if place == 0 {
            classes.reverse();
            counts.reverse();
        }
    }
    Ok(match (<[Cell; 2]>::try_from(classes), counts.as_slice()) {
        (Ok(classes), &[negative, positive]) => Task::Binary { classes, counts: [negative, positive] },
        (Ok(classes), _) => Task::Multiclass { classes: classes.into(), counts },
        (Err(classes), _) => Task::Multiclass { classes, counts },
    })
}

fn number(column: &Column, row: usize) -> Result<f64> {
    match column.number(row) {
        Some(x) if x.is_finite() => Ok(x),
        Some(x) => Err(ErrorKind::NotFinite { found: x.to_string() }.into()),
        None => {
            let found = format!("{:?}", column.cell(row).to_string());
            Err(ErrorKind::ColumnType { expected: ColumnType::Float, found, hint: "" }.into())
        }
    }
}

impl From<Target> for Record {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl TryFrom<Record> for Target {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self> {
        let wrong = |what: &str| {
            let what = format!("target {:?}: {what}", record.column);
            Err(ErrorKind::Malformed { format: "target record", what }.into())
        };
        let fits = |cell: &Cell| match cell {
            Cell::Text(_) => record.column_type == ColumnType::Text,
            Cell::Bool(_) => record.column_type == ColumnType::Bool,
            Cell::Integer(_) | Cell::Number(_) => record.column_type.is_number(),
            Cell::Missing => false,
        };
        match &record.task {
            Task::Binary { classes, counts } => {
                if !classes.iter().all(fits) || compare_cells(&classes[0], &classes[1]).is_eq() {
                    return wrong("classes of another type, or twice the same");
                }
                if counts.contains(&0) {
                    return wrong("a class without training rows");
                }
            }
            Task::Multiclass { classes, counts } => {
                if classes.len() != counts.len() || classes.len() < 3 || classes.len() > MAX_CLASSES {
                    return wrong("too few or too many classes, or not one count for each");
                }
                if !classes.iter().all(fits)
                    || !classes.windows(2).all(|w| compare_cells(&w[0], &w[1]).is_lt())
                {
                    return wrong("classes of another type, not sorted, or twice the same");
                }
                if counts.contains(&0) {
                    return wrong("a class without training rows");
                }
            }
            Task::Regression { mean, deviation, min, max, .. } => {
                let finite = [mean, deviation, min, max].into_iter().all(|x| x.is_finite());
                if !finite || *deviation <= 0.0 || min > max {
                    return wrong("statistics that contradict each other");
                }
            }
        }
        Ok(Self(record))
    }
}
