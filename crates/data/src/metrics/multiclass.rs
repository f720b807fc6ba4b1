//! Metrics of several classes.

use serde::{Deserialize, Serialize};

use super::{check, roc_auc};
use crate::error::{Error, ErrorKind, Result};

/// Metrics of several classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MulticlassReport {
    /// The number of rows.
    pub rows: u64,
    /// The share of rows whose own class scores highest, the first of equal ones.
    pub accuracy: f64,
    /// The mean over classes of the area under the ROC curve of one class against the rest; `None` where
    /// a class has no rows, or all.
    pub roc_auc_one_vs_rest: Option<f64>,
    /// Rows by true class, and in each by predicted class.
    pub confusion: Vec<Vec<u64>>,
    /// For each class, the share of it among rows taken for it.
    pub precision: Vec<Option<f64>>,
    /// For each class, the share of its rows taken for it.
    pub recall: Vec<Option<f64>>,
}

/// Metrics of scores: rows of one score per class, probabilities or logits.
///
/// For the area, probabilities and logits differ: they rank rows differently within a class.
pub fn multiclass_report(truths: &[u32], scores: &[f64], classes: usize) -> Result<MulticlassReport> {
    if classes < 2 {
        return Err(ErrorKind::InvalidOption(format!("{classes} classes are too few")).into());
    }
    check(truths.len(), classes, scores)?;
    let mut confusion = vec![vec![0u64; classes]; classes];
    for (row, (&truth, scores)) in truths.iter().zip(scores.chunks_exact(classes)).enumerate() {
        let truth = truth as usize;
        if truth >= classes {
            let kind = ErrorKind::Size { what: "class", expected: classes, got: truth };
            return Err(Error::new(kind).at_row(row as u64));
        }
        let predicted = (0..classes).fold(0, |best, c| if scores[c] > scores[best] { c } else { best });
        confusion[truth][predicted] += 1;
    }
    let right: u64 = (0..classes).map(|c| confusion[c][c]).sum();
    let areas = (0..classes).map(|class| {
        let own: Vec<bool> = truths.iter().map(|&t| t as usize == class).collect();
        let scores: Vec<f64> = scores.iter().skip(class).step_by(classes).copied().collect();
        roc_auc(&own, &scores).ok()
    });
    let area: Option<f64> = areas.sum();
    let share = |class: usize, whole: u64| (whole > 0).then(|| confusion[class][class] as f64 / whole as f64);
    Ok(MulticlassReport {
        rows: truths.len() as u64,
        accuracy: right as f64 / truths.len() as f64,
        roc_auc_one_vs_rest: area.map(|a| a / classes as f64),
        precision: (0..classes).map(|c| share(c, confusion.iter().map(|r| r[c]).sum())).collect(),
        recall: (0..classes).map(|c| share(c, confusion[c].iter().sum())).collect(),
        confusion,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTHS: [u32; 8] = [0, 1, 2, 2, 1, 0, 2, 1];
    const SCORES: [[f64; 3]; 8] = [
        [0.7, 0.2, 0.1],
        [0.3, 0.5, 0.2],
        [0.2, 0.2, 0.6],
        [0.4, 0.35, 0.25],
        [0.1, 0.45, 0.45],
        [0.2, 0.5, 0.3],
        [0.1, 0.1, 0.8],
        [0.5, 0.3, 0.2],
    ];

    #[test]
    fn the_numbers_of_scikit_learn() {
        let report = multiclass_report(&TRUTHS, SCORES.as_flattened(), 3).unwrap();
        assert_eq!(report.accuracy, 0.625);
        assert_eq!(report.confusion, [[1, 1, 0], [1, 2, 0], [1, 0, 2]]);
        let area = report.roc_auc_one_vs_rest.unwrap();
        assert!((area - SKLEARN_AREA).abs() < 1e-15, "{area}");
        assert_eq!(report.precision[0], Some(1.0 / 3.0));
        assert_eq!(report.recall[2], Some(2.0 / 3.0));
    }

    #[test]
    fn what_does_not_fit() {
        assert!(multiclass_report(&[3], &[0.1, 0.2, 0.7], 3).is_err());
        assert!(multiclass_report(&[0], &[0.1, 0.2], 3).is_err());
        assert!(multiclass_report(&[0], &[0.1], 1).is_err());
        let report = multiclass_report(&[0, 1], &[0.9, 0.1, 0.0, 0.2, 0.8, 0.0], 3).unwrap();
        assert_eq!((report.roc_auc_one_vs_rest, report.precision[2]), (None, None));
    }

    const SKLEARN_AREA: f64 = 0.7805555555555556;
}
