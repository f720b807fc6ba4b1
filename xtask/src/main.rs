//! Development tasks: `cargo xtask test` runs every test, Rust and Python; `cargo xtask docs` writes the generated docs; `cargo xtask bench` and
//! `cargo xtask networks` compare.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod docs;
#[cfg(feature = "onnx-proto")]
mod onnx_proto;

const USAGE: &str = "usage: cargo xtask <command>

  test            every test, Rust and Python; makes its own Python environment under target/
  bench           times Pellucid beside PyTorch, JAX and Captum, in a Python environment of its own, and writes benches/RESULTS.md;
                  names of workloads, or `commands`, choose what is run, and `--rounds N` how often
  networks        holds whole networks against ONNX Runtime, PyTorch and TensorFlow and writes docs/networks.md; names choose which,
                  and --missing those without a row in target/networks. It may take an hour, and its Python environment several gigabytes
  docs            writes the generated docs; with --check, fails where they are not current
  onnx-proto      writes the ONNX message types (cargo run --package xtask --features onnx-proto -- onnx-proto)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["bench", ref rest @ ..] => bench(rest),
        ["networks", ref names @ ..] => networks(names),
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
    let (environment, bin) = python("target/python", "crates/python/tests/requirements.txt")?;
    develop(&environment, &bin)?;
    run(Command::new(bin.join("python")).args(["-m", "pytest", "-rs", "crates/python/tests"]))
}

/// Builds this workspace's Python package into an environment.
fn develop(environment: &Path, bin: &Path) -> Result<(), String> {
    run(Command::new(bin.join("maturin"))
        .args(["develop", "--release", "--quiet", "--manifest-path"])
        .arg(root().join("crates/python/Cargo.toml"))
        .env("VIRTUAL_ENV", environment))
}

/// Whole networks, in files of the frameworks that people export from.
fn networks(names: &[&str]) -> Result<(), String> {
    let (environment, bin) = python("target/networks-python", "conformance/networks/requirements.txt")?;
    develop(&environment, &bin)?;
    run(Command::new(bin.join("python")).arg("conformance/networks/table.py").args(names))
}

/// A Python environment with what a file of requirements asks for: its folder, and that of its programs.
fn python(environment: &str, requirements: &str) -> Result<(PathBuf, PathBuf), String> {
    let environment = root().join(environment);
    let bin = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = bin.join("python");
    if !python.exists() {
        let system = if cfg!(windows) { "python" } else { "python3" };
        run(Command::new(system).args(["-m", "venv"]).arg(&environment))?;
    }
    let requirements = root().join(requirements);
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
    Ok((environment, bin))
}

/// The benchmark against the peers.
fn bench(rest: &[&str]) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(&cargo).args([
        "build",
        "--release",
        "--package",
        "pellucid-benches",
        "--package",
        "pellucid-cli",
    ]))?;
    let (_, bin) = python("target/bench-python", "benches/requirements.txt")?;
    let built = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("release");
    run(Command::new(bin.join("python"))
        .arg("benches/compare.py")
        .args([built.join("workload"), built.join("pellucid"), root().join("target/bench")])
        .args(rest))
}
