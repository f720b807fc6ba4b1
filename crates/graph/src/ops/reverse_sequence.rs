//! ReverseSequence: for each row, its first elements along the time axis in the opposite order, as many as its length says.

use std::sync::Arc;

use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// ReverseSequence's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ReverseSequence",
    domain: "",
    since: 10,
    summary: "the first elements of each row along time, in the opposite order",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        let (batch, time) = (node.int("batch_axis")?.unwrap_or(1), node.int("time_axis")?.unwrap_or(0));
        if (batch, time) != (1, 0) && (batch, time) != (0, 1) {
            refuse!("batch_axis is {batch} and time_axis {time}, expected 0 and 1 in either order");
        }
        Ok(Arc::new(ReverseSequence { time_first: time == 0 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The first elements of each row along time, in the opposite order.
#[derive(Clone, Copy, Debug)]
pub struct ReverseSequence {
    /// Whether time is the first axis and the batch the second, rather than the other way.
    pub time_first: bool,
}

impl Operator for ReverseSequence {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("batch_axis", Attribute::Int(i64::from(self.time_first)))
            .with("time_axis", Attribute::Int(i64::from(!self.time_first)))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(lengths)] = inputs else { refuse!("it needs two inputs") };
        let shape = b.shape(x).to_vec();
        let &[first, second, ..] = shape.as_slice() else {
            refuse!("its input has fewer than two dimensions")
        };
        let (time, batch) = if self.time_first { (first, second) } else { (second, first) };
        if b.shape(lengths) != [batch] {
            refuse!("lengths of shape {:?} are not those of {batch} rows", b.shape(lengths));
        }
        let rank = shape.len();
        let along = |b: &mut Builder, v: ValueId, axis: usize, n: usize| {
            let mut own = vec![1; rank];
            own[axis] = n;
            b.reshape(v, &own)
        };
        let (time_axis, batch_axis) = if self.time_first { (0, 1) } else { (1, 0) };
        let steps = b.constant_value(Tensor::vector((0..time as i64).collect::<Vec<i64>>()));
        let steps = along(b, steps, time_axis, time)?;
        let lengths = b.cast(lengths, DType::I64)?;
        let lengths = along(b, lengths, batch_axis, batch)?;
        let inside = b.less(steps, lengths)?;
        let last = b.shift(lengths, -1.0)?;
        let opposite = b.sub(last, steps)?;
        let places = b.select(inside, opposite, steps)?;
        let places = b.expand(places, &shape)?;
        Ok(Some(vec![b.gather_elements(x, places, time_axis as i64)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::ReverseSequence;
    use crate::cases::{Case, f64s, i64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(ReverseSequence { time_first: true })
                .input(f64s(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]))
                .input(i64s(&[2, 3]))
                .rows_at(0, Rows::plain(1))
                .rows_at(1, Rows::BATCH)
                .expect(f64s(&[3, 2], &[2.0, 6.0, 1.0, 5.0, 3.0, 4.0])),
            Case::new(ReverseSequence { time_first: false })
                .random(&[2, 3, 4])
                .input(i64s(&[3, 3]))
                .rows(&[0]),
            Case::new(ReverseSequence { time_first: false })
                .random(&[2, 3])
                .input(i64s(&[0, 2]))
                .rows(&[0, 1]),
        ]
    }
}
