//! What can go wrong with a graph, and where.

use std::fmt;

use thiserror::Error as ThisError;

/// The error of this crate: a kind, boxed to stay small.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

/// The kinds of error.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not an ONNX model, or are another kind of file.
    #[error("{0}")]
    NotOnnx(String),
    /// The model contradicts itself or the format.
    #[error("the model is malformed: {0}")]
    Malformed(String),
    /// A size exceeds what is allowed.
    #[error("too large: {0}")]
    TooLarge(String),
    /// External data is missing, outside the model's folder, or too short.
    #[error("external data: {0}")]
    ExternalData(String),
    /// Nodes feed each other in a circle.
    #[error("the model has a cycle through node {0}")]
    Cycle(String),
    /// An operator that Pellucid does not have, or not in this form, is reached.
    #[error("node {node}: operator {operator} of opset {opset} is not supported: {reason}")]
    Unsupported {
        /// The node's name.
        node: String,
        /// The operator, with its domain where that is not ONNX's own.
        operator: String,
        /// The version of the operator set that the model imports.
        opset: i64,
        /// Why, and what to do.
        reason: String,
    },
    /// An operator refuses its inputs.
    #[error("node {node} ({}): {message}", of_opset(operator, *opset))]
    Operator {
        /// The node's name.
        node: String,
        /// The operator.
        operator: &'static str,
        /// The version of the operator set that the model imports, where a model is behind it.
        opset: Option<i64>,
        /// What was expected and what was found.
        message: String,
    },
    /// A derivative is asked for through an operator that has none.
    #[error(
        "node {node}: {} has no derivative: {reason}; methods that only run the model, such as feature_ablation, need none",
        of_opset(operator, *opset)
    )]
    NotDifferentiable {
        /// The node's name.
        node: String,
        /// The operator.
        operator: &'static str,
        /// The version of the operator set that the model imports, where a model is behind it.
        opset: Option<i64>,
        /// Why.
        reason: String,
    },
    /// Rows of a batch influence each other.
    #[error(
        "node {node} ({}) mixes the rows of a batch: {reason}; with a tile of 1 such a model is run one row at a time, if the file leaves their number open; rows lie along the first axis of every input: a model that has them along another is exported with batch_first=True, or with a Transpose behind the input",
        of_opset(operator, *opset)
    )]
    RowsMix {
        /// The node's name.
        node: String,
        /// The operator.
        operator: &'static str,
        /// The version of the operator set that the model imports, where a model is behind it.
        opset: Option<i64>,
        /// How.
        reason: String,
    },
    /// No tensor, node or module has this name.
    #[error("nothing in the model is named {name:?}{hint}")]
    UnknownName {
        /// The name.
        name: String,
        /// Names that are close, or empty.
        hint: String,
    },
    /// An input is missing, or has another type or shape.
    #[error("input {name:?}: {message}")]
    Input {
        /// The input's name.
        name: String,
        /// What was expected and what was found.
        message: String,
    },
}

/// An operator, and of which opset it is where that is known.
fn of_opset(operator: &str, opset: Option<i64>) -> String {
    opset.map_or_else(|| operator.to_owned(), |opset| format!("{operator} of opset {opset}"))
}

/// What an operator says when it refuses; the graph adds which node it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpError(pub String);

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The result of an operator's functions.
pub type OpResult<T> = std::result::Result<T, OpError>;

/// Leaves an operator's function with a message.
#[macro_export]
macro_rules! refuse {
    ($($arg:tt)*) => { return Err($crate::error::OpError(format!($($arg)*))) };
}
