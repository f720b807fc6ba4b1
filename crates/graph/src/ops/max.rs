//! Max: the largest of any number of inputs, broadcast as numpy does; NaN where one is NaN.
//!
//! At a tie the derivative goes to the tied inputs in equal parts: with two, half to each, as in PyTorch.

use std::sync::Arc;

use super::elementwise::fold_number;
use super::extreme::extreme;
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::Real;

/// Max's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Max",
    domain: "",
    since: 6,
    summary: "the largest of the inputs, broadcast",
    derivative: "at ties in equal parts to the tied inputs",
    import: |node| {
        let n = node.inputs.len();
        node.expect_inputs(n.max(1), n)?;
        Ok(Arc::new(Max))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The largest of the inputs, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Max;

impl Operator for Max {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    extreme!(greater);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fold_number!(inputs, outputs, float | a, b | Real::larger(a, b), integer | a, b | a.max(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Max;
    use crate::cases::{Case, f64s, i64s};
    use crate::ops::extreme;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Max)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, -20.0]))
                .expect(f64s(&[2, 2], &[10.0, 2.0, 10.0, 4.0])),
            Case::new(Max)
                .input(f64s(&[2], &[1.0, f64::NAN]))
                .input(f64s(&[2], &[f64::NAN, 1.0]))
                .expect(f64s(&[2], &[f64::NAN; 2]))
                .fixed(&[0, 1]),
            Case::new(Max).input(i64s(&[3, -4])).input(i64s(&[1])).expect(i64s(&[3, 1])),
        ]
        .into_iter()
        .chain(extreme::awkward(Max))
        .collect()
    }

    #[test]
    fn ties_are_shared() {
        extreme::ties_are_shared(Max);
    }
}
