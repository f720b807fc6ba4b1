//! Files that ask for more than there should be: memory, time, stack.

use prost::Message;

use super::{floats, graph, load, model, node, refused, small, tensor_attribute};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::differentiate::{differentiate, no_rule};
use crate::error::ErrorKind;
use crate::graph::Fact;
use crate::import::{Import, ImportInput};
use crate::network::{Dim, Network};
use crate::onnx::encode;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto};
use crate::ops::{Add, AffineGrid, Attention, Expand, EyeLike};
use crate::specialise::Specialisation;
use crate::tensor::{DType, Tensor};

/// A shape whose product is nothing, and whose parts are too much.
const HOLLOW: [i64; 3] = [0, 1 << 40, 1 << 40];

#[track_caller]
fn check(m: &ModelProto, parts: &[&str]) {
    let found = load(m).and_then(|network| {
        let how = Specialisation { rows: 1, ..Specialisation::default() };
        network.specialise(&how, network.outputs()).map(drop)
    });
    let text = found.expect_err("the model is not refused").to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{text:?} does not contain {part:?}"));
}

fn with_input(dims: &[i64]) -> ModelProto {
    let mut m = model(vec![node("Relu", &["x"], &["y"])], vec![]);
    let dims: Vec<Dim> = dims.iter().map(|&d| Dim::Fixed(d as usize)).collect();
    graph(&mut m).input = vec![encode::value_info("x", DType::F32, Some(&dims))];
    m
}

fn of_shape(op: &str, shape: &[i64]) -> ModelProto {
    let inputs: &[&str] = if op == "ConstantOfShape" { &["shape"] } else { &["x", "shape"] };
    model(vec![node(op, inputs, &["y"])], vec![encode::tensor("shape", &Tensor::vector(shape.to_vec()))])
}

#[test]
fn sizes_that_cannot_be_held() {
    check(&with_input(&[1 << 40]), &["too large", "input \"x\""]);
    check(&with_input(&HOLLOW), &["too large", "input \"x\""]);
    let mut m = small();
    graph(&mut m).initializer[0].dims = HOLLOW.to_vec();
    check(&m, &["too large", "initializer \"w\"", "1099511627776"]);
    for shape in [&[1 << 40][..], &[1 << 32, 1 << 32], &[i64::MAX, 2], &HOLLOW] {
        check(&of_shape("ConstantOfShape", shape), &["node_y", "ConstantOfShape"]);
        check(&of_shape("Expand", &[shape, &[1, 2]].concat()), &["node_y", "Expand"]);
    }
    check(&of_shape("ConstantOfShape", &[-1]), &["node_y", "-1"]);
    check(&of_shape("Expand", &[-1, 2]), &["node_y", "-1"]);
    check(&of_shape("Reshape", &[-2, 2]), &["node_y", "-2"]);
    check(&of_shape("Tile", &[1 << 40, 1]), &["node_y"]);
    check(&of_shape("Tile", &[1, -1]), &["node_y", "-1"]);
}

#[test]
fn an_initializer_with_more_than_its_shape() {
    let mut m = small();
    graph(&mut m).initializer[0].dims = vec![1, 3];
    check(&m, &["initializer \"w\"", "needs 12 bytes, the file has 24"]);
    let mut m = small();
    graph(&mut m).initializer[0].dims = vec![];
    check(&m, &["initializer \"w\"", "needs 4 bytes, the file has 24"]);
}

#[test]
fn a_size_of_minus_one_of_an_input_is_open() {
    let sized = |size: i64| {
        let mut m = small();
        let dims = [Dim::Symbol("batch".to_owned()), Dim::Fixed(2)];
        let mut info = encode::value_info("x", DType::F32, Some(&dims));
        use crate::onnx::proto::{tensor_shape_proto::dimension, type_proto};
        if let Some(type_proto::Value::TensorType(t)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
            t.shape.as_mut().unwrap().dim[1].value = Some(dimension::Value::DimValue(size));
        }
        graph(&mut m).input = vec![info];
        m
    };
    check(&sized(-1), &["input \"x\"", "the size of dimension 1 is open"]);
    check(&sized(-2), &["malformed", "dimension 1 of input \"x\"", "-2"]);
}

