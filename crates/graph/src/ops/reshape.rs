//! Reshape: the same elements in another shape. A 0 copies the input's size, unless zeros are allowed; one −1 is worked out.

use std::sync::Arc;

use super::support::{fact, integers, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut, elements};

/// Reshape's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Reshape",
    domain: "",
    since: 5,
    summary: "the same elements in another shape",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Reshape { allow_zero: node.flag("allowzero", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The same elements in the shape that input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct Reshape {
    /// Whether a 0 is a size of 0 rather than that of the input.
    pub allow_zero: bool,
}

impl Operator for Reshape {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("allowzero", Attribute::Int(i64::from(self.allow_zero)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let wanted = integers(inputs, 1, "shape")?.ok_or_else(|| OpError("input 1 is missing".to_owned()))?;
        let mut shape = Vec::with_capacity(wanted.len());
        let mut open = None;
        for (i, &d) in wanted.iter().enumerate() {
            shape.push(match d {
                -1 if open.is_none() => {
                    open = Some(i);
                    1
                }
                0 if !self.allow_zero => match x.shape.get(i) {
                    Some(&d) => d,
                    None => refuse!("shape {wanted:?} copies dimension {i} of an input of shape {:?}", x.shape),
                },
                _ => usize::try_from(d).map_err(|_| OpError(format!("shape {wanted:?} has a size of {d}")))?,
            });
        }
        let mismatch = || OpError(format!("an input of shape {:?} does not fill shape {wanted:?}", x.shape));
        if let Some(i) = open {
            let rest = elements(&shape).ok_or_else(mismatch)?;
            if rest == 0 || x.len() % rest != 0 {
                return Err(mismatch());
            }
            shape[i] = x.len() / rest;
        }
        if elements(&shape) != Some(x.len()) {
            return Err(mismatch());
        }
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::reshape(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        Ok(Some(vec![Some(b.reshape(g, &shape)?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        if !output.data.copy_from(x.data) {
            refuse!("its output does not have the input's elements");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Reshape;
    use crate::cases::{Case, f64s, i64s};

    pub(super) fn cases() -> Vec<Case> {
        let plain = Reshape { allow_zero: false };
        vec![
            Case::new(plain).input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])).input(i64s(&[4])).expect(f64s(&[4], &[1.0, 2.0, 3.0, 4.0])),
            Case::new(plain).random(&[2, 3, 4]).input(i64s(&[0, -1])).rows(&[0]),
            Case::new(plain).random(&[2, 3, 4]).input(i64s(&[3, 2, -1])),
            Case::new(Reshape { allow_zero: true }).random(&[0, 3]).input(i64s(&[3, 0])),
        ]
    }
}
