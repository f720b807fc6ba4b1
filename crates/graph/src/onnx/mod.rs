//! ONNX files: read into a [`Network`](crate::Network), and written from one or from a [`Graph`](crate::Graph).

mod branch;
mod encode;
mod external;
mod foreign;
mod inline;
mod measure;
mod module;
mod node;
mod order;
pub mod proto;
mod read;
mod save;
mod tensor;
#[cfg(test)]
mod tests;
mod write;

pub use save::write_whole;
pub use tensor::tensor_from_proto;

/// The newest operator set whose forms are known; a newer one is read with a warning.
pub const NEWEST_OPSET: i64 = 28;
