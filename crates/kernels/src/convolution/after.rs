//! What is done to the outputs of a convolution before they leave the cache.

use crate::real::Real;

/// A lower bound, and an upper one above it where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    /// The lower.
    pub low: T,
    /// The upper.
    pub high: Option<T>,
}

impl<T: Real> Bounds<T> {
    /// From 0 on.
    pub const POSITIVE: Self = Self { low: T::ZERO, high: None };
}

/// The last thing that is done to an output of a convolution.
#[derive(Clone, Copy, Debug)]
pub enum After<'a, T> {
    /// Nothing.
    Nothing,
    /// The output kept within bounds. NaN stays.
    Clip(Bounds<T>),
    /// The output where the element at its place here is within bounds and at none of them, else 0.
    Gate(&'a [T], Bounds<T>),
}

impl<T: Real> After<'_, T> {
    /// What is done to the `count` outputs from `at` on.
    pub(super) fn part(self, at: usize, count: usize) -> Self {
        match self {
            Self::Gate(gate, bounds) => Self::Gate(&gate[at..at + count], bounds),
            other => other,
        }
    }

    /// Does it to the outputs from `at` on.
    #[inline(always)]
    pub(super) fn apply(self, at: usize, out: &mut [T]) {
        match self {
            Self::Nothing => {}
            Self::Clip(Bounds { low, high }) => {
                out.iter_mut().for_each(|v| *v = if *v <= low { low } else { *v });
                if let Some(high) = high {
                    out.iter_mut().for_each(|v| *v = if *v >= high { high } else { *v });
                }
            }
            Self::Gate(gate, Bounds { low, high }) => {
                let gate = &gate[at..at + out.len()];
                out.iter_mut().zip(gate).for_each(|(v, g)| *v = if *g > low { *v } else { T::ZERO });
                if let Some(high) = high {
                    out.iter_mut().zip(gate).for_each(|(v, g)| *v = if *g < high { *v } else { T::ZERO });
                }
            }
        }
    }
}
