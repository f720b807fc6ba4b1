//! CenterCropPad: axes cut or filled up with zeros on both sides to given sizes; an odd one out is cut or put behind.

use std::sync::Arc;

use super::composite::through_body;
use super::support::axis;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// CenterCropPad's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CenterCropPad",
    domain: "",
    since: 18,
    summary: "axes cut or filled up with zeros on both sides to given sizes",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(CenterCropPad { axes: node.ints("axes")? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Axes cut or filled up with zeros on both sides to given sizes.
#[derive(Clone, Debug)]
pub struct CenterCropPad {
    /// The axes; all where it is `None`.
    pub axes: Option<Vec<i64>>,
}

impl Operator for CenterCropPad {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        match &self.axes {
            Some(axes) => Attributes::new().with("axes", Attribute::Ints(axes.clone())),
            None => Attributes::new(),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(sizes)] = inputs else { refuse!("it needs two inputs") };
        let shape = b.shape(x).to_vec();
        let Some(sizes) = b.constant(sizes).and_then(Tensor::to_i64) else {
            refuse!("its sizes (input 1) must be constant")
        };
        let axes: Vec<usize> = match &self.axes {
            Some(axes) => axes.iter().map(|&a| axis(a, shape.len())).collect::<OpResult<_>>()?,
            None => (0..shape.len()).collect(),
        };
        if axes.len() != sizes.len() {
            refuse!("{} sizes are given for {} axes", sizes.len(), axes.len());
        }
        let mut y = x;
        for (&axis, &size) in axes.iter().zip(&sizes) {
            let Ok(size) = usize::try_from(size) else { refuse!("a size is {size}") };
            let from = b.shape(y)[axis];
            y = if size <= from {
                b.narrow(y, axis, (from - size) / 2, size)?
            } else {
                let before = (size - from) / 2;
                b.pad_axis(y, axis, before, size - from - before)?
            };
        }
        Ok(Some(vec![y]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::CenterCropPad;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let over = |axes: Option<&[i64]>| Case::new(CenterCropPad { axes: axes.map(<[i64]>::to_vec) });
        vec![
            over(Some(&[1]))
                .input(f64s(&[1, 4], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1]))
                .expect(f64s(&[1, 1], &[2.0])),
            over(Some(&[-1]))
                .input(f64s(&[1, 1], &[1.0]))
                .input(i64s(&[4]))
                .expect(f64s(&[1, 4], &[0.0, 1.0, 0.0, 0.0])),
            over(Some(&[1, 2])).random(&[2, 5, 3]).input(i64s(&[2, 6])),
            over(None).random(&[2, 3]).input(i64s(&[2, 2])),
        ]
    }
}
