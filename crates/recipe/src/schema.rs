//! The tables that results are written as: one schema, by version, from which docs/schema.md is written.

use pellucid::Precision;
use pellucid_data::table::{ColumnType, Field};

use crate::error::{Error, Result};
use crate::result::Header;

/// The version of the schema; it grows when a column changes its name or meaning.
pub const VERSION: u32 = 1;

/// What stands before a feature's name in the name of its column.
pub const PREFIX: &str = "attribution.";

/// A column of a table of results.
#[derive(Clone, Copy, Debug)]
pub struct ColumnInfo {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// What it holds.
    pub summary: &'static str,
    /// When it is empty.
    pub missing: &'static str,
}

/// The columns before those passed through and those of the attributions.
pub const COLUMNS: &[ColumnInfo] = &[
    ColumnInfo {
        name: "row",
        column_type: ColumnType::Integer,
        summary: "The row's number in the data, counted from 0.",
        missing: "never",
    },
    ColumnInfo {
        name: "target",
        column_type: ColumnType::Text,
        summary: "What is explained: a class by its name, or the target as it was asked for.",
        missing: "never",
    },
    ColumnInfo {
        name: "predicted",
        column_type: ColumnType::Text,
        summary: "The class that the model predicts, by its name; a number where the model predicts one.",
        missing: "where the model has several outputs that are not classes",
    },
    ColumnInfo {
        name: "probability",
        column_type: ColumnType::Float,
        summary: "The model's probability of the class in `target`.",
        missing: "where `target` is no class, or the model has no probabilities",
    },
    ColumnInfo {
        name: "truth",
        column_type: ColumnType::Text,
        summary: "The true class by its name, or the true value.",
        missing: "where the data does not have it",
    },
    ColumnInfo {
        name: "output",
        column_type: ColumnType::Float,
        summary: "F(x): the explained scalar of this row, on the scale that the record states.",
        missing: "for a layer's activation, which explains no scalar",
    },
    ColumnInfo {
        name: "baseline_output",
        column_type: ColumnType::Float,
        summary: "F(baseline), the mean over baselines where there are several.",
        missing: "where the method has no baseline",
    },
    ColumnInfo {
        name: "delta",
        column_type: ColumnType::Float,
        summary: "The sum of the attributions minus (output − baseline_output).",
        missing: "where the method does not promise that they are equal",
    },
];

/// The columns of the global table: one row for each target and feature.
pub const GLOBAL_COLUMNS: &[ColumnInfo] = &[
    ColumnInfo {
        name: "target",
        column_type: ColumnType::Text,
        summary: "What is explained, as it was asked for.",
        missing: "never",
    },
    ColumnInfo {
        name: "feature",
        column_type: ColumnType::Text,
        summary: "The column of the table, or of the network where attributions are not folded.",
        missing: "never",
    },
    ColumnInfo {
        name: "rows",
        column_type: ColumnType::Integer,
        summary: "The rows that are summed over.",
        missing: "never",
    },
    ColumnInfo {
        name: "sum",
        column_type: ColumnType::Float,
        summary: "The sum of the attributions over the rows, with their signs.",
        missing: "never",
    },
    ColumnInfo {
        name: "share",
        column_type: ColumnType::Float,
        summary: "`sum` divided by the sum of |sum| over the features (L1-normalised).",
        missing: "where all sums are zero",
    },
    ColumnInfo {
        name: "mean_magnitude",
        column_type: ColumnType::Float,
        summary: "The mean of |attribution| over the rows.",
        missing: "never",
    },
    ColumnInfo {
        name: "active_rows",
        column_type: ColumnType::Integer,
        summary: "The rows in which the feature differs from the baseline (for methods without one: from zero).",
        missing: "never",
    },
    ColumnInfo {
        name: "mean_where_active",
        column_type: ColumnType::Float,
        summary: "The mean attribution over those rows.",
        missing: "where there are none",
    },
    ColumnInfo {
        name: "cancelled",
        column_type: ColumnType::Float,
        summary: "1 − |sum| / (sum of |attribution|): the share of the magnitudes that positive and negative rows take from \
                  each other in the sum.",
        missing: "where all attributions are zero",
    },
];

/// The columns of a result, in order.
pub fn fields(header: &Header) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = COLUMNS.iter().map(|c| Field::new(c.name, c.column_type)).collect();
    for kept in &header.kept {
        let taken = COLUMNS.iter().any(|c| c.name == kept.name) || kept.name.starts_with(PREFIX);
        if taken {
            return Err(Error::request(format!(
                "the column {:?} cannot be kept: a result has a column of this name itself",
                kept.name
            )));
        }
        fields.push(kept.clone());
    }
    let number = match header.precision {
        // Sums over one-hot columns are made in double precision.
        Precision::Float32 if !header.is_folded() => ColumnType::Float32,
        _ => ColumnType::Float,
    };
    fields.extend(header.features.iter().map(|f| Field::new(format!("{PREFIX}{f}"), number)));
    Ok(fields)
}

/// The schema as a page of Markdown.
pub fn markdown() -> String {
    let mut text = format!(
        "# The tables of results\n\nSchema version {VERSION}.\n\n\
         `pellucid explain --output FILE` writes one row for each explained row and target, in the order of the data, as CSV, \
         JSON lines (one object a line) or Parquet, with the same columns in each. `FILE` with the ending `.record.json` beside it \
         holds what is needed to repeat the result; it can be given to `--spec`. In CSV an empty field is a missing value, in JSON \
         lines null.\n\n## Attributions\n\n"
    );
    rows(&mut text, COLUMNS);
    text.push_str(&format!(
        "| the columns of `--keep` | as in the data | Passed through, under their own names. | as in the data |\n\
         | `{PREFIX}NAME` | number | The attribution of the feature NAME: a column of the table, or of the network with \
         `--no-fold`, or `layer[i]`. | never |\n\n\
         Numbers are in double precision; attributions that are computed in float32 and not folded are in single precision.\n\n\
         A `.npy` file holds the attributions alone, [rows, features], or [rows, targets, features] for several targets. A \
         `.safetensors` file holds `attributions` of that shape, and `row`, `output`, `baseline_output`, `delta` and \
         `probability`, NaN where one is missing.\n\n## The global table\n\n"
    ));
    rows(&mut text, GLOBAL_COLUMNS);
    text
}

fn rows(text: &mut String, columns: &[ColumnInfo]) {
    text.push_str("| column | type | what it holds | empty |\n|---|---|---|---|\n");
    for c in columns {
        let kind = match c.column_type {
            ColumnType::Integer => "whole number",
            ColumnType::Float | ColumnType::Float32 => "number",
            ColumnType::Bool => "truth value",
            ColumnType::Text => "text",
        };
        // A bar would end the cell.
        let summary = c.summary.replace('|', "\\|");
        text.push_str(&format!("| `{}` | {kind} | {summary} | {} |\n", c.name, c.missing));
    }
}
