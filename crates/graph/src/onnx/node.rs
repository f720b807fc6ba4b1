//! One node of a file: its attributes read, and its operator imported or its gap noted.

use std::collections::HashMap;
use std::sync::Arc;

use super::external::Folder;
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, NodeProto};
use super::tensor::{self, Read};
use crate::attributes::{Attribute, Attributes};
use crate::error::{ErrorKind, Result};
use crate::import::{Import, ImportInput};
use crate::network::Gap;
use crate::operator::Operator;
use crate::ops;
use crate::tensor::Tensor;

/// The most attributes that a node may have; ONNX's own have a dozen at most.
const MOST_ATTRIBUTES: usize = 1000;

/// The domain of an operator, with ONNX's own as the empty one.
pub(super) fn domain_of(domain: Option<&str>) -> &str {
    match domain {
        None | Some("ai.onnx") => "",
        Some(other) => other,
    }
}

/// Reads the attributes of the node `label`.
pub(super) fn attributes(node: &NodeProto, label: &str, folder: &mut Folder) -> Result<Attributes> {
    if node.attribute.len() > MOST_ATTRIBUTES {
        return Err(ErrorKind::TooLarge(format!(
            "node {label} has {} attributes, at most {MOST_ATTRIBUTES} are read",
            node.attribute.len()
        ))
        .into());
    }
    let mut found = Attributes::new();
    for attribute in &node.attribute {
        let name = attribute.name.as_deref().unwrap_or_default();
        if found.get(name).is_some() {
            return Err(ErrorKind::Malformed(format!("node {label} has attribute {name:?} twice")).into());
        }
        found.set(name, value(attribute, label, folder)?);
    }
    Ok(found)
}

fn value(attribute: &AttributeProto, label: &str, folder: &mut Folder) -> Result<Attribute> {
    let name = attribute.name.as_deref().unwrap_or_default();
    let missing = |what: &str| {
        ErrorKind::Malformed(format!(
            "attribute {name:?} of node {label} is said to be of type {what} and has no such value"
        ))
    };
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.to_vec()).ok();
    const NOT_TEXT: Attribute = Attribute::Other("STRING that is not UTF-8");
    Ok(match kind(attribute) {
        // Writers may leave out a value of zero.
        AttributeType::Int => Attribute::Int(attribute.i.unwrap_or(0)),
        AttributeType::Float => Attribute::Float(attribute.f.unwrap_or(0.0)),
        AttributeType::String => match attribute.s.as_ref().map(text) {
            None => Attribute::Text(String::new()),
            Some(Some(s)) => Attribute::Text(s),
            Some(None) => NOT_TEXT,
        },
        AttributeType::Ints => Attribute::Ints(attribute.ints.clone()),
        AttributeType::Floats => Attribute::Floats(attribute.floats.clone()),
        AttributeType::Strings => attribute
            .strings
            .iter()
            .map(text)
            .collect::<Option<Vec<String>>>()
            .map_or(NOT_TEXT, Attribute::Texts),
        AttributeType::Tensor => {
            let proto = attribute.t.as_ref().ok_or_else(|| missing("TENSOR"))?;
            match tensor::read(proto, &format!("attribute {name:?} of node {label}"), folder)? {
                Read::Tensor(tensor, _) => Attribute::Tensor(tensor),
                Read::Unsupported(_) => Attribute::Other("TENSOR of elements that are not supported"),
            }
        }
        AttributeType::SparseTensor => {
            let proto = attribute.sparse_tensor.as_ref().ok_or_else(|| missing("SPARSE_TENSOR"))?;
            match tensor::read_sparse(proto, &format!("attribute {name:?} of node {label}"), folder)? {
                Read::Tensor(tensor, _) => Attribute::Tensor(tensor),
                Read::Unsupported(_) => Attribute::Other("SPARSE_TENSOR of elements that are not supported"),
            }
        }
        other => Attribute::Other(other.as_str_name()),
    })
}

/// The type that an attribute says it has; the earliest files do not say it.
fn kind(a: &AttributeProto) -> AttributeType {
    let said = a.r#type.and_then(|t| AttributeType::try_from(t).ok()).unwrap_or(AttributeType::Undefined);
    if said != AttributeType::Undefined {
        return said;
    }
    let there = [
        (a.i.is_some(), AttributeType::Int),
        (a.f.is_some(), AttributeType::Float),
        (a.s.is_some(), AttributeType::String),
        (a.t.is_some(), AttributeType::Tensor),
        (a.g.is_some(), AttributeType::Graph),
        (!a.floats.is_empty(), AttributeType::Floats),
        (!a.strings.is_empty(), AttributeType::Strings),
        (!a.tensors.is_empty(), AttributeType::Tensors),
        (!a.graphs.is_empty(), AttributeType::Graphs),
    ];
    there.iter().find(|(there, _)| *there).map_or(AttributeType::Ints, |(_, kind)| *kind)
}

