//! Shrink: x moved towards 0 by a bias outside a band around it, and 0 inside. The derivative at the band's ends is 0.

use std::sync::Arc;

use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// Shrink's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Shrink",
    domain: "",
    since: 9,
    summary: "x + bias where x < −lambda, x − bias where x > lambda, else 0",
    derivative: "0 at both ends of the band",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Shrink {
            bias: node.float("bias")?.unwrap_or(0.0),
            lambda: node.float("lambd")?.unwrap_or(0.5),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X + bias where x < −lambda, x − bias where x > lambda, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Shrink {
    /// By how much x is moved.
    pub bias: f32,
    /// Half the width of the band.
    pub lambda: f32,
}

impl Shrink {
    fn of(&self, b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
        let lambda = f64::from(self.lambda);
        let (low, high) = (b.scalar_like(x, -lambda)?, b.scalar_like(x, lambda)?);
        let (below, above) = (b.less(x, low)?, b.greater(x, high)?);
        let (up, down) = (b.shift(x, f64::from(self.bias))?, b.shift(x, -f64::from(self.bias))?);
        let outside = b.masked(above, down)?;
        b.select(below, up, outside)
    }
}

impl Operator for Shrink {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("bias", Attribute::Float(self.bias))
            .with("lambd", Attribute::Float(self.lambda))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Elementwise
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        let like = b.fact(x).dtype;
        if !like.is_float() {
            // Integers are computed as floats, and cut back.
            let wide = b.cast(x, DType::F64)?;
            let y = self.of(b, wide)?;
            return Ok(Some(vec![b.cast(y, like)?]));
        }
        Ok(Some(vec![self.of(b, x)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Shrink;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Shrink { bias: 1.5, lambda: 1.5 })
                .input(f64s(&[5], &[-2.0, -1.5, 0.0, 1.5, 3.0]))
                .expect(f64s(&[5], &[-0.5, 0.0, 0.0, 0.0, 1.5]))
                .fixed(&[0]),
            Case::new(Shrink { bias: 0.0, lambda: 0.5 }).random(&[3, 5]),
        ]
    }
}
