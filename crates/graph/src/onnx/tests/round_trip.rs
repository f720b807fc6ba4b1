//! What is written is read as the same.

use std::collections::BTreeMap;

use super::{floats, graph, load, model, node, small};
use crate::error::ErrorKind;
use crate::network::{Dim, Network};
use crate::onnx::encode;
use crate::onnx::module::SCOPES;
use crate::onnx::proto::AttributeProto;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::specialise::Specialisation;
use crate::tensor::{DType, Tensor};

/// Everything of a network that a file can say, as text.
fn meaning(network: &Network) -> Vec<String> {
    let name = |s: &Option<usize>| s.map(|s| network.symbols()[s].name.clone());
    let mut lines: Vec<String> = network
        .nodes()
        .iter()
        .map(|n| {
            let inputs: Vec<_> = n.inputs.iter().map(name).collect();
            let outputs: Vec<_> = n.outputs.iter().map(name).collect();
            let attributes = n.op.as_ref().map(|op| op.attributes());
            format!("{} {:?} {attributes:?} {inputs:?} {outputs:?} {:?}", n.name, n.op, n.module)
        })
        .collect();
    let mut symbols: Vec<String> = network.symbols().iter().map(|s| format!("{s:?}")).collect();
    symbols.sort();
    lines.extend(symbols);
    lines.push(format!(
        "{:?} {:?}",
        network.input_names().collect::<Vec<_>>(),
        network.output_names().collect::<Vec<_>>()
    ));
    lines.push(format!("{:?}", network.metadata));
    lines
}

#[test]
fn a_network_is_read_as_it_was_written() {
    let mut m = small();
    m.metadata_props.push(encode::entry("split", "…"));
    graph(&mut m).node[0].metadata_props.push(encode::entry(SCOPES, "['', 'net', 'net.0', 'linear']"));
    let network = load(&m).unwrap();
    let bytes = network.to_bytes().unwrap();
    let again = Network::from_bytes(&bytes, None).unwrap();
    assert_eq!(meaning(&network), meaning(&again));
    assert_eq!(bytes, again.to_bytes().unwrap());
    assert!(again.producer.starts_with("pellucid "));
}

#[test]
fn a_file_is_read_as_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let network = load(&small()).unwrap();
    network.save(&path).unwrap();
    assert_eq!(meaning(&network), meaning(&Network::load(&path).unwrap()));
}

#[test]
fn a_group_normalization_with_parameters_of_groups_keeps_its_meaning() {
    let mut m = model(
        vec![node("GroupNormalization", &["x", "scale", "bias"], &["y"])],
        vec![floats("scale", &[2], &[2.0, -3.0]), floats("bias", &[2], &[0.5, 1.0])],
    );
    m.opset_import[0].version = Some(18);
    let dims = [Dim::Symbol("batch".to_owned()), Dim::Fixed(4), Dim::Fixed(3)];
    graph(&mut m).input = vec![encode::value_info("x", DType::F32, Some(&dims))];
    graph(&mut m).output = vec![encode::value_info("y", DType::F32, Some(&dims))];
    graph(&mut m).node[0].attribute.push(AttributeProto {
        name: Some("num_groups".to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(2),
        ..AttributeProto::default()
    });
    let network = load(&m).unwrap();
    let again = Network::from_bytes(&network.to_bytes().unwrap(), None).unwrap();
    assert_eq!(again.gaps().count(), 0);
    let run = |network: &Network| {
        let how = Specialisation { rows: 2, ..Specialisation::default() };
        let graph = network.specialise(&how, network.outputs()).unwrap().graph;
        let x = Tensor::new(&[2, 4, 3], (0..24).map(|i| (i * i % 7) as f32).collect()).unwrap();
        crate::evaluate::evaluate(&graph, &[(graph.inputs()[0], x)], graph.outputs()).unwrap().remove(0)
    };
    let (was, is) = (run(&network), run(&again));
    assert_eq!(was.shape(), is.shape());
    for (a, b) in was.to_f64().unwrap().iter().zip(&is.to_f64().unwrap()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn a_network_with_a_gap_is_not_written() {
    let mut m = small();
    graph(&mut m).node.push(node("Gizmo", &["x"], &["z"]));
    let error = load(&m).unwrap().to_bytes().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { node, .. } if node == "node_z"), "{error}");
}

#[test]
fn a_specialised_graph_is_read_as_it_was_written() {
    let network = load(&small()).unwrap();
    let how = Specialisation { rows: 4, precision: Some(DType::F64), ..Specialisation::default() };
    // The same value twice, and an input: outputs that need a name of their own.
    let (x, y) = (network.resolve("x").unwrap(), network.resolve("y").unwrap());
    let graph = network.specialise(&how, &[y, y, x]).unwrap().graph;
    let metadata = BTreeMap::from([("rows".to_owned(), "4".to_owned())]);
    let bytes = graph.to_bytes(&metadata).unwrap();
    assert_eq!(bytes, graph.to_bytes(&metadata).unwrap());
    let again = Network::from_bytes(&bytes, None).unwrap();
    assert_eq!(again.metadata, metadata);
    assert_eq!(again.output_names().collect::<Vec<_>>(), ["y", "y_1", "x_1"]);
    let x = again.symbols()[again.resolve("x").unwrap()].declared.clone().unwrap();
    assert_eq!(x.dtype, DType::F64);
    let w = again.symbols()[again.resolve("w").unwrap()].constant.clone();
    assert_eq!(w, Tensor::new(&[2, 3], vec![1.0f64, -2.0, 3.0, 4.0, 5.0, -6.0]));
    assert_eq!(again.nodes().len(), 4);
}
