//! FusedMatMul of ONNX Runtime: alpha · op(A) · op(B), where op may turn the last two axes, or bring the second axis to the end.

use std::sync::Arc;

use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// FusedMatMul's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "FusedMatMul",
    domain: "com.microsoft",
    since: 1,
    summary: "alpha · op(A) · op(B)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(FusedMatMul {
            alpha: node.float("alpha")?.unwrap_or(1.0),
            turn: [node.flag("transA", false)?, node.flag("transB", false)?],
            turn_batch: [node.flag("transBatchA", false)?, node.flag("transBatchB", false)?],
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Alpha · op(A) · op(B).
#[derive(Clone, Debug)]
pub struct FusedMatMul {
    /// The factor of the product.
    pub alpha: f32,
    /// Of which factors the last two axes are exchanged.
    pub turn: [bool; 2],
    /// Of which factors the first axis goes to just before the last one.
    pub turn_batch: [bool; 2],
}

impl Operator for FusedMatMul {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("alpha", Attribute::Float(self.alpha))
            .with("transA", Attribute::Int(i64::from(self.turn[0])))
            .with("transB", Attribute::Int(i64::from(self.turn[1])))
            .with("transBatchA", Attribute::Int(i64::from(self.turn_batch[0])))
            .with("transBatchB", Attribute::Int(i64::from(self.turn_batch[1])))
    }

    fn kind(&self, active: &[bool]) -> Kind {
        let on = |i: usize| active.get(i).copied().unwrap_or(false);
        if on(0) && on(1) { Kind::Product } else { Kind::Affine }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(y)] = inputs else { refuse!("it needs two inputs") };
        let mut factors = [x, y];
        for (i, factor) in factors.iter_mut().enumerate() {
            let rank = b.shape(*factor).len();
            if self.turn_batch[i] && rank > 2 {
                // The first axis goes to just before the last one.
                let order: Vec<usize> = (1..rank - 1).chain([0, rank - 1]).collect();
                *factor = b.transpose(*factor, &order)?;
            }
            if self.turn[i] {
                *factor = b.transpose_matrix(*factor)?;
            }
        }
        let product = b.matmul(factors[0], factors[1])?;
        Ok(Some(vec![if self.alpha == 1.0 { product } else { b.scale(product, f64::from(self.alpha))? }]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::FusedMatMul;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let plain = FusedMatMul { alpha: 1.0, turn: [false; 2], turn_batch: [false; 2] };
        vec![
            Case::new(FusedMatMul { alpha: 0.5, turn: [false, true], ..plain })
                .input(f64s(&[1, 2], &[1.0, 2.0]))
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .expect(f64s(&[1, 2], &[2.5, 5.5])),
            Case::new(FusedMatMul { turn: [true, false], ..plain })
                .random(&[3, 4, 2])
                .random(&[3, 4, 5])
                .rows(&[0, 1]),
            Case::new(FusedMatMul { turn_batch: [true, true], ..plain })
                .random(&[4, 2, 3])
                .random(&[3, 2, 5])
                .rows_at(0, Rows::plain(1))
                .rows_at(1, Rows::plain(1)),
        ]
    }
}
