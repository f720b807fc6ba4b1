//! ConstantOfShape: one value in every element of a shape.

use std::sync::Arc;

use super::support::{integers, output, same_type};
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// ConstantOfShape's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ConstantOfShape",
    domain: "",
    since: 9,
    summary: "one value in every element of a shape",
    derivative: "its input is a shape",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let value = node.tensor("value")?.unwrap_or_else(|| Tensor::scalar(0.0f32));
        if value.len() != 1 {
            refuse!("attribute value has {} elements, expected one", value.len());
        }
        Ok(Arc::new(ConstantOfShape { value }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// One value in every element of the shape that input 0 names.
#[derive(Clone, Debug)]
pub struct ConstantOfShape {
    /// The value, one element.
    pub value: Tensor,
}

impl Operator for ConstantOfShape {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let value = self.value.reshaped(&[1]).unwrap_or_else(|| self.value.clone());
        Attributes::new().with("value", Attribute::Tensor(value))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let sizes = integers(inputs, 0, "shape")?.ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        let shape: Vec<usize> = sizes
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| OpError(format!("shape {sizes:?} has a size of {d}"))))
            .collect::<OpResult<_>>()?;
        Ok(vec![Fact::new(self.value.dtype(), &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[])?;
        site.all(None)
    }

    fn run(&self, _inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        same_type!(self.value.view().data, &mut output(outputs, 0)?.data, |value, o| match value {
            [value] => o.iter_mut().for_each(|o| o.clone_from(value)),
            _ => refuse!("its value has {} elements, expected one", value.len()),
        });
        Ok(())
    }

    fn with_precision(&self, precision: DType) -> Option<Arc<dyn Operator>> {
        let changes = self.value.dtype().is_float() && self.value.dtype() != precision;
        changes.then(|| Arc::new(Self { value: self.value.with_precision(precision) }) as Arc<dyn Operator>)
    }
}

#[cfg(test)]
mod tests {
    use super::ConstantOfShape;
    use crate::attributes::Attributes;
    use crate::cases::{Case, i64s, refusal};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |value| Case::new(ConstantOfShape { value }).rows(&[]);
        let zeros = Tensor::zeros(DType::F32, &[1]).unwrap();
        vec![
            of(Tensor::scalar(3i64)).input(i64s(&[2])).expect(i64s(&[3, 3])),
            of(Tensor::vector(vec![true])).input(i64s(&[])).expect(Tensor::scalar(true)),
            of(Tensor::scalar(1.0f64)).input(i64s(&[2, 0])),
            Case::imported("ConstantOfShape", 9, &Attributes::new(), vec![i64s(&[1])])
                .rows(&[])
                .expect(zeros),
        ]
    }

    #[test]
    fn hostile_shapes_are_refused() {
        let of = |shape: &[i64]| refusal(ConstantOfShape { value: Tensor::scalar(0u8) }, &[i64s(shape)]);
        assert!(of(&[-1]).contains("has a size of -1"));
        assert!(of(&[1 << 40]).contains("more than"));
        assert!(of(&[i64::MAX, i64::MAX, 0, i64::MAX]).contains("more than"));
    }
}
