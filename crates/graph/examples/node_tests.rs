//! Runs the ONNX project's test cases for operators, each as it is and once more written and read again, as `conformance/README.md` describes.
//!
//!     cargo run --release --package pellucid-graph --example node_tests -- FOLDER [--update] [--verbose]
//!
//! What passes is listed in `conformance/passing.txt`, what does not in `conformance/left-out.txt`, with the reason.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pellucid_graph::evaluate::evaluate;
use pellucid_graph::onnx::proto::TensorProto;
use pellucid_graph::onnx::tensor_from_proto;
use pellucid_graph::{ErrorKind, Network, Specialisation, Tensor};
use prost::Message;

/// What cases of more than one operator are counted under.
const SEVERAL: &str = "(several)";

/// What came of a case.
enum Outcome {
    Passed,
    Failed(String),
    Unsupported(String),
}

/// The cases of one operator.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<(String, String)>,
    unsupported: Vec<(String, String)>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (options, folders): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let [folder] = folders.as_slice() else {
        return Err("name the folder of the cases, as conformance/README.md says".into());
    };
    let has = |name: &str| options.iter().any(|o| o == name);
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
    cases.retain(|c| c.join("model.onnx").is_file());
    cases.sort();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut passing = BTreeSet::new();
    let mut left_out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in &cases {
        let name = case.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (operator, outcome) = run(case)?;
        if let Outcome::Failed(why) | Outcome::Unsupported(why) = &outcome {
            left_out.entry(why.clone()).or_default().insert(name.clone());
        }
        let tally = tallies.entry(operator).or_default();
        match outcome {
            Outcome::Passed => {
                tally.passed += 1;
                passing.insert(name);
            }
            Outcome::Failed(why) => tally.failed.push((name, why)),
            Outcome::Unsupported(why) => tally.unsupported.push((name, why)),
        }
    }
    report(&tallies, has("--verbose"));
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let (list, others) = (lists.join("passing.txt"), lists.join("left-out.txt"));
    let known: BTreeSet<String> = std::fs::read_to_string(&list)?.lines().map(str::to_owned).collect();
    if has("--update") {
        let all: Vec<&String> = known.union(&passing).collect();
        let text: String = all.iter().map(|name| format!("{name}\n")).collect();
        pellucid_graph::onnx::write_whole(&list, text.as_bytes())?;
        pellucid_graph::onnx::write_whole(&others, reasons(&left_out).as_bytes())?;
    }
    let is_current = std::fs::read_to_string(&others).is_ok_and(|text| text == reasons(&left_out));
    let lost: Vec<&String> = known.difference(&passing).collect();
    println!(
        "{} of {} cases pass; {} are listed, {} of them no longer pass",
        passing.len(),
        cases.len(),
        known.len(),
        lost.len()
    );
    lost.iter().for_each(|name| println!("  lost: {name}"));
    if !is_current {
        println!("conformance/left-out.txt is not current; --update writes it");
    }
    Ok(if lost.is_empty() && is_current { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each reason for which cases are left out, with how many, and the cases.
fn reasons(left_out: &BTreeMap<String, BTreeSet<String>>) -> String {
    let count: usize = left_out.values().map(BTreeSet::len).sum();
    let mut text = format!("{count} cases are left out. Written by crates/graph/examples/node_tests.rs.\n");
    for (why, names) in left_out {
        text.push_str(&format!("\n{why} ({})\n", names.len()));
        names.iter().for_each(|name| text.push_str(&format!("    {name}\n")));
    }
    text
}

fn report(tallies: &BTreeMap<String, Tally>, verbose: bool) {
    println!("{:<28}{:>8}{:>8}{:>13}", "operator", "passed", "failed", "unsupported");
    for (operator, tally) in tallies.iter().filter(|(_, t)| verbose || t.passed + t.failed.len() > 0) {
        println!("{operator:<28}{:>8}{:>8}{:>13}", tally.passed, tally.failed.len(), tally.unsupported.len());
    }
    for (operator, tally) in tallies {
        tally.failed.iter().for_each(|(name, why)| println!("failed {name}: {why}"));
        // Where some cases of an operator run, the others tell which of its forms are missing.
        if verbose || (tally.passed + tally.failed.len() > 0 && operator != SEVERAL) {
            tally.unsupported.iter().for_each(|(name, why)| println!("unsupported {name}: {why}"));
        }
    }
}

/// The operator that a case is about, and what came of it.
fn run(case: &Path) -> Result<(String, Outcome), Box<dyn Error>> {
    let network = match Network::load(case.join("model.onnx")) {
        Ok(network) => network,
        Err(e) => return Ok(("(unreadable)".to_owned(), Outcome::Failed(e.to_string()))),
    };
    let operator = operator(&network);
    if let Some((_, gap)) = network.gaps().next() {
        let why = format!("{}: {}", gap.operator, gap.reason);
        return Ok((operator, Outcome::Unsupported(why)));
    }
    let (rtol, atol) = tolerances(case)?;
    let from: Vec<Option<&'static str>> = network
        .outputs()
        .iter()
        .map(|&o| network.symbols()[o].declared.as_ref().and_then(|d| d.widened_from))
        .collect();
    let tolerances = (rtol.max(widening(&from)), atol);
    let mut sets = 0;
    loop {
        let folder = case.join(format!("test_data_set_{sets}"));
        if !folder.is_dir() {
            break;
        }
        sets += 1;
        let (inputs, expected) = match (tensors(&folder, "input"), tensors(&folder, "output")) {
            (Ok(inputs), Ok(expected)) => (inputs, expected),
            (Err(e), _) | (_, Err(e)) => return Ok((operator, Outcome::Unsupported(e.to_string()))),
        };
        let outcome = check(&network, &inputs, &expected, tolerances, &from).or_else(|| {
            let again = network.to_bytes().and_then(|bytes| Network::from_bytes(&bytes, None));
            let outcome = match again {
                Ok(again) => check(&again, &inputs, &expected, tolerances, &from)?,
                Err(e) => Outcome::Failed(e.to_string()),
            };
            let (Outcome::Failed(why) | Outcome::Unsupported(why)) = outcome else { return None };
            Some(Outcome::Failed(format!("written and read again: {why}")))
        });
        if let Some(outcome) = outcome {
            return Ok((operator, outcome));
        }
    }
    let outcome =
        if sets == 0 { Outcome::Unsupported("its data are not tensors".to_owned()) } else { Outcome::Passed };
    Ok((operator, outcome))
}

/// What is wrong with a network's outputs; `None` where nothing is.
fn check(
    network: &Network,
    inputs: &[Tensor],
    expected: &[Tensor],
    (rtol, atol): (f64, f64),
    from: &[Option<&'static str>],
) -> Option<Outcome> {
    // As in use: what holds shapes and indices is known, floats are not. Where an operator needs floats too, all is known.
    let found = match outputs(network, inputs, &|t| !t.dtype().is_float()) {
        Err(e) if matches!(e.kind(), ErrorKind::Operator { .. }) => outputs(network, inputs, &|_| true),
        first => first,
    };
    match found {
        Ok(outputs) => {
            let outputs: Vec<Tensor> = outputs.iter().zip(from).map(|(t, from)| rounded(t, *from)).collect();
            difference(&outputs, expected, rtol, atol).map(Outcome::Failed)
        }
        Err(e) => match e.kind() {
            ErrorKind::Operator { operator, message, .. } => {
                Some(Outcome::Unsupported(format!("{operator}: {message}")))
            }
            other => Some(Outcome::Failed(other.to_string())),
        },
    }
}

fn operator(network: &Network) -> String {
    let names: BTreeSet<&str> = network
        .nodes()
        .iter()
        .map(|n| n.op.as_ref().map_or_else(|gap| gap.operator.as_str(), |op| op.definition().name))
        .collect();
    match names.len() {
        0 => "Constant".to_owned(),
        1 => names.into_iter().collect(),
        _ => SEVERAL.to_owned(),
    }
}

fn outputs(
    network: &Network,
    inputs: &[Tensor],
    is_known: &dyn Fn(&Tensor) -> bool,
) -> pellucid_graph::Result<Vec<Tensor>> {
    let mut how = Specialisation { rows: 1, ..Specialisation::default() };
    for (name, tensor) in network.input_names().zip(inputs) {
        how.shapes.insert(name.to_owned(), tensor.shape().to_vec());
        if is_known(tensor) {
            how.known.insert(name.to_owned(), tensor.clone());
        }
    }
    let specialised = network.specialise(&how, network.outputs())?;
    let open = network
        .inputs()
        .iter()
        .zip(inputs)
        .filter(|(_, t)| !is_known(t))
        .filter_map(|(&i, t)| Some((specialised.values[i]?, t.clone())))
        .collect::<Vec<_>>();
    evaluate(&specialised.graph, &open, specialised.graph.outputs())
}

fn tensors(folder: &Path, kind: &str) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let mut found = Vec::new();
    loop {
        let path = folder.join(format!("{kind}_{}.pb", found.len()));
        if !path.is_file() {
            return Ok(found);
        }
        let proto = TensorProto::decode(std::fs::read(path)?.as_slice())?;
        found.push(tensor_from_proto(&proto)?);
    }
}

fn tolerances(case: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let path = case.join("data.json");
    if !path.is_file() {
        return Ok((1e-3, 1e-7));
    }
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let number =
        |key: &str, default: f64| data.get(key).and_then(serde_json::Value::as_f64).unwrap_or(default);
    Ok((number("rtol", 1e-3), number("atol", 1e-7)))
}

/// An output in the 16-bit floats that it has in the file, as what is expected is.
fn rounded(output: &Tensor, from: Option<&str>) -> Tensor {
    let round = |v: &f32| match from {
        Some("bfloat16") => half::bf16::from_f32(*v).to_f32(),
        Some(_) => half::f16::from_f32(*v).to_f32(),
        None => *v,
    };
    let values = output.as_slice::<f32>().map(|v| v.iter().map(round).collect());
    values.and_then(|v| Tensor::new(output.shape(), v)).unwrap_or_else(|| output.clone())
}

/// How coarse the 16-bit floats are that an output has in the file: here it is computed in 32 bits, and not rounded to them at each
/// step, as what is expected was.
fn widening(outputs: &[Option<&str>]) -> f64 {
    let coarse = |from: &&str| if *from == "bfloat16" { 2f64.powi(-7) } else { 2f64.powi(-10) };
    outputs.iter().flatten().map(coarse).fold(0.0, f64::max)
}

/// Where the outputs differ from what is expected; `None` where they do not.
fn difference(outputs: &[Tensor], expected: &[Tensor], rtol: f64, atol: f64) -> Option<String> {
    if outputs.len() < expected.len() {
        return Some(format!("{} outputs, expected {}", outputs.len(), expected.len()));
    }
    for (i, (got, want)) in outputs.iter().zip(expected).enumerate() {
        if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
            return Some(format!(
                "output {i} is {}{:?}, expected {}{:?}",
                got.dtype(),
                got.shape(),
                want.dtype(),
                want.shape()
            ));
        }
        if !want.dtype().is_float() {
            if got.data() != want.data() {
                return Some(format!("output {i}: {got:?}, expected {want:?}"));
            }
            continue;
        }
        let (got, want) = (got.to_f64()?, want.to_f64()?);
        for (k, (g, w)) in got.iter().zip(&want).enumerate() {
            let near = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= atol + rtol * w.abs();
            if !near {
                return Some(format!("output {i} at {k}: {g}, expected {w}"));
            }
        }
    }
    None
}
