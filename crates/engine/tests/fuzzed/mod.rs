//! What the fuzz targets `onnx` and `graphs` hold the code to; the tests replay what they found.

pub(crate) mod generate;
pub(crate) mod graphs;
pub(crate) mod models;
pub(crate) mod schema;
