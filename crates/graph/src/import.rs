//! Reading one node: its attributes, and its inputs brought into today's form.

use crate::attributes::{Attribute, Attributes, Branch};
use crate::error::OpResult;
use crate::refuse;
use crate::tensor::Tensor;

/// An input of a node that is being read.
#[derive(Clone, Debug)]
pub enum ImportInput {
    /// Left out.
    Missing,
    /// A value of the network, by position, and its elements where it is an initializer.
    Value(usize, Option<Tensor>),
    /// A constant that the operator's older form gave as an attribute.
    Constant(Tensor),
}

/// A node that is being read.
#[derive(Debug)]
pub struct Import<'a> {
    /// The node's operator, as the file names it.
    pub operator: &'a str,
    /// The version of the operator set that the model imports.
    pub opset: i64,
    /// Its attributes.
    pub attributes: &'a Attributes,
    /// Its inputs. An operator may change them.
    pub inputs: Vec<ImportInput>,
    /// How many outputs it has.
    pub outputs: usize,
}

macro_rules! getters {
    ($($name:ident, $variant:ident => $type:ty, $convert:expr;)*) => { $(
        /// An attribute of this kind; `None` where it is not given, an error where it is of another kind.
        pub fn $name(&self, name: &str) -> OpResult<Option<$type>> {
            match self.attributes.get(name) {
                None => Ok(None),
                Some(Attribute::$variant(v)) => Ok(Some($convert(v))),
                Some(other) => refuse!(
                    "attribute {name} is of type {}, expected {}", other.kind(), stringify!($name)
                ),
            }
        }
    )* };
}

impl Import<'_> {
    getters! {
        int, Int => i64, |v: &i64| *v;
        ints, Ints => Vec<i64>, |v: &Vec<i64>| v.clone();
        float, Float => f32, |v: &f32| *v;
        floats, Floats => Vec<f32>, |v: &Vec<f32>| v.clone();
        text, Text => String, |v: &String| v.clone();
        texts, Texts => Vec<String>, |v: &Vec<String>| v.clone();
        tensor, Tensor => Tensor, |v: &Tensor| v.clone();
        graph, Graph => Branch, |v: &Branch| v.clone();
    }

    /// A yes-or-no attribute, which ONNX writes as an integer.
    pub fn flag(&self, name: &str, default: bool) -> OpResult<bool> {
        Ok(self.int(name)?.map_or(default, |v| v != 0))
    }

    /// Whether the input at a position is given.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(|x| !matches!(x, ImportInput::Missing))
    }

    /// The input at a position, where it is constant.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        match self.inputs.get(i)? {
            ImportInput::Value(_, constant) => constant.as_ref(),
            ImportInput::Constant(tensor) => Some(tensor),
            ImportInput::Missing => None,
        }
    }

    /// Puts a constant at an input's position, as newer forms have what older ones gave as an attribute.
    pub fn set_input(&mut self, i: usize, tensor: Tensor) {
        while self.inputs.len() <= i {
            self.inputs.push(ImportInput::Missing);
        }
        self.inputs[i] = ImportInput::Constant(tensor);
    }

    /// Moves an attribute of integers to an input, unless that input is given already.
    pub fn ints_to_input(&mut self, name: &str, i: usize) -> OpResult<()> {
        if let Some(values) = self.ints(name)?
            && !self.has(i)
        {
            self.set_input(i, Tensor::vector(values));
        }
        Ok(())
    }

    /// Refuses a number of inputs outside `least..=most`.
    pub fn expect_inputs(&self, least: usize, most: usize) -> OpResult<()> {
        let n = self.inputs.len();
        if n < least || n > most || (0..least).any(|i| !self.has(i)) {
            refuse!("it has {n} inputs, expected {least} to {most}");
        }
        Ok(())
    }
}
