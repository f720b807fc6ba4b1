//! ConvTranspose: the transpose of a convolution of [records, channels, …] with weights [channels, outputs / group, kernel…], in one to
//! three dimensions; plus a number for each output channel where input 2 gives it.

use std::sync::Arc;

use super::conv::group;
use super::convolve::{self, Convolving};
use super::window::{AutoPad, Window, check_rank, joined, too_far};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kernel, Kind, Operator, Site, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::convolution::{Axis, Convolution, Direction};

/// ConvTranspose's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ConvTranspose",
    domain: "",
    since: 1,
    summary: "the transpose of a convolution with weights, in one to three dimensions, with groups",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        let list = |name: &str| -> OpResult<Vec<usize>> {
            let values = node.ints(name)?.unwrap_or_default();
            let sizes = values.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v <= 1 << 30));
            match sizes.collect::<Option<Vec<usize>>>() {
                Some(sizes) => Ok(sizes),
                None => refuse!("attribute {name} is {values:?}, expected numbers from 0 to {}", 1 << 30),
            }
        };
        Ok(Arc::new(ConvTranspose {
            group: group(node)?,
            window: Window::import(node)?,
            output_padding: list("output_padding")?,
            output_shape: list("output_shape")?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The transpose of the convolution that reads [records, outputs, …] with weights, input 1.
#[derive(Clone, Debug)]
pub struct ConvTranspose {
    /// The number of groups of channels, each with its own outputs.
    pub group: usize,
    /// How the kernel slides.
    pub window: Window,
    /// How many positions come behind each output axis besides; none where it is empty.
    pub output_padding: Vec<usize>,
    /// The output's spatial sizes, where they are given rather than pads.
    pub output_shape: Vec<usize>,
}

impl Convolving for ConvTranspose {
    fn sizes(&self, x: &[usize], weights: &[usize]) -> OpResult<(Convolution, Direction)> {
        let (spatial, kernel) = convolve::dimensions(x, weights)?;
        if !self.window.kernel.is_empty() && self.window.kernel != kernel {
            refuse!("attribute kernel_shape is {:?}, its weights have {weights:?}", self.window.kernel);
        }
        let rank = spatial.len();
        check_rank(rank, kernel.len())?;
        // The output's shape may be given whole.
        let wanted = match self.output_shape.len() {
            0 => None,
            n if n == rank || n == rank + 2 => Some(&self.output_shape[n - rank..]),
            n => refuse!("attribute output_shape has {n} numbers, expected {rank}"),
        };
        if !self.output_padding.is_empty() && self.output_padding.len() != rank {
            refuse!("attribute output_padding has {} numbers, expected {rank}", self.output_padding.len());
        }
        let mut axes = [Axis::NONE; 3];
        for i in 0..rank {
            let (kernel, stride, dilation) = self.window.steps(kernel, i)?;
            let extra = self.output_padding.get(i).copied().unwrap_or(0) as i64;
            let narrow = spatial[i] as i64;
            let reach = narrow
                .saturating_sub(1)
                .checked_mul(stride as i64)
                .and_then(|n| n.checked_add((kernel as i64 - 1) * dilation as i64 + 1 + extra))
                .ok_or_else(too_far)?;
            let (wide, before) = match (wanted, self.window.auto_pad) {
                (Some(wanted), mode) => {
                    let wide = wanted[i] as i64;
                    let total = (reach - wide).max(0);
                    // All modes but SAME_UPPER, also that of no padding, have the larger half before.
                    (wide, if mode == AutoPad::SameUpper { total / 2 } else { total - total / 2 })
                }
                (None, AutoPad::NotSet) => {
                    let (before, after) = self.window.pads(i, rank)?;
                    (reach - before - after, before)
                }
                (None, AutoPad::Valid) => (reach, 0),
                (None, mode) => {
                    let wide = narrow.checked_mul(stride as i64).ok_or_else(too_far)?;
                    (wide, mode.before((reach - wide).max(0)))
                }
            };
            let Ok(wide) = usize::try_from(wide) else {
                refuse!("its pads take away more than the {reach} positions of axis {}", i + 2);
            };
            axes[3 - rank + i] = Axis { wide, narrow: spatial[i], kernel, stride, dilation, before };
        }
        let Some(wide_channels) = weights[1].checked_mul(self.group) else { return Err(too_far()) };
        Ok((convolve::checked(axes, self.group, (wide_channels, x[1]), weights)?, Direction::Transpose))
    }
}

impl Operator for ConvTranspose {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = joined(self.window.attributes(), &[("group", Attribute::Int(self.group as i64))]);
        for (name, list) in [("output_padding", &self.output_padding), ("output_shape", &self.output_shape)] {
            if !list.is_empty() {
                found.set(name, Attribute::Ints(list.iter().map(|&v| v as i64).collect()));
            }
        }
        found
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        convolve::infer(self, inputs, |sizes, rank| sizes.axes[3 - rank..].iter().map(|a| a.wide).collect())
    }

    fn kind(&self, active: &[bool]) -> Kind {
        convolve::kind(active)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        convolve::rows(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        convolve::derivative(self, b, site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        convolve::run(self, inputs, outputs)
    }

    fn work(&self, inputs: &[Option<Arg<'_>>], _outputs: &[Fact]) -> u64 {
        convolve::work(self, inputs)
    }

    fn prepare(&self, inputs: &[Option<Arg<'_>>], then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        convolve::prepare(self, inputs, then)
    }
}

#[cfg(test)]
mod tests {
    use super::ConvTranspose;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, refusal};
    use crate::ops::window::{AutoPad, Window};

    fn plain() -> ConvTranspose {
        ConvTranspose { group: 1, window: Window::default(), output_padding: Vec::new(), output_shape: Vec::new() }
    }

    fn of(group: usize, strides: &[usize], dilations: &[usize], pads: &[usize], extra: &[usize]) -> Case {
        let window = Window {
            strides: strides.to_vec(),
            dilations: dilations.to_vec(),
            pads: pads.to_vec(),
            ..Window::default()
        };
        Case::new(ConvTranspose { group, window, output_padding: extra.to_vec(), ..plain() })
    }

    pub(super) fn cases() -> Vec<Case> {
        let ones = |shape: &[usize]| f64s(shape, &vec![1.0; shape.iter().product()]);
        let shaped = |auto_pad: &str| {
            let attributes = Attributes::new()
                .with("auto_pad", Attribute::Text(auto_pad.to_owned()))
                .with("output_shape", Attribute::Ints(vec![4]))
                .with("strides", Attribute::Ints(vec![2]));
            let inputs = vec![f64s(&[1, 1, 2], &[1.0, 10.0]), ones(&[1, 1, 3])];
            Case::imported("ConvTranspose", 11, &attributes, inputs)
        };
        let same = Window { auto_pad: AutoPad::SameLower, strides: vec![2, 3], ..Window::default() };
        vec![
            of(1, &[2], &[], &[], &[])
                .input(f64s(&[1, 1, 2], &[1.0, 10.0]))
                .input(ones(&[1, 1, 3]))
                .input(f64s(&[1], &[100.0]))
                .expect(f64s(&[1, 1, 5], &[101.0, 101.0, 111.0, 110.0, 110.0])),
            shaped("SAME_UPPER").expect(f64s(&[1, 1, 4], &[1.0, 1.0, 11.0, 10.0])),
            shaped("SAME_LOWER").expect(f64s(&[1, 1, 4], &[1.0, 11.0, 10.0, 10.0])),
            shaped("NOTSET").expect(f64s(&[1, 1, 4], &[1.0, 11.0, 10.0, 10.0])),
            of(1, &[], &[], &[], &[]).random(&[2, 3, 4, 5]).random(&[3, 4, 3, 2]).random(&[4]),
            of(1, &[2, 2], &[], &[1, 1, 1, 1], &[1, 0]).random(&[2, 3, 4, 5]).random(&[3, 2, 3, 3]),
            of(1, &[3, 2], &[2, 1], &[0, 2, 1, 0], &[]).random(&[3, 2, 3, 4]).random(&[2, 3, 2, 4]).random(&[3]),
            of(2, &[2, 1], &[], &[1, 1, 0, 0], &[]).random(&[2, 4, 3, 3]).random(&[4, 3, 3, 3]),
            of(3, &[2], &[], &[1, 1], &[1]).random(&[2, 3, 5]).random(&[3, 2, 4]).random(&[6]),
            of(4, &[2, 2], &[], &[1, 1, 1, 1], &[]).random(&[2, 4, 3, 4]).random(&[4, 1, 3, 3]),
            // Longer strides than kernels leave gaps.
            of(1, &[4], &[], &[], &[3]).random(&[2, 2, 3]).random(&[2, 2, 2]),
            of(1, &[1, 2, 1], &[1, 1, 2], &[], &[]).random(&[2, 2, 2, 3, 2]).random(&[2, 3, 2, 3, 2]),
            Case::new(ConvTranspose { window: same, ..plain() }).random(&[2, 2, 3, 4]).random(&[2, 2, 3, 2]),
            Case::new(ConvTranspose { output_shape: vec![1, 2, 12], ..plain() })
                .random(&[1, 3, 4])
                .random(&[3, 2, 3]),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let zeros = |shape: &[usize]| f64s(shape, &vec![0.0; shape.iter().product()]);
        let message = refusal(plain(), &[zeros(&[1, 2, 3]), zeros(&[3, 1, 2])]);
        assert!(message.contains("expected [2, 1, …]"), "{message}");
        let pads = Window { pads: vec![9, 0], ..Window::default() };
        let message = refusal(ConvTranspose { window: pads, ..plain() }, &[zeros(&[1, 1, 3]), zeros(&[1, 1, 2])]);
        assert!(message.contains("take away more than the 4 positions"), "{message}");
        let message =
            refusal(ConvTranspose { output_padding: vec![1, 1], ..plain() }, &[zeros(&[1, 1, 3]), zeros(&[1, 1, 2])]);
        assert!(message.contains("output_padding has 2 numbers, expected 1"), "{message}");
    }
}
