//! What an operator is: its definition in the table, and what it can say and do for a node.

use std::fmt::Debug;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// How an operator's output depends on its active inputs, the others held fixed. Rules and optimisations select on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A linear map plus a constant: a product with weights, a sum, a mean, a scaling.
    Affine,
    /// Each output element depends on one element of the active input, not affinely.
    Elementwise,
    /// Elements are moved, repeated or dropped, or constants put beside them: reshape, concat, gather, slice, pad.
    Route,
    /// Each output element is one of several input elements, chosen by their values: max, min, top k.
    Select,
    /// Active inputs are multiplied with or divided by each other.
    Product,
    /// A vector is scaled by a function of itself: softmax, layer norm.
    Normalize,
    /// The output does not change where the input changes a little: shape, compare, round, arg max.
    Constant,
    /// Differentiable, and none of the above.
    Other,
}

/// An input of a node during shape inference: its type and shape, and its value where that is constant.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// Type and shape.
    pub fact: &'a Fact,
    /// Value.
    pub constant: Option<&'a Tensor>,
}

/// A node on the way back: what a derivative or a rule sees.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The operator.
    pub op: &'a Arc<dyn Operator>,
    /// The node's inputs; `None` where an optional one is left out.
    pub inputs: &'a [Option<ValueId>],
    /// The node's outputs.
    pub outputs: &'a [ValueId],
    /// For each output, the derivative of the target with respect to it; `None` where that is zero.
    pub cotangents: &'a [Option<ValueId>],
    /// For each input, whether its cotangent is wanted.
    pub active: &'a [bool],
}

impl Site<'_> {
    /// The input at a position; an error where it is left out.
    pub fn input(&self, i: usize) -> OpResult<ValueId> {
        self.inputs.get(i).copied().flatten().ok_or_else(|| OpError(format!("input {i} is missing")))
    }

    /// Whether the cotangent of the input at a position is wanted.
    pub fn active(&self, i: usize) -> bool {
        self.active.get(i).copied().unwrap_or(false)
    }
}

/// The cotangents of a node's inputs, in order; `None` for zero or not wanted.
pub type Cotangents = Vec<Option<ValueId>>;

