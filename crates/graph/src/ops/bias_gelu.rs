//! BiasGelu of ONNX Runtime: Gelu of x + bias.

use std::sync::Arc;

use super::Gelu;
use super::composite::through_body;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// BiasGelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BiasGelu",
    domain: "com.microsoft",
    since: 1,
    summary: "Gelu of x + bias",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(BiasGelu))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Gelu of x + bias.
#[derive(Clone, Copy, Debug)]
pub struct BiasGelu;

impl Operator for BiasGelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(bias)] = inputs else { refuse!("it needs two inputs") };
        let sum = b.add(x, bias)?;
        Ok(Some(vec![b.push(Gelu { tanh: false }, &[sum])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::BiasGelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(BiasGelu)
                .input(f64s(&[1, 3], &[-2.0, -1.0, 0.0]))
                .input(f64s(&[3], &[1.0, 1.0, 1.0]))
                .expect(f64s(&[1, 3], &[-0.158_655_253_931_457, 0.0, 0.841_344_746_068_543])),
            Case::new(BiasGelu).random(&[3, 2, 4]).random(&[4]),
        ]
    }
}
