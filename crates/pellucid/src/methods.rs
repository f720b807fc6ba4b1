//! The methods: each turns the model's graph into stages, and the table that lists them.

mod ablation;
mod deep_lift;
mod gradient;
mod integral;
mod layer;

use crate::compiled::Compiled;
use crate::error::Result;
use crate::frame::Setup;
use crate::spec::Method;

/// What a method is, for help, docs and results.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// Its name in specifications and on the command line.
    pub name: &'static str,
    /// Its name in Captum and in the Python package.
    pub class: &'static str,
    /// Its name in full.
    pub title: &'static str,
    /// What it computes.
    pub summary: &'static str,
    /// The check that its results carry.
    pub check: &'static str,
    /// Model evaluations for each row.
    pub cost: &'static str,
    /// Where not to trust it.
    pub caution: &'static str,
    /// The paper.
    pub citation: &'static str,
    /// Whether it compares with a baseline.
    pub has_baseline: bool,
    /// Whether it attributes to a layer.
    pub has_layer: bool,
    /// Whether it integrates along a path.
    pub has_path: bool,
    /// Whether it explains a target; a layer's values have none.
    pub has_target: bool,
}

const SIMONYAN: &str =
    "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks. ICLR workshop 2014, arXiv:1312.6034";
const SHRIKUMAR: &str = "Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences. ICML 2017, arXiv:1704.02685";
const SUNDARARAJAN: &str =
    "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks. ICML 2017, arXiv:1703.01365";
const DHAMDHERE: &str =
    "Dhamdhere, Sundararajan, Yan: How Important Is a Neuron? ICLR 2019, arXiv:1805.12233";

/// Every method, in alphabetical order of names.
pub const TABLE: &[MethodInfo] = &[
    MethodInfo {
        name: "deep_lift",
        class: "DeepLift",
        title: "DeepLIFT (rescale)",
        summary: "Differences from a second run on the baseline, pushed back with ratios of differences in place of derivatives.",
        check: "completeness: attributions sum to F(x) − F(baseline)",
        cost: "2 forward, 1 backward",
        caution: "The ratios depend on how the network is written, not only on what it computes.",
        citation: SHRIKUMAR,
        has_baseline: true,
        has_layer: false,
        has_path: false,
        has_target: true,
    },
    MethodInfo {
        name: "feature_ablation",
        class: "FeatureAblation",
        title: "Feature ablation",
        summary: "F(x) minus F of x with a group of features replaced by the baseline; every feature of the group gets the difference.",
        check: "none: differences need not sum to anything",
        cost: "2 + groups forward",
        caution: "Features that carry the same information hide each other; replaced rows may be unlike any real one.",
        citation: "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, arXiv:1311.2901",
        has_baseline: true,
        has_layer: false,
        has_path: false,
        has_target: true,
    },
    MethodInfo {
        name: "guided_backprop",
        class: "GuidedBackprop",
        title: "Guided backpropagation",
        summary: "The gradient, with every Relu passing only what is positive both forward and backward.",
        check: "none",
        cost: "1 forward, 1 backward",
        caution: "Mostly shows the input's own structure: it changes little when the network's weights are randomised.",
        citation: "Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity. ICLR workshop 2015, arXiv:1412.6806",
        has_baseline: false,
        has_layer: false,
        has_path: false,
        has_target: true,
    },
    MethodInfo {
        name: "input_x_gradient",
        class: "InputXGradient",
        title: "Input × gradient",
        summary: "Each input times the derivative of the target with respect to it.",
        check: "none; complete only for networks that are linear without offset",
        cost: "1 forward, 1 backward",
        caution: "Local: says nothing about saturated parts of the network.",
        citation: SHRIKUMAR,
        has_baseline: false,
        has_layer: false,
        has_path: false,
        has_target: true,
    },
    MethodInfo {
        name: "integrated_gradients",
        class: "IntegratedGradients",
        title: "Integrated Gradients",
        summary: "The gradient averaged along the straight line from the baseline to the input, times the difference between them.",
        check: "completeness: attributions sum to F(x) − F(baseline), up to the quadrature's error, or to the tolerance that was asked for",
        cost: "2 + n forward, n backward for n nodes; to a tolerance as many as each row needs, 65,536 at most, and up to three times as many to find them",
        caution: "The answer is about the baseline as much as about the input; on ReLU networks the error falls only as 1/n.",
        citation: SUNDARARAJAN,
        has_baseline: true,
        has_layer: false,
        has_path: true,
        has_target: true,
    },
    MethodInfo {
        name: "layer_activation",
        class: "LayerActivation",
        title: "Layer activation",
        summary: "A layer's values.",
        check: "none",
        cost: "1 forward",
        caution: "Not an attribution: a large value need not matter to the target.",
        citation: "",
        has_baseline: false,
        has_layer: true,
        has_path: false,
        has_target: false,
    },
    MethodInfo {
        name: "layer_conductance",
        class: "LayerConductance",
        title: "Layer conductance",
        summary: "How much of the change of the target along the line from the baseline passes through each neuron of a layer.",
        check: "completeness, up to the error of n steps",
        cost: "2 + n forward, n backward, n + 1 forward to the layer",
        caution: "Gauss-Legendre nodes leave out the ends of the line, so completeness is not exact even for linear networks.",
        citation: DHAMDHERE,
        has_baseline: true,
        has_layer: true,
        has_path: true,
        has_target: true,
    },
    MethodInfo {
        name: "layer_gradient_x_activation",
        class: "LayerGradientXActivation",
        title: "Layer gradient × activation",
        summary: "A layer's values times the derivative of the target with respect to them.",
        check: "none",
        cost: "1 forward, 1 backward",
        caution: "Local, as input × gradient is.",
        citation: SHRIKUMAR,
        has_baseline: false,
        has_layer: true,
        has_path: false,
        has_target: true,
    },
    MethodInfo {
        name: "layer_integrated_gradients",
        class: "LayerIntegratedGradients",
        title: "Layer Integrated Gradients",
        summary: "Integrated Gradients along the straight line between a layer's values at the baseline and at the input.",
        check: "completeness, where everything flows through the layer",
        cost: "2 + n forward, n backward behind the layer; to a tolerance as Integrated Gradients",
        caution: "Points between two activations need not be activations of any input.",
        citation: SUNDARARAJAN,
        has_baseline: true,
        has_layer: true,
        has_path: true,
        has_target: true,
    },
    MethodInfo {
        name: "saliency",
        class: "Saliency",
        title: "Saliency",
        summary: "The derivative of the target with respect to each input, or its magnitude.",
        check: "none",
        cost: "1 forward, 1 backward",
        caution: "Sensitivity, not contribution: an input of zero can have any gradient.",
        citation: SIMONYAN,
        has_baseline: false,
        has_layer: false,
        has_path: false,
        has_target: true,
    },
];

