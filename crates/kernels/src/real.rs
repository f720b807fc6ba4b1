//! The two float types that kernels compute in.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::elementary;

/// `f32` or `f64`.
pub trait Real:
    crate::matrix::Multiply
    + crate::matrix::MultiplyLeft
    + crate::convolution::Convolve
    + crate::scratch::Scratch
    + bytemuck::Pod
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞.
    const LOWEST: Self;

    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// As `f64`, exactly.
    fn wide(self) -> f64;
    /// The exponential.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The natural logarithm of 1 + x, exact for small x.
    fn ln_1p(self) -> Self;
    /// exp(x) − 1, exact for small x.
    fn exp_m1(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// self · a + b, rounded once. Fast only where the machine has an instruction for it.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// x to the power of y.
    fn powf(self, y: Self) -> Self;
    /// The larger, and NaN where one is NaN.
    fn larger(self, other: Self) -> Self;
    /// The smaller, and NaN where one is NaN.
    fn smaller(self, other: Self) -> Self;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($type:ident, $exp:path, $tanh:path, $erf:path) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = Self::NEG_INFINITY;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn ln_1p(self) -> Self {
                self.ln_1p()
            }
            fn exp_m1(self) -> Self {
                self.exp_m1()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            fn powf(self, y: Self) -> Self {
                self.powf(y)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self.is_nan() || self > other { self } else { other }
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self.is_nan() || self < other { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
        }
    };
}

real!(f32, elementary::exp, elementary::tanh, elementary::erf);
real!(f64, f64::exp, f64::tanh, libm::erf);
