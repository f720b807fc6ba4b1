//! Metrics of predicted numbers.

use serde::{Deserialize, Serialize};

use super::check;
use crate::error::{Error, ErrorKind, Result};

/// Metrics of predicted numbers, in the target's units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionReport {
    /// The number of rows.
    pub rows: u64,
    /// The root of the mean squared error.
    pub rmse: f64,
    /// The mean absolute error.
    pub mae: f64,
    /// One less the share of the variance that is left; `None` where the truths are all the same.
    pub r2: Option<f64>,
}

/// Metrics of predicted numbers.
pub fn regression_report(truths: &[f64], predictions: &[f64]) -> Result<RegressionReport> {
    check(truths.len(), 1, predictions)?;
    if let Some(row) = truths.iter().position(|t| !t.is_finite()) {
        let kind = ErrorKind::NotFinite { found: format!("the truth {}", truths[row]) };
        return Err(Error::new(kind).at_row(row as u64));
    }
    let rows = truths.len() as f64;
    let mean = truths.iter().sum::<f64>() / rows;
    let (mut squares, mut absolute, mut total) = (0.0, 0.0, 0.0);
    for (t, p) in truths.iter().zip(predictions) {
        squares += (t - p).powi(2);
        absolute += (t - p).abs();
        total += (t - mean).powi(2);
    }
    Ok(RegressionReport {
        rows: truths.len() as u64,
        rmse: (squares / rows).sqrt(),
        mae: absolute / rows,
        r2: (total > 0.0).then(|| 1.0 - squares / total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_scikit_learn() {
        let report = regression_report(&[3.0, -0.5, 2.0, 7.0, 4.25], &[2.5, 0.0, 2.0, 8.0, 5.0]).unwrap();
        let expected = SKLEARN;
        let got = [report.rmse, report.mae, report.r2.unwrap()];
        for (a, b) in got.iter().zip(expected) {
            assert!((a - b).abs() < 1e-15, "{got:?}");
        }
    }

    #[test]
    fn what_is_undefined() {
        assert_eq!(regression_report(&[1.0, 1.0], &[1.0, 2.0]).unwrap().r2, None);
        assert!(regression_report(&[], &[]).is_err());
        assert!(regression_report(&[1.0], &[f64::NAN]).is_err());
        assert!(regression_report(&[f64::INFINITY], &[1.0]).is_err());
    }

    const SKLEARN: [f64; 3] = [0.6422616289332564, 0.55, 0.9328175895765473];
}
