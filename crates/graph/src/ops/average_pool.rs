//! AveragePool: the mean of each window, in one to three dimensions. Pads are left out of the mean, or counted as zeros.

use std::sync::Arc;

use super::convolve;
use super::max_pool::{axes, pooled};
use super::support::{data, fact, no_type, out, view};
use super::window::{self, Window, joined};
use crate::attributes::{Attribute, Attributes};
use crate::build::{Builder, filled};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, Tensor, View, ViewMut};
use pellucid_kernels::convolution::{Axis, Convolution};
use pellucid_kernels::{Real, pool};

/// AveragePool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "AveragePool",
    domain: "",
    since: 1,
    summary: "the mean of each window, in one to three dimensions, with pads or without",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let count_pads = node.flag("count_include_pad", false)?;
        Ok(Arc::new(AveragePool { window: Window::import(node)?, count_pads }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The mean of each window.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// How the window slides.
    pub window: Window,
    /// Whether pads count as zeros rather than being left out.
    pub count_pads: bool,
}

impl AveragePool {
    /// How many elements each window along an axis has, as they are counted.
    fn counts(&self, axis: &Axis, behind: i64) -> Vec<usize> {
        let counted = |o: usize| {
            if !self.count_pads {
                let (first, end) = axis.inside(o);
                return end - first;
            }
            let start = (o * axis.stride) as i64 - axis.before;
            let room = axis.wide as i64 + behind - start;
            // The first window begins where the pads do.
            ((room + axis.dilation as i64 - 1).div_euclid(axis.dilation as i64)).clamp(0, axis.kernel as i64) as usize
        };
        (0..axis.narrow).map(counted).collect()
    }

    /// How many elements each window has: one number where all have as many, else in the windows' order.
    fn all_counts(&self, axes: &[Axis; 3], rank: usize) -> OpResult<Vec<usize>> {
        let mut each = vec![1];
        for (i, axis) in axes[3 - rank..].iter().enumerate() {
            let along = self.counts(axis, self.window.behind(axis, i, rank)?);
            each = each.iter().flat_map(|n| along.iter().map(move |m| n * m)).collect();
        }
        if each.windows(2).all(|w| w[0] == w[1]) {
            each.truncate(1);
        }
        Ok(each)
    }

    fn compute<T: Real + Element>(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let shape = view(inputs, 0)?.shape;
        let axes = axes(&self.window, shape)?;
        let counts: Vec<T> =
            self.all_counts(&axes, shape.len() - 2)?.into_iter().map(|n| T::of(n as f64)).collect();
        let out = out::<T>(outputs, 0)?;
        pool::sum(data::<T>(inputs, 0)?, &axes, out);
        match counts[..] {
            [count] => out.iter_mut().for_each(|o| *o /= count),
            _ => {
                for plane in out.chunks_exact_mut(counts.len().max(1)) {
                    plane.iter_mut().zip(&counts).for_each(|(o, n)| *o /= *n);
                }
            }
        }
        Ok(())
    }
}

/// A kernel of ones over one channel.
pub(super) fn ones(axes: [Axis; 3], rank: usize, dtype: DType) -> OpResult<(Convolution, Tensor)> {
    let sizes = Convolution { axes, groups: 1, wide_channels: 1, narrow_channels: 1 };
    if !sizes.is_bounded() {
        return Err(window::too_far());
    }
    let shape: Vec<usize> = [1, 1].into_iter().chain(axes[3 - rank..].iter().map(|a| a.kernel)).collect();
    match filled(dtype, &shape, 1.0) {
        Some(kernel) => Ok((sizes, kernel)),
        None => refuse!("no kernel of type {dtype}"),
    }
}

impl Operator for AveragePool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        joined(self.window.attributes(), &[("count_include_pad", Attribute::Int(i64::from(self.count_pads)))])
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        Ok(vec![Fact::new(x.dtype, &pooled(&self.window, &x.shape)?)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        let rank = shape.len() - 2;
        let axes = axes(&self.window, &shape)?;
        let dtype = b.fact(g).dtype;
        let counts = self.all_counts(&axes, rank)?;
        let shares = match counts[..] {
            [count] => b.scale(g, 1.0 / count as f64)?,
            _ => {
                let of = counts.iter().map(|&n| 1.0 / n as f64).collect::<Vec<f64>>();
                let shares = Tensor::new(&b.shape(g)[2..], of)
                    .ok_or_else(|| OpError("its windows are not counted".to_owned()))?;
                let shares = b.constant_value(shares.with_precision(dtype));
                b.mul(g, shares)?
            }
        };
        let (sizes, kernel) = ones(axes, rank, dtype)?;
        let planes = shape[0] * shape[1];
        let narrow = b.shape(g)[2..].to_vec();
        let flat = b.reshape(shares, &[&[planes, 1][..], &narrow].concat())?;
        let kernel = b.constant_value(kernel);
        let back = convolve::transpose(b, &sizes, &axes[3 - rank..], flat, kernel)?;
        Ok(Some(vec![Some(b.reshape(back, &shape)?)]))
    }

    fn work(&self, _inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let taps = self.window.kernel.iter().copied();
        super::support::steps(outputs.first().map(Fact::len).into_iter().chain(taps))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.compute::<f32>(inputs, outputs),
            DType::F64 => self.compute::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AveragePool;
    use crate::cases::{Case, f64s};
    use crate::ops::window::{AutoPad, Window};

    fn of(count_pads: bool, kernel: &[usize], strides: &[usize], pads: &[usize]) -> AveragePool {
        let window =
            Window { kernel: kernel.to_vec(), strides: strides.to_vec(), pads: pads.to_vec(), ..Window::default() };
        AveragePool { window, count_pads }
    }

    pub(super) fn cases() -> Vec<Case> {
        let line = || f64s(&[1, 1, 4], &[1.0, 2.0, 3.0, 5.0]);
        let ceil = |mut op: AveragePool| {
            op.window.ceil = true;
            Case::new(op)
        };
        let mut same = of(true, &[3, 2], &[2, 2], &[]);
        same.window.auto_pad = AutoPad::SameUpper;
        let mut spread = of(true, &[2, 3], &[1, 2], &[1, 0, 0, 2]);
        spread.window.dilations = vec![2, 1];
        vec![
            Case::new(of(false, &[3], &[], &[1, 1])).input(line()).expect(f64s(&[1, 1, 4], &[1.5, 2.0, 10.0 / 3.0, 4.0])),
            Case::new(of(true, &[3], &[], &[1, 1])).input(line()).expect(f64s(&[1, 1, 4], &[1.0, 2.0, 10.0 / 3.0, 8.0 / 3.0])),
            // What lies behind the pads never counts.
            ceil(of(true, &[3], &[2], &[])).input(line()).expect(f64s(&[1, 1, 2], &[2.0, 4.0])),
            Case::new(of(false, &[3, 3], &[2, 2], &[1, 1, 1, 1])).random(&[2, 3, 7, 6]),
            ceil(of(true, &[3, 2], &[2, 3], &[1, 0, 1, 1])).random(&[2, 2, 6, 7]),
            ceil(of(false, &[3, 2], &[2, 3], &[1, 0, 1, 1])).random(&[2, 2, 6, 7]),
            Case::new(same).random(&[2, 2, 5, 6]),
            Case::new(spread).random(&[2, 2, 5, 6]),
            Case::new(of(false, &[2], &[3], &[])).random(&[3, 2, 9]),
            Case::new(of(false, &[2, 1, 2], &[1, 1, 2], &[])).random(&[2, 2, 3, 2, 5]),
        ]
    }
}
