//! Hardmax: 1 for the first largest element along an axis, 0 for the others.
//!
//! Opsets before 13 take all axes from the named one on together, and name the second where none is given.

use std::sync::Arc;

use super::ArgMax;
use super::composite::through_body;
use super::soft::Along;
use super::support::axis as checked_axis;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// Hardmax's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Hardmax",
    domain: "",
    since: 1,
    summary: "1 for the first largest element along an axis, 0 for the others",
    derivative: "0 everywhere",
    import: |node| {
        let Along { axis, flatten } = Along::import(node)?;
        Ok(Arc::new(Hardmax { axis, flatten }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// 1 for the first largest element along an axis, 0 for the others.
#[derive(Clone, Copy, Debug)]
pub struct Hardmax {
    /// The axis; counted from the end where negative.
    pub axis: i64,
    /// Whether all axes from this one on are taken together.
    pub flatten: bool,
}

/// Along one axis.
fn first_largest(b: &mut Builder, x: ValueId, axis: i64) -> OpResult<ValueId> {
    let fact = b.fact(x).clone();
    let along = checked_axis(axis, fact.shape.len())?;
    if fact.is_empty() {
        return Ok(x);
    }
    let best = b.push(ArgMax { axis, keep: true, last: false }, &[x])?;
    let mut shape = vec![1; fact.shape.len()];
    shape[along] = fact.shape[along];
    let places = Tensor::new(&shape, (0..fact.shape[along] as i64).collect::<Vec<i64>>());
    let places = b.constant_value(places.ok_or_else(|| OpError("its axis is too long".to_owned()))?);
    let here = b.equal(places, best)?;
    b.cast(here, fact.dtype)
}

impl Operator for Hardmax {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Along { axis: self.axis, flatten: self.flatten }.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let along = Along { axis: self.axis, flatten: self.flatten };
        match (along.lower(b, inputs, |b, x| first_largest(b, x, -1))?, inputs.first().copied().flatten()) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some(x)) => Ok(Some(vec![first_largest(b, x, self.axis)?])),
            (None, None) => refuse!("it needs one input"),
        }
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Hardmax;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, flatten| Case::new(Hardmax { axis, flatten }).fixed(&[0]);
        vec![
            of(-1, false)
                .input(f64s(&[2, 3], &[3.0, 0.0, 3.0, 1.0, 2.0, 0.0]))
                .expect(f64s(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
            of(1, false).random(&[2, 3, 4]),
            of(1, true).random(&[2, 3, 4]),
        ]
    }
}
