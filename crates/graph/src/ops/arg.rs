//! What ArgMax and ArgMin share: the place of an extreme element along an axis.

use super::number::{Number, number_type};
use super::support::{axis, data, fact, out, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::import::Import;
use crate::operator::Arg;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// The attributes of both operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) axis: i64,
    pub(crate) keep: bool,
    pub(crate) last: bool,
}

impl Form {
    /// Reads the attributes.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        node.expect_inputs(1, 1)?;
        Ok(Self {
            axis: node.int("axis")?.unwrap_or(0),
            keep: node.flag("keepdims", true)?,
            last: node.flag("select_last_index", false)?,
        })
    }

    /// The attributes as ONNX writes them.
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("keepdims", Attribute::Int(i64::from(self.keep)))
            .with("select_last_index", Attribute::Int(i64::from(self.last)))
    }

    /// The output's type and shape.
    pub(crate) fn infer(self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        if x.shape[axis] == 0 {
            crate::refuse!("axis {axis} of shape {:?} has no elements to choose from", x.shape);
        }
        let mut shape = x.shape.clone();
        if self.keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        Ok(vec![Fact::new(DType::I64, &shape)])
    }

    /// Where the output's rows lie.
    pub(crate) fn rows(self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.input(0).map_or(0, |x| x.fact.shape.len());
        rows::reduce(site, &[axis(self.axis, rank)?], self.keep)
    }

    /// The places of the largest elements, or of the smallest. A NaN is more extreme than any number.
    pub(crate) fn run(
        self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
        largest: bool,
    ) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        let (size, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
        number_type!(x.data.dtype(), T => {
            let (xs, out) = (data::<T>(inputs, 0)?, out::<i64>(outputs, 0)?);
            if inner > 0 {
                for (x, out) in xs.chunks_exact(size * inner).zip(out.chunks_exact_mut(inner)) {
                    self.places(x, inner, out, largest);
                }
            }
        });
        Ok(())
    }

    fn places<T: Number>(self, x: &[T], inner: usize, out: &mut [i64], largest: bool) {
        out.fill(0);
        for (k, row) in x.chunks_exact(inner).enumerate().skip(1) {
            for (i, (best, &new)) in out.iter_mut().zip(row).enumerate() {
                let old = x[*best as usize * inner + i];
                if beyond(new, old, largest) || (self.last && !beyond(old, new, largest)) {
                    *best = k as i64;
                }
            }
        }
    }
}

/// Whether one element is more extreme than another.
fn beyond<T: Number>(new: T, old: T, largest: bool) -> bool {
    match new.partial_cmp(&old) {
        Some(order) => order.is_gt() == largest && order.is_ne(),
        // One of the two is NaN: the old one, unless it equals itself.
        None => old.partial_cmp(&old).is_some(),
    }
}
