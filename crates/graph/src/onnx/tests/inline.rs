//! Functions that a file defines, and branches that a constant chooses.

use super::{encode, floats, graph, load, model, node, refused};
use crate::error::ErrorKind;
use crate::evaluate::evaluate;
use crate::network::{Dim, Network};
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto,
};
use crate::specialise::Specialisation;
use crate::tensor::{DType, Tensor};

fn in_domain(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some("local".to_owned()), ..node(op, inputs, outputs) }
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    let list = |names: &[&str]| names.iter().map(|&s| s.to_owned()).collect();
    FunctionProto {
        name: Some(name.to_owned()),
        domain: Some("local".to_owned()),
        input: list(inputs),
        output: list(outputs),
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(20) }],
        ..FunctionProto::default()
    }
}

fn with_functions(nodes: Vec<NodeProto>, functions: Vec<FunctionProto>) -> ModelProto {
    let mut m = model(nodes, vec![]);
    m.opset_import.push(OperatorSetIdProto { domain: Some("local".to_owned()), version: Some(1) });
    m.functions = functions;
    m
}

/// The output for one row of `x`.
#[track_caller]
fn run(network: &Network, x: [f32; 2]) -> Vec<f64> {
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    let graph = network.specialise(&how, network.outputs()).unwrap_or_else(|e| panic!("{e}")).graph;
    let x = Tensor::new(&[1, 2], x.to_vec()).unwrap();
    let inputs: Vec<_> = graph.inputs().iter().map(|&i| (i, x.clone())).collect();
    evaluate(&graph, &inputs, graph.outputs()).unwrap()[0].to_f64().unwrap()
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(i),
        ..AttributeProto::default()
    }
}

fn refers(name: &str, to: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        ref_attr_name: Some(to.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        ..AttributeProto::default()
    }
}

#[test]
fn a_call_becomes_the_nodes_of_its_function() {
    let twice = || function("Twice", &["a"], &["b"], vec![node("Add", &["a", "a"], &["b"])]);
    let inner = vec![in_domain("Twice", &["v"], &["t"]), in_domain("Twice", &["t"], &["w"])];
    let four = function("Four", &["v"], &["w"], inner);
    let calls = vec![in_domain("Four", &["x"], &["h"]), in_domain("Four", &["h"], &["y"])];
    let network = load(&with_functions(calls, vec![twice(), four])).unwrap();
    assert_eq!(network.gaps().count(), 0);
    assert_eq!(network.nodes().len(), 4);
    assert_eq!(run(&network, [1.0, -2.0]), [16.0, -32.0]);
    assert_eq!(network.nodes()[0].name, "node_h/node_t/node_b");
}

#[test]
fn attributes_are_the_callers_or_the_defaults() {
    let mut inside = node("Softmax", &["a"], &["b"]);
    inside.attribute.push(refers("axis", "along"));
    let mut f = function("Along", &["a"], &["b"], vec![inside]);
    f.attribute_proto.push(int("along", 0));
    let mut given = in_domain("Along", &["x"], &["y"]);
    given.attribute.push(int("along", 1));
    let by_default = in_domain("Along", &["x"], &["y"]);
    let near = |found: Vec<f64>, want: f64| assert!((found[0] - want).abs() < 1e-6, "{found:?}");
    near(run(&load(&with_functions(vec![given], vec![f.clone()])).unwrap(), [1.0, 1.0]), 0.5);
    near(run(&load(&with_functions(vec![by_default], vec![f])).unwrap(), [1.0, 1.0]), 1.0);
}

#[test]
fn a_value_that_is_handed_through_keeps_both_names() {
    let f = function("Same", &["a"], &["a"], vec![]);
    let network = load(&with_functions(vec![in_domain("Same", &["x"], &["y"])], vec![f])).unwrap();
    assert_eq!(run(&network, [1.0, 2.0]), [1.0, 2.0]);
}

