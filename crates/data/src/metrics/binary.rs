//! Metrics of two classes: ROC, and what a threshold makes of the scores.

use serde::{Deserialize, Serialize};

use super::check;
use crate::error::{ErrorKind, Result};

/// The scale of a score or a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreScale {
    /// From 0 to 1.
    Probability,
    /// The logarithm of the odds.
    Logit,
}

/// A score above which a row counts as positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The scale of the value.
    pub scale: ScoreScale,
    /// The value.
    pub value: f64,
}

impl Threshold {
    /// A threshold on the probability.
    pub fn probability(value: f64) -> Self {
        Self { scale: ScoreScale::Probability, value }
    }

    /// A threshold on the logit.
    pub fn logit(value: f64) -> Self {
        Self { scale: ScoreScale::Logit, value }
    }

    /// The same threshold on another scale.
    pub fn on(self, scale: ScoreScale) -> f64 {
        match (self.scale, scale) {
            (ScoreScale::Probability, ScoreScale::Logit) => (self.value / (1.0 - self.value)).ln(),
            (ScoreScale::Logit, ScoreScale::Probability) => 1.0 / (1.0 + (-self.value).exp()),
            _ => self.value,
        }
    }
}

/// Rows by what they are and what they were taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Confusion {
    pub true_negatives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
    pub true_positives: u64,
}

impl Confusion {
    /// Counts rows; positive is a score strictly above the threshold.
    pub fn count(truths: &[bool], scores: &[f64], threshold: f64) -> Self {
        let mut counts = Self::default();
        for (&truth, &score) in truths.iter().zip(scores) {
            *match (truth, score > threshold) {
                (false, false) => &mut counts.true_negatives,
                (false, true) => &mut counts.false_positives,
                (true, false) => &mut counts.false_negatives,
                (true, true) => &mut counts.true_positives,
            } += 1;
        }
        counts
    }

    /// The share of rows taken for what they are; `None` without rows.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        ratio(right, right + self.false_positives + self.false_negatives)
    }

    /// The share of positives among rows taken for positive; `None` where there are none.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The share of positive rows taken for positive; `None` where there are none.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// The harmonic mean of precision and recall; `None` where nothing is or was taken for positive.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The area under the ROC curve: the chance that a positive row scores above a negative one, ties half.
pub fn roc_auc(truths: &[bool], scores: &[f64]) -> Result<f64> {
    let order = by_score(truths, scores)?;
    let positives = truths.iter().filter(|t| **t).count() as u128;
    let negatives = truths.len() as u128 - positives;
    let (mut below, mut twice_above) = (0u128, 0u128);
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tie.iter().filter(|&&i| truths[i]).count() as u128;
        let negative = tie.len() as u128 - positive;
        twice_above += positive * (2 * below + negative);
        below += negative;
    }
    Ok(twice_above as f64 / (2 * positives * negatives) as f64)
}

/// Rows in rising order of score; an error where only one class is present.
fn by_score(truths: &[bool], scores: &[f64]) -> Result<Vec<usize>> {
    check(truths.len(), 1, scores)?;
    if truths.iter().all(|t| *t) || !truths.iter().any(|t| *t) {
        let what = "the ROC curve of rows of a single class is undefined".to_owned();
        return Err(ErrorKind::Undefined(what).into());
    }
    let mut order: Vec<usize> = (0..truths.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    Ok(order)
}

/// One point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The share of negative rows that score at least the threshold.
    pub false_positive_rate: f64,
    /// The share of positive rows that score at least the threshold.
    pub true_positive_rate: f64,
    /// The score; infinite at the first point, where no row is positive.
    pub threshold: f64,
}

/// A ROC curve, from (0, 0) to (1, 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocCurve {
    /// The points; those between two others on a straight line are left out, as scikit-learn does.
    pub points: Vec<RocPoint>,
}

/// The ROC curve of scores.
pub fn roc_curve(truths: &[bool], scores: &[f64]) -> Result<RocCurve> {
    let mut order = by_score(truths, scores)?;
    order.reverse();
    let positives = truths.iter().filter(|t| **t).count() as f64;
    let negatives = truths.len() as f64 - positives;
    let mut counts: Vec<(i64, i64, f64)> = vec![(0, 0, f64::INFINITY)];
    let (mut fp, mut tp) = (0i64, 0i64);
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tie.iter().filter(|&&i| truths[i]).count() as i64;
        tp += positive;
        fp += tie.len() as i64 - positive;
        counts.push((fp, tp, scores[tie[0]]));
    }
    // scikit-learn looks for corners among the thresholds, before the point at infinity is put in front.
    let corner = |i: usize| {
        if i <= 1 || i + 1 == counts.len() {
            return true;
        }
        let (a, b, c) = (counts[i - 1], counts[i], counts[i + 1]);
        c.0 - b.0 != b.0 - a.0 || c.1 - b.1 != b.1 - a.1
    };
    let points = (0..counts.len()).filter(|&i| corner(i)).map(|i| RocPoint {
        false_positive_rate: counts[i].0 as f64 / negatives,
        true_positive_rate: counts[i].1 as f64 / positives,
        threshold: counts[i].2,
    });
    Ok(RocCurve { points: points.collect() })
}

/// What a threshold makes of the scores. Ratios without a denominator are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AtThreshold {
    pub threshold: Threshold,
    pub confusion: Confusion,
    pub accuracy: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
}

/// Metrics of two classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinaryReport {
    /// The number of rows.
    pub rows: u64,
    /// The number of positive rows.
    pub positives: u64,
    /// The area under the ROC curve; `None` where only one class is present.
    pub roc_auc: Option<f64>,
    /// For each threshold.
    pub at: Vec<AtThreshold>,
}

