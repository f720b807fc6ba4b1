//! How well a model predicts the rows of a data file whose truth is known.

use std::path::Path;

use pellucid::Precision;
use pellucid_data::metrics::{
    BinaryReport, MulticlassReport, RegressionReport, RocPoint, ScoreScale, Threshold, binary_report,
    multiclass_report, regression_report, roc_curve,
};
use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::error::{Error, Result};
use crate::model::OpenModel;
use crate::predict::Predictor;
use crate::rows::{Reader, Wanted};

/// Which rows are judged, and at which thresholds.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The rows, as selections are written.
    pub rows: String,
    /// The thresholds, for two classes.
    pub thresholds: Vec<Threshold>,
    /// The column with the truth, where the model does not say.
    pub label: Option<String>,
    /// The network's columns, where the model does not say.
    pub features: Option<Vec<String>>,
    /// Rows that run together.
    pub tile: Option<usize>,
}

impl Judged {
    /// Some rows at a probability of one half.
    pub fn rows(rows: &str) -> Self {
        let thresholds = vec![Threshold::probability(0.5)];
        Self { rows: rows.to_owned(), thresholds, label: None, features: None, tile: None }
    }
}

/// The metrics of some rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which rows.
    pub rows: String,
    /// The metrics.
    pub metrics: Metrics,
}

/// Metrics by what is predicted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metrics {
    /// Two classes.
    Binary {
        /// The numbers.
        report: BinaryReport,
        /// The ROC curve's corners: false positive rate and true positive rate; empty where one class is absent.
        roc: Vec<(f64, f64)>,
        /// The negative class and the positive one.
        classes: Vec<String>,
    },
    /// Several classes.
    Multiclass {
        /// The numbers.
        report: MulticlassReport,
        /// The classes.
        classes: Vec<String>,
    },
    /// A number.
    Regression(RegressionReport),
}

/// Judges a model on the selected rows.
pub fn evaluate(
    model: &OpenModel,
    data: &Path,
    judged: &Judged,
    activity: &Activity<'_>,
) -> Result<Evaluation> {
    let wanted = Wanted {
        rows: judged.rows.clone(),
        keep: Vec::new(),
        features: judged.features.clone(),
        label: judged.label.clone().or_else(|| model.target().map(|t| t.column().to_owned())),
        images: None,
        precision: Precision::Float32,
    };
    if model.scores_pairs() {
        return Err(Error::input(format!(
            "{}: the scores of this support vector machine stand for pairs of classes, so its classes cannot be judged by them; export it \
             with probability=True",
            model.path().display()
        )));
    }
    if wanted.label.is_none() {
        return Err(Error::request(
            "the model does not say where the truth is: name the column with label (--label)",
        ));
    }
    let mut reader = Reader::open(model, data, &wanted)?;
    let predictor = Predictor::new(model)?;
    let (mut truths, mut values) = (Vec::new(), Vec::new());
    let (mut classes, mut width, mut scale) = (0, 1, ScoreScale::Probability);
    while let Some(chunk) = reader.next_chunk()? {
        activity.check()?;
        let found = predictor.predict(model, &chunk.inputs, wanted.precision, judged.tile, activity)?;
        (classes, width) = (found.classes, found.width);
        for (label, number) in chunk.labels.iter().zip(&chunk.numbers) {
            truths.push(label.ok_or_else(|| {
                Error::input(format!("{}: row {number} has no truth to be judged by", data.display()))
            })?);
        }
        let before = values.len();
        match (&found.logits, &found.probabilities) {
            (Some(logits), _) => {
                scale = ScoreScale::Logit;
                values.extend_from_slice(logits);
            }
            (None, Some(p)) if width == 1 => values.extend(p.chunks_exact(2).map(|both| both[1])),
            (None, Some(p)) => values.extend_from_slice(p),
            (None, None) => values.extend_from_slice(&found.values),
        }
        let added = &values[before..];
        if let Some(at) = added.iter().position(|v| !v.is_finite()) {
            let number = chunk.numbers[at / (added.len() / chunk.numbers.len()).max(1)];
            return Err(Error::input(format!(
                "{}: row {number}: the model gives {}, which cannot be judged",
                data.display(),
                added[at]
            )));
        }
    }
    let names = |count: usize| {
        let known = model.class_names();
        (0..count).map(|c| known.get(c).cloned().unwrap_or_else(|| c.to_string())).collect::<Vec<_>>()
    };
    let metrics = match classes {
        0 => Metrics::Regression(regression_report(&truths, &values)?),
        2 if width == 1 => {
            let truths: Vec<bool> = classes_of(&truths, 2, data)?.into_iter().map(|c| c == 1).collect();
            let report = binary_report(&truths, &values, scale, &judged.thresholds)?;
            let point = |p: &RocPoint| (p.false_positive_rate, p.true_positive_rate);
            let roc =
                roc_curve(&truths, &values).map(|c| c.points.iter().map(point).collect()).unwrap_or_default();
            Metrics::Binary { report, roc, classes: names(2) }
        }
        n => Metrics::Multiclass {
            report: multiclass_report(&classes_of(&truths, n, data)?, &values, n)?,
            classes: names(n),
        },
    };
    Ok(Evaluation { rows: judged.rows.clone(), metrics })
}

fn classes_of(truths: &[f64], classes: usize, data: &Path) -> Result<Vec<u32>> {
    let class = |v: &f64| match *v {
        v if v >= 0.0 && v.fract() == 0.0 && v < classes as f64 => Ok(v as u32),
        v => Err(Error::input(format!("{}: {v} is no class; there are {classes}", data.display()))),
    };
    truths.iter().map(class).collect()
}
