//! PRelu: x where x > 0, else slope · x, with the slope broadcast to the shape of x. At 0 the derivative in x is the slope, as
//! PyTorch's.

use std::sync::Arc;

use super::support::{broadcast, fact, zip_number};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// PRelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "PRelu",
    domain: "",
    since: 7,
    summary: "x where x > 0, else slope · x",
    derivative: "in x the slope at 0",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(PRelu))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where x > 0, else slope · x.
#[derive(Clone, Copy, Debug)]
pub struct PRelu;

impl Operator for PRelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, slope) = (fact(inputs, 0)?, fact(inputs, 1)?);
        let found = broadcast(inputs)?;
        if found.shape != x.shape {
            refuse!("a slope of shape {:?} does not broadcast to {:?}", slope.shape, x.shape);
        }
        Ok(vec![found])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        match (active.first(), active.get(1)) {
            (Some(true), Some(true)) => Kind::Product,
            (_, Some(true)) => Kind::Affine,
            _ => Kind::Elementwise,
        }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let (x, slope) = (site.input(0)?, site.input(1)?);
        let on = b.positive(x)?;
        let mut found = vec![None, None];
        if site.active(0) {
            let below = b.mul(g, slope)?;
            found[0] = Some(b.select(on, g, below)?);
        }
        if site.active(1) {
            let product = b.mul(g, x)?;
            let zero = b.scalar_like(g, 0.0)?;
            let below = b.select(on, zero, product)?;
            let shape = b.shape(slope).to_vec();
            found[1] = Some(b.unbroadcast(below, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_number!(
            inputs,
            outputs,
            float | a,
            s | if a < 0.0 { s * a } else { a },
            integer | a,
            s | if a < Default::default() { s.wrapping_mul(a) } else { a }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::PRelu;
    use crate::cases::{Case, f64s, gradients, i64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(PRelu)
                .input(f64s(&[2, 2], &[-1.0, -2.0, 3.0, 0.0]))
                .input(f64s(&[2], &[0.5, 0.25]))
                .expect(f64s(&[2, 2], &[-0.5, -0.5, 3.0, 0.0]))
                .fixed(&[0]),
            Case::new(PRelu)
                .input(f64s(&[1], &[f64::NAN]))
                .input(f64s(&[], &[0.5]))
                .expect(f64s(&[1], &[f64::NAN]))
                .fixed(&[0, 1]),
            Case::new(PRelu).input(i64s(&[-3, 3])).input(i64s(&[2])).expect(i64s(&[-6, 3])),
            Case::new(PRelu).random(&[3, 2, 4]).random(&[2, 1]),
            Case::new(PRelu).random(&[3, 5]).random(&[]),
        ]
    }

    #[test]
    fn the_derivative_at_0_is_the_slope() {
        let found = gradients(PRelu, &[f64s(&[1], &[0.0]), f64s(&[1], &[0.25])], &[]);
        assert_eq!(found, [f64s(&[1], &[0.25]), f64s(&[1], &[0.0])]);
    }
}
