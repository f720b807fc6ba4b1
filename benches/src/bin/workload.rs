//! Ours in the benchmark: explains one workload each time it is told to, as the peers do, and says how long it took.
//!
//! `workload FOLDER [--float64] [--threads N] [--tile N]` reads `model.onnx`, `inputs.safetensors` and `workload.json`, makes the model ready, then obeys
//! the lines of its standard input: `run` explains everything once, `profile` does and lists the time of each step, `save PATH` writes the
//! attributions. Each is answered by one line of JSON. The peers (`peers.py serve`) obey the same lines.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use pellucid::engine::Control;
use pellucid::engine::profile::Profile;
use pellucid::{Batch, Explainer, Explanation, Integration, Method, Model, Precision, Spec, Target};
use pellucid_data::arrays::{read_safetensors, write_safetensors};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Workload {
    target: Option<i64>,
    n_steps: usize,
}

struct Arguments {
    folder: PathBuf,
    precision: Precision,
    threads: usize,
    tile: Option<usize>,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| serve(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found =
        Arguments { folder: PathBuf::new(), precision: Precision::Float32, threads: 2, tile: None };
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--float64" => found.precision = Precision::Float64,
            "--threads" => found.threads = rest.next().ok_or("--threads needs a number")?.parse()?,
            "--tile" => found.tile = Some(rest.next().ok_or("--tile needs a number")?.parse()?),
            folder => found.folder = folder.into(),
        }
    }
    Ok(found)
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let path = |name: &str| arguments.folder.join(name);
    let model = Model::load(path("model.onnx"))?;
    let inputs = read_safetensors(&std::fs::read(path("inputs.safetensors"))?)?;
    let batch = Batch::new(inputs.into_iter().map(|(_, tensor)| tensor).collect());
    let workload: Workload = serde_json::from_slice(&std::fs::read(path("workload.json"))?)?;
    let method = Method::IntegratedGradients {
        integration: Integration { n_steps: workload.n_steps, ..Integration::default() },
        multiply_by_inputs: true,
        tolerance: None,
    };
    let target = workload.target.map_or(Target::Output, |t| Target::Index(vec![t]));
    let spec = Spec {
        targets: vec![target],
        precision: arguments.precision,
        tile: arguments.tile,
        ..Spec::new(method)
    };
    let explainer = Explainer::new(&model, &spec, &batch)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let explain = |profile: Option<&Mutex<Profile>>| -> Result<(Explanation, f64), Box<dyn Error>> {
        let control = Control { pool: &pool, cancel: None, progress: None, profile };
        let start = Instant::now();
        let found = explainer.explain(&batch, &control)?;
        Ok((found, start.elapsed().as_secs_f64()))
    };
    println!("{}", json!({ "ready": start.elapsed().as_secs_f64() }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer: Value = match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => json!({ "seconds": explain(None)?.1, "peak_rss_mb": peak_memory() }),
            ("profile", _) => {
                let profile = Mutex::new(Profile::default());
                let seconds = explain(Some(&profile))?.1;
                let profile = profile.into_inner().map_err(|_| "a thread failed")?;
                let steps: Vec<Value> = profile
                    .entries()
                    .iter()
                    .map(|e| json!([e.stage, e.operator, &*e.name, e.calls, e.time.as_secs_f64()]))
                    .collect();
                json!({ "seconds": seconds, "steps": steps })
            }
            ("save", to) => {
                let arrays: Vec<_> = explain(None)?.0.attributions;
                let named: Vec<_> =
                    arrays.into_iter().enumerate().map(|(i, t)| (format!("attribution{i}"), t)).collect();
                std::fs::write(Path::new(to), write_safetensors(&named)?)?;
                json!({ "saved": to })
            }
            (other, _) => return Err(format!("{other:?} is no command").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

/// The most memory that the process held, in MB of 1,000,000 bytes, where the system tells it.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
