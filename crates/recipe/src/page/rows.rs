//! Single rows: what was predicted, and why.

use pellucid_report::{
    AttributionBar, AttributionBars, Block, Figure, Section, Text, format_number, format_significant,
};

use super::Findings;
use super::reliance::small;
use crate::run::Kept;
use crate::single::{Attributed, Single};

/// A section for each row that was selected.
pub(super) fn single(findings: &Findings<'_>, rows: &str, kept: &Kept) -> Vec<Section> {
    let several = kept.singles.len() > 1;
    let section = |s: &Single| Section {
        title: if several { format!("One row: {} of {rows}", s.row) } else { format!("One row: {rows}") },
        blocks: blocks(findings, kept, s),
    };
    kept.singles.iter().map(section).collect()
}

fn blocks(findings: &Findings<'_>, kept: &Kept, s: &Single) -> Vec<Block> {
    let mut facts: Vec<(Text, Text)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((Text::from(name), Text::from(value)));
    fact("row of the table, counted from 0", s.row.to_string());
    if let Some(p) = s.probability {
        fact(&format!("probability of {}", s.target), format_significant(p, 4));
    }
    fact("predicted", s.predicted.clone());
    fact("truth", s.truth.clone());
    fact(&format!("F(x), the {} of {}", s.scale, s.target), format_significant(s.output, 6));
    if let Some(base) = s.baseline_output {
        fact(&format!("F(baseline), baseline {}", kept.baseline()), format_significant(base, 6));
    }
    if let Some(delta) = s.delta {
        let sum: f64 = s.features.iter().map(|f| f.attribution).sum();
        fact("sum of the attributions", format_significant(sum, 6));
        fact("delta, the sum minus F(x) − F(baseline)", small(Some(delta)));
    }
    let mut blocks = vec![Block::Definitions(facts)];
    let top = findings.recipe.report.top;
    blocks.push(chart(
        &format!("row-{}-{}", s.row, s.target),
        kept,
        s,
        &s.features,
        "What moved this prediction",
        top,
    ));
    if !s.tensor.is_empty() {
        let title = "The same for each of the network's columns";
        blocks.push(chart(&format!("row-{}-{}-encoded", s.row, s.target), kept, s, &s.tensor, title, top));
    }
    blocks
}

fn chart(name: &str, kept: &Kept, s: &Single, features: &[Attributed], title: &str, top: usize) -> Block {
    let number = |text: &String| text.parse().map_or_else(|_| text.clone(), format_number);
    let plot = AttributionBars {
        title: title.to_owned(),
        subtitle: format!(
            "{}, {} of {}, baseline {}",
            kept.text("computed", "method"),
            s.scale,
            s.target,
            kept.baseline()
        ),
        axis: format!("attribution ({})", s.scale),
        bars: features
            .iter()
            .map(|f| AttributionBar {
                name: f.name.clone(),
                shown_value: Some(number(&f.value)),
                value: f.attribution,
            })
            .collect(),
        top: Some(top),
        positive: format!("towards {}", s.target),
        negative: format!("away from {}", s.target),
        ..Default::default()
    };
    Block::Figure(Figure::new(
        name,
        &plot,
        "Each bar is what the value of a feature adds, compared with the baseline.",
    ))
}
