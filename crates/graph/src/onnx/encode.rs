//! Messages of an ONNX file, made from tensors, attributes and declarations.

use prost::Message;
use prost::bytes::Bytes;

use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::{
    AttributeProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use super::tensor::type_code;
use crate::attributes::{Attribute, Attributes, Branch};
use crate::error::{ErrorKind, Result};
use crate::network::{Dim, Network};
use crate::tensor::{Buffer, DType, Tensor};

/// The version of ONNX's file format that is written.
const IR_VERSION: i64 = 10;

/// The name of the graph inside the file, which nothing reads.
const GRAPH_NAME: &str = "main";

/// A tensor under a name, little-endian.
pub(super) fn tensor(name: &str, tensor: &Tensor) -> TensorProto {
    macro_rules! raw {
        ($values:expr) => {
            $values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()
        };
    }
    let mut strings = Vec::new();
    let raw = match tensor.data() {
        Buffer::F32(v) => raw!(v),
        Buffer::F64(v) => raw!(v),
        Buffer::I8(v) => raw!(v),
        Buffer::I16(v) => raw!(v),
        Buffer::I32(v) => raw!(v),
        Buffer::I64(v) => raw!(v),
        Buffer::U8(v) => v.clone(),
        Buffer::U16(v) => raw!(v),
        Buffer::U32(v) => raw!(v),
        Buffer::U64(v) => raw!(v),
        Buffer::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
        Buffer::String(v) => {
            strings = v.iter().map(|s| s.clone().into_bytes()).collect();
            Vec::new()
        }
    };
    TensorProto {
        name: Some(name.to_owned()),
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(type_code(tensor.dtype())),
        raw_data: (tensor.dtype() != DType::String).then(|| Bytes::from(raw)),
        string_data: strings,
        ..TensorProto::default()
    }
}

/// The attributes of the node `label`; `branch` writes a graph inside it.
pub(super) fn attributes(
    attributes: &Attributes,
    label: &str,
    branch: &mut dyn FnMut(&Network) -> Result<GraphProto>,
) -> Result<Vec<AttributeProto>> {
    attributes
        .iter()
        .map(|(name, value)| {
            let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
            let kind = match value {
                Attribute::Int(v) => {
                    proto.i = Some(*v);
                    AttributeType::Int
                }
                Attribute::Ints(v) => {
                    proto.ints.clone_from(v);
                    AttributeType::Ints
                }
                Attribute::Float(v) => {
                    proto.f = Some(*v);
                    AttributeType::Float
                }
                Attribute::Floats(v) => {
                    proto.floats.clone_from(v);
                    AttributeType::Floats
                }
                Attribute::Text(v) => {
                    proto.s = Some(v.clone().into_bytes());
                    AttributeType::String
                }
                Attribute::Texts(v) => {
                    proto.strings = v.iter().map(|s| s.clone().into_bytes()).collect();
                    AttributeType::Strings
                }
                Attribute::Tensor(v) => {
                    proto.t = Some(tensor("", v));
                    AttributeType::Tensor
                }
                Attribute::Graph(Branch(network)) => {
                    proto.g = Some(branch(network)?);
                    AttributeType::Graph
                }
                Attribute::Other(kind) => {
                    return Err(ErrorKind::Malformed(format!(
                        "attribute {name:?} of node {label} is of type {kind}, which cannot be written"
                    ))
                    .into());
                }
            };
            proto.r#type = Some(kind as i32);
            Ok(proto)
        })
        .collect()
}

/// A value's declared type and shape.
pub(super) fn value_info(name: &str, dtype: DType, shape: Option<&[Dim]>) -> ValueInfoProto {
    let dim = |dim: &Dim| Dimension {
        value: match dim {
            Dim::Fixed(n) => Some(dimension::Value::DimValue(*n as i64)),
            Dim::Symbol(name) => Some(dimension::Value::DimParam(name.clone())),
            Dim::Unknown => None,
        },
        ..Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: Some(type_code(dtype)),
        shape: shape.map(|dims| TensorShapeProto { dim: dims.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

/// A key and its value.
pub(super) fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}

/// The bytes of a model of this graph. `domains` are the operator sets in use.
pub(super) fn model<'a>(
    graph: GraphProto,
    metadata: impl IntoIterator<Item = (&'a String, &'a String)>,
    domains: impl IntoIterator<Item = (String, i64)>,
) -> Result<Vec<u8>> {
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("pellucid".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        opset_import: domains
            .into_iter()
            .map(|(domain, version)| OperatorSetIdProto { domain: Some(domain), version: Some(version) })
            .collect(),
        metadata_props: metadata.into_iter().map(|(k, v)| entry(k, v)).collect(),
        graph: Some(GraphProto { name: Some(GRAPH_NAME.to_owned()), ..graph }),
        ..ModelProto::default()
    };
    let size = model.encoded_len();
    if i32::try_from(size).is_err() {
        return Err(ErrorKind::TooLarge(format!(
            "the model takes {size} bytes, an ONNX file holds less than 2 GiB"
        ))
        .into());
    }
    Ok(model.encode_to_vec())
}
