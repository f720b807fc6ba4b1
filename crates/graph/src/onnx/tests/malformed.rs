//! One test for each way in which a model can be malformed.

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::{floats, graph, load, model, node, refused, small, tensor_attribute};
use crate::error::ErrorKind;
use crate::network::{Dim, Network};
use crate::onnx::encode;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::{DataLocation, DataType};
use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};
use crate::specialise::Specialisation;
use crate::tensor::{DType, Tensor};

macro_rules! assert_kind {
    ($error:expr, $kind:pat, $($part:expr),+) => {{
        let error = $error;
        assert!(matches!(error.kind(), $kind), "{error:?}");
        let text = error.to_string();
        $(assert!(text.contains($part), "{text:?} does not contain {:?}", $part);)+
    }};
}

#[test]
fn truncated_anywhere_is_an_error_and_no_panic() {
    let bytes = small().encode_to_vec();
    for end in 0..bytes.len() {
        // A cut between two fields leaves a model that is whole in itself and lacks something.
        if let Err(error) = Network::from_bytes(&bytes[..end], None) {
            assert!(matches!(error.kind(), ErrorKind::NotOnnx(_)), "{end}: {error}");
        }
    }
    let error = Network::from_bytes(&bytes[..bytes.len() - 40], None).unwrap_err();
    assert_kind!(error, ErrorKind::NotOnnx(_), "is truncated", "its graph", "more");
}

#[test]
fn every_flipped_byte_gives_a_model_or_an_error() {
    let bytes = small().encode_to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let _ = Network::from_bytes(&changed, None);
        }
    }
}

#[test]
fn no_graph_is_not_onnx() {
    let mut m = small();
    m.graph = None;
    assert_kind!(refused(&m), ErrorKind::NotOnnx(_), "no graph");
}

#[test]
fn an_unknown_operator_loads_is_listed_and_reached_is_an_error() {
    let mut unknown = node("Gizmo", &["h"], &["g"]);
    unknown.domain = Some("com.example".to_owned());
    let mut m = small();
    graph(&mut m).node.push(unknown);
    graph(&mut m).output.push(encode::value_info("g", DType::F32, None));
    let network = load(&m).unwrap();
    let (at, gap) = network.gaps().next().unwrap();
    assert_eq!(
        (at.name.as_str(), gap.operator.as_str(), gap.domain.as_str()),
        ("node_g", "Gizmo", "com.example")
    );
    assert_eq!(network.gaps().count(), 1);
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    let (y, g) = (network.outputs()[0], network.outputs()[1]);
    network.specialise(&how, &[y]).unwrap();
    let error = network.specialise(&how, &[g]).unwrap_err();
    assert_kind!(error, ErrorKind::Unsupported { .. }, "node_g", "com.example.Gizmo");
}

