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

/// So many predictions for each truth, of which there is at least one, all finite.
fn check(truths: usize, each: usize, predictions: &[f64]) -> Result<()> {
    let expected = truths.saturating_mul(each);
    if predictions.len() != expected {
        let got = predictions.len();
        return Err(ErrorKind::Size { what: "predictions", expected, got }.into());
    }
    if truths == 0 {
        return Err(ErrorKind::Undefined("metrics of no rows are undefined".to_owned()).into());
    }
    match predictions.iter().position(|p| !p.is_finite()) {
        Some(at) => {
            let kind = ErrorKind::NotFinite { found: format!("the prediction {}", predictions[at]) };
            Err(crate::Error::new(kind).at_row((at / each) as u64))
        }
        None => Ok(()),
    }
}
