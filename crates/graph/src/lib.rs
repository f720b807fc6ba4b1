//! Tensors, the graph of named values, ONNX in and out, operators and graph transformations.

pub mod attributes;
pub mod build;
#[cfg(test)]
mod cases;
mod counted;
pub mod differentiate;
pub mod emit;
pub mod error;
pub mod evaluate;
pub mod flow;
mod front;
pub mod graph;
pub mod import;
pub mod lower;
pub mod network;
pub mod onnx;
pub mod operator;
pub mod ops;
pub mod prefix;
pub mod rows;
pub mod specialise;
pub mod tensor;
mod units;

pub use attributes::{Attribute, Attributes, Branch};
pub use build::{Budget, Builder};
pub use error::{Error, ErrorKind, OpError, OpResult, Result};
pub use flow::{Flow, Obstacle, flow};
pub use graph::{Fact, FileOperator, Graph, Node, Origin, Value, ValueId};
pub use network::{Dim, Network};
pub use operator::{Arg, Cotangents, Definition, Kernel, Kind, Operator, Part, Site, Then, Wire};
pub use pellucid_kernels::random;
pub use rows::Rows;
pub use specialise::{Refusal, Specialisation, Specialised};
pub use tensor::{Buffer, DType, Element, Slice, SliceMut, Tensor, View, ViewMut};
pub use units::Recognised;

/// The version of ONNX's operator set in whose form operators are kept and written.
pub const EXPORT_OPSET: i64 = 21;