/// Constants that a small file asks for are not computed before they are needed: 64 times half a gigabyte.
#[test]
fn constants_that_a_file_does_not_bring_are_not_computed_ahead() {
    let mut nodes = Vec::new();
    for i in 0..64 {
        nodes.push(node("ConstantOfShape", &["shape"], &[&format!("c{i}")]));
        let sum = if i == 0 { "x".to_owned() } else { format!("s{}", i - 1) };
        nodes.push(node("Add", &[&sum, &format!("c{i}")], &[&format!("s{i}")]));
    }
    nodes.push(node("Identity", &["s63"], &["y"]));
    let m = model(nodes, vec![encode::tensor("shape", &Tensor::vector(vec![1i64 << 26, 2]))]);
    let network = load(&m).unwrap();
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    let graph = network.specialise(&how, network.outputs()).unwrap().graph;
    let held: usize = graph.values().filter_map(|(_, v)| v.constant.as_ref()).map(Tensor::len).sum();
    assert!(held < 1 << 27, "{held} elements are held");
}

/// Nor is work of minutes done ahead: 2³⁶ multiplications, of what the file says in a few bytes.
#[test]
fn long_work_is_not_done_ahead() {
    let side = encode::tensor("shape", &Tensor::vector(vec![4096i64, 4096]));
    let nodes = vec![
        node("ConstantOfShape", &["shape"], &["a"]),
        node("MatMul", &["a", "a"], &["b"]),
        node("ReduceSum", &["b"], &["c"]),
        node("Add", &["x", "c"], &["y"]),
    ];
    let network = load(&model(nodes, vec![side])).unwrap();
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    let graph = network.specialise(&how, network.outputs()).unwrap().graph;
    assert!(graph.nodes().iter().any(|n| n.op.definition().name == "MatMul"));
}

