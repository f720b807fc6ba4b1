//! Imputer: a value in place of each element that is missing, which is NaN or a number that stands for it.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, first};
use super::{Equal, IsNaN};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// Imputer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Imputer",
    domain: DOMAIN,
    since: 1,
    summary: "a value in place of each missing element",
    derivative: "1 where an element is kept, 0 where it is replaced",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let integers = node.ints("imputed_value_int64s")?.filter(|v| !v.is_empty());
        let floats = node.floats("imputed_value_floats")?.filter(|v| !v.is_empty());
        Ok(Arc::new(match (floats, integers) {
            (Some(values), None) => {
                Imputer::Floats { values, missing: node.float("replaced_value_float")?.unwrap_or(0.0) }
            }
            (None, Some(values)) => {
                Imputer::Integers { values, missing: node.int("replaced_value_int64")?.unwrap_or(0) }
            }
            _ => refuse!("it needs imputed_value_floats or imputed_value_int64s"),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A value in place of each missing element; one for all columns, or one for each.
#[derive(Clone, Debug)]
pub enum Imputer {
    /// Of floats.
    Floats {
        /// What missing elements become.
        values: Vec<f32>,
        /// What stands for a missing element; NaN stands for every NaN.
        missing: f32,
    },
    /// Of whole numbers.
    Integers {
        /// What missing elements become.
        values: Vec<i64>,
        /// What stands for a missing element.
        missing: i64,
    },
}

impl Operator for Imputer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Floats { values, missing } => Attributes::new()
                .with("imputed_value_floats", Attribute::Floats(values.clone()))
                .with("replaced_value_float", Attribute::Float(*missing)),
            Self::Integers { values, missing } => Attributes::new()
                .with("imputed_value_int64s", Attribute::Ints(values.clone()))
                .with("replaced_value_int64", Attribute::Int(*missing)),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let x = first(inputs)?;
        let dtype = b.fact(x).dtype;
        let (values, missing) = match self {
            Self::Floats { values, missing } if dtype.is_float() => {
                (Tensor::vector(values.clone()), Tensor::scalar(*missing))
            }
            Self::Integers { values, missing } if matches!(dtype, DType::I64 | DType::I32) => {
                (Tensor::vector(values.clone()), Tensor::scalar(*missing))
            }
            _ => refuse!("its input is of type {dtype}, which its imputed values are not"),
        };
        let columns = b.shape(x).last().copied().unwrap_or(1);
        if values.len() != 1 && values.len() != columns {
            refuse!("it has {} imputed values for {columns} columns", values.len());
        }
        let is_nan = matches!(self, Self::Floats { missing, .. } if missing.is_nan());
        let (values, missing) = (b.constant_value(values), b.constant_value(missing));
        let values = b.cast(values, dtype)?;
        let is_missing = if is_nan {
            b.push(IsNaN, &[x])?
        } else {
            let missing = b.cast(missing, dtype)?;
            b.push(Equal, &[x, missing])?
        };
        Ok(Some(vec![b.select(is_missing, values, x)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Imputer;
    use crate::cases::{Case, f64s, i64s, refusal, strings};

    pub(super) fn cases() -> Vec<Case> {
        let nan = |values: &[f32]| {
            Case::new(Imputer::Floats { values: values.to_vec(), missing: f32::NAN })
        };
        vec![
            nan(&[7.0, 8.0])
                .input(f64s(&[2, 2], &[1.0, f64::NAN, f64::NAN, 4.0]))
                .expect(f64s(&[2, 2], &[1.0, 8.0, 7.0, 4.0]))
                .fixed(&[0]),
            Case::new(Imputer::Floats { values: vec![0.5], missing: -1.0 })
                .input(f64s(&[3], &[-1.0, 1.0, f64::NAN]))
                .expect(f64s(&[3], &[0.5, 1.0, f64::NAN]))
                .fixed(&[0])
                .rows(&[]),
            Case::new(Imputer::Integers { values: vec![5], missing: 0 })
                .input(i64s(&[0, 3]))
                .expect(i64s(&[5, 3])),
            nan(&[1.0]).random(&[3, 4]),
        ]
    }

    #[test]
    fn types_and_columns_must_fit() {
        let of = |values: Vec<f32>| Imputer::Floats { values, missing: 0.0 };
        assert!(refusal(of(vec![1.0]), &[strings(&[1], &["a"])]).contains("of type string"));
        assert!(refusal(of(vec![1.0; 3]), &[f64s(&[1, 2], &[0.0; 2])]).contains("3 imputed values for 2"));
    }
}
