//! The result: attributions, and what is needed to trust and repeat them.

use pellucid_graph::Tensor;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// The rows to explain and what comes with them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// For each input of the model, its rows: shape [rows, …]. Floats of any width; they are brought to the spec's precision.
    pub inputs: Vec<Tensor>,
    /// For [`crate::Baseline::Each`], tensors like `inputs`; for [`crate::Baseline::Several`], tensors [samples, …].
    pub baselines: Option<Vec<Tensor>>,
    /// For feature ablation: for each input the group of each feature, of integers, shape [1, …] or [rows, …]. Features with the same number
    /// are replaced together, also across inputs. Without it each feature is a group.
    pub feature_mask: Option<Vec<Tensor>>,
    /// For [`crate::Target::True`], each row's class.
    pub labels: Option<Vec<usize>>,
}

impl Batch {
    /// The inputs alone.
    pub fn new(inputs: Vec<Tensor>) -> Self {
        Self { inputs, ..Self::default() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.inputs.first().and_then(|t| t.shape().first()).copied().unwrap_or(0)
    }
}

/// The check that a method has.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it is: `completeness`.
    pub name: &'static str,
    /// For each target and row: the sum of the attributions minus the difference that they should explain.
    pub delta: Vec<Vec<f64>>,
}

/// What is needed to repeat a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for; itself an input.
    pub spec: Spec,
    /// The method's name in full.
    pub method: String,
    /// The papers to cite.
    pub citation: String,
    /// On which scale the target was explained: `logit`, `probability`, `log-odds` or `output`.
    pub scale: String,
    /// SHA-256 of the model's bytes.
    pub model_sha256: String,
    /// Pellucid's version.
    pub version: String,
    /// The instruction set that kernels chose at run time; results agree bit for bit on one.
    pub instruction_set: String,
    /// Forward and backward passes through the model for each row.
    pub evaluations_per_row: Evaluations,
}

/// How often the model was evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluations {
    /// Forward passes.
    pub forward: u64,
    /// Backward passes.
    pub backward: u64,
}

/// Attributions with what is needed to trust and repeat them.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What the attributions belong to: the explained inputs' names, or the layer's.
    pub sources: Vec<String>,
    /// For each source, attributions of shape [rows, targets, …].
    pub attributions: Vec<Tensor>,
    /// For each target, its value for every row.
    pub output: Vec<Vec<f64>>,
    /// For each target, its value at the baseline, where the method has one.
    pub baseline_output: Option<Vec<Vec<f64>>>,
    /// For each target, which element of the output it was for every row; `None` where it was the same for all.
    pub target_index: Vec<Option<Vec<usize>>>,
    /// The method's check.
    pub check: Option<Check>,
    /// What is needed to repeat it.
    pub record: Record,
}
