//! Flatten: a matrix of the same elements; its rows are the dimensions before an axis, its columns the others.

use std::sync::Arc;

use super::support::{fact, output, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut, elements};

/// Flatten's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Flatten",
    domain: "",
    since: 1,
    summary: "a matrix of the dimensions before an axis and those from it on",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Flatten { axis: node.int("axis")?.unwrap_or(1) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A matrix of the dimensions before an axis and those from it on.
#[derive(Clone, Copy, Debug)]
pub struct Flatten {
    /// The axis, up to the number of dimensions; negative counts from the end.
    pub axis: i64,
}

impl Operator for Flatten {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let rank = x.shape.len() as i64;
        if self.axis < -rank || self.axis > rank {
            refuse!("axis {} is outside a tensor of {rank} dimensions", self.axis);
        }
        let axis = (if self.axis < 0 { self.axis + rank } else { self.axis }) as usize;
        let sizes = elements(&x.shape[..axis]).zip(elements(&x.shape[axis..]));
        let (before, after) = sizes.ok_or_else(|| OpError(format!("shape {:?} is too large", x.shape)))?;
        Ok(vec![Fact::new(x.dtype, &[before, after])])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::reshape(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        Ok(Some(vec![Some(b.reshape(g, &shape)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if !output(outputs, 0)?.data.copy_from(view(inputs, 0)?.data) {
            refuse!("its output does not have the input's elements");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Flatten;
    use crate::cases::{Case, f64s, refusal};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let at = |axis| Case::new(Flatten { axis });
        vec![
            at(1).input(f64s(&[1, 2, 1], &[1.0, 2.0])).expect(f64s(&[1, 2], &[1.0, 2.0])),
            at(1).random(&[3, 2, 4]).rows(&[0]),
            at(2).random(&[3, 2, 4]).rows(&[0]),
            at(0).random(&[3, 2]).rows(&[0]),
            at(-1).random(&[3, 2, 4]).rows_at(0, Rows::plain(1)),
            at(1).random(&[3, 2, 4]).rows_at(0, Rows::plain(1)),
            at(2).random(&[3, 2]),
            at(1).random(&[3, 0]),
            at(0).input(Tensor::scalar(7i64)).expect(Tensor::new(&[1, 1], vec![7i64]).unwrap()),
        ]
    }

    #[test]
    fn an_axis_outside_is_refused() {
        for axis in [-2, 2] {
            assert!(refusal(Flatten { axis }, &[f64s(&[1], &[1.0])]).contains("outside"));
        }
    }
}
