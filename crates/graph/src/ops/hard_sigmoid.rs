//! HardSigmoid: max(0, min(1, alpha · x + beta)), elementwise. The derivative at both bounds is 0, as PyTorch's.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// HardSigmoid's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "HardSigmoid",
    domain: "",
    since: 6,
    summary: "max(0, min(1, alpha · x + beta))",
    derivative: "0 at both bounds",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(HardSigmoid {
            alpha: node.float("alpha")?.unwrap_or(0.2),
            beta: node.float("beta")?.unwrap_or(0.5),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// max(0, min(1, alpha · x + beta)).
#[derive(Clone, Copy, Debug)]
pub struct HardSigmoid {
    /// The slope.
    pub alpha: f32,
    /// The value at 0.
    pub beta: f32,
}

impl Operator for HardSigmoid {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("alpha", Attribute::Float(self.alpha))
            .with("beta", Attribute::Float(self.beta))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let one = b.scalar_like(y, 1.0)?;
        let (above, below) = (b.positive(y)?, b.less(y, one)?);
        let inside = b.and(above, below)?;
        let scaled = b.scale(g, f64::from(self.alpha))?;
        Ok(Some(vec![Some(b.masked(inside, scaled)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::hard_sigmoid(
            v,
            Real::of(f64::from(self.alpha)),
            Real::of(f64::from(self.beta))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::HardSigmoid;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = HardSigmoid { alpha: 0.25, beta: 0.5 };
        vec![
            Case::new(op)
                .input(f64s(&[5], &[-9.0, 0.0, 1.0, 9.0, f64::NAN]))
                .expect(f64s(&[5], &[0.0, 0.5, 0.75, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(
            HardSigmoid { alpha: 0.25, beta: 0.5 },
            &[f64s(&[3], &[-2.0, 2.0, 0.0])],
            &[],
        );
        assert_eq!(found, [f64s(&[3], &[0.0, 0.0, 0.25])]);
    }
}