impl MethodInfo {
    /// The names of its arguments in a specification.
    pub fn arguments(&self) -> Vec<String> {
        let default = serde_json::from_value::<Method>(serde_json::json!({ "name": self.name })).ok();
        let whole = default.and_then(|m| serde_json::to_value(m).ok()).unwrap_or_default();
        let names = whole.as_object().map(|o| o.keys().filter(|k| *k != "name").cloned().collect());
        names.unwrap_or_default()
    }

    /// Why a specification of the method with these arguments is refused: those that it does not take, called as `named` says, or what
    /// `error` says of the others.
    pub fn refusal<'a>(
        &self,
        given: impl Iterator<Item = &'a String>,
        error: &serde_json::Error,
        named: impl Fn(&str) -> String,
    ) -> String {
        let taken = self.arguments();
        let list = |names: &[&String]| names.iter().map(|n| named(n)).collect::<Vec<_>>().join(", ");
        let other: Vec<&String> = given.filter(|g| !taken.contains(g)).collect();
        if other.is_empty() {
            let full = error.to_string();
            return full.split(" at line ").next().unwrap_or(&full).to_owned();
        }
        let takes = if taken.is_empty() { "" } else { "; it takes " };
        format!(
            "{} does not take {}{takes}{}",
            self.title,
            list(&other),
            list(&taken.iter().collect::<Vec<_>>())
        )
    }
}

impl Method {
    /// Its entry in the table.
    pub fn info(&self) -> &'static MethodInfo {
        let name = match self {
            Self::Saliency { .. } => "saliency",
            Self::InputXGradient {} => "input_x_gradient",
            Self::IntegratedGradients { .. } => "integrated_gradients",
            Self::GuidedBackprop {} => "guided_backprop",
            Self::DeepLift { .. } => "deep_lift",
            Self::FeatureAblation {} => "feature_ablation",
            Self::LayerActivation {} => "layer_activation",
            Self::LayerGradientXActivation { .. } => "layer_gradient_x_activation",
            Self::LayerConductance { .. } => "layer_conductance",
            Self::LayerIntegratedGradients { .. } => "layer_integrated_gradients",
        };
        // Every variant has its entry, which a test holds.
        TABLE.iter().find(|m| m.name == name).unwrap_or(&TABLE[0])
    }

    /// Whether its results are products with an input's elements, or with their differences from a baseline.
    pub(crate) fn needs_numbers(&self) -> bool {
        use Method as M;
        matches!(
            self,
            M::InputXGradient {}
                | M::IntegratedGradients { .. }
                | M::DeepLift { .. }
                | M::LayerConductance { .. }
        )
    }
}

/// Compiles a method for blocks of `rows` rows and tiles of `points` points.
pub(crate) fn compile(setup: &Setup<'_>, rows: usize, points: usize) -> Result<Compiled> {
    match setup.spec.method {
        Method::Saliency { absolute } => gradient::saliency(setup, rows, absolute),
        Method::InputXGradient {} => gradient::input_x_gradient(setup, rows),
        Method::GuidedBackprop {} => gradient::guided_backprop(setup, rows),
        Method::DeepLift { multiply_by_inputs, eps, max_pool } => {
            deep_lift::deep_lift(setup, rows, multiply_by_inputs, (eps, max_pool))
        }
        Method::IntegratedGradients { integration, multiply_by_inputs, tolerance } => {
            integral::gradients(setup, rows, points, (integration, tolerance), multiply_by_inputs)
        }
        Method::LayerIntegratedGradients { integration, multiply_by_inputs, tolerance } => {
            integral::gradients(setup, rows, points, (integration, tolerance), multiply_by_inputs)
        }
        Method::LayerConductance { integration } => integral::conductance(setup, rows, points, integration),
        Method::LayerActivation {} => layer::activation(setup, rows),
        Method::LayerGradientXActivation { multiply_by_inputs } => {
            layer::gradient_x_activation(setup, rows, multiply_by_inputs)
        }
        Method::FeatureAblation {} => ablation::feature_ablation(setup, rows, points),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_own_entry() {
        for info in TABLE {
            let json = format!("{{\"name\": \"{}\"}}", info.name);
            let method: Method = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{}: {e}", info.name));
            assert_eq!(method.info().name, info.name);
        }
        let names: Vec<&str> = TABLE.iter().map(|m| m.name).collect();
        assert!(names.is_sorted());
    }
}
