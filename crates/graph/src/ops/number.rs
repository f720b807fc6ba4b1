//! The element types that are numbers, for operators that compute with all of them.

use crate::tensor::Element;

/// A number: integers wrap, and NaN wins every comparison.
pub(crate) trait Number: Element + Copy + PartialOrd {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// What is below or equal to every number: −∞ or the least.
    const LOWEST: Self;
    /// What is above or equal to every number: ∞ or the greatest.
    const HIGHEST: Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// The larger.
    fn larger(self, other: Self) -> Self;
    /// The smaller.
    fn smaller(self, other: Self) -> Self;
    /// Its distance from 0.
    fn magnitude(self) -> Self;
    /// This divided by a count, cut towards zero where it is an integer.
    fn over(self, count: usize) -> Self;
}

macro_rules! integers {
    ($($type:ident: $magnitude:expr),*) => { $(
        impl Number for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = Self::MIN;
            const HIGHEST: Self = Self::MAX;
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn larger(self, other: Self) -> Self {
                self.max(other)
            }
            fn smaller(self, other: Self) -> Self {
                self.min(other)
            }
            fn magnitude(self) -> Self {
                $magnitude(self)
            }
            fn over(self, count: usize) -> Self {
                (i128::from(self) / count.max(1) as i128) as Self
            }
        }
    )* };
}

macro_rules! floats {
    ($($type:ident),*) => { $(
        impl Number for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = Self::NEG_INFINITY;
            const HIGHEST: Self = Self::INFINITY;
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn larger(self, other: Self) -> Self {
                pellucid_kernels::Real::larger(self, other)
            }
            fn smaller(self, other: Self) -> Self {
                pellucid_kernels::Real::smaller(self, other)
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
            fn over(self, count: usize) -> Self {
                self / count as Self
            }
        }
    )* };
}

integers!(
    i8: i8::wrapping_abs, i16: i16::wrapping_abs, i32: i32::wrapping_abs, i64: i64::wrapping_abs,
    u8: std::convert::identity, u16: std::convert::identity, u32: std::convert::identity, u64: std::convert::identity
);
floats!(f32, f64);

/// Runs one body with `T` the Rust type of a numeric element type: `number_type!(dtype, T => sum::<T>(inputs))`.
macro_rules! number_type {
    ($dtype:expr, $type:ident => $body:expr) => {{
        use crate::tensor::DType;
        macro_rules! go {
            ($own:ty) => {{
                type $type = $own;
                $body
            }};
        }
        match $dtype {
            DType::F32 => go!(f32),
            DType::F64 => go!(f64),
            DType::I8 => go!(i8),
            DType::I16 => go!(i16),
            DType::I32 => go!(i32),
            DType::I64 => go!(i64),
            DType::U8 => go!(u8),
            DType::U16 => go!(u16),
            DType::U32 => go!(u32),
            DType::U64 => go!(u64),
            other => return crate::ops::support::no_type(other),
        }
    }};
}

pub(crate) use number_type;
