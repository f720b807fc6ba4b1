//! Elu: x where x > 0, else alpha · (exp(x) − 1). The derivative at 0 is alpha, as PyTorch's.

use std::sync::Arc;

use super::elementwise::{bent_below_zero, elementwise};
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// Elu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Elu",
    domain: "",
    since: 6,
    summary: "x where x > 0, else alpha · (exp(x) − 1)",
    derivative: "alpha at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Elu { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where x > 0, else alpha · (exp(x) − 1).
#[derive(Clone, Copy, Debug)]
pub struct Elu {
    /// The distance to the limit at −∞.
    pub alpha: f32,
}

impl Operator for Elu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", Attribute::Float(self.alpha))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let found = bent_below_zero(b, (x, g), |b, below| {
            let power = b.exp(below)?;
            b.scale(power, f64::from(self.alpha))
        })?;
        Ok(Some(vec![Some(found)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::elu(v, Real::of(f64::from(self.alpha))))
    }
}

#[cfg(test)]
mod tests {
    use super::Elu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = Elu { alpha: 1.5 };
        vec![
            Case::new(op)
                .input(f64s(&[5], &[-1.0, 0.0, 3.0, 1000.0, f64::NAN]))
                .expect(f64s(&[5], &[-0.9481808382428365, 0.0, 3.0, 1000.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(Elu { alpha: 1.5 }, &[f64s(&[2], &[0.0, 1000.0])], &[]);
        assert_eq!(found, [f64s(&[2], &[1.5, 1.0])]);
    }
}
