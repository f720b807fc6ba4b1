//! NegativeLogLikelihoodLoss: minus the log-probabilities [batch, classes, …] at the targets [batch, …].

use std::sync::Arc;

use super::composite::through_body;
use super::loss::Loss;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};

/// NegativeLogLikelihoodLoss's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "NegativeLogLikelihoodLoss",
    domain: "",
    since: 12,
    summary: "minus the scores of the targets, weighted by class",
    derivative: "everywhere",
    import: |node| Ok(Arc::new(NegativeLogLikelihoodLoss { loss: Loss::import(node)? })),
    #[cfg(test)]
    cases: tests::cases,
};

/// Minus the scores of the targets, weighted by class.
#[derive(Clone, Debug)]
pub struct NegativeLogLikelihoodLoss {
    /// What becomes of the losses, and which do not count.
    pub loss: Loss,
}

impl Operator for NegativeLogLikelihoodLoss {
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
        Ok(Some(vec![self.loss.of(b, needed(0)?, needed(1)?, given(2))?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::loss::{Loss, Reduced};
    use super::NegativeLogLikelihoodLoss;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |reduced, ignored| Case::new(NegativeLogLikelihoodLoss { loss: Loss { reduced, ignored } });
        let targets = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            of(Reduced::Mean, None)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(targets(&[2], &[1, 0]))
                .input(f64s(&[2], &[1.0, 3.0]))
                .fixed(&[2])
                .rows(&[])
                .expect(f64s(&[], &[-9.0 / 4.0])),
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
