//! Sign: −1, 0 or 1 by the sign of x, elementwise; NaN for NaN.

use std::sync::Arc;

use super::elementwise::{elementwise, map_number};
use super::support::same_as_input;
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// Sign's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sign",
    domain: "",
    since: 9,
    summary: "−1, 0 or 1, as x is below, at or above 0",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Sign))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// −1, 0 or 1, as x is below, at or above 0.
#[derive(Clone, Copy, Debug)]
pub struct Sign;

impl Operator for Sign {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(same_as_input, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_number!(
            inputs,
            outputs,
            float
                | a
                | if a > 0.0 {
                    1.0
                } else if a < 0.0 {
                    -1.0
                } else if a == 0.0 {
                    0.0
                } else {
                    a
                },
            signed | b | b.signum(),
            unsigned | c | c.min(1)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Sign;
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sign)
                .input(f64s(&[4], &[-1.5, 0.0, 2.0, f64::NAN]))
                .expect(f64s(&[4], &[-1.0, 0.0, 1.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Sign)
                .input(Tensor::vector(vec![-7i64, 0, 3]))
                .expect(Tensor::vector(vec![-1i64, 0, 1])),
            Case::new(Sign).input(Tensor::vector(vec![7u16, 0])).expect(Tensor::vector(vec![1u16, 0])),
            Case::new(Sign).random(&[3, 5]),
        ]
    }
}
