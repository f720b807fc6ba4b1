//! GeluSlope, of Pellucid's own: the derivative of Gelu. One step, where its definition takes a dozen.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::sync::Arc;

use super::elementwise::elementwise;
use super::gelu::{approximated, approximation};
use super::support::{along_float, float_as_input};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::activation::{GELU_CUBE, GELU_SCALE};
use pellucid_kernels::elementary;

/// GeluSlope's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GeluSlope",
    domain: "pellucid",
    since: 1,
    summary: "the derivative of Gelu, Φ(x) + x · φ(x), or of its approximation by tanh",
    derivative: "everywhere",
    import: |node| Ok(Arc::new(GeluSlope { tanh: approximated(node)? })),
    #[cfg(test)]
    cases: tests::cases,
};

/// Φ(x) + x · φ(x), with the normal distribution function Φ and density φ.
#[derive(Clone, Copy, Debug)]
pub struct GeluSlope {
    /// Whether Φ is approximated by the hyperbolic tangent.
    pub tanh: bool,
}

impl Operator for GeluSlope {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        approximation(self.tanh)
    }

    elementwise!(float_as_input, Elementwise);

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let x = inputs.first().copied().flatten().ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        let slope = if self.tanh { tanh_slope(b, x)? } else { exact_slope(b, x)? };
        Ok(Some(vec![slope]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if self.tanh {
            along_float!(inputs, outputs, elementary::gelu_tanh_slope_of)
        } else {
            along_float!(inputs, outputs, elementary::gelu_slope_of)
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
    use super::GeluSlope;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let (exact, tanh) = (GeluSlope { tanh: false }, GeluSlope { tanh: true });
        let ends = || f64s(&[4], &[-50.0, 0.0, 1.0, 50.0]);
        vec![
            Case::new(exact).input(ends()).expect(f64s(&[4], &[0.0, 0.5, 1.083_315_470_587_686_3, 1.0])),
            Case::new(tanh).input(ends()).expect(f64s(&[4], &[0.0, 0.5, 1.082_964_083_822_018_5, 1.0])),
            Case::new(exact).between(&[3, 5], -4.0, 4.0),
            Case::new(tanh).between(&[3, 5], -4.0, 4.0),
        ]
    }
}
