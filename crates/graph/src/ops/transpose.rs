//! Transpose: axes in another order; output axis i is input axis `perm[i]`, all reversed where no order is given.

use std::sync::Arc;

use super::support::{fact, output, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::layout::{Strides, copy, row_major};

/// Transpose's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Transpose",
    domain: "",
    since: 1,
    summary: "axes in another order",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let order = match node.ints("perm")? {
            Some(order) => Some(
                order
                    .iter()
                    .map(|&a| usize::try_from(a).map_err(|_| OpError(format!("perm {order:?} has axis {a}"))))
                    .collect::<OpResult<_>>()?,
            ),
            None => None,
        };
        Ok(Arc::new(Transpose { order }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Axes in another order.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// For each output axis, the input axis; all reversed where it is `None`.
    pub order: Option<Vec<usize>>,
}

impl Transpose {
    fn order(&self, rank: usize) -> OpResult<Vec<usize>> {
        let Some(order) = &self.order else { return Ok((0..rank).rev().collect()) };
        let mut seen = vec![false; rank];
        for &axis in order {
            match seen.get_mut(axis) {
                Some(seen) if !*seen => *seen = true,
                _ => refuse!("perm {order:?} does not name each of {rank} axes once"),
            }
        }
        if order.len() != rank {
            refuse!("perm {order:?} does not name each of {rank} axes once");
        }
        Ok(order.clone())
    }
}

impl Operator for Transpose {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        match &self.order {
            Some(order) => {
                Attributes::new().with("perm", Attribute::Ints(order.iter().map(|&a| a as i64).collect()))
            }
            None => Attributes::new(),
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let shape: Vec<usize> = self.order(x.shape.len())?.iter().map(|&a| x.shape[a]).collect();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.input(0).map_or(0, |x| x.fact.shape.len());
        rows::transpose(site, &self.order(rank)?)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let order = self.order(b.shape(g).len())?;
        let mut back = vec![0; order.len()];
        for (i, &axis) in order.iter().enumerate() {
            back[axis] = i;
        }
        Ok(Some(vec![Some(b.transpose(g, &back)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let output = output(outputs, 0)?;
        let steps = row_major(x.shape);
        let from: Vec<isize> = self.order(x.shape.len())?.iter().map(|&a| steps[a]).collect();
        let (shape, to) = (output.shape, row_major(output.shape));
        same_type!(x.data, &mut output.data, |xs, o| copy(
            shape,
            (xs, Strides { start: 0, steps: &from }),
            (o, Strides { start: 0, steps: &to })
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Transpose;
    use crate::cases::{Case, f64s, refusal, strings};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let order = |o: &[usize]| Case::new(Transpose { order: Some(o.to_vec()) });
        vec![
            Case::new(Transpose { order: None })
                .input(f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .expect(f64s(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])),
            order(&[0, 2, 1]).random(&[3, 37, 2]),
            order(&[2, 0, 3, 1]).random(&[3, 2, 5, 4]),
            order(&[1, 0, 2]).random(&[2, 6, 3]).rows_at(0, Rows { axis: 1, outer: 1, inner: 2 }),
            order(&[]).random(&[]),
            order(&[1, 0]).random(&[3, 0]),
            order(&[1, 0]).input(strings(&[1, 2], &["a", "b"])).expect(strings(&[2, 1], &["a", "b"])),
        ]
    }

    #[test]
    fn an_order_that_is_none_is_refused() {
        for bad in [&[0, 0][..], &[0], &[0, 2], &[0, 1, 2]] {
            let message = refusal(Transpose { order: Some(bad.to_vec()) }, &[f64s(&[1, 2], &[1.0, 2.0])]);
            assert!(message.contains("does not name each of 2 axes once"), "{message}");
        }
    }
}
