//! Max: the largest of any number of inputs, broadcast as numpy does; NaN where one is NaN.
//!
//! At a tie the derivative goes to the tied inputs in equal parts: with two, half to each, as in PyTorch.

use std::sync::Arc;

use super::elementwise::{equal_parts, fold_number, share};
use super::support::broadcast;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
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

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![broadcast(inputs)?])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Select } else { Kind::Elementwise }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; site.inputs.len()])) };
        let mut found = vec![None; site.inputs.len()];
        if let &[Some(x), Some(y)] = site.inputs {
            let tied = b.equal(x, y)?;
            for (i, (x, y)) in [(x, y), (y, x)].into_iter().enumerate().filter(|(i, _)| site.active(*i)) {
                let wins = b.greater(x, y)?;
                let part = share(b, g, wins, tied)?;
                let shape = b.shape(x).to_vec();
                found[i] = Some(b.unbroadcast(part, &shape)?);
            }
            return Ok(Some(found));
        }
        let part = equal_parts(b, g, site)?;
        for i in (0..site.inputs.len()).filter(|&i| site.active(i)) {
            let x = site.input(i)?;
            let chosen = b.equal(x, site.outputs[0])?;
            let own = b.masked(chosen, part)?;
            let shape = b.shape(x).to_vec();
            found[i] = Some(b.unbroadcast(own, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fold_number!(inputs, outputs, float | a, b | Real::larger(a, b), integer | a, b | a.max(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Max;
    use crate::cases::{Case, f64s, i64s};

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
            Case::new(Max).random(&[3, 5]),
            Case::new(Max).random(&[3, 4]).input(f64s(&[], &[0.25])).fixed(&[1]),
            Case::new(Max).random(&[3, 1, 4]).random(&[2, 1]),
            Case::new(Max).random(&[3, 4]).random(&[1, 4]).random(&[3, 1]).rows(&[0, 2]),
            Case::new(Max).input(i64s(&[3, -4])).input(i64s(&[1])).expect(i64s(&[3, 1])),
        ]
    }

    #[test]
    fn ties_are_shared() {
        use crate::cases::gradients;
        let x = || f64s(&[2], &[1.0, 2.0]);
        let two = gradients(Max, &[x(), x()], &[]);
        assert_eq!(two, [f64s(&[2], &[0.5; 2]), f64s(&[2], &[0.5; 2])]);
        let four = gradients(Max, &[x(), x(), x(), x()], &[]);
        assert_eq!(four[3], f64s(&[2], &[0.25; 2]));
    }
}
