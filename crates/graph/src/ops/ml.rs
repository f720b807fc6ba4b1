//! What the operators of the domain ai.onnx.ml share: inputs as floats in rows, and the labels of classes.

use super::{ArgMax, Gather};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::import::Import;
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Tensor};

/// The domain.
pub(crate) const DOMAIN: &str = "ai.onnx.ml";

/// The first input.
pub(crate) fn first(inputs: &[Option<ValueId>]) -> OpResult<ValueId> {
    match inputs.first() {
        Some(Some(x)) => Ok(*x),
        _ => refuse!("input 0 is missing"),
    }
}

/// Numbers as floats of a type; strings and booleans are refused.
pub(crate) fn as_floats(b: &mut Builder, x: ValueId, float: DType) -> OpResult<ValueId> {
    match b.fact(x).dtype {
        DType::String | DType::Bool => refuse!("its input is of type {}, expected numbers", b.fact(x).dtype),
        _ => b.cast(x, float),
    }
}

/// One row for each position of the first axis: [rows, columns]. A list is one row.
pub(crate) fn as_rows(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    match *b.shape(x) {
        [columns] => b.reshape(x, &[1, columns]),
        [_, _] => Ok(x),
        _ => refuse!("its input has shape {:?}, expected rows of numbers", b.shape(x)),
    }
}

/// Where the rows lie of an operator whose result for a row is of all its columns, the input's last axis.
pub(crate) fn rows_of_columns(site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    let rank = site.input(0).map_or(0, |x| x.fact.shape.len());
    rows::along(site, &[rank.saturating_sub(1)])
}

/// The columns of such rows, which must be `expected`.
pub(crate) fn expect_columns(b: &Builder, rows: ValueId, expected: usize) -> OpResult<()> {
    match b.shape(rows).last() {
        Some(&columns) if columns == expected => Ok(()),
        columns => refuse!("its rows have {} columns, expected {expected}", columns.unwrap_or(&0)),
    }
}

/// The scores of a row, which must be as many as labels.
pub(crate) fn expect_labels(b: &Builder, scores: ValueId, labels: usize) -> OpResult<()> {
    match b.shape(scores).last() {
        Some(&columns) if columns == labels => Ok(()),
        columns => {
            refuse!(
                "it has {labels} labels for rows of {} scores, expected a label for each",
                columns.unwrap_or(&0)
            )
        }
    }
}

/// A constant list of floats of a type.
pub(crate) fn floats(b: &mut Builder, values: &[f32], float: DType) -> ValueId {
    b.constant_value(Tensor::vector(values.to_vec()).with_precision(float))
}

/// A constant matrix of floats of a type; its elements must be as many as its shape says.
pub(crate) fn matrix(b: &mut Builder, values: &[f32], shape: [usize; 2], float: DType) -> OpResult<ValueId> {
    match Tensor::new(&shape, values.to_vec()) {
        Some(tensor) => Ok(b.constant_value(tensor.with_precision(float))),
        None => refuse!("it has {} coefficients, expected {} × {}", values.len(), shape[0], shape[1]),
    }
}

/// The names of classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Labels {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Labels {
    /// Those of two attributes, of which one may be given.
    pub(crate) fn read(node: &Import<'_>, integers: &str, texts: &str) -> OpResult<Self> {
        let integers = node.ints(integers)?.filter(|v| !v.is_empty());
        match (integers, node.texts(texts)?.filter(|v| !v.is_empty())) {
            (Some(_), Some(_)) => refuse!("it has labels of two types"),
            (None, Some(texts)) => Ok(Self::Texts(texts)),
            (integers, None) => Ok(Self::Integers(integers.unwrap_or_default())),
        }
    }

    /// As attributes.
    pub(crate) fn write(&self, to: &mut Attributes, integers: &str, texts: &str) {
        match self {
            Self::Integers(v) if v.is_empty() => {}
            Self::Integers(v) => to.set(integers, Attribute::Ints(v.clone())),
            Self::Texts(v) => to.set(texts, Attribute::Texts(v.clone())),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Integers(v) => v.len(),
            Self::Texts(v) => v.len(),
        }
    }

    /// As a list.
    pub(crate) fn tensor(&self) -> Tensor {
        match self {
            Self::Integers(v) => Tensor::vector(v.clone()),
            Self::Texts(v) => Tensor::vector(v.clone()),
        }
    }

    fn one(&self, b: &mut Builder, i: usize) -> OpResult<ValueId> {
        let found = match self {
            Self::Integers(v) => v.get(i).map(|&v| Tensor::scalar(v)),
            Self::Texts(v) => v.get(i).map(|v| Tensor::scalar(v.clone())),
        };
        match found {
            Some(tensor) => Ok(b.constant_value(tensor)),
            None => refuse!("there is no label for class {i}"),
        }
    }

    /// For each row, the label of its largest score, of several the first.
    pub(crate) fn of_largest(&self, b: &mut Builder, scores: ValueId) -> OpResult<ValueId> {
        let place = b.push(ArgMax { axis: 1, keep: false, last: false }, &[scores])?;
        let labels = b.constant_value(self.tensor());
        b.push(Gather { axis: 0 }, &[labels, place])
    }

    /// For each row, the second label where its one score is above a limit, else the first.
    pub(crate) fn of_two(&self, b: &mut Builder, score: ValueId, limit: f64) -> OpResult<ValueId> {
        let rows = b.shape(score).first().copied().unwrap_or(1);
        let score = b.reshape(score, &[rows])?;
        let limit = b.scalar_like(score, limit)?;
        let above = b.greater(score, limit)?;
        let (no, yes) = (self.one(b, 0)?, self.one(b, 1)?);
        b.select(above, yes, no)
    }
}

/// The way of an operator with a field `float`, the type of its results, to follow the precision.
macro_rules! follows_precision {
    () => {
        fn with_precision(
            &self,
            precision: crate::tensor::DType,
        ) -> Option<std::sync::Arc<dyn crate::operator::Operator>> {
            (self.float != precision)
                .then(|| std::sync::Arc::new(Self { float: precision, ..self.clone() }) as _)
        }
    };
}

pub(crate) use follows_precision;

/// The kind of an operator that has no gradient, but that perturbation works on.
macro_rules! forward_only {
    () => {
        fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
            crate::operator::Kind::Other
        }

        fn refuses_gradients(&self) -> bool {
            true
        }
    };
}

pub(crate) use forward_only;
