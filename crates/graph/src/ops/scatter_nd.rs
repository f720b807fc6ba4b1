//! ScatterND: data with blocks replaced by updates, or combined with them, at the places that tuples of indices name. Negative
//! indices count from the end.

use std::sync::Arc;

use super::gather_nd::GatherND;
use super::scatter::{self, Reduction};
use super::support::{expect_indices, fact, indices, outside, view};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite, same_in_all_rows};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::gather::blocks;

/// ScatterND's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ScatterND",
    domain: "",
    since: 11,
    summary: "data with blocks of updates at tuples of indices, in place of what is there or combined with it",
    derivative: scatter::DERIVATIVE,
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(ScatterND { reduction: Reduction::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Data with blocks of updates at tuples of indices.
#[derive(Clone, Copy, Debug)]
pub struct ScatterND {
    /// How an update meets the element that is there.
    pub reduction: Reduction,
}

impl Operator for ScatterND {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("reduction", self.reduction.attribute())
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, index, updates) = (fact(inputs, 0)?, fact(inputs, 1)?, fact(inputs, 2)?);
        expect_indices(inputs, 1)?;
        if updates.dtype != x.dtype {
            refuse!("its updates are of type {}, its data of {}", updates.dtype, x.dtype);
        }
        let fits = index.shape.split_last().is_some_and(|(&depth, leading)| {
            depth <= x.shape.len() && updates.shape == [leading, &x.shape[depth..]].concat()
        });
        if !fits {
            let (data, index, updates) = (&x.shape, &index.shape, &updates.shape);
            refuse!("updates of shape {updates:?} do not fit indices {index:?} of data {data:?}");
        }
        Ok(vec![x.clone()])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        self.reduction.kind(active)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let (Some(x), Some(index), Some(updates)) = (site.input(0), site.input(1), site.input(2)) else {
            refuse!("an input is missing")
        };
        if index.rows.is_some() {
            refuse!("its indices differ from row to row");
        }
        // Where the axes of a block begin in the updates and in the data.
        let (leading, depth) = (index.fact.shape.len() - 1, *index.fact.shape.last().unwrap_or(&0));
        let own = match updates.rows {
            Some(r) if r.axis < leading => refuse!("it puts every row's updates into the same blocks"),
            Some(r) => Some(Rows { axis: r.axis - leading + depth, ..r }),
            None => None,
        };
        let found = match (x.rows, own) {
            (None, None) => return site.all(None),
            (Some(a), Some(b)) if a != b => refuse!("two inputs hold their rows along different axes"),
            (Some(r), _) | (None, Some(r)) => r,
        };
        if found.axis < depth {
            refuse!("it puts updates at positions of axis {}, which holds the rows", found.axis);
        }
        let in_updates = Rows { axis: found.axis - depth + leading, ..found };
        let alike = |x, rows| same_in_all_rows(x, rows, site.rows);
        if (x.rows.is_none() && !alike(&x, found)) || (own.is_none() && !alike(&updates, in_updates)) {
            refuse!("an input that is not computed from the batch has a value for each row");
        }
        site.all(Some(found))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let index = site.input(1)?;
        let gather = |b: &mut Builder, x| b.push(GatherND { batch_dims: 0 }, &[x, index]);
        let scatter =
            |b: &mut Builder, x, updates, reduction| b.push(Self { reduction }, &[x, index, updates]);
        scatter::derivative(b, site, self.reduction, &gather, &scatter)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, index) = (view(inputs, 0)?, indices(inputs, 1)?);
        let shape = view(inputs, 1)?.shape;
        let depth = shape.last().copied().unwrap_or(0);
        let size: usize = x.shape[depth..].iter().product();
        let places = blocks((&index, shape), x.shape, 0).map_err(outside)?;
        scatter::run(inputs, outputs, self.reduction, |body| {
            for (i, at) in places.into_iter().enumerate() {
                (0..size).for_each(|k| body(i * size + k, at + k));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Reduction, ScatterND};
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |reduction| Case::new(ScatterND { reduction });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let mut cases = vec![
            of(Reduction::None)
                .input(f64s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .input(index(&[2, 1], &[2, 0]))
                .input(f64s(&[2, 2], &[7.0, 8.0, 9.0, 10.0]))
                .expect(f64s(&[3, 2], &[9.0, 10.0, 3.0, 4.0, 7.0, 8.0])),
            of(Reduction::Add)
                .input(i64s(&[1, 2, 3]))
                .input(index(&[2, 1], &[-1, -1]))
                .input(i64s(&[10, 20]))
                .expect(i64s(&[1, 2, 33])),
            of(Reduction::None)
                .input(strings(&[2], &["a", "b"]))
                .input(index(&[1, 1], &[0]))
                .input(strings(&[1], &["c"]))
                .expect(strings(&[2], &["c", "b"])),
            of(Reduction::None)
                .random(&[3, 4])
                .input(index(&[1, 1], &[1]))
                .random(&[1, 4])
                .rows(&[0])
                .mixes(),
            of(Reduction::None)
                .random(&[3, 4])
                .input(index(&[2, 1], &[1, 2]))
                .random(&[2, 4])
                .rows_at(0, Rows::plain(1))
                .rows_at(2, Rows::plain(1)),
            of(Reduction::Add)
                .input(f64s(&[2, 2], &[0.0; 4]))
                .input(index(&[1, 1], &[1]))
                .random(&[1, 2])
                .rows_at(2, Rows::plain(1)),
            of(Reduction::Add).random(&[2]).input(index(&[1, 0], &[])).random(&[1, 2]),
        ];
        for reduction in [Reduction::Add, Reduction::Mul, Reduction::Max, Reduction::Min] {
            let case = of(reduction)
                .random(&[3, 4, 2])
                .input(index(&[2, 2, 2], &[0, 1, 2, 3, 0, 1, -1, 0]))
                .random(&[2, 2, 2])
                .rows_at(0, Rows::plain(2))
                .rows_at(2, Rows::plain(2));
            cases.push(if reduction == Reduction::Mul { case.fixed(&[2]) } else { case });
        }
        cases
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = ScatterND { reduction: Reduction::None };
        let x = || f64s(&[2], &[1.0, 2.0]);
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        assert!(refusal(op, &[x(), index(&[1, 1], &[-3]), f64s(&[1], &[0.0])]).contains("outside an axis"));
        assert!(refusal(op, &[x(), index(&[1, 1], &[0]), x()]).contains("do not fit"));
        assert!(refusal(op, &[x(), index(&[1, 2], &[0, 0]), f64s(&[1], &[0.0])]).contains("do not fit"));
        assert!(refusal(op, &[x(), Tensor::scalar(0i64), x()]).contains("do not fit"));
    }
}
