//! Gelu of ONNX Runtime, from before ONNX had its own: x · Φ(x), exact.

use std::sync::Arc;

use super::Gelu;
use super::composite::through_body;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// Gelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Gelu",
    domain: "com.microsoft",
    since: 1,
    summary: "x · Φ(x)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(MicrosoftGelu))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X · Φ(x).
#[derive(Clone, Copy, Debug)]
pub struct MicrosoftGelu;

impl Operator for MicrosoftGelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        Ok(Some(vec![b.push(Gelu { tanh: false }, &[x])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::MicrosoftGelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(MicrosoftGelu)
                .input(f64s(&[3], &[-1.0, 0.0, 1.0]))
                .expect(f64s(&[3], &[-0.158_655_253_931_457, 0.0, 0.841_344_746_068_543])),
            Case::new(MicrosoftGelu).random(&[3, 5]),
        ]
    }
}
