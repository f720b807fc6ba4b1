//! Concat: inputs joined along an axis.

use std::sync::Arc;

use super::support::{axis, fact, output, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::layout::{Strides, copy};

/// Concat's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Concat",
    domain: "",
    since: 4,
    summary: "inputs joined along an axis",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, usize::MAX)?;
        match node.int("axis")? {
            Some(axis) => Ok(Arc::new(Concat { axis })),
            None => refuse!("attribute axis is missing"),
        }
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Inputs joined along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

impl Operator for Concat {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let first = fact(inputs, 0)?;
        let axis = axis(self.axis, first.shape.len())?;
        let mut size = 0usize;
        for i in 0..inputs.len() {
            let x = fact(inputs, i)?;
            if x.dtype != first.dtype {
                refuse!("input {i} is of type {}, input 0 of {}", x.dtype, first.dtype);
            }
            let alike = x.shape.len() == first.shape.len()
                && (0..x.shape.len()).all(|a| a == axis || x.shape[a] == first.shape[a]);
            if !alike {
                refuse!(
                    "input {i} of shape {:?} does not fit beside {:?} along axis {axis}",
                    x.shape,
                    first.shape
                );
            }
            size = size
                .checked_add(x.shape[axis])
                .ok_or_else(|| OpError("the joined axis is too long".to_owned()))?;
        }
        let mut shape = first.shape.clone();
        shape[axis] = size;
        Ok(vec![Fact::new(first.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.outputs.first().map_or(0, |o| o.shape.len());
        let axis = axis(self.axis, rank)?;
        let Some(rows) = (0..site.inputs.len()).find_map(|i| site.rows_of(i)) else { return site.all(None) };
        if rows.axis != axis {
            let all: Vec<usize> = (0..site.inputs.len()).collect();
            return site.all(rows::beside(site, &all, axis)?);
        }
        // Along the axis of the rows, whole batches may stand one behind the other.
        let block = site.rows * rows.inner;
        let mut outer = 0;
        for x in site.inputs.iter().flatten() {
            let here = match x.rows {
                Some(here) => here,
                None if block > 0 && x.fact.shape[axis] % block == 0 => {
                    Rows { outer: x.fact.shape[axis] / block, ..rows }
                }
                None => refuse!("it joins something else to axis {axis}, which holds the rows"),
            };
            if (here.axis, here.inner) != (axis, rows.inner) {
                refuse!("two inputs hold their rows along different axes");
            }
            if x.rows.is_none() && !rows::same_in_all_rows(x, here, site.rows) {
                refuse!("it joins something else to axis {axis}, which holds the rows");
            }
            outer += here.outer;
        }
        site.all(Some(Rows { outer, ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let axis = axis(self.axis, b.shape(g).len())?;
        let mut start = 0;
        for (i, cotangent) in found.iter_mut().enumerate() {
            let size = b.shape(site.input(i)?)[axis];
            if site.active(i) {
                *cotangent = Some(b.narrow(g, axis, start, size)?);
            }
            start += size;
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let output = output(outputs, 0)?;
        let shape = output.shape;
        let axis = axis(self.axis, shape.len())?;
        let outer: usize = shape[..axis].iter().product();
        let inner: usize = shape[axis + 1..].iter().product();
        let row = (shape[axis] * inner) as isize;
        let mut start = 0;
        for i in 0..inputs.len() {
            let x = view(inputs, i)?;
            let part = x.shape[axis] * inner;
            same_type!(x.data, &mut output.data, |xs, o| copy(
                &[outer, part],
                (xs, Strides { start: 0, steps: &[part as isize, 1] }),
                (o, Strides { start, steps: &[row, 1] })
            ));
            start += part;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Concat;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis| Case::new(Concat { axis });
        let repeated = || f64s(&[2, 1], &[7.0, 7.0]);
        vec![
            along(1)
                .input(f64s(&[2, 1], &[1.0, 2.0]))
                .input(f64s(&[2, 2], &[3.0, 4.0, 5.0, 6.0]))
                .expect(f64s(&[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0])),
            along(-2).random(&[3, 2, 4]).random(&[3, 0, 4]).random(&[3, 5, 4]).rows(&[0, 1, 2]),
            along(1).random(&[2, 3]).input(repeated()).rows(&[0]),
            along(1).random(&[2, 3]).random(&[2, 1]).rows(&[0]).mixes(),
            along(0).random(&[3, 2]).random(&[3, 2]).rows(&[0, 1]),
            along(0).random(&[3, 2]).random(&[2, 2]).rows(&[0]).mixes(),
            along(0).input(repeated()).input(repeated()).rows(&[1]),
            along(0)
                .random(&[8, 2])
                .random(&[4, 2])
                .rows_at(0, Rows { axis: 0, outer: 2, inner: 2 })
                .rows_at(1, Rows { axis: 0, outer: 1, inner: 2 }),
            along(0)
                .random(&[8, 2])
                .random(&[4, 2])
                .rows_at(0, Rows { axis: 0, outer: 2, inner: 2 })
                .rows_at(1, Rows { axis: 0, outer: 2, inner: 1 })
                .mixes(),
            along(0).random(&[3]),
            along(0).input(i64s(&[1])).input(i64s(&[2, 3])).expect(i64s(&[1, 2, 3])),
            along(0)
                .input(strings(&[1], &["a"]))
                .input(strings(&[1], &["b"]))
                .expect(strings(&[2], &["a", "b"])),
        ]
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let message = refusal(Concat { axis: 0 }, &[f64s(&[1, 2], &[1.0, 2.0]), f64s(&[1, 1], &[1.0])]);
        assert!(message.contains("does not fit beside"), "{message}");
        let message = refusal(Concat { axis: 0 }, &[f64s(&[1], &[1.0]), i64s(&[1])]);
        assert!(message.contains("of type int64"), "{message}");
        let message = refusal(Concat { axis: 0 }, &[f64s(&[], &[1.0])]);
        assert!(message.contains("outside"), "{message}");
    }
}
