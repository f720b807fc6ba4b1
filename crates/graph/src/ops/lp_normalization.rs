//! LpNormalization: x over its norm along an axis, and 0 where the norm is.

use std::sync::Arc;

use super::composite::through_body;
use super::{ReduceL1, ReduceL2};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// LpNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LpNormalization",
    domain: "",
    since: 1,
    summary: "x over its L1 or L2 norm along an axis",
    derivative: "that of the norm",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let p = node.int("p")?.unwrap_or(2);
        if p != 1 && p != 2 {
            refuse!("attribute p is {p}, expected 1 or 2");
        }
        Ok(Arc::new(LpNormalization { axis: node.int("axis")?.unwrap_or(-1), p }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X over its L1 or L2 norm along an axis.
#[derive(Clone, Copy, Debug)]
pub struct LpNormalization {
    /// The axis; counted from the end where negative.
    pub axis: i64,
    /// Which norm: 1 or 2.
    pub p: i64,
}

impl Operator for LpNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis)).with("p", Attribute::Int(self.p))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        let axes = b.integers(&[self.axis]);
        let norm = if self.p == 1 {
            b.push(ReduceL1 { keep: true, noop_with_empty_axes: false }, &[x, axes])?
        } else {
            b.push(ReduceL2 { keep: true, noop_with_empty_axes: false }, &[x, axes])?
        };
        let zero = b.scalar_like(norm, 0.0)?;
        let one = b.scalar_like(norm, 1.0)?;
        let vanishes = b.equal(norm, zero)?;
        let divisor = b.select(vanishes, one, norm)?;
        Ok(Some(vec![b.div(x, divisor)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::LpNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, p| Case::new(LpNormalization { axis, p });
        vec![
            of(-1, 2).input(f64s(&[1, 2], &[3.0, -4.0])).expect(f64s(&[1, 2], &[0.6, -0.8])),
            of(-1, 1).input(f64s(&[1, 2], &[1.0, -3.0])).expect(f64s(&[1, 2], &[0.25, -0.75])),
            of(-1, 2).input(f64s(&[1, 2], &[0.0, 0.0])).expect(f64s(&[1, 2], &[0.0, 0.0])).fixed(&[0]),
            of(1, 2).random(&[3, 4, 2]),
            of(1, 1).random(&[3, 4, 2]),
        ]
    }
}
