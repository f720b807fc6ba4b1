//! What a well-formed file gives.

use super::{floats, graph, load, model, node, small, tensor_attribute};
use crate::network::{Dim, Network};
use crate::onnx::encode;
use crate::onnx::module::SCOPES;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use crate::specialise::Specialisation;
use crate::tensor::{DType, Tensor};

#[test]
fn names_shapes_and_metadata() {
    let mut m = small();
    m.producer_name = Some("maker".to_owned());
    m.producer_version = Some("1.2".to_owned());
    m.metadata_props.push(encode::entry("classes", "yes,no"));
    let network = load(&m).unwrap();
    assert_eq!(network.input_names().collect::<Vec<_>>(), ["x"]);
    assert_eq!(network.output_names().collect::<Vec<_>>(), ["y"]);
    assert_eq!(network.producer, "maker 1.2");
    assert_eq!(network.metadata["classes"], "yes,no");
    assert_eq!(network.opsets[""], 20);
    let x = network.symbols()[network.inputs()[0]].declared.clone().unwrap();
    assert_eq!((x.dtype, x.shape), (DType::F32, Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(2)])));
    assert!(network.warnings.is_empty());
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let mut m = small();
    graph(&mut m).node.reverse();
    let network = load(&m).unwrap();
    let names: Vec<&str> = network.nodes().iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["node_h", "node_y"]);
}

