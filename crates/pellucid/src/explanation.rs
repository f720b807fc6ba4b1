//! The result: attributions, and what is needed to trust and repeat them.

use pellucid_graph::Tensor;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// The rows to explain and what comes with them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// For each input of the model, its rows: shape [rows, …], or no dimensions for an input that is one value for all rows. Floats of any
    /// width; they are brought to the spec's precision.
    pub inputs: Vec<Tensor>,
    /// For [`crate::Baseline::Each`], tensors like `inputs`; for [`crate::Baseline::Several`], tensors [samples, …]. One for each input; those
    /// of inputs that need none are not looked at.
    pub baselines: Option<Vec<Tensor>>,
    /// For feature ablation: for each input the group of each feature, of integers, shape [1, …] or [rows, …]. Features with the same number
    /// are replaced together, also across inputs. Without it each feature is a group. Those of inputs held fixed are not looked at.
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
        self.inputs.iter().find_map(|t| t.shape().first()).copied().unwrap_or(0)
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
    /// Forward and backward passes through the model for each row; where a tolerance was asked for, for the row that took most.
    pub evaluations_per_row: Evaluations,
    /// What part each input of the model played.
    #[serde(default)]
    pub inputs: Vec<InputUse>,
}

/// What part an input of the model played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputUse {
    /// Its name.
    pub name: String,
    /// Whether it was explained, or brought to the baseline on the way to a layer; else it was held fixed.
    pub explained: bool,
    /// For an input of ids, the layers at whose outputs attribution started: its embeddings; for other whole numbers where they become floats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<String>,
}

/// What attributions belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The input's name, or the layer's.
    pub name: String,
    /// For an input of ids, the layer at whose output attribution started: its embedding; for other whole numbers where they become floats.
    pub embedding: Option<String>,
    /// The shape of the attributions that belong to one id: that of a row of the embedding's table; empty elsewhere.
    pub vector: Vec<usize>,
}

/// How often the model was evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluations {
    /// Forward passes.
    pub forward: u64,
    /// Backward passes.
    pub backward: u64,
}

impl Evaluations {
    /// The larger number of each, where the work on a row depends on the row.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { forward: self.forward.max(other.forward), backward: self.backward.max(other.backward) }
    }
}

/// Attributions with what is needed to trust and repeat them.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What the attributions belong to: the explained inputs, or the layer. An input of ids with several embeddings is there for each.
    pub sources: Vec<Source>,
    /// For each source, attributions of shape [rows, targets, …]; where attribution started at an embedding, the elements of its rows are
    /// the last axes.
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

impl Explanation {
    /// The attributions of a source with one number for each id: those of an embedding's elements added up, as Captum's tutorials do. Where
    /// attribution did not start at an embedding, as they are. `None` where there is no such source.
    pub fn per_token(&self, source: usize) -> Option<Tensor> {
        let (attributions, source) = (self.attributions.get(source)?, self.sources.get(source)?);
        if source.embedding.is_none() {
            return Some(attributions.clone());
        }
        let width: usize = source.vector.iter().product();
        let mut shape = attributions.shape().to_vec();
        if shape.get(2..)?.ends_with(&source.vector) {
            shape.truncate(shape.len() - source.vector.len());
        } else {
            // A value whose rows are not its first axis is laid flat.
            let last = shape.last_mut()?;
            *last = last.checked_div(width)?;
        }
        let sums = attributions.to_f64()?.chunks(width.max(1)).map(|each| each.iter().sum::<f64>()).collect();
        Some(Tensor::new(&shape, sums)?.with_precision(attributions.dtype()))
    }
}
