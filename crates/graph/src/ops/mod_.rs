//! Mod: the remainder of x / y, broadcast as numpy does; with the sign of y, or with that of x where `fmod` is set.
//!
//! ONNX asks for `fmod` where the inputs are floats; without it they get numpy's `mod`. A whole number by 0 gives 0, as in numpy.
//! The derivative in x is 1 and that in y the quotient, cut or rounded down, with a minus; at the jumps too, as PyTorch's.

use std::sync::Arc;

use super::support::{broadcast, zip_number};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Mod's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Mod",
    domain: "",
    since: 10,
    summary: "the remainder of x / y, broadcast",
    derivative: "that of the smooth pieces, at the jumps too",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Mod { fmod: node.flag("fmod", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The remainder of x / y.
#[derive(Clone, Copy, Debug)]
pub struct Mod {
    /// Whether the remainder has the sign of x, as in C, rather than that of y, as in Python.
    pub fmod: bool,
}

impl Operator for Mod {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("fmod", Attribute::Int(i64::from(self.fmod)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![broadcast(inputs)?])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Other } else { Kind::Elementwise }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let (x, y) = (site.input(0)?, site.input(1)?);
        let mut found = vec![None, None];
        if site.active(0) {
            let shape = b.shape(x).to_vec();
            found[0] = Some(b.unbroadcast(g, &shape)?);
        }
        if site.active(1) {
            let multiple = b.sub(x, site.outputs[0])?;
            let quotient = b.div(multiple, y)?;
            let quotient = b.push(super::Round, &[quotient])?;
            let product = b.mul(g, quotient)?;
            let negated = b.neg(product)?;
            let shape = b.shape(y).to_vec();
            found[1] = Some(b.unbroadcast(negated, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if self.fmod {
            zip_number!(
                inputs,
                outputs,
                float | a,
                b | a % b,
                integer | a,
                b | if b == 0 { 0 } else { a.wrapping_rem(b) }
            )
        } else {
            zip_number!(
                inputs,
                outputs,
                float | a,
                b | {
                    let rest = a % b;
                    if rest == 0.0 {
                        (0.0 * rest).copysign(b)
                    } else if (rest < 0.0) == (b < 0.0) {
                        rest
                    } else {
                        rest + b
                    }
                },
                integer | a,
                b | {
                    if b == 0 {
                        0
                    } else {
                        let rest = a.wrapping_rem(b);
                        let zero = Default::default();
                        if rest == zero || (rest < zero) == (b < zero) { rest } else { rest.wrapping_add(b) }
                    }
                }
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mod;
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let (python, c) = (Mod { fmod: false }, Mod { fmod: true });
        let (x, y) = (i64s(&[-7, 7, -7, 6, 5, i64::MIN]), i64s(&[3, -3, -3, 3, 0, -1]));
        vec![
            Case::new(python).input(x.clone()).input(y.clone()).expect(i64s(&[2, -2, -1, 0, 0, 0])),
            Case::new(c).input(x).input(y).expect(i64s(&[-1, 1, -1, 0, 0, 0])),
            Case::new(python)
                .input(f64s(&[3], &[-7.5, 7.5, 1.0]))
                .input(f64s(&[3], &[3.0, -3.0, 0.0]))
                .expect(f64s(&[3], &[1.5, -1.5, f64::NAN]))
                .fixed(&[0, 1]),
            Case::new(c)
                .input(f64s(&[2], &[-7.5, 7.5]))
                .input(f64s(&[2], &[3.0, -3.0]))
                .expect(f64s(&[2], &[-1.5, 1.5])),
            Case::new(python)
                .input(Tensor::vector(vec![200u8]))
                .input(Tensor::vector(vec![7u8]))
                .expect(Tensor::vector(vec![4u8])),
            Case::new(python).between(&[3, 1, 4], -4.9, -4.6).between(&[2, 1], 1.9, 2.1),
            Case::new(c).between(&[3, 1, 4], -4.9, -4.6).between(&[2, 1], 1.9, 2.1),
        ]
    }
}
