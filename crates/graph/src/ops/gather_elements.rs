//! GatherElements: elements of data, along one axis at the positions that indices name, along the other axes beside the index.
//! Negative indices count from the end.

use std::sync::Arc;

use super::scatter::Reduction;
use super::scatter_elements::{ScatterElements, check_shapes};
use super::support::{axis, expect_indices, fact, indices, output, outside, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::gather::along;

/// GatherElements' entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GatherElements",
    domain: "",
    since: 11,
    summary: "the elements at indices along an axis",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(GatherElements { axis: node.int("axis")?.unwrap_or(0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The elements at indices along an axis.
#[derive(Clone, Copy, Debug)]
pub struct GatherElements {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

impl Operator for GatherElements {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, index) = (fact(inputs, 0)?, fact(inputs, 1)?);
        expect_indices(inputs, 1)?;
        check_shapes(&x.shape, &index.shape, axis(self.axis, x.shape.len())?)?;
        Ok(vec![Fact::new(x.dtype, &index.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.outputs.first().map_or(0, |o| o.shape.len());
        site.all(rows::beside(site, &[0, 1], axis(self.axis, rank)?)?)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let zeros = b.zeros_like(site.input(0)?)?;
        let add = ScatterElements { axis: self.axis, reduction: Reduction::Add };
        Ok(Some(vec![Some(b.push(add, &[zeros, site.input(1)?, g])?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, index) = (view(inputs, 0)?, indices(inputs, 1)?);
        let output = output(outputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        same_type!(x.data, &mut output.data, |xs, o| {
            along((&index, output.shape), x.shape, axis, |i, at| o[i].clone_from(&xs[at])).map_err(outside)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::GatherElements;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis| Case::new(GatherElements { axis });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            along(1)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(index(&[2, 2], &[0, 0, 1, -2]))
                .expect(f64s(&[2, 2], &[1.0, 1.0, 4.0, 3.0]))
                .rows(&[0, 1]),
            along(0)
                .input(f64s(&[3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]))
                .input(index(&[2, 3], &[1, 2, 0, 2, 0, 0]))
                .expect(f64s(&[2, 3], &[4.0, 8.0, 3.0, 7.0, 2.0, 3.0]))
                .rows(&[0])
                .mixes(),
            along(-1).random(&[2, 3, 4]).input(index(&[2, 2, 1], &[3, -1, 0, 2])).rows(&[0, 1]),
            along(1).random(&[2, 3, 2]).input(index(&[2, 4, 1], &[0, 2, 1, 1, 0, 2, 1, 1])).rows(&[0]),
            along(1).random(&[2, 3]).input(index(&[2, 1], &[0, 1])).rows(&[0]).mixes(),
            along(1).random(&[3, 3]).input(index(&[2, 1], &[0, 1])).rows(&[1]).mixes(),
            along(0)
                .random(&[3, 4])
                .input(index(&[1, 4], &[0, 1, 2, 0]))
                .rows_at(0, Rows { axis: 1, outer: 1, inner: 2 })
                .rows_at(1, Rows { axis: 1, outer: 1, inner: 2 }),
            along(0)
                .input(strings(&[2], &["a", "b"]))
                .input(Tensor::vector(vec![1i32]))
                .expect(strings(&[1], &["b"])),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = f64s(&[2], &[1.0, 2.0]);
        let op = GatherElements { axis: 0 };
        assert!(refusal(op, &[x.clone(), i64s(&[-3])]).contains("index -3 is outside an axis of size 2"));
        assert!(refusal(op, &[f64s(&[], &[1.0]), i64s(&[0])]).contains("outside a tensor of 0 dimensions"));
        assert!(refusal(op, &[x, index2()]).contains("do not fit data"));
    }

    fn index2() -> Tensor {
        Tensor::new(&[1, 1], vec![0i64]).unwrap()
    }
}
