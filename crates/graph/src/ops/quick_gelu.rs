//! QuickGelu of ONNX Runtime: x · sigmoid(alpha · x).

use std::sync::Arc;

use super::Swish;
use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// QuickGelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "QuickGelu",
    domain: "com.microsoft",
    since: 1,
    summary: "x · sigmoid(alpha · x), alpha 1.702 unless given",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(QuickGelu { alpha: node.float("alpha")?.unwrap_or(1.702) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// X · sigmoid(alpha · x), alpha 1.702 unless given.
#[derive(Clone, Copy, Debug)]
pub struct QuickGelu {
    /// The factor inside the sigmoid.
    pub alpha: f32,
}

impl Operator for QuickGelu {
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
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        Ok(Some(vec![b.push(Swish { alpha: self.alpha }, &[x])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::QuickGelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(QuickGelu { alpha: 2.0 })
                .input(f64s(&[2], &[0.0, 0.5]))
                .expect(f64s(&[2], &[0.0, 0.5 / (1.0 + (-1f64).exp())])),
            Case::new(QuickGelu { alpha: 1.702 }).random(&[3, 5]),
        ]
    }
}
