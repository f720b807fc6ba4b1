//! What the engine knows of single operators.

use pellucid_graph::Operator;

/// Operators that compute each element from those at its place, broadcast.
const ELEMENTWISE: [&str; 47] = [
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
];

/// Operators whose output has the elements of their first input, in its order.
pub(crate) const RESHAPING: [&str; 5] = ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// Whether an operator computes each element from those at its place, broadcast.
pub(crate) fn is_elementwise(op: &dyn Operator) -> bool {
    let definition = op.definition();
    ["", "pellucid"].contains(&definition.domain) && ELEMENTWISE.contains(&definition.name)
}
