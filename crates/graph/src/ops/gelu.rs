//! Gelu: x · Φ(x) with the normal distribution function Φ, exact or approximated by the hyperbolic tangent.

use std::sync::Arc;

use super::GeluSlope;
use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::import::Import;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::refuse;
use crate::tensor::{View, ViewMut};
use pellucid_kernels::elementary;

/// Gelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Gelu",
    domain: "",
    since: 20,
    summary: "x · Φ(x), exact or approximated by tanh",
    derivative: "everywhere",
    import: |node| Ok(Arc::new(Gelu { tanh: approximated(node)? })),
    #[cfg(test)]
    cases: tests::cases,
};

/// Whether a node of one input says that Φ is approximated by the hyperbolic tangent.
pub(super) fn approximated(node: &mut Import<'_>) -> OpResult<bool> {
    node.expect_inputs(1, 1)?;
    match node.text("approximate")?.as_deref() {
        None | Some("none") => Ok(false),
        Some("tanh") => Ok(true),
        Some(other) => refuse!("attribute approximate is {other:?}, expected none or tanh"),
    }
}

/// The attributes that say so.
pub(super) fn approximation(tanh: bool) -> Attributes {
    let name = if tanh { "tanh" } else { "none" };
    Attributes::new().with("approximate", Attribute::Text(name.to_owned()))
}

/// x · Φ(x).
#[derive(Clone, Copy, Debug)]
pub struct Gelu {
    /// Whether Φ is approximated by the hyperbolic tangent.
    pub tanh: bool,
}

impl Operator for Gelu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        approximation(self.tanh)
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let slope = b.push(GeluSlope { tanh: self.tanh }, &[x])?;
        Ok(Some(vec![Some(b.mul(g, slope)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if self.tanh {
            along_float!(inputs, outputs, elementary::gelu_tanh_of)
        } else {
            along_float!(inputs, outputs, elementary::gelu_of)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gelu;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let (exact, tanh) = (Gelu { tanh: false }, Gelu { tanh: true });
        vec![
            Case::new(exact)
                .input(f64s(&[3], &[-1.0, 0.0, 1.0]))
                .expect(f64s(&[3], &[-0.158_655_253_931_457, 0.0, 0.841_344_746_068_543])),
            Case::new(tanh)
                .input(f64s(&[3], &[-1.0, 0.0, 1.0]))
                .expect(f64s(&[3], &[-0.158_808_009_391_723, 0.0, 0.841_191_990_608_277])),
            Case::new(exact).random(&[3, 5]),
            Case::new(tanh).random(&[3, 5]),
            Case::new(exact).between(&[2, 1, 4], -4.0, 4.0),
        ]
    }
}
