//! Makes `crates/graph/src/onnx/proto.rs` from ONNX's schema.

use std::path::Path;
use std::process::Command;

const HEADER: &str = "\
//! The messages of an ONNX file. Made from `proto/onnx.proto` by `cargo xtask onnx-proto`; not edited by hand.
#![allow(missing_docs, unreachable_pub, rustdoc::all, clippy::all, clippy::pedantic, clippy::nursery)]

";

/// Compiles the schema, writes the types and formats them.
pub fn generate() -> Result<(), Box<dyn std::error::Error>> {
    let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/graph");
    let descriptors = protox::compile(["onnx.proto"], [graph.join("proto")])?;
    let mut config = prost_build::Config::new();
    // Weights share the memory of the file that they are read from.
    config.bytes([".onnx.TensorProto.raw_data"]);
    // The schema's comments are prose for its own page; they stay there.
    config.disable_comments(["."]);
    let module = prost_build::Module::from_protobuf_package_name("onnx");
    let requests = descriptors.file.into_iter().map(|file| (module.clone(), file)).collect();
    let modules = config.generate(requests)?;
    let code = modules.get(&module).ok_or("the schema gave no types")?;
    let path = graph.join("src/onnx/proto.rs");
    std::fs::write(&path, format!("{HEADER}{code}"))?;
    let formatted = Command::new("rustfmt").args(["--edition", "2024"]).arg(&path).status()?;
    if !formatted.success() {
        return Err("rustfmt refused the generated file".into());
    }
    Ok(())
}
