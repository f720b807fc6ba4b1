//! Celu: x where x > 0, else alpha · (exp(x / alpha) − 1). Its derivative has no kink.

use std::sync::Arc;

use super::elementwise::{bent_below_zero, elementwise};
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// Celu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Celu",
    domain: "",
    since: 12,
    summary: "x where x > 0, else alpha · (exp(x / alpha) − 1)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Celu { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where x > 0, else alpha · (exp(x / alpha) − 1).
#[derive(Clone, Copy, Debug)]
pub struct Celu {
    /// The distance to the limit at −∞.
    pub alpha: f32,
}

impl Operator for Celu {
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
            let scaled = b.scale(below, 1.0 / f64::from(self.alpha))?;
            b.exp(scaled)
        })?;
        Ok(Some(vec![Some(found)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::celu(v, Real::of(f64::from(self.alpha))))
    }
}

#[cfg(test)]
mod tests {
    use super::Celu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = Celu { alpha: 1.5 };
        vec![
            Case::new(op)
                .input(f64s(&[5], &[-1.0, 0.0, 3.0, 1000.0, f64::NAN]))
                .expect(f64s(&[5], &[-0.729874321451112, 0.0, 3.0, 1000.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(Celu { alpha: 1.5 }, &[f64s(&[2], &[0.0, 1000.0])], &[]);
        assert_eq!(found, [f64s(&[2], &[1.0, 1.0])]);
    }
}
