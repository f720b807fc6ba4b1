//! The rows a network is fitted to.

use crate::error::{ErrorKind, Result};
use crate::loss::Loss;

/// Features and targets of some rows.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// [rows, columns], row-major.
    pub features: &'a [f32],
    /// Features per row.
    pub columns: usize,
    /// One target per row, or several.
    pub targets: Targets<'a>,
}

/// What the rows are to be predicted as.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of each row, from 0. Binary cross-entropy takes two classes and has one output; cross-entropy
    /// has as many outputs as classes.
    Classes {
        /// One class per row.
        classes: &'a [u32],
        /// How many classes there are.
        count: usize,
    },
    /// Numbers, [rows, outputs] row-major: any for the squared error, from 0 to 1 for binary cross-entropy.
    Numbers {
        /// The numbers.
        values: &'a [f32],
        /// Numbers per row.
        outputs: usize,
    },
}

/// Targets in the form that a loss takes.
#[derive(Clone, Debug)]
pub(crate) enum Encoded {
    Values(Vec<f32>),
    Classes(Vec<u32>),
}

impl Samples<'_> {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.features.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Checks the rows against each other and the loss; gives the targets and the network's outputs per row.
    pub(crate) fn encode(&self, loss: &Loss, split: &'static str) -> Result<(Encoded, usize)> {
        let fail = |expected: String, got: String| Err(ErrorKind::Samples { split, expected, got }.into());
        let (rows, columns) = (self.rows(), self.columns);
        if rows == 0 || !self.features.len().is_multiple_of(columns) {
            let got = format!("{} numbers", self.features.len());
            return fail(format!("at least one row of {columns} features"), got);
        }
        if let Some(at) = self.features.iter().position(|x| !x.is_finite()) {
            let got = format!("{} in row {}, column {}", self.features[at], at / columns, at % columns);
            return fail("finite features".into(), got);
        }
        match self.targets {
            Targets::Classes { classes, count } => {
                if classes.len() != rows {
                    return fail(format!("{rows} targets, one per row"), classes.len().to_string());
                }
                if let Some(row) = classes.iter().position(|&class| class as usize >= count) {
                    return fail(format!("classes below {count}"), format!("{} in row {row}", classes[row]));
                }
                match loss {
                    Loss::BinaryCrossEntropy { .. } if count == 2 => {
                        let values =
                            classes.iter().map(|&class| if class == 1 { 1.0 } else { 0.0 }).collect();
                        Ok((Encoded::Values(values), 1))
                    }
                    Loss::CrossEntropy { .. } if count >= 2 => {
                        Ok((Encoded::Classes(classes.to_vec()), count))
                    }
                    Loss::BinaryCrossEntropy { .. } => {
                        fail("two classes for binary_cross_entropy".into(), format!("{count} classes"))
                    }
                    Loss::CrossEntropy { .. } => {
                        fail("two or more classes for cross_entropy".into(), format!("{count} classes"))
                    }
                    Loss::SquaredError { .. } => fail("numbers for squared_error".into(), "classes".into()),
                }
            }
            Targets::Numbers { values, outputs } => {
                if outputs == 0 || Some(values.len()) != rows.checked_mul(outputs) {
                    let got = format!("{} numbers", values.len());
                    return fail(format!("{rows} rows of {outputs} targets, one or more"), got);
                }
                let (expected, good): (_, fn(f32) -> bool) = match loss {
                    Loss::BinaryCrossEntropy { .. } => ("targets from 0 to 1", |y| (0.0..=1.0).contains(&y)),
                    Loss::SquaredError { .. } => ("finite targets", f32::is_finite),
                    Loss::CrossEntropy { .. } => {
                        return fail("classes for cross_entropy".into(), "numbers".into());
                    }
                };
                if let Some(at) = values.iter().position(|&y| !good(y)) {
                    let got = format!("{} in row {}, column {}", values[at], at / outputs, at % outputs);
                    return fail(expected.into(), got);
                }
                Ok((Encoded::Values(values.to_vec()), outputs))
            }
        }
    }
}

impl Encoded {
    /// Writes the targets of some rows into `batch`, which has this form.
    pub(crate) fn gather(&self, rows: &[usize], outputs: usize, batch: &mut Self) {
        match (self, batch) {
            (Self::Values(from), Self::Values(to)) => gather(from, outputs, rows, to),
            (Self::Classes(from), Self::Classes(to)) => gather(from, 1, rows, to),
            (from, to) => {
                *to = from.empty();
                from.gather(rows, outputs, to);
            }
        }
    }

    /// No targets, in the same form.
    pub(crate) fn empty(&self) -> Self {
        match self {
            Self::Values(_) => Self::Values(Vec::new()),
            Self::Classes(_) => Self::Classes(Vec::new()),
        }
    }
}

/// Writes some rows of a row-major matrix into `to`.
pub(crate) fn gather<T: Copy>(from: &[T], columns: usize, rows: &[usize], to: &mut Vec<T>) {
    to.clear();
    for &row in rows {
        to.extend_from_slice(&from[row * columns..(row + 1) * columns]);
    }
}
