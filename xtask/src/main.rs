//! Development tasks.
//!
//! - `onnx-proto`: makes the message types of ONNX from its schema. Needs the feature of the same name:
//!   `cargo run --release --package xtask --features onnx-proto -- onnx-proto`.
#![allow(clippy::print_stderr)]

#[cfg(feature = "onnx-proto")]
mod onnx_proto;

use std::process::ExitCode;

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let result: Result<(), Box<dyn std::error::Error>> = match task.as_deref() {
        #[cfg(feature = "onnx-proto")]
        Some("onnx-proto") => onnx_proto::generate(),
        #[cfg(not(feature = "onnx-proto"))]
        Some("onnx-proto") => Err("built without it; run \
            `cargo run --release --package xtask --features onnx-proto -- onnx-proto`"
            .into()),
        Some(other) => Err(format!("there is no task {other:?}; there is: onnx-proto").into()),
        None => Err("name a task: onnx-proto".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}
