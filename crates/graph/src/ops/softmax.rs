//! Softmax: exp(x) over its sum along an axis, computed without overflow.
//!
//! Opsets before 13 normalize all axes from the named one on together, and name the second where none is given; later ones
//! normalize one axis, and name the last.

use std::sync::Arc;

use super::soft::{self, Along, through_along};
use crate::build::Builder;
use crate::error::OpResult;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::normalize;

/// Softmax's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Softmax",
    domain: "",
    since: 1,
    summary: "exp(x) over its sum along an axis",
    derivative: "everywhere",
    import: |node| {
        let Along { axis, flatten } = Along::import(node)?;
        Ok(Arc::new(Softmax { axis, flatten }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// exp(x) over its sum along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The axis; counted from the end where negative.
    pub axis: i64,
    /// Whether all axes from this one on are normalized together, as opsets before 13 have it.
    pub flatten: bool,
}

impl Operator for Softmax {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_along!();

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let y = site.outputs[0];
        let weighted = b.mul(g, y)?;
        let mean = Along { axis: self.axis, flatten: self.flatten }.sum(b, weighted)?;
        let apart = b.sub(g, mean)?;
        Ok(Some(vec![Some(b.mul(y, apart)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        soft::run(Along { axis: self.axis, flatten: self.flatten }, inputs, outputs, normalize::softmax, normalize::softmax)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFINITION, Softmax};
    use crate::cases::{Case, f64s};
    use crate::ops::soft;

    pub(super) fn cases() -> Vec<Case> {
        let (third, two_thirds) = (1.0 / 3.0f64, 2.0 / 3.0f64);
        vec![
            Case::new(Softmax { axis: -1, flatten: false })
                .input(f64s(&[2, 2], &[0.0, 2.0f64.ln(), 1000.0, -1000.0]))
                .expect(f64s(&[2, 2], &[third, two_thirds, 1.0, 0.0])),
        ]
        .into_iter()
        .chain(soft::awkward(|axis, flatten| Softmax { axis, flatten }))
        .collect()
    }

    #[test]
    fn the_opset_says_what_the_axis_means() {
        soft::the_opset_says_what_the_axis_means(&DEFINITION);
    }
}
