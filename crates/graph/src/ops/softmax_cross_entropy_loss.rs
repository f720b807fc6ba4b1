//! SoftmaxCrossEntropyLoss: minus the logarithm of the softmax of scores [batch, classes, …] at the targets [batch, …].
//!
//! The logarithms of all probabilities are its second output.

use std::sync::Arc;

use super::LogSoftmax;
use super::composite::through_body;
use super::loss::Loss;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};

/// SoftmaxCrossEntropyLoss's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SoftmaxCrossEntropyLoss",
    domain: "",
    since: 12,
    summary: "minus the logarithm of the targets' softmax, weighted by class",
    derivative: "everywhere",
    import: |node| Ok(Arc::new(SoftmaxCrossEntropyLoss { loss: Loss::import(node)? })),
    #[cfg(test)]
    cases: tests::cases,
};

/// Minus the logarithm of the targets' softmax, weighted by class.
#[derive(Clone, Debug)]
pub struct SoftmaxCrossEntropyLoss {
    /// What becomes of the losses, and which do not count.
    pub loss: Loss,
}

impl Operator for SoftmaxCrossEntropyLoss {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.loss.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let scores = b.push(LogSoftmax { axis: 1, flatten: false }, &[needed(0)?])?;
        Ok(Some(vec![self.loss.of(b, scores, needed(1)?, given(2))?, scores]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::loss::{Loss, Reduced};
    use super::SoftmaxCrossEntropyLoss;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |reduced, ignored| Case::new(SoftmaxCrossEntropyLoss { loss: Loss { reduced, ignored } });
        let targets = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            of(Reduced::Mean, None)
                .input(f64s(&[1, 2], &[0.0, 3f64.ln()]))
                .input(targets(&[1], &[1]))
                .rows(&[])
                .expect(f64s(&[], &[(4.0 / 3.0f64).ln()]))
                .expect(f64s(&[1, 2], &[0.25f64.ln(), 0.75f64.ln()])),
            of(Reduced::None, Some(-1))
                .random(&[2, 3, 2])
                .input(targets(&[2, 2], &[0, 2, -1, 1]))
                .random(&[3])
                .rows(&[0, 1]),
            of(Reduced::Sum, None).random(&[2, 3]).input(targets(&[2], &[0, 2])).rows(&[0, 1]).mixes(),
            of(Reduced::Mean, Some(1))
                .random(&[2, 3])
                .input(targets(&[2], &[1, 2]))
                .between(&[3], 0.5, 1.0)
                .rows(&[]),
        ]
    }
}
