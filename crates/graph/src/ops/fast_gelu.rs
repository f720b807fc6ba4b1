//! FastGelu of ONNX Runtime: Gelu approximated by tanh, of x or of x + bias.

use std::sync::Arc;

use super::Gelu;
use super::composite::through_body;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};

/// FastGelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "FastGelu",
    domain: "com.microsoft",
    since: 1,
    summary: "Gelu approximated by tanh, of x or of x + bias",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 2)?;
        Ok(Arc::new(FastGelu))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Gelu approximated by tanh, of x or of x + bias.
#[derive(Clone, Copy, Debug)]
pub struct FastGelu;

impl Operator for FastGelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let mut x = needed(0)?;
        if let Some(bias) = given(1) {
            x = b.add(x, bias)?;
        }
        Ok(Some(vec![b.push(Gelu { tanh: true }, &[x])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::FastGelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(FastGelu)
                .input(f64s(&[1, 3], &[-2.0, -1.0, 0.0]))
                .input(f64s(&[3], &[1.0, 1.0, 1.0]))
                .expect(f64s(&[1, 3], &[-0.158_808_009_391_723, 0.0, 0.841_191_990_608_277])),
            Case::new(FastGelu).random(&[3, 2, 4]).random(&[4]),
            Case::new(FastGelu).random(&[3, 4]),
        ]
    }
}
