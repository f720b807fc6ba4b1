//! The attributes of a node: named constants of its operator.

use std::sync::Arc;

use crate::network::Network;
use crate::tensor::Tensor;

/// A graph inside a node. Its inputs are values from outside, in the order of the node's inputs behind its own.
#[derive(Clone, Debug)]
pub struct Branch(pub Arc<Network>);

impl PartialEq for Branch {
    /// Whether both are the same network.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Floats(Vec<f32>),
    Text(String),
    Texts(Vec<String>),
    Tensor(Tensor),
    Graph(Branch),
    /// A kind that no operator here reads (a type, several graphs), by its ONNX name.
    Other(&'static str),
}

impl Attribute {
    /// What ONNX calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "INT",
            Self::Ints(_) => "INTS",
            Self::Float(_) => "FLOAT",
            Self::Floats(_) => "FLOATS",
            Self::Text(_) => "STRING",
            Self::Texts(_) => "STRINGS",
            Self::Tensor(_) => "TENSOR",
            Self::Graph(_) => "GRAPH",
            Self::Other(kind) => kind,
        }
    }
}

/// Attributes in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more; a name that is there already gets the new value.
    #[must_use]
    pub fn with(mut self, name: &str, value: Attribute) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: Attribute) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }
}
