//! LpPool: (Σ |x|ᵖ)^(1/p) over each window, in one to three dimensions. Pads count as zeros.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::average_pool::ones;
use super::convolve;
use super::max_pool::{axes, pooled};
use super::support::fact;
use super::window::{self, Window, joined};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// LpPool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LpPool",
    domain: "",
    since: 2,
    summary: "the p-norm of each window",
    derivative: "everywhere but where a window is zero",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(LpPool { window: Window::import(node)?, p: order(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The p-norm of each window.
#[derive(Clone, Debug)]
pub struct LpPool {
    /// How the window slides.
    pub window: Window,
    /// p.
    pub p: i64,
}

/// The attribute p.
pub(super) fn order(node: &Import<'_>) -> OpResult<i64> {
    match node.int("p")?.unwrap_or(2) {
        p if p > 0 => Ok(p),
        p => refuse!("attribute p is {p}, expected a positive number"),
    }
}

/// |x|ᵖ.
pub(super) fn raised(b: &mut Builder, x: ValueId, p: i64) -> OpResult<ValueId> {
    match p {
        1 => b.abs(x),
        2 => b.mul(x, x),
        _ => {
            let size = b.abs(x)?;
            let p = b.scalar_like(x, p as f64)?;
            b.pow(size, p)
        }
    }
}

/// x^(1/p).
pub(super) fn root(b: &mut Builder, x: ValueId, p: i64) -> OpResult<ValueId> {
    match p {
        1 => Ok(x),
        2 => b.sqrt(x),
        _ => {
            let inverse = b.scalar_like(x, 1.0 / p as f64)?;
            b.pow(x, inverse)
        }
    }
}


impl Operator for LpPool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        joined(self.window.attributes(), &[("p", Attribute::Int(self.p))])
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        Ok(vec![Fact::new(x.dtype, &pooled(&self.window, &x.shape)?)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let shape = b.shape(x).to_vec();
        let (axes, rank) = (axes(&self.window, &shape)?, shape.len() - 2);
        let (sizes, kernel) = ones(axes, rank, b.fact(x).dtype)?;
        let powers = raised(b, x, self.p)?;
        let planes = b.reshape(powers, &[&[shape[0] * shape[1], 1][..], &shape[2..]].concat())?;
        let kernel = b.constant_value(kernel);
        let sums = convolve::convolve(b, &sizes, &axes[3 - rank..], planes, kernel)?;
        let sums = b.reshape(sums, &pooled(&self.window, &shape)?)?;
        Ok(Some(vec![root(b, sums, self.p)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::LpPool;
    use crate::cases::{Case, f64s};
    use crate::ops::window::Window;

    pub(super) fn cases() -> Vec<Case> {
        let of = |p, kernel: &[usize], strides: &[usize], pads: &[usize]| {
            let window =
                Window { kernel: kernel.to_vec(), strides: strides.to_vec(), pads: pads.to_vec(), ..Window::default() };
            Case::new(LpPool { window, p })
        };
        vec![
            of(2, &[2], &[], &[0, 1])
                .input(f64s(&[1, 1, 3], &[3.0, -4.0, 0.0]))
                .expect(f64s(&[1, 1, 3], &[5.0, 4.0, 0.0]))
                .fixed(&[0]),
            of(3, &[2, 2], &[2, 1], &[1, 0, 0, 1]).random(&[2, 3, 5, 4]),
            of(1, &[3], &[2], &[]).random(&[2, 2, 7]),
        ]
    }
}
