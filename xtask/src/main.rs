//! Development tasks: `cargo xtask test` runs every test, Rust and Python; `cargo xtask docs` writes the generated docs.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod docs;
#[cfg(feature = "onnx-proto")]
mod onnx_proto;

const USAGE: &str = "usage: cargo xtask <command>

  test            every test, Rust and Python; makes its own Python environment under target/
  docs            writes the generated docs; with --check, fails where they are not current
  onnx-proto      writes the ONNX message types (cargo run --package xtask --features onnx-proto -- onnx-proto)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["docs"] => docs::write(&root(), false),
        ["docs", "--check"] => docs::write(&root(), true),
        #[cfg(feature = "onnx-proto")]
        ["onnx-proto"] => onnx_proto::generate().map_err(|e| e.to_string()),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn run(command: &mut Command) -> Result<(), String> {
    println!("+ {command:?}");
    let status = command.current_dir(root()).status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

/// Every test. The Python package is built and tested in an environment of its own.
fn test() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(&cargo).args(["test", "--release", "--workspace", "--exclude", "pellucid-python"]))?;
    let environment = root().join("target/python");
    let bin = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = bin.join("python");
    if !python.exists() {
        let system = if cfg!(windows) { "python" } else { "python3" };
        run(Command::new(system).args(["-m", "venv"]).arg(&environment))?;
    }
    let requirements = root().join("crates/python/tests/requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
    let maturin = bin.join("maturin");
    run(Command::new(&maturin)
        .args(["develop", "--release", "--quiet", "--manifest-path"])
        .arg(root().join("crates/python/Cargo.toml"))
        .env("VIRTUAL_ENV", &environment))?;
    run(Command::new(&python).args(["-m", "pytest", "-rs", "crates/python/tests"]))
}
