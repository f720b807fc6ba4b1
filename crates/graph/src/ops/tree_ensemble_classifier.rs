//! TreeEnsembleClassifier: for each class, the sum of the leaves that a row reaches in decision trees; and the label of the largest.
//!
//! Two labels whose leaves all speak of one class are that class against the other, as ONNX Runtime has it: the score wins above one half
//! where no leaf is negative (it is a probability then), else above 0. Otherwise the largest score wins, of several the first.

use std::sync::Arc;

use super::composite::through_body;
use super::forest::{DERIVATIVE, Forest, numbers};
use super::ml::{DOMAIN, Labels, first, follows_precision, forward_only};
use super::post_transform::PostTransform;
use super::tree_ensemble_regressor::scores;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Operator};
use crate::refuse;
use crate::tensor::DType;

/// TreeEnsembleClassifier's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TreeEnsembleClassifier",
    domain: DOMAIN,
    since: 1,
    summary: "for each class, the sum of the leaves that a row reaches in decision trees, and the label of the largest",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
        let mut forest = Forest::read(node, "class", labels.len())?;
        let base = numbers(node, "base_values")?;
        let class = forest.weights.first().map_or(0, |w| w.0);
        let lone = labels.len() == 2 && forest.weights.iter().all(|w| w.0 == class);
        let signed = forest.weights.iter().any(|w| w.1 < 0.0);
        let form = match (labels.len(), lone.then_some(class)) {
            (0, _) => refuse!("it has no labels"),
            (1, _) => Form::One,
            (_, Some(0)) => {
                forest.targets = 1;
                Form::Pair { signed }
            }
            (_, Some(_)) => Form::Second { signed },
            _ => Form::Largest,
        };
        let fitting = match form {
            Form::One | Form::Pair { .. } => 1,
            Form::Second { .. } => 0,
            Form::Largest => labels.len(),
        };
        if !base.is_empty() && base.len() != fitting {
            refuse!("it has {} base_values where {fitting} would be defined", base.len());
        }
        Ok(Arc::new(TreeEnsembleClassifier {
            attributes: node.attributes.clone(),
            forest: Arc::new(forest),
            labels,
            form,
            base,
            post: PostTransform::read(node)?,
            float: DType::F32,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What scores say about labels.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// One score for one label.
    One,
    /// One score for the second of two labels.
    Pair { signed: bool },
    /// The same, beside a score of 0 for the first.
    Second { signed: bool },
    /// A score for each label.
    Largest,
}

/// For each class, the sum of the leaves that a row reaches (output 1); and the label of the largest (output 0).
#[derive(Clone, Debug)]
pub struct TreeEnsembleClassifier {
    attributes: Attributes,
    forest: Arc<Forest>,
    labels: Labels,
    form: Form,
    base: Vec<f64>,
    post: PostTransform,
    float: DType,
}

impl Operator for TreeEnsembleClassifier {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    forward_only!();

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let scores = scores(b, first(inputs)?, &self.forest, &self.base, self.float)?;
        let limit = |signed: bool| if signed { 0.0 } else { 0.5 };
        Ok(Some(match self.form {
            Form::One => {
                let label = Labels::Integers(vec![0, 1]).of_two(b, scores, 0.0)?;
                vec![label, self.post.emit(b, scores)?]
            }
            Form::Pair { signed } => {
                let label = self.labels.of_two(b, scores, limit(signed))?;
                vec![label, self.post.pair(b, scores, signed)?]
            }
            Form::Second { signed } => {
                let second = b.narrow(scores, 1, 1, 1)?;
                let label = self.labels.of_two(b, second, limit(signed))?;
                vec![label, self.post.emit(b, scores)?]
            }
            Form::Largest => vec![self.labels.of_largest(b, scores)?, self.post.emit(b, scores)?],
        }))
    }

    through_body!();
    follows_precision!();
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::ops::tree_ensemble_regressor::tests::trees;
    use crate::tensor::{DType, Tensor};

    fn of(ids: &[i64], weights: &[f32], labels: usize, post: &str) -> Attributes {
        trees()
            .with("class_treeids", A::Ints(vec![0, 0]))
            .with("class_nodeids", A::Ints(vec![1, 2]))
            .with("class_ids", A::Ints(ids.to_vec()))
            .with("class_weights", A::Floats(weights.to_vec()))
            .with("classlabels_int64s", A::Ints((7..7 + labels as i64).collect()))
            .with("post_transform", A::Text(post.to_owned()))
    }

    fn case(attributes: &Attributes) -> Case {
        let x = f64s(&[2, 1], &[-1.0, 1.0]);
        Case::imported_with("TreeEnsembleClassifier", 3, attributes, vec![x], 2)
            .in_precision(DType::F64)
            .fixed(&[0])
    }

    /// The trees and results of ONNX Runtime 1.31.
    pub(super) fn cases() -> Vec<Case> {
        let logistic = |s: f64| 1.0 / (1.0 + (-s).exp());
        let two = |list: [f64; 4]| f64s(&[2, 2], &list);
        let base = |attributes: Attributes, list: &[f32]| attributes.with("base_values", A::Floats(list.to_vec()));
        let words = of(&[0, 0], &[0.25, -0.75], 0, "NONE")
            .with("classlabels_int64s", A::Ints(Vec::new()))
            .with("classlabels_strings", A::Texts(vec!["a".to_owned(), "b".to_owned()]));
        vec![
            case(&of(&[0, 0], &[0.25, 0.75], 2, "NONE"))
                .expect(i64s(&[7, 8]))
                .expect(two([0.75, 0.25, 0.25, 0.75])),
            case(&of(&[0, 0], &[-0.75, 1.0], 2, "SOFTMAX"))
                .expect(i64s(&[7, 8]))
                .expect(two([0.75, -0.75, -1.0, 1.0])),
            case(&base(of(&[0, 0], &[0.25, 0.75], 2, "LOGISTIC"), &[0.125]))
                .expect(i64s(&[7, 8]))
                .expect(two([logistic(-0.375), logistic(0.375), logistic(-0.875), logistic(0.875)])),
            case(&of(&[1, 1], &[-0.75, 1.0], 2, "NONE"))
                .expect(i64s(&[7, 8]))
                .expect(two([0.0, -0.75, 0.0, 1.0])),
            case(&words).expect(strings(&[2], &["b", "a"])).expect(two([-0.25, 0.25, 0.75, -0.75])),
            case(&of(&[0, 0], &[0.25, -0.75], 1, "LOGISTIC"))
                .expect(i64s(&[1, 0]))
                .expect(f64s(&[2, 1], &[0.25, -0.75])),
            case(&base(of(&[0, 1], &[-0.5, -0.75], 3, "NONE"), &[0.125, 0.25, 0.375]))
                .expect(i64s(&[9, 9]))
                .expect(Tensor::new(&[2, 3], vec![-0.375, 0.25, 0.375, 0.125, -0.5, 0.375]).unwrap()),
            case(&of(&[0, 2], &[0.5, 0.75], 3, "SOFTMAX_ZERO"))
                .expect(i64s(&[7, 9]))
                .expect(f64s(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0])),
        ]
    }

    #[test]
    fn base_values_that_are_not_defined_are_refused() {
        let attributes = of(&[0, 0], &[0.25, 0.75], 2, "NONE").with("base_values", A::Floats(vec![0.1, 0.2]));
        let found = crate::cases::import_alone("TreeEnsembleClassifier", 3, &attributes);
        assert!(found.expect_err("it is not refused").0.contains("2 base_values where 1"));
    }
}