/// Masks, grids and matrices that an operator makes up are far larger than what it is given.
#[test]
fn constants_too_large_to_make_up_are_refused() {
    let long = 1 << 20;
    let causal = |b: &mut Builder| {
        let x = b.input("x", Fact::new(DType::F32, &[1, 1, long, 1]));
        b.push(Attention { causal: true, ..Attention::default() }, &[x, x, x])
    };
    let short_mask = |b: &mut Builder| {
        let x = b.input("x", Fact::new(DType::F32, &[1, 1, long, 1]));
        let mask = b.input("mask", Fact::new(DType::F32, &[65_536, 2]));
        b.push(Attention::default(), &[x, x, x, mask])
    };
    let eye = |b: &mut Builder| {
        let x = b.input("x", Fact::new(DType::F32, &[1 << 14, 1 << 14]));
        b.push(EyeLike { to: None, offset: 0 }, &[x])
    };
    let integers = |b: &mut Builder, v: &[i64]| b.constant_value(Tensor::vector(v.to_vec()));
    let grid = |b: &mut Builder| {
        let x = b.input("x", Fact::new(DType::F32, &[1, 3, 4]));
        let size = integers(b, &[1, 1, 256, 512, 512]);
        b.push(AffineGrid { align_corners: true }, &[x, size])
    };
    let linear = || {
        let node = Import {
            operator: "Resize",
            opset: 19,
            attributes: &Attributes::new().with("mode", Attribute::Text("linear".into())),
            inputs: [(0, true), (1, false), (2, false), (3, true)]
                .map(|(i, there)| if there { ImportInput::Value(i, None) } else { ImportInput::Missing })
                .to_vec(),
            outputs: 1,
        };
        (crate::ops::resize::DEFINITION.import)(&mut { node }).unwrap()
    };
    let resized = |b: &mut Builder, shape: &[usize], sizes: &[i64]| {
        let x = b.input("x", Fact::new(DType::F32, shape));
        let sizes = integers(b, sizes);
        let y = b.node(linear(), &[Some(x), None, None, Some(sizes)])?;
        Ok((x, y[0]))
    };
    let between = |b: &mut Builder| resized(b, &[1, 4096], &[1 << 24, 1]).map(|(_, y)| y);
    let back = |b: &mut Builder| {
        let (x, y) = resized(b, &[1, 1, long], &[1, 1, 2 * long as i64])?;
        let seed = b.ones_like(y)?;
        let found = differentiate(b, &[(y, seed)], &[x], &mut no_rule);
        found.map(|_| y).map_err(|e| crate::OpError(e.to_string()))
    };
    type Make<'a> = &'a dyn Fn(&mut Builder) -> crate::OpResult<crate::ValueId>;
    let all: [(&str, Make<'_>, &str); 6] = [
        ("causal", &causal, "make up a constant of shape [1048576, 1048576]"),
        ("mask", &short_mask, "make up a constant of shape [65536, 1048574]"),
        ("eye", &eye, "make up a constant of shape [16384, 16384]"),
        ("grid", &grid, "make up a constant of shape [4, 256, 512, 512]"),
        ("between", &between, "a value of shape [16777216, 4096] on its way"),
        ("back", &back, "make up a constant"),
    ];
    for (name, make, expected) in all {
        let message = make(&mut Builder::new(1)).expect_err(name).to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn weights_bring_room_for_what_is_computed_from_them() {
    let mut b = Builder::with_budget(1, crate::Budget { bytes: 0, work: 1 << 20 });
    let given = b.constant_value(Tensor::vector(vec![1.0f64; 10]));
    for _ in 0..8 {
        let sum = b.push(Add, &[given, given]).unwrap();
        assert!(b.constant(sum).is_some());
    }
    let sum = b.push(Add, &[given, given]).unwrap();
    assert!(b.constant(sum).is_none(), "a budget of 8 times 80 bytes is spent");
    let shape = b.constant_value(Tensor::vector(vec![1i64 << 20]));
    let one = b.constant_value(Tensor::scalar(1.0f64));
    let wide = b.push(Expand, &[one, shape]).unwrap();
    assert_eq!((b.constant(wide), b.fact(wide)), (None, &Fact::new(DType::F64, &[1 << 20])));
}

#[test]
fn sparse_tensors_that_become_too_large() {
    let sparse = |name: &str| SparseTensorProto {
        values: Some(floats(name, &[1], &[5.0])),
        indices: Some(encode::tensor("", &Tensor::vector(vec![0i64]))),
        dims: vec![1 << 25],
    };
    let mut m = small();
    graph(&mut m).sparse_initializer = vec![sparse("s0"), sparse("s1")];
    assert!(load(&m).is_ok());
    graph(&mut m).sparse_initializer.push(sparse("s2"));
    let error = refused(&m);
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge(_)) && error.to_string().contains("\"s2\""),
        "{error}"
    );
}

/// A long chain of nodes takes no stack, neither read, ordered, specialised nor dropped.
#[test]
fn a_chain_of_a_hundred_thousand_nodes() {
    const LENGTH: usize = 100_000;
    let name = |i: usize| if i == 0 { "x".to_owned() } else { format!("{i:x}") };
    // In reverse, so that it must be sorted.
    let mut nodes: Vec<_> = (0..LENGTH).rev().map(|i| node("Relu", &[&name(i)], &[&name(i + 1)])).collect();
    nodes.iter_mut().for_each(|n| n.name = None);
    let mut m = model(nodes, vec![]);
    graph(&mut m).output = vec![encode::value_info(&name(LENGTH), DType::F32, None)];
    let network = load(&m).unwrap();
    assert_eq!(network.nodes().len(), LENGTH);
    drop(m);
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    assert_eq!(network.specialise(&how, network.outputs()).unwrap().graph.nodes().len(), LENGTH);
}

/// Messages in messages, written from the inside outwards.
fn nested(depth: usize, tags: &[u8], inside: &[u8]) -> Vec<u8> {
    // Backwards, so that nothing is copied.
    let mut bytes: Vec<u8> = inside.iter().rev().copied().collect();
    for i in 0..depth {
        let mut head = vec![tags[i % tags.len()]];
        prost::encoding::encode_varint(bytes.len() as u64, &mut head);
        bytes.extend(head.iter().rev());
    }
    bytes.reverse();
    bytes
}

#[test]
fn nesting_without_end() {
    // From the inside: a graph is an attribute's 6, an attribute a node's 5, a node a graph's 1, a graph the model's 7.
    let branches = nested(300_000, &[0x32, 0x2A, 0x0A], b"");
    let sequences = nested(100_000, &[0x22], b"");
    // Groups, which no field of ONNX is.
    let groups = vec![0x7B; 100_000];
    for (what, bytes) in [("branches", branches), ("sequences", sequences), ("groups", groups)] {
        for tag in [0x3A, 0x5A, 0x7A] {
            let file = nested(1, &[tag], &bytes);
            if let Ok(network) = Network::from_bytes(&file, None) {
                assert_eq!(network.nodes().len(), 0, "{what}");
            }
        }
        assert!(Network::from_bytes(&bytes, None).is_err(), "{what}");
    }
    let mut deep = small().encode_to_vec();
    deep.extend(nested(1, &[0x3A], &nested(300_000, &[0x32, 0x2A, 0x0A], b"")));
    let error = Network::from_bytes(&deep, None).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
    // The same in a function: the model's 25, of which a node is 7.
    let inside = nested(1, &[0x3A], &nested(299_999, &[0x32, 0x2A, 0x0A], b""));
    let mut function = vec![0xCA, 0x01];
    prost::encoding::encode_varint(inside.len() as u64, &mut function);
    function.extend(inside);
    let mut deep = small().encode_to_vec();
    deep.extend(function);
    let error = Network::from_bytes(&deep, None).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

/// Branches in branches, as deep as the format's nesting allows, with a condition that is not known.
#[test]
fn branches_in_branches() {
    let body = |inner: NodeProto| {
        let output = inner.output[0].clone();
        GraphProto {
            node: vec![inner],
            output: vec![encode::value_info(&output, DType::F32, None)],
            ..GraphProto::default()
        }
    };
    let mut inner = node("Relu", &["x"], &["inside"]);
    for level in (0..24).rev() {
        let mut outer = node("If", &["c"], &[&if level == 0 { "y".to_owned() } else { format!("y{level}") }]);
        let other = node("Relu", &["x"], &[&format!("other{level}")]);
        for (name, inner) in [("then_branch", inner), ("else_branch", other)] {
            outer.attribute.push(AttributeProto {
                name: Some(name.to_owned()),
                r#type: Some(AttributeType::Graph as i32),
                g: Some(body(inner)),
                ..AttributeProto::default()
            });
        }
        inner = outer;
    }
    let mut m = model(vec![inner], vec![]);
    graph(&mut m).input.push(encode::value_info("c", DType::Bool, Some(&[])));
    check(&m, &["more than 16 branches"]);
}

/// Lengths that are not those of what follows.
#[test]
fn lengths_that_lie() {
    let cases: [(&str, &[u8]); 8] = [
        ("more than there is", b"\x08\x0a\x3a\x7f\x0a\x01a"),
        ("2⁶³ bytes", b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("2⁶⁴ bytes", b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("a number without end", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("a name longer than its graph", b"\x08\x0a\x3a\x03\x12\x7fab"),
        ("a group that is not ended", b"\x08\x0a\x3b\x0a\x01a"),
        ("a group ended by another", b"\x08\x0a\x7b\x84\x01"),
        ("a field of number 0", b"\x08\x0a\x00\x01\x3a\x00"),
    ];
    for (what, bytes) in cases {
        let error = Network::from_bytes(bytes, None).expect_err(what);
        assert!(matches!(error.kind(), ErrorKind::NotOnnx(_)), "{what}: {error}");
    }
}

#[test]
fn attributes_of_every_wrong_type_are_gaps() {
    let kinds: [fn(&mut AttributeProto); 7] = [
        |a| (a.r#type, a.f) = (Some(AttributeType::Float as i32), Some(1.5)),
        |a| (a.r#type, a.i) = (Some(AttributeType::Int as i32), Some(1)),
        |a| (a.r#type, a.s) = (Some(AttributeType::String as i32), Some(b"one".to_vec())),
        |a| (a.r#type, a.ints) = (Some(AttributeType::Ints as i32), vec![1, 1]),
        |a| (a.r#type, a.floats) = (Some(AttributeType::Floats as i32), vec![1.0]),
        |a| a.r#type = Some(AttributeType::TypeProto as i32),
        |a| *a = tensor_attribute("", floats("", &[1], &[1.0])),
    ];
    let operators = [
        ("Gemm", "alpha", 0, 2),
        ("Gemm", "transA", 1, 2),
        ("Softmax", "axis", 1, 1),
        ("Cast", "to", 1, 1),
        ("Conv", "auto_pad", 2, 2),
        ("Conv", "strides", 3, 2),
        ("Transpose", "perm", 3, 1),
        ("LSTM", "hidden_size", 1, 3),
        ("ConstantOfShape", "value", 6, 1),
    ];
    for (op, name, right, inputs) in operators {
        for (i, set) in kinds.iter().enumerate().filter(|(i, _)| *i != right) {
            let mut attribute = AttributeProto::default();
            set(&mut attribute);
            attribute.name = Some(name.to_owned());
            let mut n = node(op, &["x", "x", "x"][..inputs], &["y"]);
            n.attribute = vec![attribute];
            let network = load(&model(vec![n], vec![])).unwrap();
            let (at, gap) =
                network.gaps().next().unwrap_or_else(|| panic!("{op}.{name} of kind {i} is read"));
            assert_eq!(at.name, "node_y");
            assert!(gap.reason.contains(name), "{op}.{name} of kind {i}: {}", gap.reason);
        }
    }
}

#[test]
fn the_same_bytes_of_a_file_cannot_be_read_at_will() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.bin"), [0u8; 24]).unwrap();
    let mut m = small();
    for i in 0..9 {
        let mut w = floats(&format!("w{i}"), &[2, 3], &[0.0; 6]);
        w.raw_data = None;
        w.data_location = Some(crate::onnx::proto::tensor_proto::DataLocation::External as i32);
        w.external_data = vec![encode::entry("location", "w.bin")];
        graph(&mut m).initializer.push(w);
        let read = Network::from_bytes(&m.encode_to_vec(), Some(folder.path()));
        match read {
            Ok(_) => assert!(i < 8),
            Err(e) => {
                assert_eq!(i, 8);
                assert!(e.to_string().contains("\"w8\"") && e.to_string().contains("8 times"), "{e}");
            }
        }
    }
}
