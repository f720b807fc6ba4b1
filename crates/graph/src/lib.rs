//! Tensors, the graph of named values, ONNX in and out, operators and graph transformations.

pub mod tensor;

pub use pellucid_kernels::random;
pub use tensor::{Buffer, DType, Element, Slice, SliceMut, Tensor, View, ViewMut};
