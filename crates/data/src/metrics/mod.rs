//! How well a model predicts: scikit-learn's metrics, for two classes, several classes and numbers.

mod binary;
mod multiclass;
mod regression;

pub use self::binary::{
    AtThreshold, BinaryReport, Confusion, RocCurve, RocPoint, ScoreScale, Threshold, binary_report, roc_auc,
    roc_curve,
};
pub use self::multiclass::{MulticlassReport, multiclass_report};
pub use self::regression::{RegressionReport, regression_report};

use crate::error::{ErrorKind, Result};

/// As many predictions as truths, at least one, all finite.
fn check(truths: usize, predictions: &[f64]) -> Result<()> {
    if predictions.len() != truths {
        let got = predictions.len();
        return Err(ErrorKind::Size { what: "predictions", expected: truths, got }.into());
    }
    if truths == 0 {
        return Err(ErrorKind::Undefined("metrics of no rows are undefined".to_owned()).into());
    }
    match predictions.iter().position(|p| !p.is_finite()) {
        Some(row) => {
            let kind = ErrorKind::NotFinite { found: format!("the prediction {}", predictions[row]) };
            Err(crate::Error::new(kind).at_row(row as u64))
        }
        None => Ok(()),
    }
}
