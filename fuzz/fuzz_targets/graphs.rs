//! Random graphs of operators: they run or are refused, planned as plain, row by row as whole, and so do their derivatives.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/engine/tests/fuzzed/mod.rs"]
mod fuzzed;

pellucid_fuzz::within_memory!();

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::graphs::graph(data));
