//! LeakyRelu: x where x > 0, else alpha · x. The derivative at 0 is alpha, as PyTorch's.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// LeakyRelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LeakyRelu",
    domain: "",
    since: 6,
    summary: "x where x > 0, else alpha · x",
    derivative: "alpha at 0",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(LeakyRelu { alpha: node.float("alpha")?.unwrap_or(0.01) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where x > 0, else alpha · x.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope below 0.
    pub alpha: f32,
}

impl Operator for LeakyRelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", Attribute::Float(self.alpha))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let on = b.positive(site.input(0)?)?;
        let below = b.scale(g, f64::from(self.alpha))?;
        Ok(Some(vec![Some(b.select(on, g, below)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::leaky_relu(v, Real::of(f64::from(self.alpha))))
    }
}

#[cfg(test)]
mod tests {
    use super::LeakyRelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = LeakyRelu { alpha: 0.25 };
        vec![
            Case::new(op)
                .input(f64s(&[4], &[-2.0, 0.0, 3.0, f64::NAN]))
                .expect(f64s(&[4], &[-0.5, 0.0, 3.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(op).random(&[3, 5]),
            Case::new(op).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(LeakyRelu { alpha: 0.25 }, &[f64s(&[1], &[0.0])], &[]);
        assert_eq!(found, [f64s(&[1], &[0.25])]);
    }
}
