//! RotaryEmbedding: pairs of numbers of each head turned by an angle of their position (Su et al. 2021).
//!
//! X is [batch, heads, positions, size], or [batch, positions, heads · size] with the number of heads as an attribute. Cosines and sines are
//! [positions there are, turned / 2], from which `position_ids` choose, or [batch, positions, turned / 2].

use std::sync::Arc;

use super::composite::through_body;
use super::{Gather, Split};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// RotaryEmbedding's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "RotaryEmbedding",
    domain: "",
    since: 23,
    summary: "pairs of numbers of each head turned by an angle of their position",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 4)?;
        Ok(Arc::new(RotaryEmbedding::read(node)?))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Pairs of numbers of each head, turned.
#[derive(Clone, Copy, Debug, Default)]
pub struct RotaryEmbedding {
    /// Whether a pair stands side by side, rather than half the size apart.
    pub interleaved: bool,
    /// The number of heads, where X has three dimensions.
    pub heads: Option<usize>,
    /// How many of the first numbers of each head are turned; all where it is `None`.
    pub turned: Option<usize>,
}

impl RotaryEmbedding {
    /// Reads the attributes of a node.
    pub(super) fn read(node: &Import<'_>) -> OpResult<Self> {
        let size = |name: &str| match node.int(name)? {
            None | Some(0) => Ok(None),
            Some(n) if n > 0 => Ok(Some(n as usize)),
            Some(n) => Err(OpError(format!("attribute {name} is {n}, expected a positive number"))),
        };
        Ok(Self {
            interleaved: node.flag("interleaved", false)?,
            heads: size("num_heads")?,
            turned: size("rotary_embedding_dim")?,
        })
    }

    /// Turns X [batch, positions, heads, size] by angles [batch, positions, turned / 2].
    fn turn(&self, b: &mut Builder, x: ValueId, cos: ValueId, sin: ValueId) -> OpResult<ValueId> {
        let &[batch, positions, heads, size] = b.shape(x) else { refuse!("it has not four dimensions") };
        let turned = self.turned.unwrap_or(size);
        if turned > size || !turned.is_multiple_of(2) || turned == 0 {
            refuse!("{turned} of {size} numbers cannot be turned in pairs");
        }
        let half = turned / 2;
        let first = b.narrow(x, 3, 0, turned)?;
        let (left, right) = if self.interleaved {
            let pairs = b.reshape(first, &[batch, positions, heads, half, 2])?;
            let parts = b.node(Arc::new(Split { axis: 4, parts: Some(2) }), &[Some(pairs)])?;
            let shape = [batch, positions, heads, half];
            (b.reshape(parts[0], &shape)?, b.reshape(parts[1], &shape)?)
        } else {
            (b.narrow(first, 3, 0, half)?, b.narrow(first, 3, half, half)?)
        };
        let mut angles = Vec::with_capacity(2);
        for table in [cos, sin] {
            let &[rows, count, width] = b.shape(table) else {
                refuse!("cosines or sines are of shape {:?}", b.shape(table))
            };
            if width != half || count != positions {
                refuse!(
                    "cosines or sines are of shape {:?}, expected [{batch}, {positions}, {half}]",
                    b.shape(table)
                );
            }
            angles.push(b.reshape(table, &[rows, count, 1, width])?);
        }
        let (cos, sin) = (angles[0], angles[1]);
        let (a, c) = (b.mul(cos, left)?, b.mul(sin, right)?);
        let real = b.sub(a, c)?;
        let (a, c) = (b.mul(sin, left)?, b.mul(cos, right)?);
        let imaginary = b.add(a, c)?;
        let mut parts = if self.interleaved {
            let shape = [batch, positions, heads, half, 1];
            let (real, imaginary) = (b.reshape(real, &shape)?, b.reshape(imaginary, &shape)?);
            let pairs = b.concat(&[real, imaginary], 4)?;
            vec![b.reshape(pairs, &[batch, positions, heads, turned])?]
        } else {
            vec![real, imaginary]
        };
        if turned < size {
            parts.push(b.narrow(x, 3, turned, size - turned)?);
        }
        if parts.len() == 1 { Ok(parts[0]) } else { b.concat(&parts, 3) }
    }
}

impl Operator for RotaryEmbedding {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("interleaved", Attribute::Int(i64::from(self.interleaved)))
            .with("num_heads", Attribute::Int(self.heads.unwrap_or(0) as i64))
            .with("rotary_embedding_dim", Attribute::Int(self.turned.unwrap_or(0) as i64))
    }

    fn kind(&self, active: &[bool]) -> Kind {
        let on = |i: usize| active.get(i).copied().unwrap_or(false);
        if on(0) && (on(1) || on(2)) { Kind::Product } else { Kind::Affine }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (x, mut cos, mut sin) = (needed(0)?, needed(1)?, needed(2)?);
        let shape = b.shape(x).to_vec();
        let by_position = match (shape.as_slice(), self.heads) {
            (&[_, _, _, _], _) => b.transpose(x, &[0, 2, 1, 3])?,
            (&[batch, positions, width], Some(heads)) if width.is_multiple_of(heads) => {
                b.reshape(x, &[batch, positions, heads, width / heads])?
            }
            _ => refuse!("X of shape {shape:?} cannot be cut into {:?} heads", self.heads),
        };
        if let Some(ids) = given(3) {
            cos = b.push(Gather { axis: 0 }, &[cos, ids])?;
            sin = b.push(Gather { axis: 0 }, &[sin, ids])?;
        }
        let turned = self.turn(b, by_position, cos, sin)?;
        Ok(Some(vec![if shape.len() == 4 {
            b.transpose(turned, &[0, 2, 1, 3])?
        } else {
            b.reshape(turned, &shape)?
        }]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::RotaryEmbedding;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let plain = RotaryEmbedding::default();
        let ids = || Tensor::new(&[2, 3], vec![0i64, 1, 2, 2, 1, 0]).unwrap();
        vec![
            // A quarter turn takes (1, 2) to (−2, 1); the last number stays.
            Case::new(RotaryEmbedding { heads: Some(1), turned: Some(2), ..plain })
                .input(f64s(&[1, 1, 3], &[1.0, 2.0, 7.0]))
                .input(f64s(&[1, 1, 1], &[0.0]))
                .input(f64s(&[1, 1, 1], &[1.0]))
                .expect(f64s(&[1, 1, 3], &[-2.0, 1.0, 7.0])),
            Case::new(plain).random(&[2, 2, 3, 4]).random(&[5, 2]).random(&[5, 2]).input(ids()).rows(&[0, 3]),
            Case::new(RotaryEmbedding { interleaved: true, heads: Some(2), turned: Some(4) })
                .random(&[2, 3, 12])
                .random(&[2, 3, 2])
                .random(&[2, 3, 2])
                .rows(&[0, 1, 2]),
        ]
    }
}
