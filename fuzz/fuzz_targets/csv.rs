//! Bytes as a CSV file: read or refused, in batches as at once.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/data/tests/fuzzed/mod.rs"]
mod fuzzed;

pellucid_fuzz::within_memory!();

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::csv::table(data));
