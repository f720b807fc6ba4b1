//! Selu: gamma · x where x > 0, else gamma · alpha · (exp(x) − 1). The derivative at 0 is gamma · alpha, as PyTorch's.

use std::sync::Arc;

use super::elementwise::{bent_below_zero, elementwise};
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// Selu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Selu",
    domain: "",
    since: 6,
    summary: "gamma · x where x > 0, else gamma · alpha · (exp(x) − 1)",
    derivative: "gamma · alpha at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Selu {
            alpha: node.float("alpha")?.unwrap_or(1.673_263_2),
            gamma: node.float("gamma")?.unwrap_or(1.050_701),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Gamma · x where x > 0, else gamma · alpha · (exp(x) − 1).
#[derive(Clone, Copy, Debug)]
pub struct Selu {
    /// The distance to the limit at −∞, before the scaling.
    pub alpha: f32,
    /// The scaling.
    pub gamma: f32,
}

impl Operator for Selu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("alpha", Attribute::Float(self.alpha))
            .with("gamma", Attribute::Float(self.gamma))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let g = b.scale(g, f64::from(self.gamma))?;
        let found = bent_below_zero(b, (x, g), |b, below| {
            let power = b.exp(below)?;
            b.scale(power, f64::from(self.alpha))
        })?;
        Ok(Some(vec![Some(found)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::selu(
            v,
            Real::of(f64::from(self.alpha)),
            Real::of(f64::from(self.gamma))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Selu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = Selu { alpha: 1.5, gamma: 2.0 };
        vec![
            Case::new(op)
                .input(f64s(&[5], &[-1.0, 0.0, 3.0, 1000.0, f64::NAN]))
                .expect(f64s(&[5], &[-1.896361676485673, 0.0, 6.0, 2000.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found =
            crate::cases::gradients(Selu { alpha: 1.5, gamma: 2.0 }, &[f64s(&[2], &[0.0, 1000.0])], &[]);
        assert_eq!(found, [f64s(&[2], &[3.0, 2.0])]);
    }
}
