//! Tests of reading and writing ONNX, on files that are built from messages.

mod foreign;
mod hostile;
mod inline;
mod load;
mod malformed;
mod round_trip;

use prost::Message;

use super::encode;
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    attribute_proto::AttributeType,
};
use crate::error::{Error, Result};
use crate::network::{Dim, Network};
use crate::tensor::{DType, Tensor};

/// A node without attributes.
fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("node_{}", outputs.first().unwrap_or(&""))),
        input: inputs.iter().map(|&s| s.to_owned()).collect(),
        output: outputs.iter().map(|&s| s.to_owned()).collect(),
        ..NodeProto::default()
    }
}

fn tensor_attribute(name: &str, tensor: TensorProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Tensor as i32),
        t: Some(tensor),
        ..AttributeProto::default()
    }
}

fn floats(name: &str, shape: &[usize], data: &[f32]) -> TensorProto {
    encode::tensor(name, &Tensor::new(shape, data.to_vec()).unwrap())
}

/// A model from `x` [batch, 2] to `y`.
fn model(nodes: Vec<NodeProto>, initializers: Vec<TensorProto>) -> ModelProto {
    let dims = [Dim::Symbol("batch".to_owned()), Dim::Fixed(2)];
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(20) }],
        graph: Some(GraphProto {
            node: nodes,
            initializer: initializers,
            input: vec![encode::value_info("x", DType::F32, Some(&dims))],
            output: vec![encode::value_info("y", DType::F32, None)],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

/// `y = relu(x · w + b)`, with `w` [2, 3].
fn small() -> ModelProto {
    model(
        vec![node("Gemm", &["x", "w", "b"], &["h"]), node("Relu", &["h"], &["y"])],
        vec![floats("w", &[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]), floats("b", &[3], &[0.5, 0.25, -1.0])],
    )
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn load(model: &ModelProto) -> Result<Network> {
    Network::from_bytes(&model.encode_to_vec(), None)
}

#[track_caller]
fn refused(model: &ModelProto) -> Error {
    match load(model) {
        Ok(_) => panic!("the model loads"),
        Err(error) => error,
    }
}
