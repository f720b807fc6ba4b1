//! Bytes as an ONNX file: read or refused, and what is read runs or is refused.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/engine/tests/fuzzed/mod.rs"]
mod fuzzed;

pellucid_fuzz::within_memory!();

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::models::model(data));
