//! HardSwish: x · max(0, min(1, x/6 + 1/2)), elementwise. The derivative is 0 at −3 and 1 at 3, as PyTorch's.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation;

/// HardSwish's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "HardSwish",
    domain: "",
    since: 14,
    summary: "x · max(0, min(1, x/6 + 1/2))",
    derivative: "0 at −3, 1 at 3",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(HardSwish))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x · max(0, min(1, x/6 + 1/2)).
#[derive(Clone, Copy, Debug)]
pub struct HardSwish;

impl Operator for HardSwish {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let (low, high, one) = (b.scalar_like(x, -3.0)?, b.scalar_like(x, 3.0)?, b.scalar_like(x, 1.0)?);
        let third = b.scale(x, 1.0 / 3.0)?;
        let between = b.shift(third, 0.5)?;
        let below_high = b.less(x, high)?;
        let slope = b.select(below_high, between, one)?;
        let above_low = b.greater(x, low)?;
        let slope = b.masked(above_low, slope)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::hard_swish(v))
    }
}

#[cfg(test)]
mod tests {
    use super::HardSwish;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(HardSwish)
                .input(f64s(&[5], &[0.0, 1.0, -4.0, 4.0, f64::NAN]))
                .expect(f64s(&[5], &[0.0, 0.6666666666666666, 0.0, 4.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(HardSwish).random(&[3, 5]),
            Case::new(HardSwish).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }

    #[test]
    fn the_derivative_at_kinks_is_that_of_pytorch() {
        let found = crate::cases::gradients(HardSwish, &[f64s(&[3], &[-3.0, 3.0, 0.0])], &[]);
        assert_eq!(found, [f64s(&[3], &[0.0, 1.0, 0.5])]);
    }
}
