//! Normalizer: each row divided by its largest element, its sum of magnitudes or its length. A row for which that is zero stays.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, as_floats, first, follows_precision};
use super::{Equal, ReduceMax};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// Normalizer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Normalizer",
    domain: DOMAIN,
    since: 1,
    summary: "each row divided by its largest element, its sum of magnitudes or its length",
    derivative: "where the largest magnitude is not shared and no element is 0 for L1; shared equally among largest elements",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let norm = match node.text("norm")?.as_deref() {
            None | Some("MAX") => Norm::Max,
            Some("L1") => Norm::L1,
            Some("L2") => Norm::L2,
            Some(other) => refuse!("attribute norm is {other:?}, expected MAX, L1 or L2"),
        };
        Ok(Arc::new(Normalizer { norm, float: DType::F32 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What a row is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Its largest element.
    Max,
    /// Its sum of magnitudes.
    L1,
    /// Its Euclidean length.
    L2,
}

/// Each row divided by a number of its own.
#[derive(Clone, Copy, Debug)]
pub struct Normalizer {
    /// The number.
    pub norm: Norm,
    /// The type of the result.
    pub float: DType,
}

impl Operator for Normalizer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let name = match self.norm {
            Norm::Max => "MAX",
            Norm::L1 => "L1",
            Norm::L2 => "L2",
        };
        Attributes::new().with("norm", Attribute::Text(name.to_owned()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let x = as_floats(b, first(inputs)?, self.float)?;
        let rank = b.shape(x).len();
        let (1 | 2) = rank else { refuse!("its input has shape {:?}, expected rows", b.shape(x)) };
        let axis = rank - 1;
        let size = match self.norm {
            Norm::Max => {
                let axes = b.integers(&[axis as i64]);
                b.push(ReduceMax { keep: true, noop_with_empty_axes: false }, &[x, axes])?
            }
            Norm::L1 => {
                let sizes = b.abs(x)?;
                b.reduce_sum(sizes, &[axis], true)?
            }
            Norm::L2 => {
                let squares = b.mul(x, x)?;
                b.reduce_sum(squares, &[axis], true)?
            }
        };
        let (zero, one) = (b.scalar_like(size, 0.0)?, b.scalar_like(size, 1.0)?);
        let nothing = b.push(Equal, &[size, zero])?;
        let mut size = b.select(nothing, one, size)?;
        if self.norm == Norm::L2 {
            size = b.sqrt(size)?;
        }
        Ok(Some(vec![b.div(x, size)?]))
    }

    through_body!();
    follows_precision!();
}

#[cfg(test)]
mod tests {
    use super::{Norm, Normalizer};
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::DType;

    pub(super) fn cases() -> Vec<Case> {
        let of = |norm| Case::new(Normalizer { norm, float: DType::F64 });
        let x = f64s(&[2, 2], &[3.0, -4.0, 0.0, 2.0]);
        vec![
            of(Norm::Max).input(x.clone()).expect(f64s(&[2, 2], &[1.0, -4.0 / 3.0, 0.0, 1.0])),
            of(Norm::L1).input(x.clone()).expect(f64s(&[2, 2], &[3.0 / 7.0, -4.0 / 7.0, 0.0, 1.0])).fixed(&[0]),
            of(Norm::L2).input(x).expect(f64s(&[2, 2], &[0.6, -0.8, 0.0, 1.0])),
            of(Norm::L2).input(i64s(&[0, 0])).expect(f64s(&[2], &[0.0, 0.0])).rows(&[]),
            of(Norm::Max).random(&[3, 4]),
            of(Norm::L1).random(&[3, 4]),
            of(Norm::L2).random(&[3, 4]),
        ]
    }
}
