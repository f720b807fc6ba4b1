//! Attribution for trained networks: how much each input, layer or neuron contributed to a prediction.
//!
//! A [`Model`] is read from ONNX. A [`Spec`] says what to explain and how. [`Model::explain`] gives an [`Explanation`], which carries its
//! own check and what is needed to repeat it.

mod cache;
mod compiled;
pub mod error;
pub mod explain;
pub mod explanation;
mod finite;
mod frame;
pub mod methods;
pub mod model;
pub mod quadrature;
mod ragged;
mod refine;
pub mod rules;
pub mod spec;
mod starts;
pub mod survey;
mod target;
mod task;

pub use error::{Error, Result};
pub use explain::{Explainer, instruction_set};
pub use explanation::{Batch, Check, Evaluations, Explanation, InputUse, Record, Source};
pub use methods::{MethodInfo, TABLE as METHODS};
pub use model::Model;
pub use pellucid_engine as engine;
pub use pellucid_graph as graph;
pub use quadrature::{Quadrature, Rule as QuadratureRule};
pub use spec::{
    Baseline, InputBaseline, InputSpec, Integration, MaxPoolRule, Method, Precision, Role, Scale, Spec,
    Target,
};
pub use survey::{MethodReach, Survey};
