//! Expand: x broadcast with a shape; the result may be larger than the shape where x is.

use std::sync::Arc;

use super::support::{broadcast_shape, fact, integers, view};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Slice, SliceMut, View, ViewMut};
use pellucid_kernels::broadcast::walk;

/// Expand's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Expand",
    domain: "",
    since: 8,
    summary: "x broadcast with a shape",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Expand))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x broadcast with the shape that input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct Expand;

impl Operator for Expand {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let wanted = integers(inputs, 1, "shape")?.ok_or_else(|| OpError("input 1 is missing".to_owned()))?;
        let to: Vec<usize> = wanted
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| OpError(format!("shape {wanted:?} has a size of {d}"))))
            .collect::<OpResult<_>>()?;
        let shape = broadcast_shape(&[&x.shape, &to])
            .ok_or_else(|| OpError(format!("an input of shape {:?} does not broadcast to {to:?}", x.shape)))?;
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let (Some(x), Some(output)) = (site.input(0), site.outputs.first()) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let axis = rows.axis + output.shape.len() - x.fact.shape.len();
        if output.shape[axis] != x.fact.shape[rows.axis] {
            refuse!("it repeats the axis that holds the rows");
        }
        site.all(Some(Rows { axis, ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        Ok(Some(vec![Some(b.unbroadcast(g, &shape)?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        let shape = output.shape;
        macro_rules! go {
            ($($variant:ident),*) => {
                match (x.data, &mut output.data) {
                    $((Slice::$variant(xs), SliceMut::$variant(o)) => walk(shape, [x.shape], |at, [from], run, [step]| {
                        if step == 0 {
                            o[at..at + run].fill(xs[from].clone());
                        } else {
                            o[at..at + run].clone_from_slice(&xs[from..from + run]);
                        }
                    }),)*
                    _ => refuse!("its output is not of the input's type, {}", x.data.dtype()),
                }
            };
        }
        go!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, String);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Expand;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Expand).input(f64s(&[2, 1], &[1.0, 2.0])).input(i64s(&[1, 3])).expect(f64s(&[2, 3], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0])),
            Case::new(Expand).random(&[3, 1]).input(i64s(&[2, 1, 6])).rows(&[]),
            Case::new(Expand).random(&[3, 1, 2]).input(i64s(&[4, 2])),
            Case::new(Expand).random(&[3]).input(i64s(&[1])),
        ]
    }
}
