//! LinearClassifier: for each class, a weighted sum of the columns; and the label of the largest.
//!
//! One sum for two labels is the second label's score, which wins above 0. The first label has what [`PostTransform`] makes of it, as ONNX
//! Runtime does it; where no labels are given, they are 0 and 1, and the sum stands alone.

use std::sync::Arc;

use super::composite::through_body;
use super::linear_regressor::{Weights, linear_model};
use super::ml::{DOMAIN, Labels, first};
use super::post_transform::PostTransform;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Operator};
use crate::refuse;

/// LinearClassifier's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LinearClassifier",
    domain: DOMAIN,
    since: 1,
    summary: "for each class, a weighted sum of the columns, and the label of the largest",
    derivative: "everywhere for the scores, 0 for the labels",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let weights = Weights::read(node)?;
        let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
        let sums = if weights.intercepts.is_empty() { labels.len() } else { weights.intercepts.len() };
        weights.check(sums)?;
        match (sums, labels.len()) {
            (1, 0 | 2) => {}
            (sums, labels) if sums == labels && sums > 1 => {}
            (sums, labels) => refuse!("it has {sums} sums for {labels} labels"),
        }
        let multi_class = node.int("multi_class")?.unwrap_or(0);
        Ok(Arc::new(LinearClassifier { weights, labels, sums, multi_class, post: PostTransform::read(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// For each class, a weighted sum of the columns (output 1); and the label of the largest (output 0).
#[derive(Clone, Debug)]
pub struct LinearClassifier {
    weights: Weights,
    labels: Labels,
    sums: usize,
    multi_class: i64,
    post: PostTransform,
}

impl Operator for LinearClassifier {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found =
            self.weights.attributes(self.post).with("multi_class", Attribute::Int(self.multi_class));
        self.labels.write(&mut found, "classlabels_ints", "classlabels_strings");
        found
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let sums = self.weights.emit(b, first(inputs)?, self.sums)?;
        Ok(Some(match (self.sums, self.labels.len()) {
            (1, 2) => vec![self.labels.of_two(b, sums, 0.0)?, self.post.pair(b, sums, false)?],
            (1, _) => {
                vec![Labels::Integers(vec![0, 1]).of_two(b, sums, 0.0)?, self.post.emit(b, sums)?]
            }
            _ => vec![self.labels.of_largest(b, sums)?, self.post.emit(b, sums)?],
        }))
    }

    through_body!();
    linear_model!();
}

#[cfg(test)]
mod tests {
    use super::{Labels, LinearClassifier, PostTransform, Weights};
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::tensor::{DType, Tensor};

    fn of(labels: Labels, sums: usize, post: PostTransform) -> Case {
        let coefficients = [1.0f32, -2.0, 0.3, 0.1, 0.0, 0.0][..2 * sums].to_vec();
        let intercepts = [0.5f32, 0.1, 0.0][..sums].to_vec();
        let weights = Weights { coefficients, intercepts, float: DType::F64 };
        Case::new(LinearClassifier { weights, labels, sums, multi_class: 0, post })
    }

    /// The rows and results of ONNX Runtime 1.31.
    pub(super) fn cases() -> Vec<Case> {
        let x = || f64s(&[4, 2], &[1.0, 2.0, -1.5, 0.3, 0.0, 0.0, 0.2, -3.0]);
        let two = || Labels::Texts(vec!["a".to_owned(), "b".to_owned()]);
        let three = || Labels::Integers(vec![3, 4, 5]);
        let none = || Labels::Integers(Vec::new());
        let logistic = |s: f64| 1.0 / (1.0 + (-s).exp());
        let sums = [-2.5, -1.6, 0.5, 6.7];
        let pairs = |f: &dyn Fn(f64) -> [f64; 2]| {
            Tensor::new(&[4, 2], sums.iter().flat_map(|&s| f(s)).collect()).unwrap()
        };
        let words = strings(&[4], &["a", "a", "b", "b"]);
        let softmax = [1.0 / (1.0 + (-3.1f64).exp()), 1.0 / (1.0 + 3.1f64.exp()), 0.0];
        vec![
            of(two(), 1, PostTransform::None)
                .input(x())
                .expect(words.clone())
                .expect(pairs(&|s| [1.0 - s, s])),
            of(two(), 1, PostTransform::Logistic)
                .input(x())
                .expect(words)
                .expect(pairs(&|s| [logistic(-s), logistic(s)])),
            of(none(), 1, PostTransform::Logistic)
                .input(x())
                .expect(i64s(&[0, 0, 1, 1]))
                .expect(f64s(&[4, 1], &sums)),
            of(three(), 3, PostTransform::SoftmaxZero)
                .input(f64s(&[1, 2], &[1.0, 2.0]))
                .expect(i64s(&[4]))
                .expect(f64s(&[1, 3], &[softmax[1], softmax[0], softmax[2]]))
                .fixed(&[0]),
            of(three(), 3, PostTransform::None).input(x()).expect(i64s(&[4, 5, 3, 3])),
            of(two(), 1, PostTransform::Softmax).input(x()).expect(strings(&[4], &["a", "a", "b", "b"])),
            of(three(), 3, PostTransform::Softmax).random(&[3, 2]),
            of(three(), 3, PostTransform::Logistic).random(&[3, 2]),
        ]
    }
}
