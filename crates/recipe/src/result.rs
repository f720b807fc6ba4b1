//! Explained rows, and what all parts of a result have in common.

use pellucid::Precision;
use pellucid_data::table::{Cell, Field};

use crate::error::Result;
use crate::predict::Predictions;
use crate::target::NamedTarget;

/// What all parts of a result have in common.
#[derive(Clone, Debug)]
pub struct Header {
    /// The targets.
    pub targets: Vec<NamedTarget>,
    /// The names of the classes by number; empty where they are not known.
    pub classes: Vec<String>,
    /// What attributions are given for: columns of the table where they are folded, else of the network.
    pub features: Vec<String>,
    /// The network's columns, or the layer's neurons.
    pub tensor_features: Vec<String>,
    /// For each of the network's columns, its place among `features`.
    pub fold: Vec<usize>,
    /// The columns that are passed through.
    pub kept: Vec<Field>,
    /// The precision of the attributions.
    pub precision: Precision,
    /// The scale on which targets are explained.
    pub scale: String,
}

impl Header {
    /// Whether attributions of several of the network's columns are summed.
    pub fn is_folded(&self) -> bool {
        self.features.len() < self.tensor_features.len()
    }

    /// The name of a class.
    pub fn class_name(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// Explained rows.
#[derive(Debug)]
pub struct Explained {
    /// The rows' numbers in the file, counted from 0.
    pub numbers: Vec<u64>,
    /// What the model predicts.
    pub predictions: Predictions,
    /// The true class or value, where the data has it.
    pub labels: Vec<Option<f64>>,
    /// For each target, each row's class.
    pub target_class: Vec<Vec<Option<usize>>>,
    /// For each target, F(x); NaN for a layer's activation, which explains no scalar.
    pub output: Vec<Vec<f64>>,
    /// For each target, F(baseline), where the method has one.
    pub baseline_output: Option<Vec<Vec<f64>>>,
    /// For each target, the sum of the attributions minus F(x) − F(baseline), where the method promises that.
    pub delta: Option<Vec<Vec<f64>>>,
    /// [rows, targets, features].
    pub attributions: Vec<f64>,
    /// [rows, targets, columns of the network].
    pub tensor_attributions: Vec<f64>,
    /// [rows, columns of the network]: whether the column differs from the baseline, or from zero without one.
    pub active: Vec<bool>,
    /// The model's input, where it has one.
    pub encoded: Vec<f64>,
    /// The rows as the table has them, where the data is a table.
    pub table: Option<pellucid_data::table::Batch>,
}

impl Explained {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.numbers.len()
    }

    /// The attributions of a row to a target.
    pub fn of(&self, header: &Header, row: usize, target: usize) -> &[f64] {
        let (targets, width) = (header.targets.len(), header.features.len());
        &self.attributions[(row * targets + target) * width..][..width]
    }

    /// The name of a target in a row: its class where it has one.
    pub fn target_name(&self, header: &Header, row: usize, target: usize) -> String {
        match self.target_class[target][row] {
            Some(class) => header.class_name(class),
            None => header.targets[target].name.clone(),
        }
    }

    /// What the model predicts for a row: a class by name, or a number.
    pub fn predicted(&self, header: &Header, row: usize) -> Cell {
        match self.predictions.class(row) {
            Some(class) => Cell::Text(header.class_name(class)),
            None => match self.predictions.value(row) {
                [one] => Cell::Number(*one),
                _ => Cell::Missing,
            },
        }
    }

    /// The truth of a row: a class by name, or a number.
    pub fn truth(&self, header: &Header, row: usize) -> Cell {
        match self.labels.get(row).copied().flatten() {
            None => Cell::Missing,
            Some(class) if self.predictions.classes > 0 => Cell::Text(header.class_name(class as usize)),
            Some(value) => Cell::Number(value),
        }
    }

    /// The model's probability of the class that a target is in a row.
    pub fn probability(&self, row: usize, target: usize) -> Option<f64> {
        self.predictions.probability(row, self.target_class[target][row]?)
    }

    /// A feature's own value in a row.
    pub fn value(&self, header: &Header, row: usize, feature: usize) -> Option<Cell> {
        let name = &header.features[feature];
        if let Some(column) = self.table.as_ref().and_then(|t| t.column(name).ok()) {
            return Some(column.cell(row));
        }
        let width = header.tensor_features.len();
        let known = !header.is_folded() && self.encoded.len() == self.rows() * width;
        known.then(|| Cell::Number(self.encoded[row * width + feature]))
    }
}

/// Takes explained rows as they come.
pub trait Sink {
    /// Some rows, the first of them first.
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()>;
}
