//! TopK: the k largest or smallest elements along an axis, in order, and their places. Equal elements stand in the order of their
//! places; a NaN counts as larger than any number.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::scatter::Reduction;
use super::scatter_elements::ScatterElements;
use super::support::{axis, fact, integers, out, said, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// TopK's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TopK",
    domain: "",
    since: 1,
    summary: "the k largest or smallest elements along an axis, and their places",
    derivative: "that of the chosen elements; of ties those that come first",
    import: |node| {
        if let Some(k) = node.int("k")?
            && node.opset < 10
        {
            node.set_input(1, Tensor::vector(vec![k]));
        }
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(TopK { axis: node.int("axis")?.unwrap_or(-1), largest: node.flag("largest", true)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// As many of the largest or smallest elements along an axis as input 1 says.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Whether the largest are chosen, rather than the smallest.
    pub largest: bool,
}

impl TopK {
    fn choose<T: Number>(
        self,
        x: View<'_>,
        xs: &[T],
        values: &mut [T],
        places: &mut [i64],
        k: usize,
    ) -> OpResult<()> {
        let axis = axis(self.axis, x.shape.len())?;
        let (size, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
        if values.is_empty() {
            return Ok(());
        }
        let rank = |v: T| v.partial_cmp(&v).is_none();
        let mut order: Vec<usize> = Vec::with_capacity(size);
        for (o, xs) in xs.chunks_exact(size * inner).enumerate() {
            for i in 0..inner {
                let at = |p: usize| xs[p * inner + i];
                order.clear();
                order.extend(0..size);
                order.sort_by(|&p, &q| {
                    let (a, b) = (at(p), at(q));
                    let order = a.partial_cmp(&b).unwrap_or_else(|| rank(a).cmp(&rank(b)));
                    if self.largest { order.reverse() } else { order }
                });
                for (j, &p) in order.iter().take(k).enumerate() {
                    values[(o * k + j) * inner + i] = at(p);
                    places[(o * k + j) * inner + i] = p as i64;
                }
            }
        }
        Ok(())
    }
}

impl Operator for TopK {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("largest", Attribute::Int(i64::from(self.largest)))
            .with("sorted", Attribute::Int(1))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        let size = x.shape[axis];
        let k = match integers(inputs, 1, "k")?.as_deref() {
            Some(&[k]) if (0..=size as i64).contains(&k) => k as usize,
            other => refuse!("its k (input 1) is {}, expected one number up to {size}", said(other)),
        };
        let mut shape = x.shape.clone();
        shape[axis] = k;
        Ok(vec![Fact::new(x.dtype, &shape), Fact::new(DType::I64, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Select
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.outputs.first().map_or(0, |o| o.shape.len());
        let axis = axis(self.axis, rank)?;
        if site.rows_of(0).is_some_and(|r| r.axis == axis) {
            refuse!("it chooses along axis {axis}, which holds the rows");
        }
        rows::along(site, &[axis])
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let &[_, places] = site.outputs else { refuse!("it has not two outputs") };
        let zeros = b.zeros_like(site.input(0)?)?;
        let add = ScatterElements { axis: self.axis, reduction: Reduction::Add };
        Ok(Some(vec![Some(b.push(add, &[zeros, places, g])?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let [values, places] = outputs else { refuse!("it has {} outputs, expected 2", outputs.len()) };
        let places = out::<i64>(std::slice::from_mut(places), 0)?;
        let k = values.shape[axis(self.axis, x.shape.len())?];
        number_type!(x.data.dtype(), T => {
            let values = out::<T>(std::slice::from_mut(values), 0)?;
            self.choose(x, super::support::data::<T>(inputs, 0)?, values, places, k)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TopK;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis, largest| Case::new(TopK { axis, largest });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let nan = || f64s(&[4], &[2.0, f64::NAN, 2.0, 3.0]);
        let old = Attributes::new().with("k", Attribute::Int(1)).with("axis", Attribute::Int(0));
        vec![
            along(-1, true)
                .input(f64s(&[2, 3], &[1.0, 3.0, 2.0, 6.0, 4.0, 5.0]))
                .input(i64s(&[2]))
                .expect(f64s(&[2, 2], &[3.0, 2.0, 6.0, 5.0]))
                .expect(index(&[2, 2], &[1, 2, 0, 2])),
            along(0, true)
                .input(nan())
                .input(i64s(&[3]))
                .expect(f64s(&[3], &[f64::NAN, 3.0, 2.0]))
                .expect(i64s(&[1, 3, 0]))
                .fixed(&[0]),
            along(0, false)
                .input(nan())
                .input(i64s(&[4]))
                .expect(f64s(&[4], &[2.0, 2.0, 3.0, f64::NAN]))
                .expect(i64s(&[0, 2, 3, 1]))
                .fixed(&[0]),
            Case::imported_with("TopK", 9, &old, vec![i64s(&[3, 9, 4])], 2)
                .expect(i64s(&[9]))
                .expect(i64s(&[1])),
            along(1, false).random(&[3, 5, 2]).input(i64s(&[3])).rows(&[0]),
            along(0, true).random(&[5, 3]).input(i64s(&[5])).rows(&[0]).mixes(),
            along(1, true).random(&[3, 4]).input(i64s(&[0])),
        ]
    }

    #[test]
    fn a_bad_k_is_refused() {
        for k in [&[3][..], &[-1], &[1, 1]] {
            let message = refusal(TopK { axis: 0, largest: true }, &[f64s(&[2], &[1.0, 2.0]), i64s(k)]);
            assert!(message.contains("expected one number up to 2"), "{message}");
        }
    }
}
