//! TensorScatter: a cache with an update written along an axis, in each row from a position on.

use std::sync::Arc;

use super::composite::through_body;
use super::scatter::Reduction;
use super::support::axis as checked_axis;
use super::{Mod, ScatterElements};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// TensorScatter's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TensorScatter",
    domain: "",
    since: 24,
    summary: "a cache with an update written in each row from a position on",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        let circular = match node.text("mode")?.as_deref() {
            None | Some("linear") => false,
            Some("circular") => true,
            Some(other) => refuse!("attribute mode is {other:?}, expected linear or circular"),
        };
        Ok(Arc::new(TensorScatter { axis: node.int("axis")?.unwrap_or(-2), circular }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A cache with an update written in each row from a position on.
#[derive(Clone, Copy, Debug)]
pub struct TensorScatter {
    /// The axis; counted from the end where negative.
    pub axis: i64,
    /// Whether positions behind the end go on at the beginning.
    pub circular: bool,
}

impl Operator for TensorScatter {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mode = if self.circular { "circular" } else { "linear" };
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("mode", Attribute::Text(mode.to_owned()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (cache, update) = (needed(0)?, needed(1)?);
        let (size, shape) = (b.shape(cache).to_vec(), b.shape(update).to_vec());
        let axis = checked_axis(self.axis, size.len())?;
        if axis == 0 || shape.len() != size.len() || (0..size.len()).any(|a| a != axis && size[a] != shape[a])
        {
            refuse!("an update of shape {shape:?} does not fit a cache of shape {size:?} along axis {axis}");
        }
        let ranged = |b: &mut Builder, v: ValueId, at: usize| {
            let mut own = vec![1; shape.len()];
            own[at] = shape[at];
            b.reshape(v, &own)
        };
        let steps = b.constant_value(Tensor::vector((0..shape[axis] as i64).collect::<Vec<i64>>()));
        let mut places = ranged(b, steps, axis)?;
        if let Some(starts) = given(2) {
            let starts = b.cast(starts, DType::I64)?;
            let starts = ranged(b, starts, 0)?;
            places = b.add(places, starts)?;
        }
        if self.circular {
            let period = b.scalar_like(places, size[axis] as f64)?;
            places = b.push(Mod { fmod: false }, &[places, period])?;
        }
        let places = b.expand(places, &shape)?;
        let op = ScatterElements { axis: axis as i64, reduction: Reduction::None };
        Ok(Some(vec![b.push(op, &[cache, places, update])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::TensorScatter;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |circular| Case::new(TensorScatter { axis: 1, circular });
        vec![
            of(false)
                .input(f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .input(f64s(&[2, 1], &[7.0, 8.0]))
                .input(i64s(&[1, 2]))
                .rows(&[0, 1, 2])
                .expect(f64s(&[2, 3], &[1.0, 7.0, 3.0, 4.0, 5.0, 8.0])),
            of(true)
                .input(f64s(&[1, 3], &[1.0, 2.0, 3.0]))
                .input(f64s(&[1, 2], &[7.0, 8.0]))
                .input(i64s(&[2]))
                .expect(f64s(&[1, 3], &[8.0, 2.0, 7.0])),
            of(false).random(&[2, 4, 3]).random(&[2, 2, 3]).rows(&[0, 1]),
        ]
    }
}