/// What is refused by name says which node, operator and operator set it was, and what to do.
#[test]
fn loops_sequences_and_draws_say_what_to_do() {
    for (op, advice) in [
        ("Loop", "written out"),
        ("Scan", "written out"),
        ("SequenceAt", "in place of sequences"),
        ("SplitToSequence", "in place of sequences"),
        ("OptionalGetElement", "optional values"),
        ("RandomNormalLike", "evaluation mode"),
        ("Bernoulli", "evaluation mode"),
        ("NonMaxSuppression", "extract_model"),
        ("STFT", "docs/operators.md"),
    ] {
        let network = load(&model(vec![node(op, &["x"], &["y"])], vec![])).unwrap();
        let how = Specialisation { rows: 1, ..Specialisation::default() };
        let error = network.specialise(&how, network.outputs()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{text}");
        let start = format!(
            "node node_y: operator {op} of opset 20 is not supported: there is no such operator here; "
        );
        assert!(text.starts_with(&start) && text.contains(advice), "{text}");
    }
}

#[test]
fn operators_of_other_domains_say_what_to_do() {
    for (domain, op, advice) in [
        ("com.microsoft", "QGemm", "QuantFormat.QDQ"),
        ("com.microsoft", "QLinearAdd", "QuantFormat.QDQ"),
        ("com.microsoft", "DynamicQuantizeLSTM", "op_types_to_quantize"),
        ("com.microsoft", "QAttention", "before it was quantised"),
        ("com.microsoft", "MatMulNBits", "before it was quantised"),
        ("com.microsoft", "MatMulIntegerToFloat", "save the model at ORT_ENABLE_BASIC"),
        ("com.microsoft", "BiasSplitGelu", "save it at ORT_ENABLE_BASIC"),
        ("com.microsoft", "QuickThing", "save it at ORT_ENABLE_BASIC"),
        ("com.microsoft.nchwc", "Conv", "ORT_ENABLE_EXTENDED"),
        ("my.own", "Thing", "defines it as a function"),
    ] {
        let mut node = node(op, &["x"], &["y"]);
        node.domain = Some(domain.to_owned());
        let network = load(&model(vec![node], vec![])).unwrap();
        let gaps: Vec<String> = network.gaps().map(|(_, g)| g.reason.clone()).collect();
        assert!(gaps.len() == 1 && gaps[0].contains(domain) && gaps[0].contains(advice), "{gaps:?}");
    }
}

#[test]
fn an_older_form_is_a_gap() {
    let mut m = small();
    m.opset_import[0].version = Some(6);
    let network = load(&m).unwrap();
    // What has not changed since is read.
    let gaps: Vec<_> = network.gaps().map(|(_, g)| g).collect();
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert!(gap.operator == "Gemm" && gap.opset == 6, "{gap:?}");
    assert!(gap.reason.contains("from operator set 7 on; onnx.version_converter"), "{gap:?}");
}

#[test]
fn no_opset_is_a_gap() {
    let mut m = small();
    m.opset_import.clear();
    assert_eq!(load(&m).unwrap().gaps().count(), 2);
}

#[test]
fn a_newer_opset_loads_with_a_warning() {
    let mut m = small();
    m.opset_import[0].version = Some(29);
    let network = load(&m).unwrap();
    assert_eq!(network.gaps().count(), 0);
    assert!(network.warnings[0].contains("29"), "{:?}", network.warnings);
    m.opset_import[0].version = Some(28);
    assert!(load(&m).unwrap().warnings.is_empty());
}

#[test]
fn a_cycle_names_a_node_of_it() {
    let m = model(
        vec![
            node("Relu", &["b"], &["after"]),
            node("Add", &["x", "b"], &["a"]),
            node("Relu", &["a"], &["b"]),
            node("Relu", &["after"], &["y"]),
        ],
        vec![],
    );
    let error = refused(&m);
    let ErrorKind::Cycle(name) = error.kind() else { panic!("{error}") };
    assert!(name == "node_a" || name == "node_b", "{name} is not part of the cycle");
    assert_kind!(
        refused(&model(vec![node("Add", &["x", "y"], &["y"])], vec![])),
        ErrorKind::Cycle(_),
        "node_y"
    );
}

#[test]
fn an_initializer_that_claims_more_bytes_than_there_are() {
    let mut m = small();
    graph(&mut m).initializer[0].dims = vec![2000, 3];
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "initializer \"w\"", "24000", "24");
}

#[test]
fn an_initializer_with_fewer_elements_than_its_shape_in_every_field() {
    let fields: [fn(&mut TensorProto); 5] = [
        |t| t.float_data = vec![1.0],
        |t| (t.data_type, t.double_data) = (Some(DataType::Double as i32), vec![1.0]),
        |t| (t.data_type, t.int32_data) = (Some(DataType::Float16 as i32), vec![1]),
        |t| (t.data_type, t.int64_data) = (Some(DataType::Int64 as i32), vec![1]),
        |t| (t.data_type, t.string_data) = (Some(DataType::String as i32), vec![vec![65]]),
    ];
    for (i, set) in fields.iter().enumerate() {
        let mut m = small();
        let w = &mut graph(&mut m).initializer[0];
        w.raw_data = None;
        set(w);
        let error = refused(&m);
        assert!(error.to_string().contains("needs 6 elements, the file has 1"), "field {i}: {error}");
    }
}

#[test]
fn elements_that_do_not_fit_their_type() {
    let mut m = small();
    graph(&mut m).initializer.push(TensorProto {
        name: Some("u".to_owned()),
        dims: vec![1],
        data_type: Some(DataType::Uint8 as i32),
        int32_data: vec![256],
        ..TensorProto::default()
    });
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "\"u\"", "uint8");
}

#[test]
fn negative_sizes_of_an_initializer() {
    let mut m = small();
    graph(&mut m).initializer[0].dims = vec![-2, -3];
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "initializer \"w\"", "-2");
}

