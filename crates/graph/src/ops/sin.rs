//! Sin: the sine, elementwise.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{float_as_input, map_float};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};

/// Sin's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Sin",
    domain: "",
    since: 7,
    summary: "the sine",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Sin))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The sine.
#[derive(Clone, Copy, Debug)]
pub struct Sin;

impl Operator for Sin {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let cosine = b.cos(site.input(0)?)?;
        Ok(Some(vec![Some(b.mul(g, cosine)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        map_float!(inputs, outputs, |v| v.sin())
    }
}

#[cfg(test)]
mod tests {
    use super::Sin;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Sin).input(f64s(&[2], &[0.0, 0.5])).expect(f64s(&[2], &[0.0, 0.479425538604203])),
            Case::new(Sin).random(&[3, 5]),
            Case::new(Sin).random(&[2, 1, 3]),
        ]
    }
}
