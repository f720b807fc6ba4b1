//! Conv: the convolution of [records, channels, …] with weights [outputs, channels / group, kernel…], in one to three dimensions; plus a
//! number for each output channel where input 2 gives it.

use std::sync::Arc;

use super::convolve::{self, Convolving};
use super::window::{Window, joined, narrow};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kernel, Kind, Operator, Site, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::convolution::{Convolution, Direction};

/// Conv's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Conv",
    domain: "",
    since: 1,
    summary: "the convolution with weights, in one to three dimensions, with groups",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        Ok(Arc::new(Conv::new(group(node)?, Window::import(node)?)))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The number of groups of a node.
pub(super) fn group(node: &crate::import::Import<'_>) -> OpResult<usize> {
    match usize::try_from(node.int("group")?.unwrap_or(1)) {
        Ok(group) if group > 0 => Ok(group),
        _ => refuse!("attribute group must be positive"),
    }
}

/// The convolution of input 0 with weights, input 1.
#[derive(Clone, Debug)]
pub struct Conv {
    /// The number of groups of channels, each with its own outputs.
    pub group: usize,
    /// How the kernel slides.
    pub window: Window,
    /// Whether sums of numbers in single precision are taken in double and rounded once.
    pub in_double: bool,
}

impl Conv {
    /// One whose sums are of its numbers' precision.
    pub fn new(group: usize, window: Window) -> Self {
        Self { group, window, in_double: false }
    }
}

impl Convolving for Conv {
    fn sizes(&self, x: &[usize], weights: &[usize]) -> OpResult<(Convolution, Direction)> {
        let (spatial, kernel) = convolve::dimensions(x, weights)?;
        if !self.window.kernel.is_empty() && self.window.kernel != kernel {
            refuse!("attribute kernel_shape is {:?}, its weights have {weights:?}", self.window.kernel);
        }
        let axes = self.window.slide(spatial, kernel)?;
        Ok((convolve::checked(axes, self.group, (x[1], weights[0]), weights)?, Direction::Convolve))
    }

    fn sums_in_double(&self) -> bool {
        self.in_double
    }
}

impl Operator for Conv {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        joined(self.window.attributes(), &[("group", Attribute::Int(self.group as i64))])
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        convolve::infer(self, inputs, |sizes, rank| narrow(&sizes.axes, rank).collect())
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

