//! Scaler: (x − offset) · scale, for each column.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, as_floats, first, floats, follows_precision};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// Scaler's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Scaler",
    domain: DOMAIN,
    since: 1,
    summary: "(x − offset) · scale, for each column",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let list = |name| Ok(node.floats(name)?.unwrap_or_default());
        Ok(Arc::new(Scaler { offset: list("offset")?, scale: list("scale")?, float: DType::F32 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// (x − offset) · scale; both lists have one number for all columns, or one for each.
#[derive(Clone, Debug)]
pub struct Scaler {
    /// What is taken away; nothing where it is empty.
    pub offset: Vec<f32>,
    /// What the rest is multiplied with; one where it is empty.
    pub scale: Vec<f32>,
    /// The type of the result.
    pub float: DType,
}

impl Operator for Scaler {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = Attributes::new();
        for (name, list) in [("offset", &self.offset), ("scale", &self.scale)] {
            if !list.is_empty() {
                found.set(name, Attribute::Floats(list.clone()));
            }
        }
        found
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let mut x = as_floats(b, first(inputs)?, self.float)?;
        let columns = b.shape(x).last().copied().unwrap_or(1);
        for (what, list) in [("offset", &self.offset), ("scale", &self.scale)] {
            if list.is_empty() {
                continue;
            }
            if list.len() != 1 && list.len() != columns {
                refuse!("its {what} has {} numbers for {columns} columns", list.len());
            }
            let list = floats(b, list, self.float);
            x = if what == "offset" { b.sub(x, list)? } else { b.mul(x, list)? };
        }
        Ok(Some(vec![x]))
    }

    through_body!();
    follows_precision!();
}

#[cfg(test)]
mod tests {
    use super::Scaler;
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |offset: &[f32], scale: &[f32]| {
            Case::new(Scaler { offset: offset.to_vec(), scale: scale.to_vec(), float: DType::F64 })
        };
        vec![
            of(&[1.0, 2.0], &[0.5, -4.0])
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 5.0]))
                .expect(f64s(&[2, 2], &[0.0, 0.0, 1.0, -12.0])),
            of(&[1.0], &[0.5, 2.0]).input(i64s(&[3, 4])).expect(f64s(&[2], &[1.0, 6.0])).rows(&[]),
            of(&[], &[3.0]).random(&[3, 5]),
            of(&[0.5, 0.25, -1.0], &[]).random(&[4, 3]),
        ]
    }

    #[test]
    fn lists_fit_the_columns() {
        let op = Scaler { offset: vec![1.0, 2.0, 3.0], scale: vec![1.0], float: DType::F64 };
        assert!(refusal(op.clone(), &[f64s(&[1, 2], &[0.0; 2])]).contains("offset has 3 numbers for 2 columns"));
        let text = Tensor::new(&[1, 3], vec![String::new(); 3]).unwrap();
        assert!(refusal(op, &[text]).contains("expected numbers"));
    }
}
