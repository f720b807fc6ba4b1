//! `pellucid evaluate`: how well a model predicts rows whose truth is known.

use pellucid_recipe::data::metrics::{AtThreshold, ScoreScale, Threshold};
use pellucid_recipe::data::split::Part;
use pellucid_recipe::evaluate::{Evaluation, Judged, Metrics, evaluate as judge};
use pellucid_recipe::{OpenModel, Result};
use pellucid_report::{Align, Table, format_count, format_significant};

use super::{usage, with_activity};
use crate::arguments::Evaluate;
use crate::screen::{Style, print};

pub(super) fn evaluate(options: &Evaluate, quiet: bool) -> Result<()> {
    let model = OpenModel::load(&options.model)?;
    let mut thresholds = options.threshold.iter().map(|t| threshold(t)).collect::<Result<Vec<_>>>()?;
    if thresholds.is_empty() {
        thresholds.push(Threshold::probability(0.5));
    }
    let rows = match (options.rows.is_empty(), model.split()) {
        (false, _) => options.rows.clone(),
        (true, None) => vec!["all".to_owned()],
        (true, Some(split)) => {
            Part::ALL.into_iter().filter(|p| split.count(*p) > 0).map(|p| p.name().to_owned()).collect()
        }
    };
    let found = with_activity(options.threads, quiet, None, |activity| {
        rows.into_iter()
            .map(|rows| {
                let judged = Judged {
                    rows,
                    thresholds: thresholds.clone(),
                    label: options.label.clone(),
                    features: options.features.clone(),
                    tile: options.tile,
                };
                judge(&model, &options.data, &judged, activity)
            })
            .collect::<Result<Vec<Evaluation>>>()
    })?;
    if options.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&found).unwrap_or_default()));
    }
    print(&found.iter().map(text).collect::<String>())
}

fn threshold(text: &str) -> Result<Threshold> {
    let (scale, value) = match text.split_once(':') {
        None | Some(("probability", _)) => (ScoreScale::Probability, text.trim_start_matches("probability:")),
        Some(("logit", value)) => (ScoreScale::Logit, value),
        Some((other, _)) => {
            return Err(usage(format!(
                "--threshold: there is no scale {other:?}; there are probability and logit"
            )));
        }
    };
    let value = value.parse().map_err(|_| usage(format!("--threshold: {value:?} is no number")))?;
    Ok(Threshold { scale, value })
}

fn text(found: &Evaluation) -> String {
    let style = Style::of_stdout();
    let number = |x: Option<f64>| x.map_or_else(|| "n/a".to_owned(), |x| format_significant(x, 4));
    let head = |rows: u64| format!("{}: {} rows", style.heading(&found.rows), format_count(rows));
    match &found.metrics {
        Metrics::Binary { report, classes, .. } => {
            let mut text = format!(
                "{}, {} of them {}, ROC AUC {}\n",
                head(report.rows),
                format_count(report.positives),
                classes[1],
                number(report.roc_auc)
            );
            let mut table = Table::new("").column("threshold", Align::Left);
            for name in ["accuracy", "precision", "recall", "F1"] {
                table = table.column(name, Align::Right);
            }
            for (truth, predicted) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                table = table.column(format!("{} as {}", classes[truth], classes[predicted]), Align::Right);
            }
            for at in &report.at {
                let c = at.confusion;
                let counts = [c.true_negatives, c.false_positives, c.false_negatives, c.true_positives];
                let ratios = [at.accuracy, at.precision, at.recall, at.f1].map(number);
                let cells = [name(at)].into_iter().chain(ratios).chain(counts.map(format_count));
                table = table.row(cells);
            }
            text.push_str(&table.to_text());
            text + "\n"
        }
        Metrics::Multiclass { report, classes } => {
            let mut text = format!(
                "{}, accuracy {}, ROC AUC one against the rest {}\n",
                head(report.rows),
                number(Some(report.accuracy)),
                number(report.roc_auc_one_vs_rest)
            );
            let mut table = Table::new("")
                .column("class", Align::Left)
                .column("precision", Align::Right)
                .column("recall", Align::Right);
            for class in classes {
                table = table.column(format!("as {class}"), Align::Right);
            }
            for (i, class) in classes.iter().enumerate() {
                let counts = report.confusion[i].iter().map(|&n| format_count(n));
                let cells = [class.clone(), number(report.precision[i]), number(report.recall[i])];
                table = table.row(cells.into_iter().chain(counts));
            }
            text.push_str(&table.to_text());
            text + "\n"
        }
        Metrics::Regression(r) => format!(
            "{}, RMSE {}, MAE {}, R² {}\n",
            head(r.rows),
            number(Some(r.rmse)),
            number(Some(r.mae)),
            number(r.r2)
        ),
    }
}

fn name(at: &AtThreshold) -> String {
    match at.threshold.scale {
        ScoreScale::Probability => format!("probability {}", at.threshold.value),
        ScoreScale::Logit => format!("logit {}", at.threshold.value),
    }
}
