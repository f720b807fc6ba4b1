//! Bytes as a picture: decoded or refused within bounds, resized, cropped, and brought to a network's input.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/data/tests/fuzzed/mod.rs"]
mod fuzzed;

pellucid_fuzz::within_memory!();

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::images::picture(data));
