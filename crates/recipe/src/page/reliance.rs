//! What a network relies on over many rows, and what one may conclude from it.

use pellucid_data::steps::TensorColumnKind;
use pellucid_report::{
    Align, AttributionBar, AttributionBars, BarValues, Block, Figure, Section, Table, Text, format_count,
    format_percent, format_signed, format_significant,
};

use super::Findings;
use crate::global::{Feature, Global};
use crate::run::Kept;

/// A small number with an exponent.
pub(super) fn small(x: Option<f64>) -> String {
    match x {
        None => "n/a".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) => format!("{x:.2e}"),
    }
}

impl Kept {
    /// A number of the completeness check.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.record["completeness"][name].as_f64()
    }

    /// A text of the request or of what was computed.
    pub(super) fn text(&self, group: &str, name: &str) -> &str {
        self.record[group][name].as_str().unwrap_or_default()
    }

    /// The baseline as it was asked for.
    pub(super) fn baseline(&self) -> String {
        match &self.record["request"]["baseline"] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// An explanation of many rows.
pub(super) fn reliance(findings: &Findings<'_>, name: &str, kept: &Kept) -> Section {
    let mut blocks = Vec::new();
    for (t, global) in kept.summary.shown.iter().enumerate() {
        let how = format!(
            "{}, {} rows ({}), {} of {}, baseline {}",
            kept.text("computed", "method"),
            format_count(global.rows),
            kept.text("request", "rows"),
            kept.text("computed", "scale"),
            global.target,
            kept.baseline()
        );
        blocks.push(Block::Paragraph(Text::from(format!("{how}."))));
        let suffix = if kept.summary.shown.len() > 1 { format!("-{}", global.target) } else { String::new() };
        let top = findings.recipe.report.top;
        blocks.push(chart(
            &format!("{name}{suffix}-sum"),
            global,
            "Sum of attributions",
            &how,
            Bars::Sum,
            top,
        ));
        if let Some(tensor) = kept.summary.tensor.get(t) {
            let title = "Sum of attributions, for each one-hot column";
            blocks.push(chart(&format!("{name}{suffix}-sum-encoded"), tensor, title, &how, Bars::Sum, top));
        }
        let title = "Mean magnitude of attributions";
        blocks.push(chart(&format!("{name}{suffix}-magnitude"), global, title, &how, Bars::Magnitude, top));
        if let Some(tensor) = kept.summary.tensor.get(t) {
            blocks.extend(conclusions(findings, kept, global, tensor));
        }
    }
    if kept.summary.checked > 0 {
        let within = kept.summary.within as f64 / kept.summary.checked as f64;
        blocks.push(Block::Paragraph(Text::from(format!(
            "Completeness: the attributions of a row should sum to F(x) − F(baseline). |delta| is {} on the mean and {} at \
             most; {} of the rows are within {} of the difference.",
            small(kept.number("mean")),
            small(kept.number("max")),
            format_percent(within, 1),
            findings.recipe.report.tolerance,
        ))));
    }
    Section { title: format!("What it relies on: {name}"), blocks }
}

#[derive(Clone, Copy, PartialEq)]
enum Bars {
    Sum,
    Magnitude,
}

fn chart(name: &str, global: &Global, title: &str, how: &str, bars: Bars, top: usize) -> Block {
    let value = |f: &Feature| match bars {
        Bars::Sum => global.share(f).unwrap_or(0.0),
        Bars::Magnitude => global.mean_magnitude(f),
    };
    let plot = AttributionBars {
        title: title.to_owned(),
        subtitle: how.to_owned(),
        axis: match bars {
            Bars::Sum => "share of the sum over rows (L1-normalised)".to_owned(),
            Bars::Magnitude => "mean |attribution|".to_owned(),
        },
        bars: global
            .features
            .iter()
            .map(|f| AttributionBar { name: f.name.clone(), shown_value: None, value: value(f) })
            .collect(),
        top: Some(top),
        values: if bars == Bars::Sum { BarValues::Signed } else { BarValues::Magnitude },
        positive: format!("towards {}", global.target),
        negative: format!("away from {}", global.target),
        ..Default::default()
    };
    let caption = match bars {
        Bars::Sum => {
            "Attributions with their signs, summed over the rows, as shares of the sum of their magnitudes."
        }
        Bars::Magnitude => "How far a feature moves a prediction, whichever way.",
    };
    Block::Figure(Figure::new(name, &plot, caption).with_table(Some(table(global))))
}

fn table(global: &Global) -> Table {
    let mut table = Table::new("")
        .column("feature", Align::Left)
        .column("sum", Align::Right)
        .column("share", Align::Right)
        .column("mean magnitude", Align::Right)
        .column("active rows", Align::Right)
        .column("mean where active", Align::Right)
        .column("cancelled", Align::Right);
    let mut order: Vec<&Feature> = global.features.iter().collect();
    order.sort_by(|a, b| b.sum.abs().total_cmp(&a.sum.abs()));
    for f in order {
        table = table.row([
            f.name.clone(),
            format_signed(f.sum, 2),
            global.share(f).map_or_else(String::new, |s| format_signed(s, 4)),
            format_significant(global.mean_magnitude(f), 4),
            format_count(f.active_rows),
            f.mean_where_active().map_or_else(String::new, |m| format_signed(m, 3)),
            f.cancelled().map_or_else(String::new, |c| format_percent(c, 0)),
        ]);
    }
    table
}

/// What the sum over one-hot columns measures: how often a category occurs, as much as what it does.
fn conclusions(findings: &Findings<'_>, kept: &Kept, global: &Global, tensor: &Global) -> Vec<Block> {
    let Some(steps) = findings.model.preprocessing() else { return Vec::new() };
    let one_hot: Vec<&Feature> = steps
        .tensor_columns()
        .iter()
        .zip(&tensor.features)
        .filter(|(c, f)| matches!(c.kind, TensorColumnKind::Category(_)) && f.active_rows > 0)
        .map(|(_, f)| f)
        .collect();
    let is_zero = kept.baseline() == "zero";
    if one_hot.len() < 3 || !is_zero {
        return Vec::new();
    }
    let often: Vec<f64> = one_hot.iter().map(|f| f.active_rows as f64).collect();
    let summed: Vec<f64> = one_hot.iter().map(|f| f.sum.abs()).collect();
    let each: Vec<f64> = one_hot.iter().map(|f| f.mean_where_active().unwrap_or(0.0).abs()).collect();
    let shown = |r: Option<f64>| r.map_or_else(|| "n/a".to_owned(), |r| format_signed(r, 2));
    let mut order = one_hot.clone();
    order.sort_by(|a, b| b.sum.abs().total_cmp(&a.sum.abs()));
    let place = |f: &Feature| {
        let own = f.mean_where_active().unwrap_or(0.0).abs();
        1 + one_hot.iter().filter(|g| g.mean_where_active().unwrap_or(0.0).abs() > own).count()
    };
    let mut table = Table::new("One-hot columns by the size of their sum")
        .column("column", Align::Left)
        .column("rows that have it", Align::Right)
        .column("sum", Align::Right)
        .column("mean where it is", Align::Right)
        .column("place by that mean", Align::Right);
    const SHOWN: usize = 12;
    for f in order.iter().take(SHOWN) {
        table = table.row([
            f.name.clone(),
            format_percent(f.active_rows as f64 / tensor.rows.max(1) as f64, 1),
            format_signed(f.sum, 2),
            f.mean_where_active().map_or_else(String::new, |m| format_signed(m, 3)),
            format!("{} of {}", place(f), one_hot.len()),
        ]);
    }
    let mut cancelled: Vec<&Feature> =
        global.features.iter().filter(|f| f.cancelled().unwrap_or(0.0) > 0.5).collect();
    cancelled.sort_by(|a, b| b.magnitude.total_cmp(&a.magnitude));
    let mut blocks = vec![
        Block::Heading("What one may conclude, and what not".to_owned()),
        Block::Paragraph(
            Text::from("With a baseline of zero, a one-hot column gets an attribution only in the rows that have its category. ")
                .plain("Its sum is therefore the number of these rows times their mean attribution, and a frequent category ranks high for \
                        being frequent. Over ")
                .plain(format!("{} one-hot columns, the rank correlation of the size of the sum with the number of rows is ", one_hot.len()))
                .strong(shown(spearman(&summed, &often)))
                .plain("; that of the mean attribution where the category is present with the number of rows is ")
                .strong(shown(spearman(&each, &often)))
                .plain("."),
        ),
        Block::Table(table),
        Block::List(vec![
            Text::from("An attribution says how the network's output differs from that at the baseline. It is about this network and this \
                        baseline, not about what causes what among people."),
            Text::from("A baseline with zero in every one-hot column is no row that a table could hold: it says \u{201c}no category at \
                        all\u{201d}. With the training mean as baseline, a column's attribution is a comparison with the average row."),
            Text::from("Two columns that hold the same information share an attribution in a way that depends on the weights, not on the \
                        world: the two columns of a yes-or-no question are one such pair. The folded table sums them."),
        ]),
    ];
    if let Some(f) = cancelled.first() {
        blocks.push(Block::Paragraph(Text::from(format!(
            "Sums also hide what cancels: in {} of {} features more than half of the magnitudes cancel between rows; of {} it is {}.",
            cancelled.len(),
            global.features.len(),
            f.name,
            format_percent(f.cancelled().unwrap_or(0.0), 0)
        ))));
    }
    blocks
}

/// Spearman's rank correlation, ties sharing their mean rank; `None` where one side does not vary.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        ab += (x - mean) * (y - mean);
        aa += (x - mean).powi(2);
        bb += (y - mean).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tie in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = first as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&i| ranks[i] = rank);
        first += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlation_is_scipys() {
        // scipy.stats.spearmanr([1, 2, 2, 4, 9], [3, 1, 5, 5, 8]).statistic
        let r = spearman(&[1.0, 2.0, 2.0, 4.0, 9.0], &[3.0, 1.0, 5.0, 5.0, 8.0]).unwrap();
        assert!((r - 0.763_157_894_736_842).abs() < 1e-12, "{r}");
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }
}