#[test]
fn functions_that_never_end_are_refused() {
    let f = function("Again", &["a"], &["b"], vec![in_domain("Again", &["a"], &["b"])]);
    let m = with_functions(vec![in_domain("Again", &["x"], &["y"])], vec![f]);
    assert!(matches!(refused(&m).kind(), ErrorKind::Cycle(m) if m.contains("calls itself")));
    // Each calls the next one twice: sixty of them are more nodes than there are atoms to hold them.
    let chain = |n: usize| -> Vec<FunctionProto> {
        (0..n)
            .map(|i| {
                let next = format!("F{}", i + 1);
                let nodes = vec![in_domain(&next, &["a"], &["m"]), in_domain(&next, &["m"], &["b"])];
                function(&format!("F{i}"), &["a"], &["b"], nodes)
            })
            .chain([function(&format!("F{n}"), &["a"], &["b"], vec![node("Relu", &["a"], &["b"])])])
            .collect()
    };
    let call = || vec![in_domain("F0", &["x"], &["y"])];
    assert!(matches!(refused(&with_functions(call(), chain(60))).kind(), ErrorKind::TooLarge(_)));
    assert!(matches!(refused(&with_functions(call(), chain(20))).kind(), ErrorKind::TooLarge(_)));
    let wide = function("F", &["a"], &["b"], vec![node("Relu", &["a"], &["b"])]);
    let m = with_functions(vec![in_domain("F", &["x", "x"], &["y"])], vec![wide]);
    assert!(matches!(refused(&m).kind(), ErrorKind::Malformed(m) if m.contains("2 inputs")));
}

/// A hundred thousand functions, each a call of the next one.
#[test]
fn a_deep_chain_of_functions_takes_no_stack() {
    const LENGTH: usize = 100_000;
    let call = |i: usize| {
        let mut call = in_domain(&format!("F{i}"), &["a"], &["b"]);
        call.name = None;
        call
    };
    let last = function("F0", &["a"], &["b"], vec![node("Relu", &["a"], &["b"])]);
    let all = |length: usize| {
        let others = (1..length).map(|i| function(&format!("F{i}"), &["a"], &["b"], vec![call(i - 1)]));
        let first = in_domain(&format!("F{}", length - 1), &["x"], &["y"]);
        with_functions(vec![first], others.rev().chain([last.clone()]).collect())
    };
    assert!(matches!(refused(&all(LENGTH)).kind(), ErrorKind::TooLarge(m) if m.contains("32 deep")));
    assert_eq!(run(&load(&all(32)).unwrap(), [1.0, -2.0]), [1.0, 0.0]);
}

fn branch(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Graph as i32),
        g: Some(graph),
        ..AttributeProto::default()
    }
}

fn info(name: &str) -> ValueInfoProto {
    encode::value_info(name, DType::F32, None)
}

/// Twice x, or x itself.
fn choice(condition: &str) -> NodeProto {
    let mut chosen = node("If", &[condition], &["y"]);
    let twice = GraphProto {
        node: vec![node("Mul", &["x", "two"], &["m"])],
        initializer: vec![floats("two", &[], &[2.0])],
        output: vec![info("m")],
        ..GraphProto::default()
    };
    let same = GraphProto { output: vec![info("x")], ..GraphProto::default() };
    chosen.attribute = vec![branch("then_branch", twice), branch("else_branch", same)];
    chosen
}

#[test]
fn a_constant_condition_chooses_when_the_file_is_read() {
    for (holds, expected) in [(true, [2.0, 4.0]), (false, [1.0, 2.0])] {
        let condition = encode::tensor("c", &Tensor::new(&[], vec![holds]).unwrap());
        let network = load(&model(vec![choice("c")], vec![condition])).unwrap();
        assert_eq!(run(&network, [1.0, 2.0]), expected);
        assert!(network.nodes().iter().all(|n| n.op.as_ref().unwrap().definition().name != "If"));
    }
}

