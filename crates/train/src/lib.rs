//! Small networks fitted with Burn and saved as ONNX.