#[test]
fn negative_sizes_of_declared_values() {
    use crate::onnx::proto::tensor_shape_proto::dimension::Value::DimValue;
    use crate::onnx::proto::type_proto::Value::TensorType;
    let sized = |name: &str, size: i64| {
        let mut info = encode::value_info(name, DType::F32, Some(&[Dim::Fixed(1), Dim::Fixed(2)]));
        let Some(TensorType(tensor)) = info.r#type.as_mut().unwrap().value.as_mut() else { panic!() };
        tensor.shape.as_mut().unwrap().dim[0].value = Some(DimValue(size));
        info
    };
    let with = |size: i64| {
        let (mut input, mut value, mut output) = (small(), small(), small());
        graph(&mut input).input = vec![sized("x", size)];
        graph(&mut value).value_info = vec![sized("h", size)];
        graph(&mut output).output = vec![sized("y", size)];
        [(input, "input \"x\""), (value, "value \"h\""), (output, "output \"y\"")]
    };
    for size in [-2, -3, i64::MIN] {
        for (m, place) in with(size) {
            let start = format!("dimension 0 of {place} has a size of {size}; expected 0 or more, or -1");
            assert_kind!(refused(&m), ErrorKind::Malformed(_), start.as_str());
        }
    }
    // Some exporters write an open size so.
    for (m, _) in with(-1) {
        load(&m).unwrap();
    }
    let open = load(&with(-1)[0].0).unwrap();
    let declared = open.symbols()[open.inputs()[0]].declared.as_ref().unwrap();
    assert_eq!(declared.shape.as_deref(), Some(&[Dim::Unknown, Dim::Fixed(2)][..]));
}

#[test]
fn elements_in_two_fields() {
    type Set = fn(&mut TensorProto);
    let second: [(&str, Set); 7] = [
        ("float_data", |t| t.float_data = vec![1.0; 6]),
        ("int32_data", |t| t.int32_data = vec![1]),
        ("string_data", |t| t.string_data = vec![vec![65]]),
        ("int64_data", |t| t.int64_data = vec![1]),
        ("double_data", |t| t.double_data = vec![1.0]),
        ("uint64_data", |t| t.uint64_data = vec![1]),
        ("an external file", |t| t.data_location = Some(DataLocation::External as i32)),
    ];
    for (field, set) in second {
        let mut m = small();
        set(&mut graph(&mut m).initializer[0]);
        assert_kind!(refused(&m), ErrorKind::Malformed(_), "initializer \"w\"", "raw_data", field);
    }
    let mut m = small();
    let w = &mut graph(&mut m).initializer[0];
    (w.raw_data, w.float_data, w.int32_data) = (None, vec![1.0; 6], vec![1; 6]);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "initializer \"w\"", "float_data and in int32_data");
    let m = with_constant(|tensor| tensor.float_data = vec![2.0]);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "attribute \"value\" of node node_c", "float_data");
}

/// Where a class is said to have no score, or a score no class.
#[test]
fn labels_that_are_not_as_many_as_scores() {
    let integers = |name: &str, ints: &[i64]| AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: ints.to_vec(),
        ..AttributeProto::default()
    };
    let numbers = |name: &str, floats: &[f32]| AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Floats as i32),
        floats: floats.to_vec(),
        ..AttributeProto::default()
    };
    let of = |operator: &str, outputs: &[&str], attributes: Vec<AttributeProto>| {
        let mut node = node(operator, &["x"], outputs);
        node.domain = Some("ai.onnx.ml".to_owned());
        node.name = Some("scores".to_owned());
        node.attribute = attributes;
        let network = load(&model(vec![node], vec![])).unwrap();
        let how = Specialisation { rows: 1, ..Specialisation::default() };
        network.specialise(&how, network.outputs()).map(|_| ()).map_err(|e| e.to_string())
    };
    let map = |labels: &[i64]| of("ZipMap", &["y"], vec![integers("classlabels_int64s", labels)]);
    map(&[3, 7]).unwrap();
    for (found, message) in [
        (map(&[3]), "it has 1 labels for rows of 2 scores"),
        (map(&[3, 7, 9]), "it has 3 labels for rows of 2 scores"),
        (
            of(
                "LinearClassifier",
                &["label", "y"],
                vec![
                    integers("classlabels_ints", &[0, 1]),
                    numbers("coefficients", &[1.0; 6]),
                    numbers("intercepts", &[0.0; 3]),
                ],
            ),
            "it has 3 sums for 2 labels",
        ),
        (
            of("SVMClassifier", &["label", "y"], vec![integers("classlabels_ints", &[0, 1])]),
            "it has 2 labels for support vectors of 0 classes",
        ),
    ] {
        let error = found.unwrap_err();
        assert!(error.contains("node scores") && error.contains(message), "{error}");
    }
}

