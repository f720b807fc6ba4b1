//! The page of a run: data, network, quality, what it relies on, single rows, and what one may conclude.

mod quality;
mod reliance;
mod rows;

use std::path::Path;

use pellucid_data::split::Part;
use pellucid_data::steps::Step;
use pellucid_data::table::{self, Batch, ReadOptions};
use pellucid_report::{
    Align, Block, Category, CategoryCounts, Check, Figure, Outcome, Page, Section, Table, Text, format_count,
};

use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::model::OpenModel;
use crate::recipe::Recipe;
use crate::run::Kept;
use crate::train::Course;

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The model.
    pub model: &'a OpenModel,
    /// The table.
    pub data: &'a Path,
    /// Its hash.
    pub data_sha256: &'a str,
    /// The metrics of each part.
    pub evaluations: &'a [Evaluation],
    /// The course of training, where it is known.
    pub course: Option<&'a Course>,
    /// What of the recipe was otherwise when the model was trained.
    pub changes: &'a [String],
    /// Explanations of many rows, by name.
    pub explained: &'a [(String, Kept)],
    /// Explanations of single rows, by how they were selected.
    pub singles: &'a [(String, Kept)],
}

/// The page of a run.
pub fn page(findings: &Findings<'_>) -> Result<Page> {
    let table = table::read(findings.data, &options(findings)?)?;
    let mut sections = vec![data(findings, &table)?, quality::network(findings), quality::quality(findings)];
    for (name, kept) in findings.explained {
        sections.push(reliance::reliance(findings, name, kept));
    }
    if let Some(section) = counts(findings, &table)? {
        sections.push(section);
    }
    for (rows, kept) in findings.singles {
        sections.extend(rows::single(findings, rows, kept));
    }
    sections.push(checks(findings));
    let mut lead = Vec::new();
    if !findings.recipe.report.about.is_empty() {
        lead.push(Text::from(findings.recipe.report.about.as_str()));
    }
    if !findings.changes.is_empty() {
        lead.push(
            Text::default()
                .strong("The recipe has changed since this model was trained")
                .plain(format!(": {}. ", findings.changes.join("; ")))
                .code("--force")
                .plain(" trains anew."),
        );
    }
    Ok(Page {
        title: findings.recipe.report.title.clone(),
        lead,
        opening: Vec::new(),
        sections,
        footer: footer(findings),
    })
}

fn options(findings: &Findings<'_>) -> Result<ReadOptions> {
    findings.recipe.data.read_options()
}

/// The first rows, the size of the table and the classes.
fn data(findings: &Findings<'_>, table: &Batch) -> Result<Section> {
    const HEAD: usize = 5;
    let schema = table.schema();
    let mut head = Table::new("The first rows");
    for field in schema.fields() {
        let align = if field.column_type.is_number() { Align::Right } else { Align::Left };
        head = head.column(field.name.clone(), align);
    }
    for row in 0..table.rows().min(HEAD) {
        head = head.row(table.columns().iter().map(|c| c.cell(row).to_string()));
    }
    let rows_are = &findings.recipe.report.rows_are;
    let mut blocks = vec![
        Block::Paragraph(
            Text::from(format!(
                "{} {rows_are} and {} columns; ",
                format_count(table.rows() as u64),
                schema.fields().len()
            ))
            .code(findings.recipe.data.target.clone())
            .plain(" is predicted from the others."),
        ),
        Block::Table(head),
    ];
    if let Some(split) = findings.model.split() {
        let parts: Vec<String> = Part::ALL
            .into_iter()
            .filter(|p| split.count(*p) > 0)
            .map(|p| format!("{} {p}", format_count(split.count(p) as u64)))
            .collect();
        blocks.push(Block::Paragraph(Text::from(format!("Rows by part: {}. ", parts.join(", ")))));
    }
    if let Some(steps) = findings.model.preprocessing() {
        let one_hot = steps.sources().iter().filter(|c| matches!(c.step, Step::OneHot { .. })).count();
        let fitted = if steps.fitted_on_all_rows() {
            "They were fitted on all rows, test rows included: their statistics leak into what the network is judged on."
        } else {
            "They were fitted on the training rows alone."
        };
        blocks.push(Block::Paragraph(Text::from(format!(
            "{} numeric columns are scaled, {one_hot} categorical columns become one-hot columns: {} columns for the network. \
             {fitted}",
            steps.sources().len() - one_hot,
            steps.width()
        ))));
    }
    let target = table.column(&findings.recipe.data.target)?;
    let categories = tally(target, &[]);
    if categories.len() <= 30 {
        let plot = CategoryCounts {
            title: format!("{} by class", findings.recipe.data.target),
            subtitle: format!("{} {rows_are}", format_count(table.rows() as u64)),
            axis: rows_are.clone(),
            categories,
            ..Default::default()
        };
        blocks.push(Block::Figure(Figure::new("classes", &plot, "How often each class occurs.")));
    }
    Ok(Section { title: "Data".to_owned(), blocks })
}

