//! One vector register of numbers, as each set of instructions has it.

#![allow(unsafe_code)]

use crate::real::Real;

/// Numbers that are computed with at once.
///
/// # Safety
///
/// The methods may run only where the machine has the type's instructions, and in functions that are compiled for them.
pub trait Lanes: Copy {
    /// What they are.
    type Item: Real;
    /// How many numbers.
    const COUNT: usize;

    /// The numbers at `from`, of which there are enough.
    unsafe fn load(from: *const Self::Item) -> Self;
    /// Writes the numbers to `to`, where there is room.
    unsafe fn store(self, to: *mut Self::Item);
    /// One number in every place.
    unsafe fn splat(value: Self::Item) -> Self;
    /// `self · factor + sum`, rounded once where the instructions have that.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn subtract(self, other: Self) -> Self;
}

/// Numbers in an array: what every machine has.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_arch = "x86_64", allow(unreachable_pub))]
pub struct Plain<T>([T; 4]);

impl<T: Real> Lanes for Plain<T> {
    type Item = T;
    const COUNT: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller says that four numbers are there.
        Self(unsafe { from.cast::<[T; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller says that there is room for four numbers.
        unsafe { to.cast::<[T; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        let fused = cfg!(target_arch = "aarch64");
        Self(std::array::from_fn(|i| {
            let (a, b, c) = (self.0[i], factor.0[i], sum.0[i]);
            if fused { a.mul_add(b, c) } else { a * b + c }
        }))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($register:ident, $item:ident, $count:literal, $load:ident, $store:ident, $splat:ident, $fused:ident, $add:ident, $subtract:ident) => {
            // SAFETY (of all the calls): the caller says that the machine has these instructions, and that the numbers are there.
            impl Lanes for $register {
                type Item = $item;
                const COUNT: usize = $count;

                #[inline(always)]
                unsafe fn load(from: *const $item) -> Self {
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $item) {
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn splat(value: $item) -> Self {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
                    unsafe { $fused(self, factor, sum) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn subtract(self, other: Self) -> Self {
                    unsafe { $subtract(self, other) }
                }
            }
        };
    }

    lanes!(
        __m512,
        f32,
        16,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps
    );
    lanes!(
        __m512d,
        f64,
        8,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_sub_pd
    );
    lanes!(
        __m256,
        f32,
        8,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps
    );
    lanes!(
        __m256d,
        f64,
        4,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_set1_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_sub_pd
    );
}
