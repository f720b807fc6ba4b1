//! What to explain and how: the specification that a result carries, and that can be given again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quadrature::Rule;

/// The type that floats are computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// 64 bits.
    Float64,
}

/// Which scalar of a row is explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// The output, which has one element for each row.
    #[default]
    Output,
    /// The element of the output at these indices behind the row: `[3]` is the fourth class.
    Index(Vec<i64>),
    /// For each row, the element of the output at its own indices.
    PerRow(Vec<Vec<i64>>),
    /// A class, by number. On a binary classifier with one output, class 1 is the output and class 0 its complement.
    Class(usize),
    /// For each row, the class with the largest output.
    Predicted,
    /// For each row, the class with the second largest output.
    RunnerUp,
    /// For each row, its true class, which comes with the data.
    True,
}

/// On which scale the target is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// As the model gives it.
    #[default]
    Output,
    /// The input of the final sigmoid or softmax.
    Logit,
    /// The output of the final sigmoid or softmax.
    Probability,
    /// ln(p / (1 − p)) of the probability.
    LogOdds,
}

/// What the input is compared with.
///
/// For an input of ids these are ids, and the line runs between the embeddings of both. Only [`Self::Zero`] is not: it is the zero vector
/// in place of every embedding, as Sundararajan et al. take it for text; the id 0 is `Scalar(0.0)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Baseline {
    /// Zero everywhere.
    #[default]
    Zero,
    /// One number everywhere.
    Scalar(f64),
    /// One row for all: for each input, its elements. Those of inputs that are held fixed are not looked at.
    Row(Vec<Vec<f64>>),
    /// A row for each row; comes with the data.
    Each,
    /// Several rows, over which attributions are averaged; they come with the data.
    Several,
}

/// What part an input of the model plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// By its type: floats are explained, and integers that name rows of an embedding's table, from the embedding's output on; everything
    /// else is held fixed, and so are `token_type_ids`, `segment_ids` and `position_ids` beside other explained inputs. Methods that only
    /// replace values explain every input of a model without embeddings; those that walk a line between a layer's values also bring to its
    /// baseline whatever input has one of its own. Where a model has neither floats nor embeddings, whole numbers that it turns into floats, such as
    /// pixels, are explained from these floats on.
    #[default]
    Automatic,
    /// Explained; whole numbers that no embedding takes from the floats on that the model turns them into.
    Explained,
    /// Held as it is: neither explained nor brought to a baseline.
    Fixed,
}

/// What one input is compared with, as [`Baseline`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputBaseline {
    /// Zero everywhere; the zero vector in place of every embedding.
    Zero,
    /// One number everywhere, or one id.
    Scalar(f64),
    /// One text everywhere, for an input of strings.
    Text(String),
    /// The elements of one row for all.
    Row(Vec<f64>),
    /// A row for each row; comes with the data.
    Each,
}

/// What a specification says of one input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Its part.
    #[serde(default)]
    pub role: Role,
    /// What it is compared with; as the specification's baseline says where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<InputBaseline>,
}

impl InputSpec {
    /// An explained input.
    pub fn explained() -> Self {
        Self { role: Role::Explained, baseline: None }
    }

    /// An input that is held as it is.
    pub fn fixed() -> Self {
        Self { role: Role::Fixed, baseline: None }
    }

    /// The same with a baseline of its own.
    #[must_use]
    pub fn against(mut self, baseline: InputBaseline) -> Self {
        self.baseline = Some(baseline);
        self
    }
}

/// How a path is integrated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// The rule for nodes and weights.
    #[serde(default)]
    pub quadrature: Rule,
    /// The number of nodes.
    #[serde(default = "fifty")]
    pub n_steps: usize,
}

fn fifty() -> usize {
    50
}

fn yes() -> bool {
    true
}

impl Default for Integration {
    /// Gauss and Legendre with 50 nodes, as Captum's.
    fn default() -> Self {
        Self { quadrature: Rule::default(), n_steps: 50 }
    }
}