/// How often each value of a column occurs, the most frequent first; split by class where classes are given for the rows.
fn tally(column: &table::Column, classes: &[(usize, usize)]) -> Vec<Category> {
    let mut counts: std::collections::BTreeMap<String, Vec<u64>> = std::collections::BTreeMap::new();
    let width = classes.iter().map(|c| c.1).max().unwrap_or(1).max(1);
    for row in 0..column.len() {
        let class = classes.get(row).map_or(0, |c| c.0);
        let entry = counts.entry(column.cell(row).to_string()).or_insert_with(|| vec![0; width]);
        if let Some(n) = entry.get_mut(class) {
            *n += 1;
        }
    }
    let mut list: Vec<Category> =
        counts.into_iter().map(|(name, counts)| Category { name, counts }).collect();
    list.sort_by_key(|c| std::cmp::Reverse(c.counts.iter().sum::<u64>()));
    list
}

/// The columns whose values the recipe wants counted.
fn counts(findings: &Findings<'_>, table: &Batch) -> Result<Option<Section>> {
    let report = &findings.recipe.report;
    if report.counts.is_empty() {
        return Ok(None);
    }
    let target = findings.model.target().filter(|_| !findings.model.is_regression());
    let names = findings.model.class_names();
    let classes: Vec<(usize, usize)> = match target {
        Some(t) => t.encode(table)?.iter().map(|v| (v.unwrap_or(0.0) as usize, names.len())).collect(),
        None => Vec::new(),
    };
    let mut blocks = Vec::new();
    for name in &report.counts {
        let categories = tally(table.column(name)?, &classes);
        let mut shares =
            Table::new("").column(name.clone(), Align::Left).column(report.rows_are.clone(), Align::Right);
        if let [_, positive] = names {
            shares = shares.column(format!("share of {positive}"), Align::Right);
        }
        for c in &categories {
            let total: u64 = c.counts.iter().sum();
            let mut row = vec![c.name.clone(), format_count(total)];
            if names.len() == 2 {
                row.push(pellucid_report::format_percent(c.counts[1] as f64 / total.max(1) as f64, 1));
            }
            shares = shares.row(row);
        }
        let plot = CategoryCounts {
            title: format!("{} of each {name}", report.rows_are),
            subtitle: format!("all {} rows of the table", format_count(table.rows() as u64)),
            axis: report.rows_are.clone(),
            classes: if classes.is_empty() { Vec::new() } else { names.to_vec() },
            categories,
            ..Default::default()
        };
        let figure =
            Figure::new(&format!("counts-{name}"), &plot, format!("How often each value of {name} occurs."));
        blocks.push(Block::Figure(figure.with_table(Some(shares))));
    }
    Ok(Some(Section { title: "How often values occur".to_owned(), blocks }))
}

/// Everything that can be checked, in one place.
fn checks(findings: &Findings<'_>) -> Section {
    let mut checks = Vec::new();
    for (name, kept) in findings.explained.iter().chain(findings.singles) {
        let summary = &kept.summary;
        if summary.checked == 0 {
            continue;
        }
        let within = summary.within as f64 / summary.checked as f64;
        checks.push(Check {
            name: format!("completeness of {name}: attributions sum to F(x) − F(baseline)"),
            outcome: if summary.within == summary.checked { Outcome::Passed } else { Outcome::Failed },
            found: format!(
                "{} of {} sums within tolerance ({}); |delta| mean {}, largest {}",
                format_count(summary.within),
                format_count(summary.checked),
                pellucid_report::format_percent(within, 1),
                reliance::small(kept.number("mean")),
                reliance::small(kept.number("max")),
            ),
            expected: format!("|delta| at most {} of |F(x) − F(baseline)|", findings.recipe.report.tolerance),
        });
    }
    if let Some(steps) = findings.model.preprocessing() {
        checks.push(Check {
            name: "scaling and categories are fitted on training rows only".to_owned(),
            outcome: if steps.fitted_on_all_rows() { Outcome::Failed } else { Outcome::Passed },
            found: format!("fitted on {} rows", format_count(steps.rows())),
            expected: findings
                .model
                .split()
                .map(|s| format!("{} training rows", format_count(s.count(Part::Train) as u64)))
                .unwrap_or_default(),
        });
    }
    checks.push(Check {
        name: "the model is that of this recipe".to_owned(),
        outcome: if findings.changes.is_empty() { Outcome::Passed } else { Outcome::Failed },
        found: if findings.changes.is_empty() { "unchanged".to_owned() } else { findings.changes.join("; ") },
        expected: String::new(),
    });
    Section { title: "Checks".to_owned(), blocks: vec![Block::Checks(checks)] }
}

fn footer(findings: &Findings<'_>) -> Vec<Text> {
    let mut lines = vec![Text::from(format!(
        "pellucid {}, {}. Model sha256 {}, data sha256 {}.",
        env!("CARGO_PKG_VERSION"),
        pellucid::instruction_set(),
        findings.model.model().sha256(),
        findings.data_sha256
    ))];
    let mut cited: Vec<String> = findings
        .explained
        .iter()
        .chain(findings.singles)
        .filter_map(|(_, kept)| kept.record["computed"]["citation"].as_str().map(str::to_owned))
        .filter(|c| !c.is_empty())
        .collect();
    cited.sort_unstable();
    cited.dedup();
    lines.extend(cited.into_iter().map(Text::from));
    lines
}
