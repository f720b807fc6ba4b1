//! Swish: x · sigmoid(alpha · x), elementwise (Ramachandran et al. 2017); with alpha 1 it is SiLU.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::{Real, activation};

/// Swish's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Swish",
    domain: "",
    since: 24,
    summary: "x · sigmoid(alpha · x)",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Swish { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x · sigmoid(alpha · x).
#[derive(Clone, Copy, Debug)]
pub struct Swish {
    /// The factor inside the sigmoid.
    pub alpha: f32,
}

impl Operator for Swish {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", Attribute::Float(self.alpha))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        // s + alpha · y · (1 − s), with s the sigmoid and y the result.
        let (x, y) = (site.input(0)?, site.outputs[0]);
        let inner = if self.alpha == 1.0 { x } else { b.scale(x, f64::from(self.alpha))? };
        let s = b.sigmoid(inner)?;
        let one = b.scalar_like(x, 1.0)?;
        let rest = b.sub(one, s)?;
        let bent = b.mul(y, rest)?;
        let bent = if self.alpha == 1.0 { bent } else { b.scale(bent, f64::from(self.alpha))? };
        let slope = b.add(s, bent)?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { crate::refuse!("it needs one input") };
        let inner = b.scale(x, f64::from(self.alpha))?;
        let s = b.sigmoid(inner)?;
        Ok(Some(vec![b.mul(x, s)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| activation::swish(v, Real::of(f64::from(self.alpha))))
    }
}

#[cfg(test)]
mod tests {
    use super::Swish;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let half = 0.5 / (1.0 + (-1f64).exp());
        vec![
            Case::new(Swish { alpha: 2.0 }).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, half])),
            Case::new(Swish { alpha: 1.0 }).random(&[3, 5]),
            Case::new(Swish { alpha: -0.5 }).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
