//! EyeLike: ones on a diagonal, zeros elsewhere, in the shape of a matrix.

use std::sync::Arc;

use super::composite::through_body;
use super::convert::{code, dtype};
use crate::attributes::{Attribute, Attributes};
use crate::build::{Builder, makeable};
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// EyeLike's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "EyeLike",
    domain: "",
    since: 9,
    summary: "ones on a diagonal in the shape of a matrix",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let to = node.int("dtype")?.map(dtype).transpose()?;
        Ok(Arc::new(EyeLike { to, offset: node.int("k")?.unwrap_or(0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Ones on a diagonal in the shape of a matrix.
#[derive(Clone, Debug)]
pub struct EyeLike {
    /// The type; that of the input where it is `None`.
    pub to: Option<DType>,
    /// How far the diagonal lies above the main one.
    pub offset: i64,
}

impl Operator for EyeLike {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let found = Attributes::new().with("k", Attribute::Int(self.offset));
        match self.to {
            Some(to) => found.with("dtype", Attribute::Int(code(to))),
            None => found,
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        let &[rows, columns] = b.shape(x) else {
            refuse!("its input is of shape {:?}, expected a matrix", b.shape(x))
        };
        let to = self.to.unwrap_or(b.fact(x).dtype);
        makeable(&[rows, columns], to)?;
        let on = |i: usize, j: usize| j as i64 == (i as i64).saturating_add(self.offset);
        let data: Vec<bool> =
            (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| on(i, j)).collect();
        let eye = Tensor::new(&[rows, columns], data).ok_or_else(|| OpError("it is too large".to_owned()))?;
        let eye = b.constant_value(eye);
        Ok(Some(vec![b.cast(eye, to)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::EyeLike;
    use crate::cases::{Case, f64s};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |to, offset| Case::new(EyeLike { to, offset }).fixed(&[0]).rows(&[]);
        vec![
            of(None, 1).random(&[2, 3]).expect(f64s(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0])),
            of(Some(DType::I64), -1)
                .random(&[2, 2])
                .expect(Tensor::new(&[2, 2], vec![0i64, 0, 1, 0]).unwrap()),
            of(None, i64::MAX).random(&[2, 2]).expect(f64s(&[2, 2], &[0.0; 4])),
        ]
    }
}