#[test]
fn weights_listed_as_inputs_are_not_inputs() {
    let mut m = small();
    let w = encode::value_info("w", DType::F32, Some(&[Dim::Fixed(2), Dim::Fixed(3)]));
    graph(&mut m).input.insert(0, w);
    assert_eq!(load(&m).unwrap().input_names().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_node_without_a_name_is_called_by_its_output() {
    let mut m = small();
    graph(&mut m).node[0].name = None;
    assert_eq!(load(&m).unwrap().nodes()[0].name, "h");
}

#[test]
fn inputs_and_outputs_may_be_left_out() {
    let m = model(vec![node("Clip", &["x", "", "top"], &["y", ""])], vec![floats("top", &[], &[1.0])]);
    let network = load(&m).unwrap();
    let clip = &network.nodes()[0];
    assert_eq!(clip.inputs.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(clip.outputs.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

/// The places of a MaxPool count through all records, so that rows mix where they are read.
#[test]
fn places_that_nobody_reads_are_left_out() {
    let pool = |reader: Option<NodeProto>| {
        let mut pool = node("MaxPool", &["x"], &["y", "places"]);
        pool.attribute.push(AttributeProto {
            name: Some("kernel_shape".to_owned()),
            r#type: Some(AttributeType::Ints as i32),
            ints: vec![2],
            ..AttributeProto::default()
        });
        let mut m = model([vec![pool], reader.into_iter().collect()].concat(), vec![]);
        let shape = [Dim::Symbol("N".to_owned()), Dim::Fixed(1), Dim::Fixed(4)];
        graph(&mut m).input = vec![encode::value_info("x", DType::F32, Some(&shape))];
        load(&m).unwrap()
    };
    let outputs = |network: &Network| network.nodes()[0].outputs.len();
    assert_eq!(outputs(&pool(None)), 1);
    assert_eq!(outputs(&pool(Some(node("Identity", &["places"], &["z"])))), 2);
}

#[test]
fn module_paths_name_layers() {
    let mut m = small();
    graph(&mut m).node[0].metadata_props.push(encode::entry(SCOPES, "['', 'net', 'net.0', 'linear']"));
    graph(&mut m).node[1].name = Some("/net/net.1/Relu".to_owned());
    let network = load(&m).unwrap();
    let symbol = |name: &str| network.symbols()[network.resolve(name).unwrap()].name.clone();
    assert_eq!(symbol("net.0"), "h");
    assert_eq!(symbol("net.0:input"), "x");
    assert_eq!(symbol("net.1"), "y");
    assert_eq!(symbol("net"), "y");
}

#[test]
fn a_module_that_was_merged_into_another_has_its_input() {
    // As PyTorch's exporter writes a convolution and its batch normalization: under the second's scopes, with the first's weights.
    let mut m = small();
    graph(&mut m).node[0].metadata_props.push(encode::entry(SCOPES, "['', 'net', 'net.norm', 'norm']"));
    graph(&mut m).node[0].input[1] = "net.conv.weight".to_owned();
    graph(&mut m).initializer[0].name = Some("net.conv.weight".to_owned());
    let network = load(&m).unwrap();
    assert_eq!(network.symbols()[network.resolve("net.conv:input").unwrap()].name, "x");
    assert_eq!(network.symbols()[network.resolve("net.norm").unwrap()].name, "h");
    let refusal = network.resolve("net.conv").unwrap_err().to_string();
    assert!(refusal.contains("merged it into net.norm") && refusal.contains("net.conv:input"), "{refusal}");
    assert!(network.resolve("net.con:input").is_err());
    // What lay between the two is not computed; what holds both has its input.
    let refusal = network.resolve("net.norm:input").unwrap_err().to_string();
    assert!(
        refusal.contains("merged net.conv into net.norm") && refusal.contains("net.conv:input"),
        "{refusal}"
    );
    assert_eq!(network.symbols()[network.resolve("net:input").unwrap()].name, "x");
    assert_eq!(network.note_of("net.norm"), None);
}

#[test]
fn a_convolution_that_holds_a_normalization_says_so() {
    // As PyTorch's older exporter writes it: under the convolution's path, with weights of a new name.
    let noted = |weights: &str| {
        let mut m = small();
        let node = &mut graph(&mut m).node[0];
        (node.op_type, node.name) = (Some("Conv".to_owned()), Some("/net/net.0/Conv".to_owned()));
        node.input[1] = weights.to_owned();
        graph(&mut m).initializer[0].name = Some(weights.to_owned());
        let network = load(&m).unwrap();
        assert_eq!(network.symbols()[network.resolve("net.0").unwrap()].name, "h");
        assert_eq!(network.note_of("net.0:input").or(network.note_of("h")), None);
        network.note_of("net.0")
    };
    assert!(noted("onnx::Conv_42").unwrap().contains("net.0: the exporter merged"));
    assert_eq!(noted("net.0.weight"), None);
}

#[test]
fn constant_nodes_become_constants() {
    let attribute = |name: &str, kind: AttributeType, set: fn(&mut AttributeProto)| {
        let mut a = AttributeProto {
            name: Some(name.to_owned()),
            r#type: Some(kind as i32),
            ..AttributeProto::default()
        };
        set(&mut a);
        a
    };
    let cases: Vec<(AttributeProto, Tensor)> = vec![
        (
            tensor_attribute("value", floats("", &[1, 2], &[1.0, 2.0])),
            Tensor::new(&[1, 2], vec![1.0f32, 2.0]).unwrap(),
        ),
        (attribute("value_float", AttributeType::Float, |a| a.f = Some(2.5)), Tensor::scalar(2.5f32)),
        (
            attribute("value_floats", AttributeType::Floats, |a| a.floats = vec![2.5]),
            Tensor::vector(vec![2.5f32]),
        ),
        (attribute("value_int", AttributeType::Int, |a| a.i = Some(3)), Tensor::scalar(3i64)),
        (
            attribute("value_ints", AttributeType::Ints, |a| a.ints = vec![3, 4]),
            Tensor::vector(vec![3i64, 4]),
        ),
        (
            attribute("value_string", AttributeType::String, |a| a.s = Some(b"yes".to_vec())),
            Tensor::scalar("yes".to_owned()),
        ),
        (
            attribute("value_strings", AttributeType::Strings, |a| a.strings = vec![b"no".to_vec()]),
            Tensor::vector(vec!["no".to_owned()]),
        ),
    ];
    for (attribute, expected) in cases {
        let mut constant = node("Constant", &[], &["c"]);
        constant.attribute.push(attribute);
        let network = load(&model(vec![constant, node("Relu", &["x"], &["y"])], vec![])).unwrap();
        assert_eq!(network.nodes().len(), 1);
        assert_eq!(network.symbols()[network.resolve("c").unwrap()].constant, Some(expected));
    }
}

#[test]
fn every_element_type_is_read_from_raw_bytes_and_from_its_field() {
    let check = |proto: TensorProto, expected: Tensor| {
        let name = proto.name.clone().unwrap();
        let network = load(&model(vec![node("Relu", &["x"], &["y"])], vec![proto])).unwrap();
        assert_eq!(network.symbols()[network.resolve(&name).unwrap()].constant, Some(expected));
    };
    let tensors = [
        Tensor::vector(vec![1.5f32, -2.0]),
        Tensor::vector(vec![1.5f64, -2.0]),
        Tensor::vector(vec![1i8, -2]),
        Tensor::vector(vec![1i16, -2]),
        Tensor::vector(vec![1i32, -2]),
        Tensor::vector(vec![1i64, -2]),
        Tensor::vector(vec![1u8, 200]),
        Tensor::vector(vec![1u16, 60_000]),
        Tensor::vector(vec![1u32, u32::MAX]),
        Tensor::vector(vec![1u64, u64::MAX]),
        Tensor::vector(vec![true, false]),
        Tensor::vector(vec!["a".to_owned(), "β".to_owned()]),
    ];
    for tensor in tensors {
        let raw = encode::tensor("t", &tensor);
        let mut fields = TensorProto { raw_data: None, ..raw.clone() };
        match tensor.dtype() {
            DType::F32 => fields.float_data = vec![1.5, -2.0],
            DType::F64 => fields.double_data = vec![1.5, -2.0],
            DType::I64 => fields.int64_data = tensor.to_i64().unwrap(),
            DType::U32 => fields.uint64_data = vec![1, u64::from(u32::MAX)],
            DType::U64 => fields.uint64_data = vec![1, u64::MAX],
            DType::String => {}
            _ => fields.int32_data = tensor.to_i64().unwrap().iter().map(|&v| v as i32).collect(),
        }
        check(raw, tensor.clone());
        check(fields, tensor);
    }
}

#[test]
fn halves_are_widened_and_say_so() {
    for (kind, bits, name) in
        [(DataType::Float16, 0x3e00u16, "float16"), (DataType::Bfloat16, 0x3fc0, "bfloat16")]
    {
        let base = TensorProto {
            name: Some("t".to_owned()),
            dims: vec![1],
            data_type: Some(kind as i32),
            ..TensorProto::default()
        };
        let raw = TensorProto { raw_data: Some(bits.to_le_bytes().to_vec().into()), ..base.clone() };
        let field = TensorProto { int32_data: vec![i32::from(bits)], ..base };
        for proto in [raw, field] {
            let network = load(&model(vec![node("Relu", &["x"], &["y"])], vec![proto])).unwrap();
            let symbol = &network.symbols()[network.resolve("t").unwrap()];
            assert_eq!(symbol.constant, Some(Tensor::vector(vec![1.5f32])));
            assert_eq!(symbol.declared.as_ref().unwrap().widened_from, Some(name));
        }
    }
}

#[test]
fn weights_of_other_types_are_gaps_until_they_are_reached() {
    let mut m = small();
    let weight = TensorProto {
        name: Some("q".to_owned()),
        dims: vec![2],
        data_type: Some(DataType::Float8e4m3fn as i32),
        raw_data: Some(vec![1, 2].into()),
        ..TensorProto::default()
    };
    graph(&mut m).initializer.push(weight);
    graph(&mut m).node.push(node("Add", &["x", "q"], &["z"]));
    graph(&mut m).output.push(encode::value_info("z", DType::F32, None));
    let network = load(&m).unwrap();
    assert!(network.gaps().any(|(n, g)| n.name == "q" && g.reason.contains("float8e4m3fn")));
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    network.specialise(&how, &network.outputs()[..1]).unwrap();
    let error = network.specialise(&how, network.outputs()).unwrap_err();
    assert!(error.to_string().contains("float8e4m3fn"), "{error}");
}

#[test]
fn unknown_sizes_and_types_stay_open() {
    let mut m = small();
    graph(&mut m).input = vec![encode::value_info("x", DType::F32, None)];
    let network = load(&m).unwrap();
    assert_eq!(network.symbols()[network.inputs()[0]].declared.as_ref().unwrap().shape, None);
    let mut m = small();
    graph(&mut m).input[0].r#type = None;
    assert!(load(&m).unwrap().symbols()[0..].iter().any(|s| s.name == "x" && s.declared.is_none()));
}
