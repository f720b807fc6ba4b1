//! Div: x / y, broadcast as numpy does. Integers are divided towards zero; by 0 they give 0, as in numpy.

use std::sync::Arc;

use super::support::{broadcast, zip_number};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Div's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Div",
    domain: "",
    since: 7,
    summary: "x / y, broadcast",
    derivative: "everywhere but where y is 0",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Div))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x / y, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Div;

impl Operator for Div {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![broadcast(inputs)?])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        match (active.first(), active.get(1)) {
            (Some(true), Some(true)) => Kind::Product,
            (_, Some(true)) => Kind::Elementwise,
            _ => Kind::Affine,
        }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; site.inputs.len()])) };
        let (x, y) = (site.input(0)?, site.input(1)?);
        let quotient = b.div(g, y)?;
        let mut found = vec![None, None];
        if site.active(0) {
            let shape = b.shape(x).to_vec();
            found[0] = Some(b.unbroadcast(quotient, &shape)?);
        }
        if site.active(1) {
            let product = b.mul(quotient, site.outputs[0])?;
            let negated = b.neg(product)?;
            let shape = b.shape(y).to_vec();
            found[1] = Some(b.unbroadcast(negated, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_number!(
            inputs,
            outputs,
            float | a,
            b | a / b,
            integer | a,
            b | if b == 0 { 0 } else { a.wrapping_div(b) }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Div;
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Div)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .expect(f64s(&[2, 2], &[0.1, 0.1, 0.3, 0.2])),
            Case::new(Div).random(&[3, 1, 4]).between(&[2, 1], 0.5, 2.0),
            Case::new(Div).random(&[]).between(&[3, 4], 0.5, 2.0).rows(&[1]),
            Case::new(Div).input(i64s(&[-7, 7, 5, i64::MIN])).input(i64s(&[2, -2, 0, -1])).expect(i64s(&[
                -3,
                -3,
                0,
                i64::MIN,
            ])),
            Case::new(Div)
                .input(Tensor::vector(vec![200u8]))
                .input(Tensor::vector(vec![3u8]))
                .expect(Tensor::vector(vec![66u8])),
        ]
    }
}
