//! Gather: slices of data along an axis, those that indices name, in their shape. Negative indices count from the end; one
//! outside the axis is an error when it is met.

use std::sync::Arc;

use super::positions;
use super::support::{axis, expect_indices, fact, indices, output, outside, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsInput, RowsSite};
use crate::tensor::{Tensor, View, ViewMut};
use pellucid_kernels::gather::{resolve, take};

/// Gather's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Gather",
    domain: "",
    since: 1,
    summary: "slices along an axis, those that indices name",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Gather { axis: node.int("axis")?.unwrap_or(0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Slices along an axis, those that input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

impl Operator for Gather {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, index) = (fact(inputs, 0)?, fact(inputs, 1)?);
        expect_indices(inputs, 1)?;
        let axis = axis(self.axis, x.shape.len())?;
        let shape = [&x.shape[..axis], &index.shape, &x.shape[axis + 1..]].concat();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let (Some(x), Some(index)) = (site.input(0), site.input(1)) else { refuse!("an input is missing") };
        let axis = axis(self.axis, x.fact.shape.len())?;
        let rank = index.fact.shape.len();
        let found = match (x.rows, index.rows) {
            (None, None) => return site.all(None),
            (None, Some(r)) => Rows { axis: axis + r.axis, ..r },
            (Some(r), None) if r.axis < axis => r,
            (Some(r), None) if r.axis > axis => Rows { axis: r.axis + rank - 1, ..r },
            // One row that is one position: each choice is of this row.
            (Some(r), None) if site.rows * r.inner == 1 && rank == 1 => {
                Rows { outer: index.fact.shape[0], ..r }
            }
            (Some(r), None) => match of_own_rows(&x, r, &index, site.rows) {
                Some(own) => Rows { axis: axis + own.axis, ..own },
                None => refuse!("it takes positions of axis {axis}, which holds the rows"),
            },
            (Some(_), Some(_)) => refuse!("it takes every row's positions from every row"),
        };
        site.all(Some(found))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let (x, index) = (site.input(0)?, site.input(1)?);
        let mut shape = b.shape(x).to_vec();
        let axis = axis(self.axis, shape.len())?;
        let count = b.fact(index).len();
        let size = std::mem::replace(&mut shape[axis], count);
        let g = b.reshape(g, &shape)?;
        let back = match b.constant(index).and_then(Tensor::to_i64) {
            Some(list) => {
                let map: Vec<usize> =
                    list.iter().map(|&i| resolve(i, size)).collect::<Result<_, _>>().map_err(outside)?;
                positions::transposed(b, g, axis, size, &map)?
            }
            None => positions::scattered(b, g, axis, size, index)?,
        };
        Ok(Some(vec![Some(back), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, index) = (view(inputs, 0)?, indices(inputs, 1)?);
        let axis = axis(self.axis, x.shape.len())?;
        let sizes = [x.shape[..axis].iter().product(), x.shape[axis], x.shape[axis + 1..].iter().product()];
        same_type!(x.data, &mut output(outputs, 0)?.data, |xs, o| take(xs, sizes, &index, o).map_err(outside))
    }
}

/// Where the rows lie in constant indices of the axis of the rows that give each row what is its own, and the same of each.
fn of_own_rows(x: &RowsInput<'_>, rows: Rows, index: &RowsInput<'_>, count: usize) -> Option<Rows> {
    let size = x.fact.shape[rows.axis];
    let list = index.constant?.to_i64()?;
    let at: Vec<usize> = list.iter().map(|&i| resolve(i, size)).collect::<Result<_, _>>().ok()?;
    let row = |i: usize| at[i] / rows.inner.max(1) % count.max(1);
    let alike = |i: usize, first: usize| at[i] == at[first] + row(i) * rows.inner;
    rows::taken(&index.fact.shape, count, &row, &alike)
}

#[cfg(test)]
mod tests {
    use super::Gather;
    use crate::build::Builder;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::graph::Fact;
    use crate::rows::Rows;
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis| Case::new(Gather { axis });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let many: Vec<i64> = (0..20).map(|i| (7 * i) % 5 - 2).collect();
        vec![
            along(1)
                .input(f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .input(i64s(&[-1, 0]))
                .expect(f64s(&[2, 2], &[3.0, 1.0, 6.0, 4.0])),
            along(0)
                .input(f64s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .input(index(&[2, 1], &[2, 0]))
                .expect(f64s(&[2, 1, 2], &[5.0, 6.0, 1.0, 2.0]))
                .rows(&[1]),
            along(1).random(&[3, 4, 2]).input(Tensor::scalar(2i64)),
            along(-2).random(&[3, 5, 2]).input(index(&[4, 5], &many)),
            along(-1).random(&[3, 2]).input(index(&[2, 0], &[])),
            along(0).random(&[4, 3]).input(i64s(&[0, 2])).rows(&[0]).mixes(),
            along(0).random(&[4, 3]).input(i64s(&[0, 2])).rows(&[0, 1]).mixes(),
            // Every row's own positions, as exporters write x[arange(rows)] over an axis that the rows were joined into.
            along(0)
                .random(&[6, 2])
                .input(index(&[3, 1, 2], &[0, 1, 2, 3, 4, 5]))
                .rows_at(0, Rows { axis: 0, outer: 1, inner: 2 }),
            along(0).random(&[3, 2]).input(index(&[3, 1], &[0, -2, 2])).rows(&[0]),
            along(0).random(&[3, 2]).input(index(&[3], &[0, 2, 1])).rows(&[0]).mixes(),
            along(0).random(&[2, 4, 3]).input(Tensor::scalar(-1i32)).rows_at(0, Rows::plain(1)),
            along(1)
                .random(&[2, 4, 6])
                .input(index(&[1, 2], &[3, 3]))
                .rows_at(0, Rows { axis: 2, outer: 3, inner: 1 }),
            along(1).random(&[2, 4]).input(index(&[3, 2], &[3, 3, 0, 1, 2, 3])).rows_at(1, Rows::plain(1)),
            along(0).input(strings(&[2], &["a", "b"])).input(i64s(&[1])).expect(strings(&[1], &["b"])),
        ]
    }

    #[test]
    fn an_index_outside_is_refused() {
        let x = f64s(&[2], &[1.0, 2.0]);
        let message = refusal(Gather { axis: 0 }, &[x.clone(), i64s(&[2])]);
        assert!(message.contains("index 2 is outside an axis of size 2"), "{message}");
        assert!(refusal(Gather { axis: 0 }, &[x.clone(), x]).contains("expected int32 or int64"));
    }

    #[test]
    fn the_derivative_with_open_indices_scatters() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[4]));
        let index = b.input("i", Fact::new(DType::I64, &[3]));
        let y = b.push(Gather { axis: 0 }, &[x, index]).unwrap();
        let seed = b.constant_value(f64s(&[3], &[1.0, 10.0, 100.0]));
        let g = crate::differentiate::differentiate(
            &mut b,
            &[(y, seed)],
            &[x],
            &mut crate::differentiate::no_rule,
        )
        .unwrap()[0]
            .unwrap();
        let graph = b.finish(&[g]);
        let found =
            crate::cases::evaluate(&graph, &[(x, f64s(&[4], &[0.0; 4])), (index, i64s(&[2, -1, 2]))], &[g]);
        assert_eq!(found[0], f64s(&[4], &[0.0, 0.0, 101.0, 10.0]));
    }
}
