//! Compress: the positions along an axis, or of all elements in a row, where a condition holds. It must be constant, since it gives the
//! result's size.

use std::sync::Arc;

use super::Gather;
use super::composite::through_body;
use super::support::GIVES_THE_SIZE;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// Compress's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Compress",
    domain: "",
    since: 9,
    summary: "the positions along an axis where a constant condition holds",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Compress { axis: node.int("axis")? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The positions along an axis where a constant condition holds.
#[derive(Clone, Copy, Debug)]
pub struct Compress {
    /// The axis; all elements in a row where it is `None`.
    pub axis: Option<i64>,
}

impl Operator for Compress {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        match self.axis {
            Some(axis) => Attributes::new().with("axis", Attribute::Int(axis)),
            None => Attributes::new(),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(condition)] = inputs else { refuse!("it needs two inputs") };
        let Some(holds) = b.constant(condition).and_then(Tensor::as_slice::<bool>) else {
            refuse!("its condition (input 1) {GIVES_THE_SIZE}")
        };
        let places: Vec<i64> = holds.iter().enumerate().filter(|(_, h)| **h).map(|(i, _)| i as i64).collect();
        let places = b.integers(&places);
        match self.axis {
            Some(axis) => Ok(Some(vec![b.push(Gather { axis }, &[x, places])?])),
            None => {
                let n = b.fact(x).len();
                let flat = b.reshape(x, &[n])?;
                Ok(Some(vec![b.push(Gather { axis: 0 }, &[flat, places])?]))
            }
        }
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Compress;
    use crate::cases::{Case, bools, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis| Case::new(Compress { axis });
        let x = || f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        vec![
            of(Some(0)).input(x()).input(bools(&[2], &[false, true])).expect(f64s(&[1, 2], &[3.0, 4.0])),
            of(None).input(x()).input(bools(&[3], &[true, false, true])).expect(f64s(&[2], &[1.0, 3.0])),
            of(Some(-1)).random(&[2, 3, 4]).input(bools(&[4], &[true, true, false, true])),
        ]
    }
}
