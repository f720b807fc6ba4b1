//! Shape: the sizes of an input's dimensions, from a start to before an end.

use std::sync::Arc;

use super::support::{fact, out, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// Shape's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Shape",
    domain: "",
    since: 1,
    summary: "the sizes of the dimensions",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Shape { start: node.int("start")?.unwrap_or(0), end: node.int("end")? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sizes of the dimensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// The first dimension; negative counts from the end.
    pub start: i64,
    /// The dimension before which it ends; behind the last where it is `None`.
    pub end: Option<i64>,
}

impl Shape {
    fn sizes(self, shape: &[usize]) -> Vec<i64> {
        let rank = shape.len() as i64;
        let at = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
        let (start, end) = (at(self.start), at(self.end.unwrap_or(rank)));
        shape.get(start..end).unwrap_or(&[]).iter().map(|&d| d as i64).collect()
    }
}

impl Operator for Shape {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new().with("start", Attribute::Int(self.start));
        match self.end {
            Some(end) => attributes.with("end", Attribute::Int(end)),
            None => attributes,
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(DType::I64, &[self.sizes(&fact(inputs, 0)?.shape).len()])])
    }

    fn known(&self, inputs: &[Option<Arg<'_>>]) -> Option<Vec<Tensor>> {
        Some(vec![Tensor::vector(self.sizes(&fact(inputs, 0).ok()?.shape))])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let sizes = self.sizes(view(inputs, 0)?.shape);
        let out = out::<i64>(outputs, 0)?;
        if out.len() != sizes.len() {
            refuse!("its output has {} elements, expected {}", out.len(), sizes.len());
        }
        out.copy_from_slice(&sizes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use crate::cases::{Case, f64s, i64s, strings};

    pub(super) fn cases() -> Vec<Case> {
        let from = |start, end| Case::new(Shape { start, end }).random(&[2, 3, 4]);
        vec![
            from(0, None).expect(i64s(&[2, 3, 4])),
            from(-2, None).expect(i64s(&[3, 4])),
            from(1, Some(-1)).expect(i64s(&[3])),
            from(-9, Some(99)).expect(i64s(&[2, 3, 4])),
            from(2, Some(1)).expect(i64s(&[])),
            from(i64::MAX, Some(i64::MIN)).expect(i64s(&[])),
            Case::new(Shape::default()).input(f64s(&[], &[1.0])).expect(i64s(&[])),
            Case::new(Shape::default()).input(strings(&[1], &["a"])).expect(i64s(&[1])),
        ]
    }
}
