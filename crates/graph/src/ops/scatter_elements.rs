//! ScatterElements: data with elements replaced by updates, or combined with them: along one axis at the positions that indices
//! name, along the other axes beside the index. Negative indices count from the end.

use std::sync::Arc;

use super::scatter::{self, Reduction};
use super::support::{axis, expect_indices, fact, indices, outside, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::gather::along;

/// ScatterElements' entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ScatterElements",
    domain: "",
    since: 11,
    summary: "data with updates at indices along an axis, in place of what is there or combined with it",
    derivative: scatter::DERIVATIVE,
    import: |node| {
        node.expect_inputs(3, 3)?;
        let axis = node.int("axis")?.unwrap_or(0);
        Ok(Arc::new(ScatterElements { axis, reduction: Reduction::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Data with updates at indices along an axis.
#[derive(Clone, Copy, Debug)]
pub struct ScatterElements {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// How an update meets the element that is there.
    pub reduction: Reduction,
}

impl Operator for ScatterElements {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("reduction", self.reduction.attribute())
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, index, updates) = (fact(inputs, 0)?, fact(inputs, 1)?, fact(inputs, 2)?);
        expect_indices(inputs, 1)?;
        if updates.dtype != x.dtype {
            refuse!("its updates are of type {}, its data of {}", updates.dtype, x.dtype);
        }
        if updates.shape != index.shape {
            refuse!("its updates have shape {:?}, its indices {:?}", updates.shape, index.shape);
        }
        check_shapes(&x.shape, &index.shape, axis(self.axis, x.shape.len())?)?;
        Ok(vec![x.clone()])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        self.reduction.kind(active)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.outputs.first().map_or(0, |o| o.shape.len());
        site.all(rows::beside(site, &[0, 1, 2], axis(self.axis, rank)?)?)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let index = site.input(1)?;
        let gather = |b: &mut Builder, x| b.gather_elements(x, index, self.axis);
        let scatter = |b: &mut Builder, x, updates, reduction| {
            b.push(Self { reduction, ..*self }, &[x, index, updates])
        };
        scatter::derivative(b, site, self.reduction, &gather, &scatter)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, index) = (view(inputs, 0)?, indices(inputs, 1)?);
        let shape = view(inputs, 1)?.shape;
        let axis = axis(self.axis, x.shape.len())?;
        scatter::run(inputs, outputs, self.reduction, |body| {
            along((&index, shape), x.shape, axis, body).map_err(outside)
        })
    }
}

/// Refuses indices that reach outside the data along another axis than their own.
pub(crate) fn check_shapes(data: &[usize], index: &[usize], axis: usize) -> OpResult<()> {
    let fits = data.len() == index.len() && (0..data.len()).all(|a| a == axis || index[a] <= data[a]);
    if !fits {
        refuse!("indices of shape {index:?} do not fit data of shape {data:?} but for axis {axis}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Reduction, ScatterElements};
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, reduction| Case::new(ScatterElements { axis, reduction });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let literal = |reduction, want: &[f64]| {
            of(0, reduction)
                .input(f64s(&[3], &[1.0, 2.0, 3.0]))
                .input(i64s(&[0, -1, 0]))
                .input(f64s(&[3], &[5.0, 0.5, 7.0]))
                .expect(f64s(&[3], want))
        };
        let twice = index(&[2, 3], &[0, 0, 1, 3, 2, -2]);
        let mut cases = vec![
            literal(Reduction::None, &[7.0, 2.0, 0.5]).fixed(&[2]),
            literal(Reduction::Add, &[13.0, 2.0, 3.5]),
            literal(Reduction::Mul, &[35.0, 2.0, 1.5]).fixed(&[2]),
            literal(Reduction::Max, &[7.0, 2.0, 3.0]),
            literal(Reduction::Min, &[1.0, 2.0, 0.5]),
            of(1, Reduction::None)
                .random(&[2, 4])
                .input(index(&[2, 3], &[0, 3, 1, -1, 0, 2]))
                .random(&[2, 3])
                .rows(&[0, 1, 2]),
            of(0, Reduction::None)
                .input(strings(&[2], &["a", "b"]))
                .input(Tensor::vector(vec![1i32]))
                .input(strings(&[1], &["c"]))
                .expect(strings(&[2], &["a", "c"])),
            of(0, Reduction::Add)
                .input(Tensor::vector(vec![250u8, 1]))
                .input(i64s(&[0]))
                .input(Tensor::vector(vec![7u8]))
                .expect(Tensor::vector(vec![1u8, 1])),
            of(0, Reduction::Add)
                .random(&[3, 2])
                .input(index(&[1, 2], &[2, 0]))
                .random(&[1, 2])
                .rows(&[0])
                .mixes(),
            of(1, Reduction::Add)
                .input(f64s(&[2, 2], &[1.0, 2.0, 1.0, 2.0]))
                .input(index(&[2, 1], &[1, 1]))
                .random(&[2, 1])
                .rows(&[2]),
            of(1, Reduction::Add)
                .input(f64s(&[2, 2], &[1.0, 2.0, 1.0, 2.0]))
                .input(index(&[2, 1], &[1, 0]))
                .random(&[2, 1])
                .rows(&[2])
                .mixes(),
            of(0, Reduction::Add)
                .random(&[3, 4])
                .input(index(&[2, 4], &[0, 0, 2, 1, 0, 0, 1, 2]))
                .random(&[2, 4])
                .rows_at(0, Rows::plain(1))
                .rows_at(1, Rows::plain(1))
                .rows_at(2, Rows::plain(1)),
            of(-1, Reduction::Add).random(&[2, 3, 0]).input(index(&[1, 3, 0], &[])).random(&[1, 3, 0]),
        ];
        for reduction in [Reduction::Add, Reduction::Mul, Reduction::Max, Reduction::Min] {
            let case =
                of(-1, reduction).random(&[2, 4]).input(twice.clone()).random(&[2, 3]).rows(&[0, 1, 2]);
            cases.push(if reduction == Reduction::Mul { case.fixed(&[2]) } else { case });
        }
        cases
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = ScatterElements { axis: 0, reduction: Reduction::None };
        let x = || f64s(&[2], &[1.0, 2.0]);
        assert!(refusal(op, &[x(), i64s(&[2]), f64s(&[1], &[0.0])]).contains("outside an axis of size 2"));
        assert!(refusal(op, &[x(), i64s(&[0]), x()]).contains("its updates have shape"));
        assert!(refusal(op, &[x(), x(), x()]).contains("expected int32 or int64"));
        let wide = Tensor::new(&[1, 2], vec![0i64; 2]).unwrap();
        let data = f64s(&[2, 1], &[1.0, 2.0]);
        let message = refusal(op, &[data, wide, f64s(&[1, 2], &[0.0; 2])]);
        assert!(message.contains("do not fit data"), "{message}");
    }
}
