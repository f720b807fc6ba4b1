//! The global table: attributions of one feature summed up over rows, with what the sum hides.

use std::path::Path;
use std::sync::Arc;

use pellucid_data::table::{Batch, Cell, Column, Field, Schema};
use pellucid_data::write::{TableFormat, TableWriter};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::result::{Explained, Header, Sink};
use crate::schema::GLOBAL_COLUMNS;
use crate::write::write_failed;

/// One feature over all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// The sum of its attributions.
    pub sum: f64,
    /// The sum of their magnitudes.
    pub magnitude: f64,
    /// Rows in which it differs from the baseline.
    pub active_rows: u64,
    /// The sum over those rows.
    pub active_sum: f64,
}

/// The features of one target over all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Global {
    /// The target.
    pub target: String,
    /// The rows.
    pub rows: u64,
    /// The features, in the order of the result.
    pub features: Vec<Feature>,
}

impl Feature {
    /// The share of the magnitudes that rows of different sign take from each other.
    pub fn cancelled(&self) -> Option<f64> {
        (self.magnitude > 0.0).then(|| 1.0 - self.sum.abs() / self.magnitude)
    }

    /// The mean over the rows in which it differs from the baseline.
    pub fn mean_where_active(&self) -> Option<f64> {
        (self.active_rows > 0).then(|| self.active_sum / self.active_rows as f64)
    }
}

impl Global {
    /// The sum of |sum| over the features.
    pub fn norm(&self) -> f64 {
        self.features.iter().map(|f| f.sum.abs()).sum()
    }

    /// A feature's sum as a share of all.
    pub fn share(&self, feature: &Feature) -> Option<f64> {
        let norm = self.norm();
        (norm > 0.0).then(|| feature.sum / norm)
    }

    /// A feature's mean magnitude.
    pub fn mean_magnitude(&self, feature: &Feature) -> f64 {
        feature.magnitude / self.rows.max(1) as f64
    }
}

/// Sums up rows as they come: as they are shown, and for each of the network's columns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// For each target, over the features that are shown.
    pub shown: Vec<Global>,
    /// For each target, over the network's columns; empty where those are shown.
    pub tensor: Vec<Global>,
    /// The |delta| that passes, as a share of |F(x) − F(baseline)|.
    pub tolerance: f64,
    /// How many sums were compared: rows × targets, where the method promises completeness.
    pub checked: u64,
    /// How many of them pass.
    pub within: u64,
}

impl Sink for Summary {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        let wide = header.tensor_features.len();
        let mut shown = vec![false; rows.rows() * header.features.len()];
        for (active, shown) in
            rows.active.chunks_exact(wide.max(1)).zip(shown.chunks_exact_mut(header.features.len().max(1)))
        {
            for (a, &place) in active.iter().zip(&header.fold) {
                shown[place] |= *a;
            }
        }
        add(&mut self.shown, header, &header.features, &rows.attributions, &shown);
        if header.is_folded() {
            add(&mut self.tensor, header, &header.tensor_features, &rows.tensor_attributions, &rows.active);
        }
        if let (Some(delta), Some(base)) = (&rows.delta, &rows.baseline_output) {
            for ((delta, output), base) in delta.iter().zip(&rows.output).zip(base) {
                for ((d, f), b) in delta.iter().zip(output).zip(base) {
                    self.checked += 1;
                    self.within += u64::from(d.abs() <= self.tolerance * (f - b).abs());
                }
            }
        }
        Ok(())
    }
}

fn add(globals: &mut Vec<Global>, header: &Header, names: &[String], attributions: &[f64], active: &[bool]) {
    let (targets, width) = (header.targets.len(), names.len());
    if globals.is_empty() {
        let feature = |name: &String| Feature {
            name: name.clone(),
            sum: 0.0,
            magnitude: 0.0,
            active_rows: 0,
            active_sum: 0.0,
        };
        *globals = header
            .targets
            .iter()
            .map(|t| Global {
                target: t.name.clone(),
                rows: 0,
                features: names.iter().map(feature).collect(),
            })
            .collect();
    }
    for (row, active) in
        attributions.chunks_exact((targets * width).max(1)).zip(active.chunks_exact(width.max(1)))
    {
        for (global, values) in globals.iter_mut().zip(row.chunks_exact(width.max(1))) {
            global.rows += 1;
            for ((feature, &value), &active) in global.features.iter_mut().zip(values).zip(active) {
                feature.sum += value;
                feature.magnitude += value.abs();
                if active {
                    feature.active_rows += 1;
                    feature.active_sum += value;
                }
            }
        }
    }
}

/// The global tables of several targets as one table.
pub fn table(globals: &[Global]) -> Result<Batch> {
    let fields: Vec<Field> = GLOBAL_COLUMNS.iter().map(|c| Field::new(c.name, c.column_type)).collect();
    let mut columns: Vec<Column> = fields.iter().map(|f| Column::new(f.column_type)).collect();
    let number = |x: Option<f64>| x.map_or(Cell::Missing, Cell::Number);
    let whole = |n: u64| Cell::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    for global in globals {
        for f in &global.features {
            let cells = [
                Cell::Text(global.target.clone()),
                Cell::Text(f.name.clone()),
                whole(global.rows),
                Cell::Number(f.sum),
                number(global.share(f)),
                Cell::Number(global.mean_magnitude(f)),
                whole(f.active_rows),
                number(f.mean_where_active()),
                number(f.cancelled()),
            ];
            for (column, cell) in columns.iter_mut().zip(&cells) {
                column.push(cell);
            }
        }
    }
    Ok(Batch::from_columns(Arc::new(Schema::new("the global table", fields)?), columns)?)
}

/// Writes the global tables of several targets as one table.
pub fn write(path: &Path, format: TableFormat, globals: &[Global]) -> Result<()> {
    let table = table(globals)?;
    let run = || {
        let mut writer = TableWriter::create(path, format, table.schema())?;
        writer.write(&table)?;
        writer.finish()
    };
    run().map_err(|e| write_failed(path, e))
}

/// The same to a stream, such as the standard output.
pub fn write_stream(
    stream: Box<dyn std::io::Write + Send>,
    format: TableFormat,
    globals: &[Global],
) -> Result<()> {
    let table = table(globals)?;
    let run = || {
        let mut writer = TableWriter::stream("standard output", stream, format, table.schema())?;
        writer.write(&table)?;
        writer.finish()
    };
    run().map_err(|e| write_failed(Path::new("standard output"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_shares_and_cancellation() {
        let feature = |name: &str, sum, magnitude, active_rows, active_sum| Feature {
            name: name.to_owned(),
            sum,
            magnitude,
            active_rows,
            active_sum,
        };
        let global = Global {
            target: "yes".to_owned(),
            rows: 4,
            features: vec![feature("a", 3.0, 5.0, 2, 4.0), feature("b", -1.0, 1.0, 0, 0.0)],
        };
        let [a, b] = &global.features[..] else { panic!() };
        assert_eq!((global.share(a), global.share(b)), (Some(0.75), Some(-0.25)));
        assert_eq!((a.cancelled(), b.cancelled()), (Some(0.4), Some(0.0)));
        assert_eq!((a.mean_where_active(), b.mean_where_active()), (Some(2.0), None));
        assert_eq!(global.mean_magnitude(a), 1.25);
        let table = table(&[global]).unwrap();
        assert_eq!((table.rows(), table.columns().len()), (2, GLOBAL_COLUMNS.len()));
        assert_eq!(table.column("mean_where_active").unwrap().cell(1), Cell::Missing);
    }
}