#[test]
fn sizes_whose_product_overflows() {
    let mut m = small();
    graph(&mut m).initializer[0].dims = vec![i64::MAX, i64::MAX, 4];
    assert_kind!(refused(&m), ErrorKind::TooLarge(_), "initializer \"w\"");
    let mut m = small();
    let dims = [Dim::Fixed(1 << 40), Dim::Fixed(1 << 40)];
    graph(&mut m).input = vec![encode::value_info("x", DType::F32, Some(&dims))];
    assert_kind!(refused(&m), ErrorKind::TooLarge(_), "input \"x\"");
}

#[test]
fn duplicate_names() {
    let mut m = small();
    graph(&mut m).initializer.push(floats("w", &[1], &[1.0]));
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "\"w\"");
    let mut m = small();
    graph(&mut m).node.push(node("Relu", &["x"], &["h"]));
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "\"h\"");
    let mut m = small();
    let again = graph(&mut m).input[0].clone();
    graph(&mut m).input.push(again);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "two inputs", "\"x\"");
}

#[test]
fn a_name_that_nothing_computes() {
    let m = model(vec![node("Relu", &["ghost"], &["y"])], vec![]);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "node_y", "\"ghost\"");
    let m = model(vec![node("Relu", &["x"], &["z"])], vec![]);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "output \"y\"");
}

#[test]
fn an_attribute_of_the_wrong_type_is_a_gap() {
    let mut m = small();
    graph(&mut m).node[0].attribute.push(AttributeProto {
        name: Some("alpha".to_owned()),
        r#type: Some(AttributeType::String as i32),
        s: Some(b"two".to_vec()),
        ..AttributeProto::default()
    });
    let network = load(&m).unwrap();
    let (at, gap) = network.gaps().next().unwrap();
    assert_eq!(at.name, "node_h");
    assert!(gap.reason.contains("alpha") && gap.reason.contains("STRING"), "{}", gap.reason);
}

#[test]
fn an_attribute_given_twice_or_without_its_value() {
    let alpha = AttributeProto {
        name: Some("alpha".to_owned()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(1.0),
        ..AttributeProto::default()
    };
    let mut m = small();
    graph(&mut m).node[0].attribute = vec![alpha.clone(), alpha];
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "node_h", "\"alpha\"");
    let mut m = small();
    let mut value = tensor_attribute("value", TensorProto::default());
    value.t = None;
    graph(&mut m).node[0].attribute = vec![value];
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "node_h", "TENSOR");
}

/// A model with a constant of one float, of which something is changed.
fn with_constant(change: impl Fn(&mut TensorProto)) -> ModelProto {
    let mut constant = node("Constant", &[], &["c"]);
    let mut tensor = floats("", &[1], &[1.0]);
    change(&mut tensor);
    constant.attribute.push(tensor_attribute("value", tensor));
    model(vec![constant, node("Add", &["x", "c"], &["y"])], vec![])
}

#[test]
fn a_constant_with_a_malformed_tensor() {
    let m = with_constant(|tensor| tensor.dims = vec![1_000_000]);
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "node_c", "4000000");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let mut inner = node("Relu", &["x"], &["y"]);
    for _ in 0..2000 {
        let body = GraphProto { node: vec![inner], ..GraphProto::default() };
        let branch = AttributeProto {
            name: Some("body".to_owned()),
            r#type: Some(AttributeType::Graph as i32),
            g: Some(body),
            ..AttributeProto::default()
        };
        inner = NodeProto { attribute: vec![branch], ..node("If", &["x"], &["y"]) };
    }
    // Writing and dropping such a nest takes a stack that reading it must not need.
    let bytes = std::thread::Builder::new()
        .stack_size(1 << 28)
        .spawn(move || model(vec![inner], vec![]).encode_to_vec())
        .unwrap()
        .join()
        .unwrap();
    let error = Network::from_bytes(&bytes, None).unwrap_err();
    assert_kind!(error, ErrorKind::NotOnnx(_), "recursion limit");
}

