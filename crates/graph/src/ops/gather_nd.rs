//! GatherND: blocks of data, those that tuples of indices name; the first axes may run beside those of the indices. Negative
//! indices count from the end.

use std::sync::Arc;

use super::scatter::Reduction;
use super::scatter_nd::ScatterND;
use super::support::{expect_indices, fact, indices, output, outside, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsInput, RowsSite, same_in_all_rows};
use crate::tensor::{DType, Tensor, View, ViewMut};
use pellucid_kernels::gather::{blocks, resolve};

/// GatherND's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GatherND",
    domain: "",
    since: 11,
    summary: "the blocks that tuples of indices name",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        let batch = node.int("batch_dims")?.unwrap_or(0);
        let batch_dims =
            usize::try_from(batch).map_err(|_| OpError(format!("attribute batch_dims is {batch}")))?;
        Ok(Arc::new(GatherND { batch_dims }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The blocks that tuples of indices name.
#[derive(Clone, Copy, Debug)]
pub struct GatherND {
    /// How many first axes of data and indices run beside each other.
    pub batch_dims: usize,
}

impl GatherND {
    /// How many axes of the data a tuple indexes.
    fn depth(self, x: &[usize], index: &[usize]) -> OpResult<usize> {
        let batch = self.batch_dims;
        let Some((&depth, leading)) = index.split_last() else { refuse!("its indices have no dimensions") };
        if x.is_empty() || batch > leading.len() || batch.checked_add(depth).is_none_or(|n| n > x.len()) {
            refuse!(
                "indices of shape {index:?} with {batch} batch dimensions do not fit data of shape {x:?}"
            );
        }
        if x[..batch] != index[..batch] {
            refuse!("the first {batch} dimensions of data {x:?} and indices {index:?} differ");
        }
        Ok(depth)
    }

    /// The indices with the batch's own positions put before each tuple.
    fn full_indices(self, b: &mut Builder, index: ValueId) -> OpResult<ValueId> {
        if self.batch_dims == 0 {
            return Ok(index);
        }
        let index = b.cast(index, DType::I64)?;
        let mut shape = b.shape(index).to_vec();
        let last = shape.len() - 1;
        shape[last] = 1;
        let mut parts = Vec::with_capacity(self.batch_dims + 1);
        for axis in 0..self.batch_dims {
            let mut own = vec![1; shape.len()];
            own[axis] = shape[axis];
            let count = Tensor::new(&own, (0..shape[axis] as i64).collect::<Vec<_>>());
            let count = b.constant_value(count.ok_or_else(|| OpError("a batch is too large".to_owned()))?);
            parts.push(b.expand(count, &shape)?);
        }
        parts.push(index);
        b.concat(&parts, last)
    }
}

impl Operator for GatherND {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("batch_dims", Attribute::Int(self.batch_dims as i64))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, index) = (fact(inputs, 0)?, fact(inputs, 1)?);
        expect_indices(inputs, 1)?;
        let depth = self.depth(&x.shape, &index.shape)?;
        let shape = [&index.shape[..index.shape.len() - 1], &x.shape[self.batch_dims + depth..]].concat();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let (Some(x), Some(index)) = (site.input(0), site.input(1)) else { refuse!("an input is missing") };
        let depth = self.depth(&x.fact.shape, &index.fact.shape)?;
        let (batch, leading) = (self.batch_dims, index.fact.shape.len() - 1);
        let found = match (x.rows, index.rows) {
            (None, None) => return site.all(None),
            (Some(r), Some(i)) if r == i && r.axis < batch => r,
            (Some(r), None) if r.axis >= batch + depth => {
                Rows { axis: leading + r.axis - batch - depth, ..r }
            }
            (Some(r), None) if r.axis < batch && same_in_all_rows(&index, r, site.rows) => r,
            (None, Some(i)) if i.axis >= batch && i.axis < leading => i,
            (None, Some(i)) if i.axis < batch && same_in_all_rows(&x, i, site.rows) => i,
            (Some(r), None) if r.axis >= batch && r.axis < batch + depth => {
                match of_own_rows(&x, r, &index, (r.axis - batch, depth), site.rows) {
                    Some(own) => own,
                    None => refuse!("it takes positions of axis {}, which holds the rows", r.axis),
                }
            }
            _ => {
                refuse!("it takes positions of the rows, or two inputs hold their rows along different axes")
            }
        };
        site.all(Some(found))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let zeros = b.zeros_like(site.input(0)?)?;
        let index = self.full_indices(b, site.input(1)?)?;
        let back = b.push(ScatterND { reduction: Reduction::Add }, &[zeros, index, g])?;
        Ok(Some(vec![Some(back), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, index) = (view(inputs, 0)?, indices(inputs, 1)?);
        let shape = view(inputs, 1)?.shape;
        let depth = self.depth(x.shape, shape)?;
        let size: usize = x.shape[self.batch_dims + depth..].iter().product();
        let places = blocks((&index, shape), x.shape, self.batch_dims).map_err(outside)?;
        if size > 0 {
            same_type!(x.data, &mut output(outputs, 0)?.data, |xs, o| {
                for (to, at) in o.chunks_exact_mut(size).zip(places) {
                    to.clone_from_slice(&xs[at..at + size]);
                }
            });
        }
        Ok(())
    }
}

/// Where the rows lie in constant tuples of indices, of `depth` each, whose `part` names the row: where they give each row what is its own,
/// and the same of each.
fn of_own_rows(
    x: &RowsInput<'_>,
    rows: Rows,
    index: &RowsInput<'_>,
    (part, depth): (usize, usize),
    count: usize,
) -> Option<Rows> {
    let size = x.fact.shape[rows.axis];
    let list = index.constant?.to_i64()?;
    let tuples: Vec<&[i64]> = list.chunks_exact(depth).collect();
    let at: Vec<usize> = tuples.iter().map(|t| resolve(t[part], size)).collect::<Result<_, _>>().ok()?;
    let row = |i: usize| at[i] / rows.inner.max(1) % count.max(1);
    let alike = |i: usize, first: usize| {
        let others = |t: usize| tuples[t].iter().enumerate().filter(|(p, _)| *p != part).map(|(_, v)| *v);
        at[i] == at[first] + row(i) * rows.inner && others(i).eq(others(first))
    };
    rows::taken(index.fact.shape.split_last()?.1, count, &row, &alike)
}

#[cfg(test)]
mod tests {
    use super::GatherND;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |batch_dims| Case::new(GatherND { batch_dims });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let x = || f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let cube = || f64s(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        vec![
            of(0).input(x()).input(index(&[2, 2], &[0, 0, -1, 1])).expect(f64s(&[2], &[1.0, 4.0])),
            of(0).input(x()).input(index(&[2, 1], &[1, 0])).expect(f64s(&[2, 2], &[3.0, 4.0, 1.0, 2.0])),
            of(1).input(cube()).input(index(&[2, 1], &[1, 0])).expect(f64s(&[2, 2], &[2.0, 3.0, 4.0, 5.0])),
            of(0).random(&[3, 4, 5]).input(index(&[2, 1, 2], &[2, 3, 0, 0])).rows_at(0, Rows::plain(2)),
            of(0).random(&[3, 4]).input(index(&[2, 1], &[2, 2])).rows(&[0]).mixes(),
            of(0).random(&[3, 4]).input(index(&[2, 3, 1], &[2, 2, 0, 1, 1, 2])).rows(&[1]),
            of(1).random(&[2, 4, 3]).input(index(&[2, 2, 1], &[3, 3, 0, -1])).rows(&[0, 1]),
            of(1).random(&[2, 4, 3]).input(index(&[2, 2, 1], &[3, 1, 3, 1])).rows(&[0]),
            of(1).random(&[2, 4, 3]).input(index(&[2, 2, 1], &[3, 1, 3, 2])).rows(&[0]).mixes(),
            of(2).random(&[2, 3, 4]).input(index(&[2, 3, 1], &[0, 1, 2, 3, 0, 1])).rows(&[0, 1]),
            // Every row's own positions, as exporters write mask[arange(rows), positions].
            of(0).random(&[2, 4]).input(index(&[2, 2, 2], &[0, 3, 0, 1, 1, 3, 1, 1])).rows(&[0]),
            of(0).random(&[2, 4]).input(index(&[2, 2, 2], &[0, 3, 0, 1, 1, 3, 1, 2])).rows(&[0]).mixes(),
            of(0).random(&[3, 2]).input(index(&[0, 1], &[])),
            of(0).random(&[2, 3]).input(index(&[4, 0], &[])).rows_at(0, Rows::BATCH),
            of(0).input(strings(&[2], &["a", "b"])).input(index(&[1, 1], &[1])).expect(strings(&[1], &["b"])),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = || f64s(&[2], &[1.0, 2.0]);
        let op = GatherND { batch_dims: 0 };
        assert!(refusal(op, &[x(), i64s(&[2])]).contains("index 2 is outside an axis of size 2"));
        assert!(refusal(op, &[x(), i64s(&[0, 0])]).contains("do not fit data"));
        assert!(refusal(GatherND { batch_dims: 1 }, &[x(), i64s(&[0])]).contains("do not fit data"));
        assert!(refusal(GatherND { batch_dims: usize::MAX }, &[x(), i64s(&[0])]).contains("do not fit data"));
        let three = Tensor::new(&[3, 0], Vec::<i64>::new()).unwrap();
        assert!(refusal(GatherND { batch_dims: 1 }, &[x(), three]).contains("differ"));
    }
}
