//! Convolutions in up to three dimensions and their transposes, with groups.
//!
//! Both are sums over taps, gathered: each output element is a sum that begins with the bias, of short chains of multiply-adds, over channels and
//! within them over taps. So it has the same bits whatever the batch, and an error that hardly grows with the number of channels. Patches
//! are laid out panel by panel as they are needed, never as a whole. Where a group has one channel to read, its outputs are summed directly,
//! in one chain. In single precision 3 × 3 taps that lie close take fewer multiplications, in tiles, where there are channels enough: other
//! arithmetic, but the same whatever the batch.
//!
//! The transpose reads the kernel of each remainder of the stride for itself, so that no zeros are multiplied.

mod after;
mod depthwise;
mod double;
mod geometry;
mod product;
mod winograd;

use std::sync::Arc;

use crate::real::Real;
pub use after::{After, Bounds};
pub use geometry::Axis;
use geometry::{Frame, Pass};
pub use winograd::Transformed;

/// The most elements that the source of one channel may take when it is laid out.
const MOST_FRAME: usize = 1 << 26;

/// The sizes of a convolution. Its weights are `[narrow_channels, wide_channels / groups, kernel…]`, for the transpose too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// The spatial axes; those that lack come first and are [`Axis::NONE`].
    pub axes: [Axis; 3],
    /// The number of groups, which divides both numbers of channels.
    pub groups: usize,
    /// The channels of the side that a convolution reads.
    pub wide_channels: usize,
    /// The channels of the side that a convolution writes.
    pub narrow_channels: usize,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the wide side to the narrow one.
    Convolve,
    /// From the narrow side to the wide one.
    Transpose,
}

/// A convolution with its weights laid out for the machine, to be used often.
#[derive(Clone, Debug)]
pub struct Filter<T> {
    groups: usize,
    /// Channels that are read, and written, in each group.
    from: usize,
    to: usize,
    /// Elements of a channel that is read, and of one that is written.
    source: usize,
    out: usize,
    /// How many channels of a group are laid out at a time.
    block: usize,
    frame: Frame,
    passes: Vec<Pass>,
    weights: Weights<T>,
}

#[derive(Clone, Debug)]
enum Weights<T> {
    /// For each pass and group.
    Product(Vec<Vec<product::Packed<T>>>),
    /// For each pass the taps of each output channel, one after the other.
    Direct(Vec<Vec<T>>),
    Winograd(winograd::Winograd<T>),
    /// Of a convolution in single precision whose sums are taken in double.
    Double(Box<Filter<f64>>),
}

impl Convolution {
    /// The elements of the kernel.
    fn taps(&self) -> usize {
        self.axes.iter().map(|a| a.kernel).product()
    }

    /// Whether laying out the source stays within bounds: false for strides, dilations or pads far beyond the source.
    pub fn is_bounded(&self) -> bool {
        let most = |a: &Axis| {
            let reach =
                a.narrow.max(1).checked_mul(a.stride)?.checked_add(a.kernel.checked_mul(a.dilation)?)?;
            reach.checked_add(a.wide)?.checked_add(usize::try_from(a.before.checked_abs()?).ok()?)
        };
        let size = self.axes.iter().try_fold(1usize, |n, a| n.checked_mul(most(a)?.max(1)));
        size.is_some_and(|n| n <= MOST_FRAME)
    }

    /// Lays the weights out. Panics where there are too few.
    pub fn filter<T: Real>(&self, direction: Direction, weights: &[T]) -> Filter<T> {
        T::filter(self, direction, weights, None)
    }

    /// That of [`Direction::Convolve`], whose sums are taken in double precision and rounded once, whatever the type. Panics where there are too few weights.
    pub fn filter_in_double<T: Real>(&self, weights: &[T]) -> Filter<T> {
        if size_of::<T>() == size_of::<f64>() {
            return self.filter(Direction::Convolve, weights);
        }
        let weights: Vec<f64> = weights.iter().map(|v| v.wide()).collect();
        let own = f64::filter(self, Direction::Convolve, &weights, None);
        Filter {
            groups: own.groups,
            from: own.from,
            to: own.to,
            source: own.source,
            out: own.out,
            block: own.block,
            frame: own.frame.clone(),
            passes: Vec::new(),
            weights: Weights::Double(Box::new(own)),
        }
    }

    /// Whether filters of both directions hold the same weights.
    pub fn shares_weights<T: Real>(&self) -> bool {
        winograd::shares::<T>(self)
    }

    /// The weights as both directions hold them. Panics where they do not share any, or there are too few.
    pub fn transformed<T: Real>(&self, weights: &[T]) -> Transformed<T> {
        assert!(self.shares_weights::<T>(), "both directions have weights of their own");
        Transformed::forward(self, weights)
    }

    /// As [`Self::filter`], with what [`Self::transformed`] gave. Panics where that is of other sizes.
    pub fn filter_sharing<T: Real>(&self, direction: Direction, weights: Arc<Transformed<T>>) -> Filter<T> {
        assert!(self.shares_weights::<T>() && weights.fits(self), "weights of other sizes");
        T::filter(self, direction, &[], Some(weights))
    }

