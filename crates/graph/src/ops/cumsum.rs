//! CumSum: the running sum along an axis, from either end, with or without the element itself. Integers wrap.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::support::{
    axis, data, fact, integers, integers_of_site, integers_of_value, integers_of_view, out, view,
};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// CumSum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CumSum",
    domain: "",
    since: 11,
    summary: "the running sum along an axis",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(CumSum {
            exclusive: node.flag("exclusive", false)?,
            reverse: node.flag("reverse", false)?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The running sum along the axis that input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct CumSum {
    /// Whether the element itself is left out.
    pub exclusive: bool,
    /// Whether it runs from the end.
    pub reverse: bool,
}

fn the_axis(list: Option<&[i64]>, rank: usize) -> OpResult<usize> {
    match list {
        Some(&[one]) => axis(one, rank),
        _ => refuse!("its axis (input 1) is {list:?}, expected one number"),
    }
}

impl CumSum {
    fn sums<T: Number>(self, x: &[T], (size, inner): (usize, usize), out: &mut [T]) {
        for (x, out) in x.chunks_exact(size * inner).zip(out.chunks_exact_mut(size * inner)) {
            let mut before = None;
            for k in 0..size {
                let k = if self.reverse { size - 1 - k } else { k };
                for i in k * inner..(k + 1) * inner {
                    // Where the sum stood at the position before, and what is added to it here.
                    let last = before.map(|b: usize| b * inner + i - k * inner);
                    out[i] = match (self.exclusive, last) {
                        (true, None) => T::ZERO,
                        (true, Some(last)) => out[last].plus(x[last]),
                        (false, None) => x[i],
                        (false, Some(last)) => out[last].plus(x[i]),
                    };
                }
                before = Some(k);
            }
        }
    }
}

impl Operator for CumSum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("exclusive", Attribute::Int(i64::from(self.exclusive)))
            .with("reverse", Attribute::Int(i64::from(self.reverse)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        the_axis(integers(inputs, 1, "axis")?.as_deref(), x.shape.len())?;
        Ok(vec![x.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.outputs.first().map_or(0, |o| o.shape.len());
        rows::along(site, &[the_axis(integers_of_site(site, 1)?.as_deref(), rank)?])
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        the_axis(integers_of_value(b, site, 1)?.as_deref(), b.shape(g).len())?;
        let back = Self { reverse: !self.reverse, ..*self };
        Ok(Some(vec![Some(b.push(back, &[g, site.input(1)?])?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let axis = the_axis(integers_of_view(inputs, 1)?.as_deref(), x.shape.len())?;
        let sizes = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
        if !x.data.is_empty() {
            number_type!(x.data.dtype(), T => {
                self.sums(data::<T>(inputs, 0)?, sizes, out::<T>(outputs, 0)?);
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CumSum;
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let run = |exclusive, reverse| Case::new(CumSum { exclusive, reverse });
        let x = || f64s(&[3], &[1.0, 2.0, 3.0]);
        let first = || Tensor::scalar(0i32);
        vec![
            run(false, false).input(x()).input(first()).expect(f64s(&[3], &[1.0, 3.0, 6.0])),
            run(true, false).input(x()).input(first()).expect(f64s(&[3], &[0.0, 1.0, 3.0])),
            run(false, true).input(x()).input(first()).expect(f64s(&[3], &[6.0, 5.0, 3.0])),
            run(true, true).input(x()).input(first()).expect(f64s(&[3], &[5.0, 3.0, 0.0])),
            run(false, false).random(&[3, 4, 5]).input(Tensor::scalar(-2i64)).rows(&[0]),
            run(true, true).random(&[3, 4]).input(i64s(&[1])).rows(&[0]),
            run(true, false).random(&[3, 4]).input(first()).rows(&[0]).mixes(),
            run(false, false).random(&[3, 0]).input(first()),
            run(false, false).input(i64s(&[5, i64::MAX])).input(first()).expect(i64s(&[5, i64::MIN + 4])),
        ]
    }

    #[test]
    fn a_bad_axis_is_refused() {
        let op = CumSum { exclusive: false, reverse: false };
        assert!(refusal(op, &[f64s(&[1], &[1.0]), i64s(&[1])]).contains("outside"));
        assert!(refusal(op, &[f64s(&[1], &[1.0]), i64s(&[0, 0])]).contains("expected one number"));
    }
}
