//! What SVMClassifier and SVMRegressor share: support vectors and their kernel.

use super::support::{no_type, view};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::import::Import;
use crate::refuse;
use crate::tensor::{DType, View};

/// Why there is no gradient, in the table and in messages.
pub(crate) const DERIVATIVE: &str =
    "none: gradients through support vector machines are refused, perturbations work";

/// How a row is compared with a support vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// Support vectors, row by row, and their kernel.
#[derive(Clone, Debug)]
pub(crate) struct SupportVectors {
    kernel: Kernel,
    gamma: f64,
    shift: f64,
    degree: f64,
    vectors: Vec<f64>,
    /// The columns of a row.
    pub(crate) columns: usize,
}

impl SupportVectors {
    /// `count` of them.
    pub(crate) fn read(node: &Import<'_>, count: usize) -> OpResult<Self> {
        let vectors = node.floats("support_vectors")?.unwrap_or_default();
        if count == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(count) {
            refuse!("it has {} numbers in {count} support vectors", vectors.len());
        }
        let kernel = match node.text("kernel_type")?.as_deref().unwrap_or("LINEAR") {
            "LINEAR" => Kernel::Linear,
            "POLY" => Kernel::Polynomial,
            "RBF" => Kernel::Radial,
            "SIGMOID" => Kernel::Sigmoid,
            other => refuse!("attribute kernel_type is {other:?}"),
        };
        let parameters = node.floats("kernel_params")?.unwrap_or_default();
        let (gamma, shift, degree) = match *parameters {
            [] if kernel == Kernel::Linear => (0.0, 0.0, 0.0),
            [gamma, shift, degree] => (gamma, shift, degree),
            _ => refuse!("it has {} kernel_params, expected 3", parameters.len()),
        };
        Ok(Self {
            kernel,
            gamma: f64::from(gamma),
            shift: f64::from(shift),
            degree: f64::from(degree),
            columns: vectors.len() / count,
            vectors: vectors.into_iter().map(f64::from).collect(),
        })
    }

    /// The kernel of a row with each support vector.
    pub(crate) fn of(&self, row: &[f64]) -> Vec<f64> {
        let each = self.vectors.chunks_exact(self.columns.max(1));
        each.map(|vector| {
            let pairs = row.iter().zip(vector);
            if self.kernel == Kernel::Radial {
                return (-self.gamma * pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp();
            }
            let product: f64 = pairs.map(|(a, b)| a * b).sum();
            match self.kernel {
                Kernel::Polynomial => (self.gamma * product + self.shift).powf(self.degree),
                Kernel::Sigmoid => (self.gamma * product + self.shift).tanh(),
                Kernel::Linear | Kernel::Radial => product,
            }
        })
        .collect()
    }
}

/// The number of rows of an input of rows of `columns` numbers.
pub(crate) fn rows_of(x: &Fact, columns: usize) -> OpResult<usize> {
    if matches!(x.dtype, DType::String | DType::Bool) {
        return no_type(x.dtype);
    }
    match *x.shape {
        [rows, found] if found == columns => Ok(rows),
        [found] if found == columns => Ok(1),
        _ => refuse!("its input has shape {:?}, expected rows of {columns} numbers", x.shape),
    }
}

/// The first input's elements as numbers.
pub(crate) fn numbers(inputs: &[Option<View<'_>>]) -> OpResult<Vec<f64>> {
    let x = view(inputs, 0)?;
    x.to_tensor().to_f64().ok_or_else(|| OpError(format!("its input is of type {}", x.data.dtype())))
}

/// A list of floats as an attribute gives it, widened.
pub(crate) fn list(node: &Import<'_>, name: &str) -> OpResult<Vec<f64>> {
    Ok(node.floats(name)?.unwrap_or_default().into_iter().map(f64::from).collect())
}
