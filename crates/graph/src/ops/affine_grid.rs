//! AffineGrid: for each row, where an affine map puts the points of a regular grid from −1 to 1, in two or three dimensions.

use std::sync::Arc;

use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::{Builder, makeable};
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// AffineGrid's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "AffineGrid",
    domain: "",
    since: 20,
    summary: "where affine maps put the points of a grid",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(AffineGrid { align_corners: node.flag("align_corners", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Where affine maps put the points of a grid.
#[derive(Clone, Copy, Debug)]
pub struct AffineGrid {
    /// Whether −1 and 1 are the centres of the outermost points, rather than their edges.
    pub align_corners: bool,
}

impl Operator for AffineGrid {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("align_corners", Attribute::Int(i64::from(self.align_corners)))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(theta), Some(size)] = inputs else { refuse!("it needs two inputs") };
        let Some(size) = b.constant(size).and_then(Tensor::to_i64) else {
            refuse!("its size (input 1) must be constant")
        };
        let sizes: Vec<usize> = size
            .iter()
            .map(|&n| usize::try_from(n))
            .collect::<Result<_, _>>()
            .map_err(|_| OpError(format!("its size is {size:?}")))?;
        let [_, _, space @ ..] = sizes.as_slice() else { refuse!("its size is {sizes:?}") };
        let n = space.len();
        let &[batch, rows, columns] = b.shape(theta) else {
            refuse!("its maps are of shape {:?}", b.shape(theta))
        };
        if !(n == 2 || n == 3) || rows != n || columns != n + 1 {
            refuse!("maps of shape {:?} are not those of {n} dimensions", b.shape(theta));
        }
        makeable(&[&[n + 1], space].concat(), DType::F64)?;
        let points: usize = space.iter().product();
        // Homogeneous points, the last dimension's coordinate first: [n + 1, points].
        let mut grid = Vec::with_capacity((n + 1) * points);
        for axis in (0..n).rev() {
            let (size, inner): (usize, usize) = (space[axis], space[axis + 1..].iter().product());
            grid.extend((0..points).map(|p| {
                let k = (p / inner % size) as f64;
                if self.align_corners {
                    if size == 1 { -1.0 } else { 2.0 * k / (size as f64 - 1.0) - 1.0 }
                } else {
                    (2.0 * k + 1.0) / size as f64 - 1.0
                }
            }));
        }
        grid.extend(std::iter::repeat_n(1.0, points));
        let dtype = b.fact(theta).dtype;
        let grid = Tensor::new(&[n + 1, points], grid).map(|t| t.with_precision(dtype));
        let grid = b.constant_value(grid.ok_or_else(|| OpError("its grid is too large".to_owned()))?);
        let placed = b.matmul(theta, grid)?;
        let placed = b.transpose(placed, &[0, 2, 1])?;
        let shape: Vec<usize> = std::iter::once(batch).chain(space.iter().copied()).chain([n]).collect();
        Ok(Some(vec![b.reshape(placed, &shape)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::AffineGrid;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |align_corners| Case::new(AffineGrid { align_corners });
        let same = || f64s(&[1, 2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        vec![
            of(true)
                .input(same())
                .input(i64s(&[1, 1, 2, 2]))
                .expect(f64s(&[1, 2, 2, 2], &[-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0])),
            of(false)
                .input(same())
                .input(i64s(&[1, 1, 1, 2]))
                .expect(f64s(&[1, 1, 2, 2], &[-0.5, 0.0, 0.5, 0.0])),
            of(false).random(&[2, 3, 4]).input(i64s(&[2, 1, 2, 3, 4])),
        ]
    }
}