/// An operator with its attributes: one node's worth of meaning.
///
/// A **primitive** has `run` and, where it is differentiable, `derivative`. A **composite** has `lower`, a body of primitives from
/// which its derivative follows; it may have a fused `run` too.
pub trait Operator: Debug + Send + Sync + 'static {
    /// Its entry in the table.
    fn definition(&self) -> &'static Definition;

    /// Its attributes as ONNX writes them, at [`crate::EXPORT_OPSET`].
    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    /// The nodes that say the same in the form of [`crate::EXPORT_OPSET`], where no single one does. The last gives the node's output.
    fn spelled_out(&self) -> Option<Vec<Part>> {
        None
    }

    /// The types and shapes of its outputs.
    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>>;

    /// Outputs that follow from types and shapes alone, as `Shape`'s does.
    fn known(&self, _inputs: &[Option<Arg<'_>>]) -> Option<Vec<Tensor>> {
        None
    }

    /// How its outputs depend on the active inputs.
    fn kind(&self, active: &[bool]) -> Kind;

    /// Where its outputs' rows lie, or how it mixes rows.
    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>>;

    /// Emits the nodes of its derivative. `None` means that it has none of its own: a composite's is then that of its body, and a
    /// primitive is not differentiable.
    fn derivative(&self, _b: &mut Builder, _site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        Ok(None)
    }

    /// Whether gradients stop here with an error, rather than with zeros, where a value that it reads depends on the source: a quantised
    /// model's steps have no slope, and zeros would look like an explanation.
    fn refuses_gradients(&self) -> bool {
        false
    }

    /// Emits its body and gives its outputs; `None` for a primitive.
    fn lower(&self, _b: &mut Builder, _inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        Ok(None)
    }

    /// Whether `run` works; a composite without a fused one is run through its body.
    fn runs(&self) -> bool {
        true
    }

    /// Computes the outputs. Types and shapes are those that `infer` was given and gave.
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()>;

    /// About how many steps `run` takes: elements read and written, or multiplications where these are more.
    fn work(&self, inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let read = inputs.iter().flatten().map(|x| x.fact.len() as u64);
        read.chain(outputs.iter().map(|o| o.len() as u64)).fold(0, u64::saturating_add)
    }

    /// A kernel for many runs on inputs of the given types and shapes, with what follows from the constant ones worked out once, and `then`
    /// done to each element of the first output. `None` where `run` is as good, or `then` cannot be done on the way.
    fn prepare(&self, _inputs: &[Option<Arg<'_>>], _then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        Ok(None)
    }

    /// The same operator when floats are computed in `precision`; `None` where nothing changes.
    fn with_precision(&self, _precision: DType) -> Option<Arc<dyn Operator>> {
        None
    }

    /// The same operator whose sums of numbers in single precision are taken in double and rounded once; `None` where it has none.
    fn with_sums_in_double(&self) -> Option<Arc<dyn Operator>> {
        None
    }

    /// The same operator where nobody reads more than its first `count` outputs; `None` where the others cost nothing.
    fn with_outputs(&self, _count: usize) -> Option<Arc<dyn Operator>> {
        None
    }
}

/// An operator made ready for many runs: see [`Operator::prepare`].
pub trait Kernel: Debug + Send + Sync {
    /// Computes the outputs.
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()>;
}

/// A node of several that are written for one: see [`Operator::spelled_out`].
#[derive(Clone, Debug)]
pub struct Part {
    /// The operator of ONNX.
    pub operator: &'static str,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its inputs.
    pub inputs: Vec<Wire>,
}

/// What an input of a [`Part`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// An input of the whole, by position.
    Input(usize),
    /// The output of a part before it, by position.
    Made(usize),
}

/// What is done to each element of a kernel's output before it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// max(x, 0).
    Relu,
    /// The element kept between two bounds, the lower of which is below the upper.
    Clip(f64, f64),
    /// The element where that of one more input, behind the operator's own and of the output's shape, is positive, else 0.
    Gate,
    /// The element where that of one more input, as a gate's, lies between two bounds and is none of them, else 0.
    Inside(f64, f64),
}

impl Then {
    /// Whether it reads one more input.
    pub fn is_gate(self) -> bool {
        matches!(self, Self::Gate | Self::Inside(..))
    }
}

/// The entry of an operator in the table of all.
pub struct Definition {
    /// ONNX's name.
    pub name: &'static str,
    /// ONNX's domain; empty for its own operators.
    pub domain: &'static str,
    /// The first opset whose form is read.
    pub since: i64,
    /// One sentence: what it computes.
    pub summary: &'static str,
    /// What the derivative is at kinks and ties, or why there is none.
    pub derivative: &'static str,
    /// Reads a node's attributes and brings its inputs into today's form.
    pub import: fn(&mut Import<'_>) -> OpResult<Arc<dyn Operator>>,
    /// The cases that one loop checks for every operator.
    #[cfg(test)]
    pub cases: fn() -> Vec<crate::cases::Case>,
}

/// Operators that compute each element from those at its place, broadcast.
const ELEMENTWISE: [&str; 49] = [
    "Abs",
    "Add",
    "And",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Div",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GeluSlope",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "Relu",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "Where",
    "Xor",
];

impl Definition {
    /// Whether it computes each element from those at its place, broadcast.
    pub fn is_elementwise(&self) -> bool {
        ["", "pellucid"].contains(&self.domain) && ELEMENTWISE.contains(&self.name)
    }

    /// Why it has no derivative in any form; `None` where it has one in some.
    pub fn lacks_derivative(&self) -> Option<&'static str> {
        self.derivative.strip_prefix("none: ")
    }
}

impl Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