#[test]
fn sparse_weights_are_checked() {
    let sparse = |indices: Vec<i64>, dims: Vec<i64>| SparseTensorProto {
        values: Some(floats("s", &[2], &[5.0, 7.0])),
        indices: Some(encode::tensor("", &Tensor::vector(indices))),
        dims,
    };
    let with = |s: SparseTensorProto| {
        let mut m = small();
        graph(&mut m).sparse_initializer.push(s);
        m
    };
    let network = load(&with(sparse(vec![1, 5], vec![2, 3]))).unwrap();
    let s = &network.symbols()[network.resolve("s").unwrap()];
    assert_eq!(s.constant, Tensor::new(&[2, 3], vec![0.0f32, 5.0, 0.0, 0.0, 0.0, 7.0]));
    assert_kind!(refused(&with(sparse(vec![1, 6], vec![2, 3]))), ErrorKind::Malformed(_), "\"s\"", "outside");
    assert_kind!(refused(&with(sparse(vec![1, -1], vec![2, 3]))), ErrorKind::Malformed(_), "outside");
    assert_kind!(refused(&with(sparse(vec![1], vec![2, 3]))), ErrorKind::Malformed(_), "as many indices");
    assert_kind!(refused(&with(sparse(vec![1, 2], vec![1 << 40, 3]))), ErrorKind::TooLarge(_), "\"s\"");
}

fn external(location: &str, more: &[(&str, &str)]) -> ModelProto {
    let mut m = small();
    let w = &mut graph(&mut m).initializer[0];
    w.raw_data = None;
    w.data_location = Some(DataLocation::External as i32);
    w.external_data = vec![encode::entry("location", location)];
    w.external_data.extend(more.iter().map(|(k, v)| encode::entry(k, v)));
    m
}

fn load_beside(m: &ModelProto, folder: &Path) -> crate::Result<Network> {
    let path = folder.join("model.onnx");
    std::fs::write(&path, m.encode_to_vec()).unwrap();
    Network::load(&path)
}

#[test]
fn external_data_is_read_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    std::fs::write(folder.path().join("w.bin"), data).unwrap();
    let network =
        load_beside(&external("./w.bin", &[("offset", "8"), ("length", "24")]), folder.path()).unwrap();
    let w = network.symbols()[network.resolve("w").unwrap()].constant.clone();
    assert_eq!(w, Tensor::new(&[2, 3], vec![2.0f32, 3.0, 4.0, 5.0, 6.0, 7.0]));
}

#[test]
fn external_data_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = load_beside(&external("w.bin", &[]), folder.path()).unwrap_err();
    assert_kind!(error, ErrorKind::ExternalData(_), "initializer \"w\"", "w.bin");
    assert_kind!(refused(&external("w.bin", &[])), ErrorKind::ExternalData(_), "from memory");
    let mut m = external("w.bin", &[]);
    graph(&mut m).initializer[0].external_data.clear();
    assert_kind!(load_beside(&m, folder.path()).unwrap_err(), ErrorKind::ExternalData(_), "no location");
}

#[test]
fn external_data_outside_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(outer.path().join("w.bin"), [0u8; 24]).unwrap();
    let absolute = outer.path().join("w.bin").display().to_string();
    for location in ["../w.bin", "inner/../../w.bin", &absolute, "..\\w.bin", "", "a\0b"] {
        let error = load_beside(&external(location, &[]), &inner).unwrap_err();
        assert_kind!(error, ErrorKind::ExternalData(_), "initializer \"w\"");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outer.path().join("w.bin"), inner.join("link")).unwrap();
        let error = load_beside(&external("link", &[]), &inner).unwrap_err();
        assert_kind!(error, ErrorKind::ExternalData(_), "outside", "symbolic link");
    }
}

#[test]
fn external_data_that_is_too_short() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.bin"), [0u8; 24]).unwrap();
    let cases: [&[(&str, &str)]; 5] = [
        &[("offset", "1")],
        &[("offset", "18446744073709551615")],
        &[("length", "25")],
        &[("length", "12")],
        &[("offset", "-1")],
    ];
    for case in cases {
        let error = load_beside(&external("w.bin", case), folder.path()).unwrap_err();
        assert_kind!(error, ErrorKind::ExternalData(_), "initializer \"w\"");
    }
    assert!(load_beside(&external("w.bin", &[]), folder.path()).is_ok());
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let error = load_beside(&external("sub", &[]), folder.path()).unwrap_err();
    assert_kind!(error, ErrorKind::ExternalData(_), "not a file");
}

#[test]
fn strings_as_bytes_and_segments_are_refused() {
    let mut m = small();
    let w = &mut graph(&mut m).initializer[0];
    w.data_type = Some(DataType::String as i32);
    w.raw_data = Some(Bytes::from_static(b"abcdef"));
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "strings");
    let mut m = small();
    graph(&mut m).initializer[0].segment = Some(crate::onnx::proto::tensor_proto::Segment::default());
    assert_kind!(refused(&m), ErrorKind::Malformed(_), "segments");
}
