//! Rows in a person's units and in the network's: baselines are given in one and recorded in both.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Preprocessing, Real, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::table::{Batch, Cell, Column, ColumnType, Field, Schema};

/// What encoded values say about one column of the table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decoded {
    /// A value that a table could hold.
    Value(Cell),
    /// A numeric column whose indicator says that its value is missing; what stands in its place.
    Imputed(f64),
    /// Values that no row of a table has, and why.
    Impossible(String),
}

impl std::fmt::Display for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(cell) => write!(f, "{cell}"),
            Self::Imputed(x) => write!(f, "missing (as {x})"),
            Self::Impossible(why) => write!(f, "impossible: {why}"),
        }
    }
}

impl Preprocessing {
    /// Encodes one row that is given by column names. `source` is what errors call it.
    pub fn encode_cells(&self, source: &str, cells: &BTreeMap<String, Cell>) -> Result<Vec<f64>> {
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        if let Some(name) = cells.keys().find(|n| !names.contains(n)) {
            let kind = ErrorKind::MissingColumn { name: name.clone(), available: names };
            return Err(Error::new(kind).in_file(&Arc::from(source)));
        }
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for column in &self.columns {
            let cell = cells.get(&column.name).ok_or_else(|| {
                let kind = ErrorKind::MissingColumn {
                    name: column.name.clone(),
                    available: cells.keys().cloned().collect(),
                };
                Error::new(kind).in_file(&Arc::from(source))
            })?;
            let column_type =
                if column.column_type.is_number() { ColumnType::Float } else { column.column_type };
            let mut values = Column::new(column_type);
            if !values.push(cell) {
                let found = match cell {
                    Cell::Text(text) => format!("{text:?}"),
                    cell => cell.to_string(),
                };
                let kind = ErrorKind::ColumnType { expected: column_type, found, hint: "" };
                return Err(Error::new(kind).in_file(&Arc::from(source)).in_column(&column.name));
            }
            fields.push(Field::new(column.name.clone(), column_type));
            columns.push(values);
        }
        let batch = Batch::from_columns(Arc::new(Schema::new(source, fields)?), columns)?;
        self.encode_to_vec(&batch)
    }

    /// One encoded row in the units of the table, a value for each of [`sources`](Self::sources).
    ///
    /// One-hot columns that do not sum to one, or are not zero and one, have no such value. Computing in
    /// `f32` loses digits: a scaled value comes back rounded.
    pub fn decode<T: Real>(&self, row: &[T]) -> Result<Vec<Decoded>> {
        let (expected, got) = (self.width(), row.len());
        if got != expected {
            return Err(ErrorKind::Size { what: "encoded values of a row", expected, got }.into());
        }
        let decode =
            |(column, &(first, indicator)): (&super::SourceColumn, &(usize, Option<usize>))| match &column
                .step
            {
                Step::Numeric { offset, scale, .. } => {
                    let value = row[first].to_f64() * scale + offset;
                    match indicator.map(|i| row[i].to_f64()) {
                        _ if !value.is_finite() => Decoded::Impossible(format!("the value is {value}")),
                        None | Some(0.0) => Decoded::Value(Cell::Number(value)),
                        Some(1.0) => Decoded::Imputed(value),
                        Some(x) => Decoded::Impossible(format!("the indicator is {x}, not 0 or 1")),
                    }
                }
                Step::OneHot { categories, drop_first, .. } => {
                    let skip = usize::from(*drop_first);
                    let values: Vec<f64> =
                        row[first..first + categories.len() - skip].iter().map(|v| v.to_f64()).collect();
                    decode_categories(categories, skip, &values)
                }
            };
        Ok(self.columns.iter().zip(&self.places).map(decode).collect())
    }

    /// The mean of the encoded training rows, computed from their statistics.
    pub fn training_mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width()];
        for (column, &(first, indicator)) in self.columns.iter().zip(&self.places) {
            match &column.step {
                Step::Numeric { offset, scale, impute, statistics: s, .. } => {
                    let rows = (s.count + s.missing).max(1) as f64;
                    let imputed = (impute.unwrap_or(s.mean) - s.mean) * (s.missing as f64 / rows);
                    mean[first] = (s.mean + imputed - offset) / scale;
                    if let Some(indicator) = indicator {
                        mean[indicator] = s.missing as f64 / rows;
                    }
                }
                Step::OneHot { drop_first, statistics, .. } => {
                    let mut counts = statistics.counts.clone();
                    if statistics.missing > 0 {
                        let most = counts.iter().copied().max().unwrap_or(0);
                        if let Some(count) = counts.iter_mut().find(|c| **c == most) {
                            *count = count.saturating_add(statistics.missing);
                        }
                    }
                    let rows = counts.iter().map(|&c| c as f64).sum::<f64>().max(1.0);
                    for (i, count) in counts.iter().skip(usize::from(*drop_first)).enumerate() {
                        mean[first + i] = *count as f64 / rows;
                    }
                }
            }
        }
        mean
    }
}

fn decode_categories(categories: &[Cell], skip: usize, values: &[f64]) -> Decoded {
    let sum: f64 = values.iter().sum();
    let ones: Vec<usize> = (0..values.len()).filter(|&i| values[i] == 1.0).collect();
    let zeros = values.iter().filter(|v| **v == 0.0).count();
    match ones.as_slice() {
        [one] if zeros + 1 == values.len() => Decoded::Value(categories[one + skip].clone()),
        [] if skip == 1 && zeros == values.len() => Decoded::Value(categories[0].clone()),
        [] if zeros == values.len() => Decoded::Impossible(format!(
            "its {} one-hot columns sum to 0, which is no category",
            values.len()
        )),
        _ if (sum - 1.0).abs() < 1e-6 && values.iter().all(|v| *v >= 0.0) => {
            let mut parts: Vec<usize> = (0..values.len()).filter(|&i| values[i] != 0.0).collect();
            parts.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
            let shown: Vec<String> =
                parts.iter().take(3).map(|&i| format!("{} {:.3}", categories[i + skip], values[i])).collect();
            let more = if parts.len() > 3 { ", …" } else { "" };
            Decoded::Impossible(format!("a mixture of categories ({}{more})", shown.join(", ")))
        }
        _ => Decoded::Impossible(format!("its {} one-hot columns sum to {sum}", values.len())),
    }
}