    fn laid_out<T: Real>(
        &self,
        direction: Direction,
        weights: &[T],
        shared: Option<Arc<Transformed<T>>>,
    ) -> Filter<T> {
        let transposed = direction == Direction::Transpose;
        let frame = Frame::new(&self.axes, transposed);
        let kernel = self.axes.map(|a| a.kernel);
        let (wide, narrow) = (self.axes.map(|a| a.wide), self.axes.map(|a| a.narrow));
        let (source, out) = if transposed { (narrow, wide) } else { (wide, narrow) };
        let passes = frame.passes(kernel, out);
        let per_wide = self.wide_channels / self.groups.max(1);
        let per_narrow = self.narrow_channels / self.groups.max(1);
        let (from, to) = if transposed { (per_narrow, per_wide) } else { (per_wide, per_narrow) };
        let (taps, block) = (self.taps(), product::block_of(&passes, (to, from), frame.len()));
        // The weight of a tap, for channels counted in their group.
        let weight = |group: usize, to: usize, from: usize, tap: usize| {
            let (narrow, wide) = if transposed { (from, to) } else { (to, from) };
            weights[((group * per_narrow + narrow) * per_wide + wide) * taps + tap]
        };
        let weights = if let Some(filter) = winograd::Winograd::new(self, direction, weights, shared) {
            Weights::Winograd(filter)
        } else if from == 1 && to < product::LEAST_ROWS {
            Weights::Direct(
                passes
                    .iter()
                    .map(|pass| {
                        let outputs = (0..self.groups).flat_map(|g| (0..to).map(move |m| (g, m)));
                        outputs
                            .flat_map(|(g, m)| pass.taps.iter().map(move |t| weight(g, m, 0, t.0)))
                            .collect()
                    })
                    .collect(),
            )
        } else {
            Weights::Product(
                passes
                    .iter()
                    .map(|pass| {
                        let group = |g| {
                            product::Packed::new((to, from, block), &pass.taps, |m, c, t| weight(g, m, c, t))
                        };
                        (0..self.groups).map(group).collect()
                    })
                    .collect(),
            )
        };
        Filter {
            groups: self.groups,
            from,
            to,
            source: source.iter().product(),
            out: out.iter().product(),
            block,
            frame,
            passes,
            weights,
        }
    }
}

impl<T: Real> Filter<T> {
    /// Computes `batch` records, channels first. Panics where a slice is too short; `bias` has a number for each channel that is written.
    pub fn run(&self, x: &[T], bias: Option<&[T]>, after: After<'_, T>, batch: usize, out: &mut [T]) {
        T::run(self, x, bias, after, batch, out);
    }

    fn compute(&self, x: &[T], bias: Option<&[T]>, after: After<'_, T>, batch: usize, out: &mut [T]) {
        let (reads, writes) = (self.groups * self.from * self.source, self.groups * self.to * self.out);
        if writes == 0 || batch == 0 {
            return;
        }
        let (x, out) = (&x[..batch * reads], &mut out[..batch * writes]);
        let ends =
            Ends { bias: bias.map(|b| &b[..self.groups * self.to]), after: after.part(0, batch * writes) };
        if reads == 0 {
            for (channel, out) in out.chunks_exact_mut(self.out).enumerate() {
                out.fill(ends.start(channel % (self.groups * self.to)));
            }
            return ends.after.apply(0, out);
        }
        match &self.weights {
            Weights::Product(packed) => product::run(self, packed, x, ends, out),
            Weights::Winograd(filter) => filter.run(x, ends, out),
            Weights::Direct(taps) => depthwise::run(self, taps, x, ends, out),
            Weights::Double(filter) => double::run(filter, x, ends, out),
        }
    }
}

/// What sums begin with and what is done to them at last.
#[derive(Clone, Copy)]
struct Ends<'a, T> {
    bias: Option<&'a [T]>,
    after: After<'a, T>,
}

impl<T: Real> Ends<'_, T> {
    /// What the sums of a channel begin with.
    fn start(&self, channel: usize) -> T {
        self.bias.map_or(T::ZERO, |b| b[channel])
    }
}

/// The convolutions of one type, compiled once.
pub trait Convolve: Sized {
    /// [`Convolution::filter`].
    #[doc(hidden)]
    fn filter(
        sizes: &Convolution,
        direction: Direction,
        weights: &[Self],
        shared: Option<Arc<Transformed<Self>>>,
    ) -> Filter<Self>;
    /// [`Filter::run`].
    #[doc(hidden)]
    fn run(
        filter: &Filter<Self>,
        x: &[Self],
        bias: Option<&[Self]>,
        after: After<'_, Self>,
        batch: usize,
        out: &mut [Self],
    );
}

macro_rules! convolve {
    ($($type:ty),*) => { $(
        impl Convolve for $type {
            fn filter(
                sizes: &Convolution,
                direction: Direction,
                weights: &[Self],
                shared: Option<Arc<Transformed<Self>>>,
            ) -> Filter<Self> {
                sizes.laid_out(direction, weights, shared)
            }
            fn run(
                filter: &Filter<Self>,
                x: &[Self],
                bias: Option<&[Self]>,
                after: After<'_, Self>,
                batch: usize,
                out: &mut [Self],
            ) {
                filter.compute(x, bias, after, batch, out);
            }
        }
    )* };
}

convolve!(f32, f64);

#[cfg(test)]
mod tests;
