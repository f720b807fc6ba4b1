//! LinearRegressor: for each target, a weighted sum of the columns.

use std::sync::Arc;

use super::Gemm;
use super::composite::through_body;
use super::ml::{DOMAIN, as_floats, as_rows, expect_columns, first, floats, matrix};
use super::post_transform::PostTransform;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Definition, Operator};
use crate::refuse;
use crate::tensor::DType;

/// LinearRegressor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LinearRegressor",
    domain: DOMAIN,
    since: 1,
    summary: "for each target, a weighted sum of the columns",
    derivative: "everywhere; through its post_transform where it has one",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let targets = node.int("targets")?.unwrap_or(1);
        let targets = usize::try_from(targets).map_err(|_| OpError(format!("attribute targets is {targets}")))?;
        let weights = Weights::read(node)?;
        weights.check(targets)?;
        Ok(Arc::new(LinearRegressor { weights, targets, post: PostTransform::read(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The weights of a linear model: [targets, columns], and an intercept for each target or none.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) coefficients: Vec<f32>,
    pub(crate) intercepts: Vec<f32>,
    pub(crate) float: DType,
}

impl Weights {
    /// Those of a node, of which a check remains to be made.
    pub(crate) fn read(node: &Import<'_>) -> OpResult<Self> {
        Ok(Self {
            coefficients: node.floats("coefficients")?.unwrap_or_default(),
            intercepts: node.floats("intercepts")?.unwrap_or_default(),
            float: DType::F32,
        })
    }

    /// Refuses numbers that do not fit together.
    pub(crate) fn check(&self, targets: usize) -> OpResult<()> {
        if targets == 0 || self.coefficients.is_empty() || !self.coefficients.len().is_multiple_of(targets) {
            refuse!("it has {} coefficients for {targets} targets", self.coefficients.len());
        }
        if !self.intercepts.is_empty() && self.intercepts.len() != targets {
            refuse!("it has {} intercepts for {targets} targets", self.intercepts.len());
        }
        Ok(())
    }

    /// Rows × weights: [rows, targets].
    pub(crate) fn emit(&self, b: &mut Builder, x: ValueId, targets: usize) -> OpResult<ValueId> {
        let x = as_floats(b, x, self.float)?;
        let x = as_rows(b, x)?;
        let columns = self.coefficients.len() / targets;
        expect_columns(b, x, columns)?;
        let mut inputs = vec![x, matrix(b, &self.coefficients, [targets, columns], self.float)?];
        if !self.intercepts.is_empty() {
            inputs.push(floats(b, &self.intercepts, self.float));
        }
        b.push(Gemm { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b: true }, &inputs)
    }

    /// As attributes.
    pub(crate) fn attributes(&self, post: PostTransform) -> Attributes {
        let found = Attributes::new()
            .with("coefficients", Attribute::Floats(self.coefficients.clone()))
            .with("post_transform", Attribute::Text(post.name().to_owned()));
        match self.intercepts.as_slice() {
            [] => found,
            list => found.with("intercepts", Attribute::Floats(list.to_vec())),
        }
    }
}

/// The kind of an operator with the fields `weights` and `post`, and its way to follow the precision.
macro_rules! linear_model {
    () => {
        fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
            match self.post {
                PostTransform::None => crate::operator::Kind::Affine,
                _ => crate::operator::Kind::Other,
            }
        }

        fn with_precision(
            &self,
            precision: crate::tensor::DType,
        ) -> Option<std::sync::Arc<dyn crate::operator::Operator>> {
            let weights = Weights { float: precision, ..self.weights.clone() };
            (self.weights.float != precision).then(|| std::sync::Arc::new(Self { weights, ..self.clone() }) as _)
        }
    };
}

pub(crate) use linear_model;

/// For each target, a weighted sum of the columns.
#[derive(Clone, Debug)]
pub struct LinearRegressor {
    weights: Weights,
    targets: usize,
    post: PostTransform,
}

impl Operator for LinearRegressor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.weights.attributes(self.post).with("targets", Attribute::Int(self.targets as i64))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let scores = self.weights.emit(b, first(inputs)?, self.targets)?;
        Ok(Some(vec![self.post.emit(b, scores)?]))
    }

    through_body!();
    linear_model!();
}

#[cfg(test)]
mod tests {
    use super::{LinearRegressor, PostTransform, Weights};
    use crate::cases::{Case, f64s};
    use crate::tensor::DType;

    fn of(targets: usize, post: PostTransform) -> Case {
        let coefficients = [1.0f32, -2.0, 0.5, 0.25][..2 * targets].to_vec();
        let weights = Weights { coefficients, intercepts: vec![0.5; targets], float: DType::F64 };
        Case::new(LinearRegressor { weights, targets, post })
    }

    pub(super) fn cases() -> Vec<Case> {
        let x = f64s(&[2, 2], &[1.0, 2.0, -1.0, 0.0]);
        let two = |post| of(2, post).random(&[3, 2]);
        vec![
            of(1, PostTransform::None).input(x.clone()).expect(f64s(&[2, 1], &[-2.5, -0.5])),
            of(2, PostTransform::None).input(x.clone()).expect(f64s(&[2, 2], &[-2.5, 1.5, -0.5, 0.0])),
            // A score that stands alone is left as it is.
            of(1, PostTransform::Logistic).input(x).expect(f64s(&[2, 1], &[-2.5, -0.5])),
            // ONNX Runtime 1.31.
            of(2, PostTransform::SoftmaxZero)
                .input(f64s(&[1, 2], &[-1.0, 0.0]))
                .expect(f64s(&[1, 2], &[1.0, 0.0]))
                .fixed(&[0]),
            two(PostTransform::Softmax),
            two(PostTransform::Logistic),
            two(PostTransform::SoftmaxZero),
            of(1, PostTransform::Probit).between(&[4, 2], 0.01, 0.2),
        ]
    }
}