#[test]
fn a_condition_of_shapes_chooses_when_they_are_known() {
    for (size, expected) in [(2i64, [2.0, 4.0]), (3, [1.0, 2.0])] {
        let nodes = vec![
            node("Shape", &["x"], &["s"]),
            node("Gather", &["s", "one"], &["width"]),
            node("Equal", &["width", "size"], &["c"]),
            choice("c"),
        ];
        let constants =
            vec![encode::tensor("one", &Tensor::scalar(1i64)), encode::tensor("size", &Tensor::scalar(size))];
        let network = load(&model(nodes, constants)).unwrap();
        assert_eq!(run(&network, [1.0, 2.0]), expected);
        let again = Network::from_bytes(&network.to_bytes().unwrap(), None).unwrap();
        assert_eq!(run(&again, [1.0, 2.0]), expected);
    }
}

#[test]
fn a_condition_of_the_data_and_missing_branches_are_refused() {
    let mut m = model(vec![choice("c")], vec![]);
    graph(&mut m).input.push(encode::value_info("c", DType::Bool, Some(&[] as &[Dim])));
    let network = load(&m).unwrap();
    let how = Specialisation { rows: 1, ..Specialisation::default() };
    let error = network.specialise(&how, network.outputs()).unwrap_err();
    assert!(error.to_string().contains("computed from the data"), "{error}");
    graph(&mut m).node[0].attribute.pop();
    assert!(matches!(refused(&m).kind(), ErrorKind::Malformed(m) if m.contains("two branches")));
}

/// Branches, two deep, whose values have the names of the node's own output and of each other's.
#[test]
fn branches_may_use_the_names_around_them_for_their_own_values() {
    let body = |nodes: Vec<NodeProto>, output: &str| GraphProto {
        node: nodes,
        output: vec![info(output)],
        ..GraphProto::default()
    };
    for [first, second] in [["y", "y"], ["y", "m"], ["m", "y"], ["m", "m"], ["s", "m"]] {
        let mut inner = node("If", &["d"], &[first]);
        let negated = body(vec![node("Neg", &["x"], &[second])], second);
        let twice = body(vec![node("Add", &["x", "x"], &[second])], second);
        inner.attribute = vec![branch("then_branch", twice), branch("else_branch", negated)];
        let mut outer = node("If", &["c"], &["y"]);
        let other = body(vec![node("Identity", &["x"], &[first])], first);
        outer.attribute = vec![branch("then_branch", body(vec![inner], first)), branch("else_branch", other)];
        for (c, d, expected) in
            [(true, true, [2.0, 4.0]), (true, false, [-1.0, -2.0]), (false, true, [1.0, 2.0])]
        {
            let flag = |name: &str, holds: bool| encode::tensor(name, &Tensor::scalar(holds));
            let known = load(&model(vec![outer.clone()], vec![flag("c", c), flag("d", d)])).unwrap();
            assert_eq!(run(&known, [1.0, 2.0]), expected, "{first} {second}");
            // Where the width is that of x, 2.
            let nodes = vec![
                node("Shape", &["x"], &["s"]),
                node("Gather", &["s", "one"], &["width"]),
                node("Equal", &["width", "c width"], &["c"]),
                node("Equal", &["width", "d width"], &["d"]),
                outer.clone(),
            ];
            let width =
                |name: &str, holds: bool| encode::tensor(name, &Tensor::scalar(if holds { 2i64 } else { 3 }));
            let one = encode::tensor("one", &Tensor::scalar(1i64));
            let network = load(&model(nodes, vec![one, width("c width", c), width("d width", d)])).unwrap();
            assert_eq!(run(&network, [1.0, 2.0]), expected, "{first} {second}");
            let again = Network::from_bytes(&network.to_bytes().unwrap(), None).unwrap();
            assert_eq!(run(&again, [1.0, 2.0]), expected, "{first} {second}");
        }
    }
}
