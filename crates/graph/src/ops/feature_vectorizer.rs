//! FeatureVectorizer: the columns of several inputs side by side, as floats.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, as_floats, as_rows, follows_precision};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// FeatureVectorizer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "FeatureVectorizer",
    domain: DOMAIN,
    since: 1,
    summary: "the columns of several inputs side by side, as floats",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, usize::MAX)?;
        let sizes = node.ints("inputdimensions")?.unwrap_or_default();
        let sizes: Result<Vec<usize>, _> = sizes.iter().map(|&n| usize::try_from(n)).collect();
        let sizes = sizes.map_err(|_| OpError("attribute inputdimensions has a negative number".to_owned()))?;
        if !sizes.is_empty() && sizes.len() != node.inputs.len() {
            refuse!("it has {} inputdimensions for {} inputs", sizes.len(), node.inputs.len());
        }
        Ok(Arc::new(FeatureVectorizer { sizes, float: DType::F32 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The columns of several inputs side by side.
#[derive(Clone, Debug)]
pub struct FeatureVectorizer {
    /// How many columns each input gives: the first of them where it has more, zeros behind them where it has fewer. All where the list
    /// is empty.
    pub sizes: Vec<usize>,
    /// The type of the result.
    pub float: DType,
}

impl Operator for FeatureVectorizer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        if self.sizes.is_empty() {
            return Attributes::new();
        }
        Attributes::new()
            .with("inputdimensions", Attribute::Ints(self.sizes.iter().map(|&n| n as i64).collect()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let mut parts = Vec::with_capacity(inputs.len());
        for (i, x) in inputs.iter().enumerate() {
            let Some(x) = x else { refuse!("input {i} is missing") };
            let x = as_floats(b, *x, self.float)?;
            let x = as_rows(b, x)?;
            let columns = b.shape(x)[1];
            let size = self.sizes.get(i).copied().unwrap_or(columns);
            let x = b.narrow(x, 1, 0, size.min(columns))?;
            parts.push(b.pad_axis(x, 1, 0, size.saturating_sub(columns))?);
        }
        Ok(Some(vec![b.concat(&parts, 1)?]))
    }

    through_body!();
    follows_precision!();
}

#[cfg(test)]
mod tests {
    use super::FeatureVectorizer;
    use crate::cases::{Case, f64s};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |sizes: &[usize]| Case::new(FeatureVectorizer { sizes: sizes.to_vec(), float: DType::F64 });
        let whole = Tensor::new(&[2, 1], vec![5i64, 6]).unwrap();
        vec![
            of(&[2, 1])
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(whole)
                .expect(f64s(&[2, 3], &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]))
                .rows(&[0, 1]),
            of(&[1, 3]).random(&[4, 2]).random(&[4, 2]).rows(&[0, 1]),
            of(&[]).random(&[3, 2]).random(&[3, 1]).rows(&[0, 1]),
        ]
    }
}