/// The elements of a `Constant` node; the reason why there are none otherwise.
pub(super) fn constant(attributes: &Attributes) -> std::result::Result<Tensor, String> {
    let mut values =
        attributes.iter().filter(|(name, _)| name.starts_with("value") || *name == "sparse_value");
    let (Some((name, value)), None) = (values.next(), values.next()) else {
        return Err("it needs one value".to_owned());
    };
    Ok(match (name, value) {
        ("value" | "sparse_value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(v)) => Tensor::scalar(*v),
        ("value_floats", Attribute::Floats(v)) => Tensor::vector(v.clone()),
        ("value_int", Attribute::Int(v)) => Tensor::scalar(*v),
        ("value_ints", Attribute::Ints(v)) => Tensor::vector(v.clone()),
        ("value_string", Attribute::Text(v)) => Tensor::scalar(v.clone()),
        ("value_strings", Attribute::Texts(v)) => Tensor::vector(v.clone()),
        (name, other) => return Err(format!("its {name} is of type {}", other.kind())),
    })
}

/// What can be done about an operator of ONNX that is missing.
fn advice(operator: &str) -> &'static str {
    match operator {
        "Loop" | "Scan" => {
            "export the model with its steps written out for a fixed length (PyTorch: traced or torch.export, not scripted; \
             Keras: unroll=True), or a recurrent layer as LSTM, GRU or RNN"
        }
        name if name.contains("Sequence") || name.contains("Optional") => {
            "export the model with tensors in place of sequences and optional values: concatenated or stacked, each under its own name"
        }
        name if name.starts_with("Random") || name == "Bernoulli" || name == "Multinomial" => {
            "its output is drawn anew in every run, so that a result could not be repeated; export the model in evaluation mode"
        }
        "NonMaxSuppression" | "ImageDecoder" => {
            "explain the part of the model before or behind it: name a layer, or cut the model with onnx.utils.extract_model"
        }
        _ => {
            "where the values that are asked for do not need it, the model runs; else export it with operators of docs/operators.md, \
             or cut the model with onnx.utils.extract_model"
        }
    }
}

/// What can be done about an operator of another domain that is missing.
fn advice_in(domain: &str, operator: &str) -> &'static str {
    match (domain, operator) {
        ("com.microsoft.nchwc", _) => {
            "it is ONNX Runtime's own layout of a convolution: give the model before its optimisation, or save it at ORT_ENABLE_EXTENDED or below"
        }
        ("com.microsoft", name) if name.starts_with("QLinear") || name == "QGemm" => {
            "quantise the model with QuantFormat.QDQ, whose operators are ONNX's own"
        }
        ("com.microsoft", "DynamicQuantizeLSTM") => {
            "give the model before it was quantised, or leave LSTM out of that: quantize_dynamic(..., op_types_to_quantize=[\"MatMul\"])"
        }
        ("com.microsoft", name) if is_quantised(name) => {
            "give the model before it was quantised; where ONNX Runtime's optimisation joined ONNX's own quantised operators into this one, save the \
             model at ORT_ENABLE_BASIC, which joins none"
        }
        ("com.microsoft", _) => {
            "give the model as it was exported, before ONNX Runtime or its tools for transformers fused operators, or save it at ORT_ENABLE_BASIC, \
             which fuses none; a model that defines it as a function of ONNX's own operators is read"
        }
        _ => "a model that defines it as a function of ONNX's own operators is read",
    }
}

/// Whether one of ONNX Runtime's own operators is of quantised values or weights, by its name: QAttention, MatMulNBits, DequantizeBFP.
fn is_quantised(operator: &str) -> bool {
    const PARTS: [&str; 5] = ["quant", "matmulinteger", "nbits", "bnb4", "fpq4"];
    let behind_q = operator.strip_prefix('Q').and_then(|rest| rest.chars().next());
    let lower = operator.to_lowercase();
    behind_q.is_some_and(char::is_uppercase) || PARTS.iter().any(|part| lower.contains(part))
}

/// The operator of a node with its inputs in today's form, or why there is none.
pub(super) fn import(
    node: &NodeProto,
    attributes: &Attributes,
    inputs: Vec<ImportInput>,
    opsets: &HashMap<String, i64>,
) -> std::result::Result<(Arc<dyn Operator>, Vec<ImportInput>), Gap> {
    let operator = node.op_type.as_deref().unwrap_or_default();
    let domain = domain_of(node.domain.as_deref());
    let imported = opsets.get(domain).copied();
    let mut opset = imported.unwrap_or(1);
    let mut name = operator;
    if domain.is_empty() && operator == "Scatter" && opset < 11 {
        // ScatterElements was called so before it had its name.
        (name, opset) = ("ScatterElements", 11);
    }
    let gap =
        |reason: String| Gap { operator: operator.to_owned(), domain: domain.to_owned(), opset, reason };
    let Some(definition) = ops::find(domain, name) else {
        return Err(gap(if domain.is_empty() {
            format!("there is no such operator here; {}", advice(operator))
        } else {
            format!("there is no such operator of domain {domain} here; {}", advice_in(domain, operator))
        }));
    };
    if domain.is_empty() && imported.is_none() {
        return Err(gap("the file does not say which version of ONNX's operator set it uses".to_owned()));
    }
    if opset < definition.since && domain.is_empty() {
        return Err(gap(format!(
            "its form is read from operator set {} on; onnx.version_converter.convert_version(model, {}) may bring the model to a newer one",
            definition.since,
            definition.since.max(13)
        )));
    }
    let mut import = Import { operator, opset, attributes, inputs, outputs: node.output.len() };
    match (definition.import)(&mut import) {
        Ok(op) => Ok((op, import.inputs)),
        Err(refused) => Err(gap(refused.0)),
    }
}
