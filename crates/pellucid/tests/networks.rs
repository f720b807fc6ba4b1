//! Narrow copies of the architectures that people export, in their exporters' files, against numbers of the frameworks that wrote them.
//!
//! `conformance/networks/narrow.py` makes them; nothing here needs a framework.

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{control, explain, method, pool, spec};
use pellucid::graph::Tensor;
use pellucid::{Batch, Explanation, Model, Precision, Spec, Target};
use safetensors::{Dtype, SafeTensors};

/// A network and what it should give.
struct Case {
    name: String,
    model: Model,
    inputs: Vec<Tensor>,
    output: Vec<f64>,
    gradient: Vec<f64>,
    integrated: Vec<f64>,
    layers: Vec<(String, Vec<f64>)>,
    target: usize,
}

fn tensor(view: &safetensors::tensor::TensorView<'_>) -> Tensor {
    let bytes = view.data();
    let found = match view.dtype() {
        Dtype::F32 => Tensor::new(
            view.shape(),
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        ),
        Dtype::I64 => Tensor::new(
            view.shape(),
            bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        ),
        other => panic!("{other:?}"),
    };
    found.unwrap()
}

fn case(path: &Path) -> Case {
    let bytes = std::fs::read(path.with_extension("safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let facts: serde_json::Value =
        serde_json::from_str(&header.metadata().as_ref().unwrap()["facts"]).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = |name: &str| tensor(&file.tensor(name).unwrap()).to_f64().unwrap();
    let mut names: Vec<&str> = file.names().into_iter().collect();
    names.sort_unstable();
    let inputs = names.iter().filter(|n| n.starts_with("input."));
    let layers = names.iter().filter_map(|n| n.strip_prefix("layer."));
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        model: Model::load(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        inputs: inputs.map(|n| tensor(&file.tensor(n).unwrap())).collect(),
        output: all("output"),
        gradient: all("gradient"),
        integrated: all("integrated"),
        layers: layers.map(|p| (p.to_owned(), all(&format!("layer.{p}")))).collect(),
        target: facts["target"].as_u64().unwrap() as usize,
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    assert!(paths.len() >= 16, "{paths:?}");
    paths.iter().map(|p| case(p)).collect()
}

/// The first row of each input.
fn first(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs
        .iter()
        .map(|t| {
            let mut shape = t.shape().to_vec();
            let each = t.len() / shape[0];
            shape[0] = 1;
            match t.as_slice::<f32>() {
                Some(v) => Tensor::new(&shape, v[..each].to_vec()).unwrap(),
                None => Tensor::new(&shape, t.to_i64().unwrap()[..each].to_vec()).unwrap(),
            }
        })
        .collect()
}

/// The largest difference over the largest element.
#[track_caller]
fn close(name: &str, what: &str, got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{name}: {what}");
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0f64, f64::max);
    assert!(largest > 0.0 && worst <= bound * largest, "{name}: {what} is off by {worst:e} of {largest:e}");
}

fn asked(case: &Case, json: &str) -> Spec {
    Spec { targets: vec![Target::Index(vec![case.target as i64])], ..spec(method(json)) }
}

fn values(found: &Explanation) -> Vec<f64> {
    found.attributions[0].to_f64().unwrap()
}

const SALIENCY: &str = r#"{"name": "saliency", "absolute": false}"#;
const INTEGRATED: &str = r#"{"name": "integrated_gradients", "n_steps": 8}"#;

#[test]
fn outputs_gradients_and_integrals_are_the_frameworks() {
    for case in &cases() {
        for (precision, bound) in [(Precision::Float64, 1e-5), (Precision::Float32, 1e-4)] {
            let found = case.model.run(&case.inputs, precision, None, &control(&pool(1))).unwrap();
            close(&case.name, "output", &found[0].to_f64().unwrap(), &case.output, bound);
        }
        let one = Batch::new(first(&case.inputs));
        let gradient = explain(&case.model, &asked(case, SALIENCY), &one);
        close(&case.name, "gradient", &values(&gradient), &case.gradient, 1e-5);
        let integrated = explain(&case.model, &asked(case, INTEGRATED), &one);
        close(&case.name, "integral", &values(&integrated), &case.integrated, 1e-5);
    }
}

#[test]
fn a_row_alone_and_among_others_gets_the_same_bits() {
    for case in &cases() {
        let (one, both) = (Batch::new(first(&case.inputs)), Batch::new(case.inputs.clone()));
        for json in [SALIENCY, INTEGRATED, r#"{"name": "deep_lift", "max_pool": "difference"}"#] {
            let [alone, together] =
                [&one, &both].map(|batch| values(&explain(&case.model, &asked(case, json), batch)));
            assert!(alone[..] == together[..alone.len()], "{}: {json}", case.name);
        }
    }
}

/// The last rows first.
fn backwards(batch: &[Tensor]) -> Vec<Tensor> {
    fn turned<T: Copy>(values: &[T], rows: usize) -> Vec<T> {
        values.chunks_exact(values.len() / rows).rev().flatten().copied().collect()
    }
    let of = |t: &Tensor| match t.as_slice::<f32>() {
        Some(v) => Tensor::new(t.shape(), turned(v, t.shape()[0])),
        None => Tensor::new(t.shape(), turned(&t.to_i64().unwrap(), t.shape()[0])),
    };
    batch.iter().map(|t| of(t).unwrap()).collect()
}

/// Run by the test below, with other instructions: what comes out must not depend on threads, tiles or the order of rows, and is printed.
#[test]
#[ignore = "another test runs it"]
#[allow(clippy::print_stdout)]
fn bits_of_integrals() {
    for case in &cases() {
        let (batch, turned) = (Batch::new(case.inputs.clone()), Batch::new(backwards(&case.inputs)));
        for precision in [Precision::Float32, Precision::Float64] {
            let found = |batch: &Batch, threads: usize, tile: Option<usize>| {
                let spec = Spec { precision, tile, ..asked(case, INTEGRATED) };
                let found = case.model.explain(&spec, batch, &control(&pool(threads))).unwrap();
                values(&found).iter().map(|v| v.to_bits()).collect::<Vec<u64>>()
            };
            let want = found(&batch, 1, None);
            for (threads, tile) in [(2, None), (1, Some(1)), (2, Some(5))] {
                assert!(found(&batch, threads, tile) == want, "{}: {threads} threads, {tile:?}", case.name);
            }
            let rows = case.inputs[0].shape()[0];
            let each = want.len() / rows;
            let back: Vec<u64> =
                found(&turned, 1, None).chunks_exact(each).rev().flatten().copied().collect();
            assert!(back == want, "{}: rows in another order", case.name);
            let mut hasher = DefaultHasher::new();
            want.hash(&mut hasher);
            println!("bits {} {precision:?} {:x}", case.name, hasher.finish());
        }
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn threads_tiles_rows_and_instructions_do_not_change_a_bit() {
    let with = |instructions: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "bits_of_integrals", "--ignored", "--nocapture"]);
        let ran = command.env("PELLUCID_INSTRUCTIONS", instructions).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{instructions}: {said}{}", String::from_utf8_lossy(&ran.stderr));
        let bits: Vec<String> =
            said.lines().filter_map(|l| l.find("bits ").map(|at| l[at..].to_owned())).collect();
        assert!(bits.len() >= 32, "{said}");
        bits
    };
    if !pellucid::instruction_set().contains("AVX-512") {
        eprintln!("skipped in part: this machine has no AVX-512 to compare with");
    }
    assert_eq!(with("avx512"), with("avx2"));
}

#[test]
fn deep_lift_adds_up() {
    for case in &cases() {
        let found = explain(
            &case.model,
            &asked(case, r#"{"name": "deep_lift", "max_pool": "difference"}"#),
            &Batch::new(case.inputs.clone()),
        );
        let check = found.check.as_ref().unwrap();
        let base = found.baseline_output.as_ref().unwrap();
        for ((delta, output), base) in check.delta[0].iter().zip(&found.output[0]).zip(&base[0]) {
            let size = (output - base).abs().max(output.abs());
            assert!(delta.abs() <= 1e-9 * size, "{}: {delta:e} of {size:e}", case.name);
        }
    }
}

#[test]
fn module_paths_lead_to_layers() {
    let mut seen = 0;
    for case in &cases() {
        let one = Batch::new(first(&case.inputs));
        for (path, want) in &case.layers {
            let spec = Spec {
                layer: Some(path.clone()),
                targets: Vec::new(),
                ..asked(case, r#"{"name": "layer_activation"}"#)
            };
            let found = case.model.explain(&spec, &one, &control(&pool(1)));
            let found = found.unwrap_or_else(|e| panic!("{}: {path}: {e}", case.name));
            close(&case.name, path, &values(&found), want, 1e-5);
            seen += 1;
        }
    }
    assert!(seen >= 28, "{seen} layers");
}

#[test]
fn surveys_say_what_works() {
    for case in &cases() {
        let survey = case.model.survey(&case.inputs);
        assert!(survey.obstacles.is_empty() && !survey.one_row, "{}: {:?}", case.name, survey.obstacles);
        for reach in &survey.methods {
            let what = format!("{}: {}", case.name, reach.info.name);
            assert_eq!(reach.reason, None, "{what}");
            assert_eq!(reach.layers > 0, reach.info.has_layer, "{what}");
            assert_eq!(reach.inputs.len(), usize::from(!reach.info.has_layer), "{what}");
        }
        let from = &survey.methods.iter().find(|m| m.info.name == "saliency").unwrap().inputs[0];
        let is_ids = case.inputs[0].as_slice::<i64>().is_some();
        assert_eq!(from.embeddings.len(), usize::from(is_ids), "{}: {from:?}", case.name);
        for (path, _) in &case.layers {
            let symbol = case.model.network().resolve(path).unwrap();
            assert!(survey.values[symbol] && survey.gradients[symbol], "{}: {path}", case.name);
        }
    }
}
