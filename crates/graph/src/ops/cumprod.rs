//! CumProd: the running product along an axis, from either end, with or without the element itself, over up to 4096 elements.

use std::sync::Arc;

use super::Split;
use super::composite::through_body;
use super::support::axis as checked_axis;
use super::support::said;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// CumProd's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CumProd",
    domain: "",
    since: 26,
    summary: "the running product along an axis",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(CumProd {
            exclusive: node.flag("exclusive", false)?,
            reverse: node.flag("reverse", false)?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The running product along an axis.
#[derive(Clone, Copy, Debug)]
pub struct CumProd {
    /// Whether the element itself is left out.
    pub exclusive: bool,
    /// Whether it runs from the end.
    pub reverse: bool,
}

/// The most elements along the axis: each is a node of the graph.
const MOST: usize = 4096;

fn ones(like: &Fact) -> OpResult<Tensor> {
    let number = crate::build::filled(crate::DType::F64, &like.shape, 1.0);
    let Some(wide) = number else { refuse!("it is too large") };
    let mut b = Builder::new(1);
    let wide = b.constant_value(wide);
    let narrow = b.cast(wide, like.dtype)?;
    b.constant(narrow).cloned().ok_or_else(|| OpError("a constant does not fold".to_owned()))
}

impl Operator for CumProd {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("exclusive", Attribute::Int(i64::from(self.exclusive)))
            .with("reverse", Attribute::Int(i64::from(self.reverse)))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(along)] = inputs else { refuse!("it needs two inputs") };
        let axis = match b.constant(along).and_then(Tensor::to_i64).as_deref() {
            Some(&[one]) => checked_axis(one, b.shape(x).len())?,
            other => refuse!("its axis (input 1) is {}, expected one constant number", said(other)),
        };
        let size = b.shape(x)[axis];
        if size > MOST {
            refuse!("axis {axis} has {size} elements, at most {MOST} are multiplied");
        }
        if size == 0 {
            return Ok(Some(vec![x]));
        }
        let mut parts = b.node(Arc::new(Split { axis: axis as i64, parts: Some(size) }), &[Some(x)])?;
        if self.reverse {
            parts.reverse();
        }
        let mut products = Vec::with_capacity(size);
        let mut so_far = None;
        for part in parts {
            let next = match so_far {
                Some(before) => b.mul(before, part)?,
                None => part,
            };
            products.push(match (self.exclusive, so_far) {
                (false, _) => next,
                (true, Some(before)) => before,
                (true, None) => {
                    let like = b.fact(part).clone();
                    b.constant_value(ones(&like)?)
                }
            });
            so_far = Some(next);
        }
        if self.reverse {
            products.reverse();
        }
        Ok(Some(vec![b.concat(&products, axis)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::CumProd;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |exclusive, reverse| Case::new(CumProd { exclusive, reverse });
        let x = || f64s(&[3], &[2.0, 3.0, 4.0]);
        let first = || Tensor::scalar(0i32);
        vec![
            of(false, false).input(x()).input(first()).expect(f64s(&[3], &[2.0, 6.0, 24.0])),
            of(true, false).input(x()).input(first()).expect(f64s(&[3], &[1.0, 2.0, 6.0])),
            of(false, true).input(x()).input(first()).expect(f64s(&[3], &[24.0, 12.0, 4.0])),
            of(true, true).input(x()).input(first()).expect(f64s(&[3], &[12.0, 4.0, 1.0])),
            of(false, false).random(&[3, 4, 2]).input(Tensor::scalar(1i64)),
            of(true, true).random(&[3, 4]).input(first()).rows(&[0]).mixes(),
            of(true, false)
                .input(Tensor::vector(vec![5i64, 7]))
                .input(first())
                .expect(Tensor::vector(vec![1i64, 5])),
        ]
    }
}