/// How DeepLIFT goes through max pooling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxPoolRule {
    /// What rises goes to the element that is chosen, what falls to the one that was chosen in the reference. Attributions add up.
    #[default]
    Difference,
    /// The same, but the plain derivative where a pool stands directly behind an activation, as Captum 0.9 has it (its issue 1104). Where the
    /// reference is not the same all over a window, attributions do not add up.
    Captum,
}

/// An attribution method with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// The gradient, or its magnitude.
    Saliency {
        /// Whether the sign is dropped.
        #[serde(default = "yes")]
        absolute: bool,
    },
    /// Input × gradient.
    InputXGradient {},
    /// The gradient integrated along the straight line from the baseline, times the difference from it.
    IntegratedGradients {
        /// The integral.
        #[serde(flatten, default)]
        integration: Integration,
        /// Whether the integral is multiplied by the difference from the baseline.
        #[serde(default = "yes")]
        multiply_by_inputs: bool,
        /// Where it is given, nodes are set row by row, about `n_steps` of them at first and 65,536 at most, until what the
        /// attributions miss of F(x) − F(baseline) is at most this share of it.
        #[serde(default)]
        tolerance: Option<f64>,
    },
    /// The gradient with each Relu passing only what is positive both forward and backward.
    GuidedBackprop {},
    /// DeepLIFT with the rescale rule.
    DeepLift {
        /// Whether multipliers are multiplied by the difference from the baseline.
        #[serde(default = "yes")]
        multiply_by_inputs: bool,
        /// Below which difference a multiplier is the derivative.
        #[serde(default = "tiny")]
        eps: f64,
        /// How differences go through max pooling.
        #[serde(default)]
        max_pool: MaxPoolRule,
    },
    /// The difference that replacing a group of features by the baseline makes.
    FeatureAblation {},
    /// A layer's values.
    LayerActivation {},
    /// A layer's values times the gradient with respect to them.
    LayerGradientXActivation {
        /// Whether the gradient is multiplied by the values.
        #[serde(default = "yes")]
        multiply_by_inputs: bool,
    },
    /// How much of the output's change along the line from the baseline passes through each neuron of a layer.
    LayerConductance {
        /// The nodes; the rule's weights are not used.
        #[serde(flatten, default)]
        integration: Integration,
    },
    /// Integrated gradients along the straight line between a layer's values.
    LayerIntegratedGradients {
        /// The integral.
        #[serde(flatten, default)]
        integration: Integration,
        /// Whether the integral is multiplied by the difference of the layer's values.
        #[serde(default = "yes")]
        multiply_by_inputs: bool,
        /// Where it is given, nodes are set row by row, about `n_steps` of them at first and 65,536 at most, until what the
        /// attributions miss of F(x) − F(baseline) is at most this share of it.
        #[serde(default)]
        tolerance: Option<f64>,
    },
}

fn tiny() -> f64 {
    1e-10
}

/// What to explain and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The method.
    pub method: Method,
    /// Which scalars of a row are explained; each gets attributions of its own from one pass.
    #[serde(default = "output_alone")]
    pub targets: Vec<Target>,
    /// On which scale.
    #[serde(default)]
    pub scale: Scale,
    /// What the input is compared with, for the methods that compare.
    #[serde(default)]
    pub baseline: Baseline,
    /// What is said of single inputs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputSpec>,
    /// The layer whose values are attributed to, for the layer methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Which output of the model; where it is not said, the first that is not of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The precision of the computation.
    #[serde(default)]
    pub precision: Precision,
    /// How many points run together; found from the model's size where it is not said. Does not change results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<usize>,
    /// The seed of random draws. The methods so far draw nothing.
    #[serde(default)]
    pub seed: u64,
}

fn output_alone() -> Vec<Target> {
    vec![Target::Output]
}

impl Spec {
    /// A method with everything else as it is by default.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            targets: output_alone(),
            scale: Scale::default(),
            baseline: Baseline::default(),
            inputs: BTreeMap::new(),
            layer: None,
            output: None,
            precision: Precision::default(),
            tile: None,
            seed: 0,
        }
    }
}
