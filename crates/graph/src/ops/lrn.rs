//! LRN: x / (bias + alpha / size · Σ x²)^beta, the sum over the neighbouring channels.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::average_pool::ones;
use super::convolve;
use super::support::{fact, said};
use super::window::{self, Window};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// LRN's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LRN",
    domain: "",
    since: 1,
    summary: "x / (bias + alpha / size · Σ x²)^beta, the sum over neighbouring channels",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let size = match node.int("size")? {
            Some(n @ 1..=1_048_576) => n as usize,
            other => refuse!("attribute size is {}, expected a positive number", said(other)),
        };
        Ok(Arc::new(Lrn {
            size,
            alpha: node.float("alpha")?.unwrap_or(1e-4),
            beta: node.float("beta")?.unwrap_or(0.75),
            bias: node.float("bias")?.unwrap_or(1.0),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x / (bias + alpha / size · Σ x²)^beta.
#[derive(Clone, Copy, Debug)]
pub struct Lrn {
    /// The number of neighbouring channels that are summed.
    pub size: usize,
    /// The factor of their mean square.
    pub alpha: f32,
    /// The power.
    pub beta: f32,
    /// What is added to the mean square.
    pub bias: f32,
}


impl Operator for Lrn {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("size", Attribute::Int(self.size as i64))
            .with("alpha", Attribute::Float(self.alpha))
            .with("beta", Attribute::Float(self.beta))
            .with("bias", Attribute::Float(self.bias))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if x.shape.len() < 2 {
            refuse!("input 0 of shape {:?} has no channels", x.shape);
        }
        Ok(vec![x.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let shape = b.shape(x).to_vec();
        let &[records, channels, ref spatial @ ..] = &shape[..] else { refuse!("input 0 has no channels") };
        let plane: usize = spatial.iter().product();
        let before = (self.size - 1) / 2;
        let window = Window {
            kernel: vec![self.size, 1],
            pads: vec![before, 0, self.size - 1 - before, 0],
            ..Window::default()
        };
        let axes = window.slide(&[channels, plane], &window.kernel)?;
        let (sizes, kernel) = ones(axes, 2, b.fact(x).dtype)?;
        let squares = b.mul(x, x)?;
        let squares = b.reshape(squares, &[records, 1, channels, plane])?;
        let kernel = b.constant_value(kernel);
        let sums = convolve::convolve(b, &sizes, &axes[1..], squares, kernel)?;
        let sums = b.reshape(sums, &shape)?;
        let scaled = b.scale(sums, f64::from(self.alpha) / self.size as f64)?;
        let raised = b.shift(scaled, f64::from(self.bias))?;
        let beta = b.scalar_like(x, f64::from(self.beta))?;
        let divisor = b.pow(raised, beta)?;
        Ok(Some(vec![b.div(x, divisor)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::Lrn;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |size| Case::new(Lrn { size, alpha: 0.5, beta: 0.75, bias: 1.5 });
        vec![
            Case::new(Lrn { size: 2, alpha: 2.0, beta: 1.0, bias: 1.0 })
                .input(f64s(&[1, 3, 1], &[1.0, 2.0, 3.0]))
                .expect(f64s(&[1, 3, 1], &[1.0 / 6.0, 2.0 / 14.0, 0.3])),
            of(3).random(&[2, 5, 3, 2]),
            of(4).random(&[3, 2, 4]),
            of(5).random(&[2, 7]),
        ]
    }
}