    fn with_sums_in_double(&self) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Self { in_double: true, ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Conv, Window};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, refusal};
    use crate::ops::window::AutoPad;

    fn of(group: usize, strides: &[usize], dilations: &[usize], pads: &[usize]) -> Case {
        let window = Window {
            strides: strides.to_vec(),
            dilations: dilations.to_vec(),
            pads: pads.to_vec(),
            ..Window::default()
        };
        Case::new(Conv::new(group, window))
    }

    fn auto(auto_pad: AutoPad, strides: &[usize]) -> Case {
        Case::new(Conv::new(1, Window { auto_pad, strides: strides.to_vec(), ..Window::default() }))
    }

    pub(super) fn cases() -> Vec<Case> {
        let counted: Vec<f64> = (0..9).map(f64::from).collect();
        let ones = |shape: &[usize]| f64s(shape, &vec![1.0; shape.iter().product()]);
        let three = |auto_pad: &str| {
            let attributes = Attributes::new()
                .with("auto_pad", Attribute::Text(auto_pad.to_owned()))
                .with("kernel_shape", Attribute::Ints(vec![2]));
            Case::imported("Conv", 1, &attributes, vec![f64s(&[1, 1, 3], &[1.0, 2.0, 4.0]), ones(&[1, 1, 2])])
        };
        vec![
            of(1, &[], &[], &[1, 1, 1, 1])
                .input(f64s(&[1, 1, 3, 3], &counted))
                .input(ones(&[1, 1, 3, 3]))
                .input(f64s(&[1], &[100.0]))
                .expect(f64s(&[1, 1, 3, 3], &[108.0, 115.0, 112.0, 121.0, 136.0, 127.0, 120.0, 133.0, 124.0])),
            three("SAME_UPPER").expect(f64s(&[1, 1, 3], &[3.0, 6.0, 4.0])),
            three("SAME_LOWER").expect(f64s(&[1, 1, 3], &[1.0, 3.0, 6.0])),
            three("VALID").expect(f64s(&[1, 1, 2], &[3.0, 6.0])),
            of(1, &[], &[], &[]).random(&[2, 3, 5, 6]).random(&[7, 3, 3, 2]).random(&[7]),
            of(1, &[2, 2], &[1, 1], &[1, 1, 1, 1]).random(&[2, 3, 8, 7]).random(&[4, 3, 3, 3]),
            of(1, &[2, 3], &[2, 1], &[0, 1, 2, 0]).random(&[3, 2, 9, 8]).random(&[3, 2, 2, 4]).random(&[3]),
            of(1, &[2, 2], &[], &[]).random(&[2, 3, 7, 6]).random(&[5, 3, 1, 1]),
            of(2, &[1, 2], &[], &[1, 1, 1, 1]).random(&[2, 4, 5, 6]).random(&[6, 2, 3, 3]),
            of(4, &[2, 1], &[], &[1, 1, 1, 1]).random(&[2, 4, 5, 6]).random(&[4, 1, 3, 3]).random(&[4]),
            of(3, &[2], &[], &[2, 0]).random(&[2, 3, 9]).random(&[6, 1, 4]),
            of(1, &[3], &[2], &[1, 4]).random(&[2, 3, 9]).random(&[2, 3, 3]),
            of(1, &[1, 2, 1], &[1, 1, 2], &[1, 0, 1, 0, 1, 1]).random(&[2, 2, 3, 4, 5]).random(&[3, 2, 2, 3, 2]),
            auto(AutoPad::SameLower, &[2, 2]).random(&[2, 1, 5, 6]).random(&[2, 1, 4, 3]),
            auto(AutoPad::Valid, &[2, 2]).random(&[2, 1, 6, 6]).random(&[2, 1, 3, 3]),
            Case::new(Conv { in_double: true, ..Conv::new(2, Window { pads: vec![1; 4], ..Window::default() }) })
                .random(&[3, 4, 5, 6])
                .random(&[6, 2, 3, 3])
                .random(&[6]),
            // Strides that leave elements out, which must get no derivative.
            of(1, &[4], &[], &[]).random(&[2, 2, 12]).random(&[2, 2, 2]),
            of(1, &[], &[], &[]).random(&[3, 2, 4]).random(&[2, 2, 2]).rows(&[1]).mixes(),
            of(1, &[], &[], &[]).random(&[0, 2, 4]).random(&[2, 2, 2]),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let conv = |group| Conv::new(group, Window::default());
        let zeros = |shape: &[usize]| f64s(shape, &vec![0.0; shape.iter().product()]);
        let message = refusal(conv(1), &[zeros(&[1, 2, 3]), zeros(&[1, 3, 2])]);
        assert!(message.contains("expected [1, 2, …]"), "{message}");
        let message = refusal(conv(2), &[zeros(&[1, 3, 3]), zeros(&[2, 1, 2])]);
        assert!(message.contains("2 groups do not divide"), "{message}");
        let message = refusal(conv(1), &[zeros(&[1, 2, 3]), zeros(&[1, 2, 4])]);
        assert!(message.contains("a window of 4 positions does not fit axis 2 of 3"), "{message}");
        let message = refusal(conv(1), &[zeros(&[1, 2, 1, 1, 1, 1]), zeros(&[1, 2, 1, 1, 1, 1])]);
        assert!(message.contains("4 spatial axes, expected 1 to 3"), "{message}");
        let far = Window { pads: vec![1 << 30, 1 << 30], strides: vec![1 << 30], ..Window::default() };
        let message = refusal(Conv::new(1, far), &[zeros(&[1, 1, 3]), zeros(&[1, 1, 3])]);
        assert!(message.contains("reach too far"), "{message}");
        let bad = Window { pads: vec![1; 3], ..Window::default() };
        let message = refusal(Conv::new(1, bad), &[zeros(&[1, 1, 3]), zeros(&[1, 1, 3])]);
        assert!(message.contains("pads has 3 numbers, expected 2"), "{message}");
    }
}