/// Metrics of scores on a scale, at thresholds on any scale.
pub fn binary_report(
    truths: &[bool],
    scores: &[f64],
    scale: ScoreScale,
    thresholds: &[Threshold],
) -> Result<BinaryReport> {
    check(truths.len(), 1, scores)?;
    let at = thresholds.iter().map(|&threshold| {
        let value = threshold.on(scale);
        if value.is_nan()
            || (threshold.scale == ScoreScale::Probability && !(0.0..=1.0).contains(&threshold.value))
        {
            let what = format!("{} is no threshold on the {:?} scale", threshold.value, threshold.scale);
            return Err(ErrorKind::InvalidOption(what).into());
        }
        let confusion = Confusion::count(truths, scores, value);
        Ok(AtThreshold {
            threshold,
            confusion,
            accuracy: confusion.accuracy(),
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
        })
    });
    Ok(BinaryReport {
        rows: truths.len() as u64,
        positives: truths.iter().filter(|t| **t).count() as u64,
        roc_auc: roc_auc(truths, scores).ok(),
        at: at.collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Truths and scores with ties; expected values are scikit-learn's.
    const TRUTHS: [bool; 12] =
        [false, true, true, false, true, false, false, true, false, false, true, false];
    const SCORES: [f64; 12] = [-1.5, 0.25, 2.0, 0.25, -0.5, 0.6, -1.5, 0.4, -2.0, 2.0, 0.25, -0.75];

    #[test]
    fn area_with_ties() {
        assert_eq!(roc_auc(&TRUTHS, &SCORES).unwrap(), 0.7);
    }

    #[test]
    fn area_is_the_share_of_ordered_pairs() {
        let mut stream = pellucid_graph::random::Stream::new(5, [0; 3]);
        for _ in 0..50 {
            let n = 2 + stream.below(40) as usize;
            let mut truths: Vec<bool> = (0..n).map(|_| stream.below(2) == 1).collect();
            (truths[0], truths[1]) = (true, false);
            let scores: Vec<f64> = (0..n).map(|_| stream.below(8) as f64).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for i in (0..n).filter(|&i| truths[i]) {
                for j in (0..n).filter(|&j| !truths[j]) {
                    pairs += 1.0;
                    won += if scores[i] > scores[j] {
                        1.0
                    } else if scores[i] == scores[j] {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
            assert_eq!(roc_auc(&truths, &scores).unwrap(), won / pairs);
            let points = roc_curve(&truths, &scores).unwrap().points;
            let area: f64 = points
                .windows(2)
                .map(|w| {
                    let width = w[1].false_positive_rate - w[0].false_positive_rate;
                    0.5 * width * (w[1].true_positive_rate + w[0].true_positive_rate)
                })
                .sum();
            assert!((area - won / pairs).abs() < 1e-12);
        }
    }

    #[test]
    fn thresholds_on_both_scales() {
        let thresholds = [Threshold::probability(0.5), Threshold::logit(0.5)];
        let report = binary_report(&TRUTHS, &SCORES, ScoreScale::Logit, &thresholds).unwrap();
        let counts =
            |c: Confusion| [c.true_negatives, c.false_positives, c.false_negatives, c.true_positives];
        assert_eq!(counts(report.at[0].confusion), [4, 3, 1, 4]);
        assert_eq!(counts(report.at[1].confusion), [5, 2, 4, 1]);
        assert_eq!(report.at[0].accuracy, Some(8.0 / 12.0));
        assert_eq!((report.at[0].precision, report.at[0].recall), (Some(4.0 / 7.0), Some(0.8)));
        assert_eq!(report.at[0].f1, Some(2.0 / 3.0));
        assert_eq!(Threshold::probability(0.5).on(ScoreScale::Logit), 0.0);
        assert!((Threshold::logit(0.5).on(ScoreScale::Probability) - 0.622_459_331_201_854_6).abs() < 1e-15);
        assert!(binary_report(&TRUTHS, &SCORES, ScoreScale::Logit, &[Threshold::probability(1.5)]).is_err());
    }

    #[test]
    fn what_is_undefined() {
        assert!(matches!(roc_auc(&[true, true], &[0.0, 1.0]).unwrap_err().kind(), ErrorKind::Undefined(_)));
        assert!(matches!(roc_auc(&[], &[]).unwrap_err().kind(), ErrorKind::Undefined(_)));
        assert!(matches!(roc_auc(&[true], &[]).unwrap_err().kind(), ErrorKind::Size { .. }));
        let error = roc_auc(&[true, false], &[0.0, f64::NAN]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotFinite { .. }) && error.place().row == Some(1));
        let none = Confusion::count(&[true], &[0.0], 0.0);
        assert_eq!((none.precision(), none.recall(), none.f1()), (None, Some(0.0), Some(0.0)));
    }

    #[test]
    fn the_curve_of_scikit_learn() {
        let points = roc_curve(&TRUTHS, &SCORES).unwrap().points;
        let got: Vec<(f64, f64, f64)> = points
            .iter()
            .map(|p| (p.false_positive_rate * 7.0, p.true_positive_rate * 5.0, p.threshold))
            .collect();
        let expected = SKLEARN_CURVE;
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for (a, b) in got.iter().zip(expected) {
            assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12 && a.2 == b.2, "{a:?} {b:?}");
        }
    }

    const SKLEARN_CURVE: [(f64, f64, f64); 9] = [
        (0.0, 0.0, f64::INFINITY),
        (1.0, 1.0, 2.0),
        (2.0, 1.0, 0.6),
        (2.0, 2.0, 0.4),
        (3.0, 4.0, 0.25),
        (3.0, 5.0, -0.5),
        (4.0, 5.0, -0.75),
        (6.0, 5.0, -1.5),
        (7.0, 5.0, -2.0),
    ];
}
