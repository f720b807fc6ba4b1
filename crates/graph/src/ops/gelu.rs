//! Gelu: x · Φ(x) with the normal distribution function Φ, exact or approximated by the hyperbolic tangent.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::sync::Arc;

use super::elementwise::elementwise;
use super::support::{along_float, float_as_input};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Cotangents, Definition, Operator, Site};
use crate::refuse;
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation::{GELU_CUBE, GELU_SCALE};
use pellucid_kernels::elementary;

/// Gelu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Gelu",
    domain: "",
    since: 20,
    summary: "x · Φ(x), exact or approximated by tanh",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(match node.text("approximate")?.as_deref() {
            None | Some("none") => Gelu { tanh: false },
            Some("tanh") => Gelu { tanh: true },
            Some(other) => refuse!("attribute approximate is {other:?}, expected none or tanh"),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

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
        let name = if self.tanh { "tanh" } else { "none" };
        Attributes::new().with("approximate", Attribute::Text(name.to_owned()))
    }

    elementwise!(float_as_input, Elementwise);

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let slope = if self.tanh { tanh_slope(b, x)? } else { exact_slope(b, x)? };
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

/// Φ(x) + x · φ(x), with the normal density φ.
fn exact_slope(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let scaled = b.scale(x, FRAC_1_SQRT_2)?;
    let erf = b.erf(scaled)?;
    let raised = b.shift(erf, 1.0)?;
    let distribution = b.scale(raised, 0.5)?;
    let square = b.mul(x, x)?;
    let exponent = b.scale(square, -0.5)?;
    let bell = b.exp(exponent)?;
    let density = b.scale(bell, 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI)?;
    let product = b.mul(x, density)?;
    b.add(distribution, product)
}

/// (1 + t)/2 + x/2 · (1 − t²) · √(2/π) · (1 + 3 · 0.044715 · x²), where t is the hyperbolic tangent within.
fn tanh_slope(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let square = b.mul(x, x)?;
    let bent = b.scale(square, GELU_CUBE)?;
    let factor = b.shift(bent, 1.0)?;
    let inner = b.mul(x, factor)?;
    let inner = b.scale(inner, GELU_SCALE)?;
    let t = b.tanh(inner)?;
    let raised = b.shift(t, 1.0)?;
    let first = b.scale(raised, 0.5)?;
    let t_square = b.mul(t, t)?;
    let one = b.scalar_like(x, 1.0)?;
    let rest = b.sub(one, t_square)?;
    let bent = b.scale(square, 3.0 * GELU_CUBE)?;
    let inner_slope = b.shift(bent, 1.0)?;
    let product = b.mul(rest, inner_slope)?;
    let half = b.scale(x, 0.5 * GELU_SCALE)?;
    let second = b.mul(half, product)?;
    b.add(first, second)
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
