//! Mul: x · y, broadcast as numpy does. Integers wrap.

use std::sync::Arc;

use super::support::{broadcast, zip_number};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Mul's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Mul",
    domain: "",
    since: 7,
    summary: "x · y, broadcast",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Mul))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x · y.
#[derive(Clone, Copy, Debug)]
pub struct Mul;

impl Operator for Mul {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![broadcast(inputs)?])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Product } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let mut found = vec![None, None];
        for i in (0..2).filter(|&i| site.active(i)) {
            let product = b.mul(g, site.input(1 - i)?)?;
            let shape = b.shape(site.input(i)?).to_vec();
            found[i] = Some(b.unbroadcast(product, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_number!(inputs, outputs, float |a, b| a * b, integer |a, b| a.wrapping_mul(b))
    }
}

#[cfg(test)]
mod tests {
    use super::Mul;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Mul).input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])).input(f64s(&[2, 1], &[10.0, 20.0])).expect(f64s(&[2, 2], &[10.0, 20.0, 60.0, 80.0])),
            Case::new(Mul).random(&[3, 1, 4]).random(&[2, 1]),
            Case::new(Mul).random(&[]).random(&[3, 4]).rows(&[1]),
        ]
    }
}
