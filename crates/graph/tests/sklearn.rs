//! scikit-learn pipelines as skl2onnx exports them, against what ONNX Runtime gives; `data/sklearn/make.py` writes the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pellucid_graph::evaluate::evaluate;
use pellucid_graph::{Buffer, DType, Network, Specialisation, Tensor};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sklearn")
}

/// The names of the pipelines.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|e| Some(e.unwrap().file_name().to_str()?.strip_suffix(".rows.onnx")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The inputs and the outputs that go with a pipeline.
fn rows(name: &str) -> (Vec<Tensor>, Vec<Tensor>) {
    let network = Network::load(folder().join(format!("{name}.rows.onnx"))).unwrap();
    let all: BTreeMap<&str, &Tensor> =
        network.symbols().iter().filter_map(|s| Some((s.name.as_str(), s.constant.as_ref()?))).collect();
    let part = |kind: &str| {
        (0..).map_while(|i| all.get(format!("{kind}_{i}").as_str()).map(|t| (*t).clone())).collect()
    };
    (part("input"), part("output"))
}

/// What a network gives for some rows, every one of its own by the same graph.
fn outputs(network: &Network, inputs: &[Tensor], precision: DType) -> Vec<Tensor> {
    let how = Specialisation {
        rows: inputs[0].shape()[0],
        precision: Some(precision),
        ..Specialisation::default()
    };
    let specialised = network.specialise(&how, network.outputs()).unwrap();
    let given = network.inputs().iter().zip(inputs).map(|(&i, t)| {
        let id = specialised.values[i].unwrap();
        (id, t.with_precision(specialised.graph.fact(id).dtype))
    });
    evaluate(&specialised.graph, &given.collect::<Vec<_>>(), specialised.graph.outputs()).unwrap()
}

/// The largest difference between floats, relative where they are large; panics where anything else differs.
fn difference(name: &str, got: &[Tensor], want: &[Tensor]) -> f64 {
    assert_eq!(got.len(), want.len(), "{name}");
    let mut largest = 0f64;
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert_eq!(g.shape(), w.shape(), "{name}, output {i}");
        if !w.dtype().is_float() {
            assert_eq!(g.data(), w.data(), "{name}, output {i}");
            continue;
        }
        for (g, w) in g.to_f64().unwrap().iter().zip(w.to_f64().unwrap()) {
            largest = largest.max((g - w).abs() / w.abs().max(1.0));
        }
    }
    largest
}

#[test]
fn outputs_are_those_of_onnx_runtime() {
    let names = names();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let network = Network::load(folder().join(format!("{name}.onnx"))).unwrap();
        let gaps: Vec<String> =
            network.gaps().map(|(_, g)| format!("{}: {}", g.operator, g.reason)).collect();
        assert!(gaps.is_empty(), "{name}: {gaps:?}");
        let (inputs, want) = rows(&name);
        for precision in [DType::F32, DType::F64] {
            let off = difference(&name, &outputs(&network, &inputs, precision), &want);
            assert!(off < 1e-5, "{name} in {precision}: {off}");
        }
    }
}

#[test]
fn texts_of_columns_reach_the_network() {
    let network = Network::load(folder().join("columns-mlp.onnx")).unwrap();
    let (mut inputs, want) = rows("columns-mlp");
    assert_eq!(network.input_names().collect::<Vec<_>>(), ["age", "balance", "job", "contact"]);
    assert_eq!(inputs[2].dtype(), DType::String);
    inputs[2] = Tensor::new(inputs[2].shape(), vec!["retired".to_owned(); inputs[2].len()]).unwrap();
    let got = outputs(&network, &inputs, DType::F32);
    let same = got[1].to_f64().unwrap().iter().zip(want[1].to_f64().unwrap()).all(|(g, w)| *g == w);
    assert!(!same, "another job changes nothing");
}

#[test]
fn a_zip_map_hands_its_scores_on() {
    let (inputs, _) = rows("logistic-words-zipmap");
    let network = Network::load(folder().join("logistic-words-zipmap.onnx")).unwrap();
    let found = outputs(&network, &inputs, DType::F64);
    assert!(matches!(found[0].data(), Buffer::String(_)));
    let sums = found[1].to_f64().unwrap();
    assert!(sums.chunks_exact(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-6));
    let said = network.warnings.iter().any(|w| w.contains("output_probability") && w.contains("map"));
    assert!(said, "{:?}", network.warnings);
}
