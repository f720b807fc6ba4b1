//! Min: the smallest of any number of inputs, broadcast as numpy does; NaN where one is NaN.
//!
//! At a tie the derivative goes to the tied inputs in equal parts: with two, half to each, as in PyTorch.

use std::sync::Arc;

use super::elementwise::fold_number;
use super::extreme::extreme;
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::Real;

/// Min's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Min",
    domain: "",
    since: 6,
    summary: "the smallest of the inputs, broadcast",
    derivative: "at ties in equal parts to the tied inputs",
    import: |node| {
        let n = node.inputs.len();
        node.expect_inputs(n.max(1), n)?;
        Ok(Arc::new(Min))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The smallest of the inputs, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Min;

impl Operator for Min {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    extreme!(less);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fold_number!(inputs, outputs, float | a, b | Real::smaller(a, b), integer | a, b | a.min(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Min;
    use crate::cases::{Case, f64s, i64s};
    use crate::ops::extreme;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Min)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, -20.0]))
                .expect(f64s(&[2, 2], &[1.0, -20.0, 3.0, -20.0])),
            Case::new(Min)
                .input(f64s(&[2], &[1.0, f64::NAN]))
                .input(f64s(&[2], &[f64::NAN, 1.0]))
                .expect(f64s(&[2], &[f64::NAN; 2]))
                .fixed(&[0, 1]),
            Case::new(Min).input(i64s(&[3, -4])).input(i64s(&[1])).expect(i64s(&[1, -4])),
        ]
        .into_iter()
        .chain(extreme::awkward(Min))
        .collect()
    }

    #[test]
    fn ties_are_shared() {
        extreme::ties_are_shared(Min);
    }
}
