//! ThresholdedRelu: x where x > alpha, else 0, elementwise. The derivative at alpha is 0, as PyTorch's. NaN stays.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// ThresholdedRelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ThresholdedRelu",
    domain: "",
    since: 10,
    summary: "x where x > alpha, else 0",
    derivative: "0 at alpha",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(ThresholdedRelu { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where x > alpha, else 0.
#[derive(Clone, Copy, Debug)]
pub struct ThresholdedRelu {
    /// The threshold.
    pub alpha: f32,
}

impl Operator for ThresholdedRelu {
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
        let alpha = b.scalar_like(x, f64::from(self.alpha))?;
        let on = b.greater(x, alpha)?;
        Ok(Some(vec![Some(b.masked(on, g)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::thresholded_relu(v, Real::of(f64::from(self.alpha))))
    }
}

#[cfg(test)]
mod tests {
    use super::ThresholdedRelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = ThresholdedRelu { alpha: 0.5 };
        vec![
            Case::new(op)
                .input(f64s(&[4], &[-9.0, 0.5, 1.0, f64::NAN]))
                .expect(f64s(&[4], &[0.0, 0.0, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(ThresholdedRelu { alpha: 0.5 }, &[f64s(&[2], &[0.5, 0.75])], &[]);
        assert_eq!(found, [f64s(&[2], &[0.0, 1.0])]);
    }
}
