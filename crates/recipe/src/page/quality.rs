//! The network, its training and how well it predicts.

use pellucid_data::metrics::{AtThreshold, ScoreScale};
use pellucid_report::{
    Align, Block, ConfusionMatrix, CurvePanel, CurveSeries, Figure, LossCurve, RocCurve, RocSeries,
    RocThreshold, Section, Table, Text, format_count, format_significant,
};

use super::Findings;
use crate::evaluate::{Evaluation, Metrics};
use crate::inspect;

/// The layers and the course of training.
pub(super) fn network(findings: &Findings<'_>) -> Section {
    let nodes = inspect::layers(findings.model);
    let parameters: u64 = nodes.iter().map(|l| l.parameters).sum();
    let mut layers = Table::new("The network's nodes")
        .column("layer", Align::Left)
        .column("operator", Align::Left)
        .column("shape", Align::Left)
        .column("parameters", Align::Right);
    for l in &nodes {
        let parameters = if l.parameters == 0 { String::new() } else { format_count(l.parameters) };
        layers =
            layers.row([l.name.clone(), l.operator.clone(), format!("[{}]", l.shape.join(", ")), parameters]);
    }
    let mut blocks = vec![
        Block::Paragraph(Text::from(format!("{} numbers were learned.", format_count(parameters)))),
        Block::Table(layers),
    ];
    if let Some(course) = findings.course.filter(|c| !c.epochs.is_empty()) {
        let mut series = vec![CurveSeries {
            name: "training rows, with dropout".to_owned(),
            values: course.epochs.iter().map(|e| e.train).collect(),
        }];
        if course.epochs.iter().any(|e| e.validation.is_some()) {
            series.push(CurveSeries {
                name: "validation rows".to_owned(),
                values: course.epochs.iter().map(|e| e.validation.unwrap_or(f64::NAN)).collect(),
            });
        }
        let loss = course.loss.replace('_', " ");
        let plot = LossCurve {
            title: "Loss by epoch".to_owned(),
            subtitle: format!("{} epochs, {loss}", course.epochs.len()),
            panels: vec![CurvePanel { label: loss, series }],
            best_epoch: (course.best_epoch < course.epochs.len()).then_some(course.best_epoch),
            ..Default::default()
        };
        let mut text = format!("Trained for {} epochs", course.epochs.len());
        if course.stopped_early {
            text.push_str(&format!(", stopped early; the weights are those of epoch {}", course.best_epoch));
        }
        if let [weight] = course.loss_weights.as_slice() {
            text.push_str(&format!(
                ". A positive row weighs {} as much as a negative one",
                format_significant(*weight, 4)
            ));
        }
        text.push('.');
        blocks.push(Block::Paragraph(Text::from(text)));
        // A table of every epoch would say less than the curve.
        blocks
            .push(Block::Figure(Figure::new("loss", &plot, "The mean loss of each epoch.").with_table(None)));
    }
    Section { title: "Network and training".to_owned(), blocks }
}

/// Metrics of each part, and curves of the last, which is the test part where there is one.
pub(super) fn quality(findings: &Findings<'_>) -> Section {
    let mut blocks = Vec::new();
    let number = |x: Option<f64>| x.map_or_else(|| "n/a".to_owned(), |x| format_significant(x, 4));
    let mut table = Table::new("Metrics by part").column("rows", Align::Left).column("count", Align::Right);
    let names: &[&str] = match findings.evaluations.first().map(|e| &e.metrics) {
        Some(Metrics::Binary { .. }) => &["ROC AUC", "threshold", "accuracy", "precision", "recall", "F1"],
        Some(Metrics::Multiclass { .. }) => &["ROC AUC (one against the rest)", "accuracy"],
        _ => &["RMSE", "MAE", "R²"],
    };
    for name in names {
        table = table.column(*name, Align::Right);
    }
    for e in findings.evaluations {
        match &e.metrics {
            Metrics::Binary { report, .. } => {
                for at in &report.at {
                    table = table.row([
                        e.rows.clone(),
                        format_count(report.rows),
                        number(report.roc_auc),
                        threshold(at),
                        number(at.accuracy),
                        number(at.precision),
                        number(at.recall),
                        number(at.f1),
                    ]);
                }
            }
            Metrics::Multiclass { report, .. } => {
                let cells = [number(report.roc_auc_one_vs_rest), number(Some(report.accuracy))];
                table = table.row([e.rows.clone(), format_count(report.rows)].into_iter().chain(cells));
            }
            Metrics::Regression(r) => {
                let cells = [number(Some(r.rmse)), number(Some(r.mae)), number(r.r2)];
                table = table.row([e.rows.clone(), format_count(r.rows)].into_iter().chain(cells));
            }
        }
    }
    blocks.push(Block::Table(table));
    if let Some(last) = findings.evaluations.last() {
        figures(last, &mut blocks);
    }
    Section { title: "How well it predicts".to_owned(), blocks }
}

