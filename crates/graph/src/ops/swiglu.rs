//! SwiGLU: swish of a gate, times a value (Shazeer 2020).

use std::sync::Arc;

use super::Swish;
use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// SwiGLU's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SwiGLU",
    domain: "",
    since: 28,
    summary: "a · sigmoid(alpha · a) · b",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(SwiGlu { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A · sigmoid(alpha · a) · b.
#[derive(Clone, Copy, Debug)]
pub struct SwiGlu {
    /// The factor inside the sigmoid.
    pub alpha: f32,
}

impl Operator for SwiGlu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", Attribute::Float(self.alpha))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(gate), Some(x)] = inputs else { refuse!("it needs two inputs") };
        if b.fact(gate) != b.fact(x) {
            refuse!("its inputs are {} and {}, expected two alike", b.fact(gate), b.fact(x));
        }
        let open = b.push(Swish { alpha: self.alpha }, &[gate])?;
        Ok(Some(vec![b.mul(open, x)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::SwiGlu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(SwiGlu { alpha: 2.0 })
                .input(f64s(&[2], &[0.0, 0.5]))
                .input(f64s(&[2], &[7.0, 4.0]))
                .expect(f64s(&[2], &[0.0, 2.0 / (1.0 + (-1f64).exp())])),
            Case::new(SwiGlu { alpha: 1.0 }).random(&[3, 5]).random(&[3, 5]).rows(&[0, 1]),
        ]
    }
}
