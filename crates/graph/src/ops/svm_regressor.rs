//! SVMRegressor: a weighted sum of a kernel of the row and each support vector; for one class, its sign.

use std::sync::Arc;

use super::ml::{DOMAIN, follows_precision, forward_only, rows_of_columns};
use super::support::{fact, output, write_floats};
use super::support_vectors::{DERIVATIVE, SupportVectors, list, numbers, rows_of};
use crate::attributes::Attributes;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// SVMRegressor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SVMRegressor",
    domain: DOMAIN,
    since: 1,
    summary: "a weighted sum of a kernel of the row and each support vector; for one class, its sign",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        let count = node.int("n_supports")?.unwrap_or(0);
        let count = usize::try_from(count).map_err(|_| OpError(format!("attribute n_supports is {count}")))?;
        let weights = list(node, "coefficients")?;
        let (&[shift], false) = (list(node, "rho")?.as_slice(), weights.is_empty()) else {
            refuse!("it needs coefficients and one rho");
        };
        let vectors = if count == 0 { None } else { Some(SupportVectors::read(node, count)?) };
        if vectors.is_some() && weights.len() != count {
            refuse!("it has {} coefficients for {count} support vectors", weights.len());
        }
        let one_class = node.flag("one_class", false)?;
        let attributes = node.attributes.clone();
        Ok(Arc::new(SvmRegressor { attributes, vectors, weights, shift, one_class, float: DType::F32 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A weighted sum of a kernel of the row and each support vector; without these, of the row itself. Like ONNX Runtime it leaves the sum as
/// it is, whatever `post_transform` says.
#[derive(Clone, Debug)]
pub struct SvmRegressor {
    attributes: Attributes,
    vectors: Option<SupportVectors>,
    weights: Vec<f64>,
    shift: f64,
    one_class: bool,
    float: DType,
}

impl SvmRegressor {
    fn columns(&self) -> usize {
        self.vectors.as_ref().map_or(self.weights.len(), |v| v.columns)
    }
}

impl Operator for SvmRegressor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(self.float, &[rows_of(fact(inputs, 0)?, self.columns())?, 1])])
    }

    forward_only!();

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows_of_columns(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = numbers(inputs)?;
        let dot = |a: &[f64]| a.iter().zip(&self.weights).map(|(a, w)| a * w).sum::<f64>() + self.shift;
        let value = |row: &[f64]| {
            let sum = match &self.vectors {
                Some(vectors) => dot(&vectors.of(row)),
                None => dot(row),
            };
            match (self.one_class, sum > 0.0) {
                (false, _) => sum,
                (true, true) => 1.0,
                (true, false) => -1.0,
            }
        };
        let values = x.chunks_exact(self.columns().max(1)).map(value);
        write_floats(output(outputs, 0)?, 0, values)
    }

    follows_precision!();
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s};
    use crate::tensor::DType;

    /// The numbers of ONNX Runtime 1.31, in the four digits that it was asked for.
    pub(super) fn cases() -> Vec<Case> {
        let machine = |kernel: &str| {
            Attributes::new()
                .with("kernel_type", A::Text(kernel.to_owned()))
                .with("kernel_params", A::Floats(vec![0.5, 1.0, 2.0]))
                .with("support_vectors", A::Floats(vec![1.0, 1.0, -1.0, 0.5]))
                .with("coefficients", A::Floats(vec![1.0, -0.5]))
                .with("rho", A::Floats(vec![0.25]))
                .with("n_supports", A::Int(2))
        };
        let x = || f64s(&[2, 2], &[1.0, 2.0, -1.0, 0.5]);
        let of = |a: Attributes| {
            Case::imported("SVMRegressor", 1, &a, vec![x()])
                .in_precision(DType::F64)
                .fixed(&[0])
        };
        let radial = |a: f64, b: f64| (-0.5 * a).exp() - 0.5 * (-0.5 * b).exp() + 0.25;
        let sigmoid = |a: f64, b: f64| (0.5 * a + 1.0).tanh() - 0.5 * (0.5 * b + 1.0).tanh() + 0.25;
        let linear = Attributes::new()
            .with("coefficients", A::Floats(vec![1.0, -2.0]))
            .with("rho", A::Floats(vec![0.5]))
            .with("n_supports", A::Int(0));
        vec![
            of(machine("LINEAR")).expect(f64s(&[2, 1], &[3.0 + 0.25, -0.5 - 0.625 + 0.25])),
            of(machine("POLY")).expect(f64s(&[2, 1], &[6.25 - 0.5 + 0.25, 0.5625 - 0.5 * 2.640_625 + 0.25])),
            of(machine("RBF")).expect(f64s(&[2, 1], &[radial(1.0, 6.25), radial(4.25, 0.0)])),
            of(machine("SIGMOID")).expect(f64s(&[2, 1], &[sigmoid(3.0, 0.0), sigmoid(-0.5, 1.25)])),
            of(machine("LINEAR").with("one_class", A::Int(1))).expect(f64s(&[2, 1], &[1.0, -1.0])),
            of(linear).expect(f64s(&[2, 1], &[-2.5, -1.5])),
        ]
    }
}