fn threshold(at: &AtThreshold) -> String {
    match at.threshold.scale {
        ScoreScale::Probability => format!("probability {}", at.threshold.value),
        ScoreScale::Logit => format!("logit {}", at.threshold.value),
    }
}

fn figures(e: &Evaluation, blocks: &mut Vec<Block>) {
    match &e.metrics {
        Metrics::Binary { report, roc, classes } => {
            for at in &report.at {
                let c = at.confusion;
                let plot = ConfusionMatrix {
                    title: format!("Confusion matrix at {}", threshold(at)),
                    subtitle: format!("{} rows ({})", format_count(report.rows), e.rows),
                    classes: classes.clone(),
                    counts: vec![
                        vec![c.true_negatives, c.false_positives],
                        vec![c.false_negatives, c.true_positives],
                    ],
                    ..Default::default()
                };
                let name = format!("confusion-{}", threshold(at));
                let caption =
                    format!("Rows by truth and prediction, {} above {}.", classes[1], threshold(at));
                blocks.push(Block::Figure(Figure::new(&name, &plot, caption)));
            }
            let logit =
                report.at.iter().find(|a| a.threshold.scale == ScoreScale::Logit && a.threshold.value != 0.0);
            if let Some(at) = logit {
                let probability = at.threshold.on(ScoreScale::Probability);
                blocks.push(Block::Note(Text::from(format!(
                    "A threshold of {} on the logit is one of {} on the probability. To compare logits with 0.5 as if they were \
                     probabilities is an easy slip; both are shown so that the difference is seen.",
                    at.threshold.value,
                    format_significant(probability, 3)
                ))));
            }
            if !roc.is_empty() {
                let marked = report.at.first().map(|at| {
                    let c = at.confusion;
                    let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
                    RocThreshold {
                        label: threshold(at),
                        false_positive_rate: share(c.false_positives, c.false_positives + c.true_negatives),
                        true_positive_rate: share(c.true_positives, c.true_positives + c.false_negatives),
                    }
                });
                let plot = RocCurve {
                    title: "ROC curve".to_owned(),
                    subtitle: format!("{} rows ({})", format_count(report.rows), e.rows),
                    curves: vec![RocSeries {
                        name: e.rows.clone(),
                        points: roc.clone(),
                        auc: report.roc_auc,
                        threshold: marked,
                    }],
                    ..Default::default()
                };
                blocks.push(Block::Figure(
                    Figure::new(
                        "roc",
                        &plot,
                        "What share of each class is taken for positive as the threshold falls.",
                    )
                    .with_table(None),
                ));
            }
        }
        Metrics::Multiclass { report, classes } => {
            let plot = ConfusionMatrix {
                title: "Confusion matrix".to_owned(),
                subtitle: format!("{} rows ({})", format_count(report.rows), e.rows),
                classes: classes.clone(),
                counts: report.confusion.clone(),
                ..Default::default()
            };
            blocks.push(Block::Figure(Figure::new("confusion", &plot, "Rows by truth and prediction.")));
        }
        Metrics::Regression(_) => {}
    }
}
