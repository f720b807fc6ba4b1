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
    /// The first `count` numbers at `from`, and zeros behind them; nothing behind those is read.
    unsafe fn load_first(from: *const Self::Item, count: usize) -> Self;
    /// Writes the first `count` numbers to `to`.
    unsafe fn store_first(self, to: *mut Self::Item, count: usize);
    /// One number in every place.
    unsafe fn splat(value: Self::Item) -> Self;
    /// `self · factor + sum`, rounded once where the instructions have that.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn subtract(self, other: Self) -> Self;
    /// Of the numbers of both, one after the other, those in even places, and those in odd ones.
    unsafe fn sorted(self, other: Self) -> (Self, Self);
    /// The numbers of both in turn.
    unsafe fn zipped(self, other: Self) -> (Self, Self);
}

/// `M · COUNT` numbers by their place's remainder: the `j`-th of these has the places `j`, `M + j`, … `M` is 2 or 4.
///
/// # Safety
///
/// As [`Lanes`] has it; the numbers are at `from`.
#[inline(always)]
pub(crate) unsafe fn load_by_remainder<V: Lanes, const M: usize>(from: *const V::Item) -> [V; M] {
    const { assert!(M == 2 || M == 4) };
    // SAFETY: the caller's.
    unsafe {
        let mut v: [V; M] = std::array::from_fn(|i| V::load(from.add(i * V::COUNT)));
        (v[0], v[1]) = v[0].sorted(v[1]);
        if M == 4 {
            (v[2], v[3]) = v[2].sorted(v[3]);
            let (even, odd) = (v[0].sorted(v[2]), v[1].sorted(v[3]));
            (v[0], v[1], v[2], v[3]) = (even.0, odd.0, even.1, odd.1);
        }
        v
    }
}

/// Writes what [`load_by_remainder`] reads.
///
/// # Safety
///
/// As [`Lanes`] has it; there is room for `M · COUNT` numbers at `to`.
#[inline(always)]
pub(crate) unsafe fn store_by_remainder<V: Lanes, const M: usize>(mut v: [V; M], to: *mut V::Item) {
    const { assert!(M == 2 || M == 4) };
    // SAFETY: the caller's.
    unsafe {
        if M == 4 {
            let (even, odd) = (v[0].zipped(v[2]), v[1].zipped(v[3]));
            (v[0], v[1]) = even.0.zipped(odd.0);
            (v[2], v[3]) = even.1.zipped(odd.1);
        } else {
            (v[0], v[1]) = v[0].zipped(v[1]);
        }
        for (i, v) in v.into_iter().enumerate() {
            v.store(to.add(i * V::COUNT));
        }
    }
}

/// The most numbers of a register.
pub(crate) const WIDEST: usize = 16;

/// The columns of a square of `COUNT` by `COUNT` numbers whose rows begin `step` apart from `from` on; what is not among the first `rows` and `columns`
/// is zero.
///
/// # Safety
///
/// As [`Lanes`] has it; `columns` numbers are there in each of `rows` rows.
#[inline(always)]
pub(crate) unsafe fn turned<V: Lanes>(
    from: *const V::Item,
    step: usize,
    (rows, columns): (usize, usize),
) -> [V; WIDEST] {
    const { assert!(V::COUNT.is_power_of_two() && V::COUNT <= WIDEST) };
    // SAFETY: the caller's.
    unsafe {
        let mut v = [V::splat(V::Item::ZERO); WIDEST];
        if (rows, columns) == (V::COUNT, V::COUNT) {
            for (i, v) in v.iter_mut().enumerate().take(V::COUNT) {
                *v = V::load(from.add(i * step));
            }
        } else {
            for (i, v) in v.iter_mut().enumerate().take(rows.min(V::COUNT)) {
                *v = V::load_first(from.add(i * step), columns);
            }
        }
        turn(&mut v);
        v
    }
}

/// Turns the square over that the first `COUNT` registers are.
///
/// # Safety
///
/// As [`Lanes`] has it.
#[inline(always)]
pub(crate) unsafe fn turn<V: Lanes>(v: &mut [V; WIDEST]) {
    // Each step moves the first bit of a number's row to the end of its column's, and the first of that to the end of the row's.
    let mut done = 1;
    while done < V::COUNT {
        let old = *v;
        for i in 0..V::COUNT / 2 {
            // SAFETY: the caller's.
            (v[2 * i], v[2 * i + 1]) = unsafe { old[i].zipped(old[i + V::COUNT / 2]) };
        }
        done *= 2;
    }
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
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        // SAFETY: the caller says that `count` numbers are there.
        Self(std::array::from_fn(|i| if i < count { unsafe { from.add(i).read() } } else { T::ZERO }))
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        for (i, v) in self.0.into_iter().enumerate().take(count) {
            // SAFETY: the caller says that there is room for `count` numbers.
            unsafe { to.add(i).write(v) }
        }
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
    #[inline(always)]
    unsafe fn sorted(self, other: Self) -> (Self, Self) {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (Self([a, c, e, g]), Self([b, d, f, h]))
    }
    #[inline(always)]
    unsafe fn zipped(self, other: Self) -> (Self, Self) {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (Self([a, e, b, f]), Self([c, g, d, h]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($register:ident, $item:ident, $count:literal, $load:ident, $store:ident, $load_first:ident, $store_first:ident, $mask:ident, $splat:ident, $fused:ident, $add:ident, $subtract:ident, $sorted:ident, $zipped:ident) => {
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
                unsafe fn load_first(from: *const $item, count: usize) -> Self {
                    unsafe { $load_first(from, $mask(count)) }
                }
                #[inline(always)]
                unsafe fn store_first(self, to: *mut $item, count: usize) {
                    unsafe { $store_first(to, $mask(count), self) }
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
                #[inline(always)]
                unsafe fn sorted(self, other: Self) -> (Self, Self) {
                    unsafe { $sorted(self, other) }
                }
                #[inline(always)]
                unsafe fn zipped(self, other: Self) -> (Self, Self) {
                    unsafe { $zipped(self, other) }
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
        first_512_ps,
        _mm512_mask_storeu_ps,
        mask_512_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        sorted_512_ps,
        zipped_512_ps
    );
    lanes!(
        __m512d,
        f64,
        8,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        first_512_pd,
        _mm512_mask_storeu_pd,
        mask_512_pd,
        _mm512_set1_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        sorted_512_pd,
        zipped_512_pd
    );
    lanes!(
        __m256,
        f32,
        8,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_maskload_ps,
        _mm256_maskstore_ps,
        mask_256_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        sorted_256_ps,
        zipped_256_ps
    );
    lanes!(
        __m256d,
        f64,
        4,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_maskload_pd,
        _mm256_maskstore_pd,
        mask_256_pd,
        _mm256_set1_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        sorted_256_pd,
        zipped_256_pd
    );

    // SAFETY (of all that follow): as above; nothing but registers is touched.

    #[inline(always)]
    fn mask_512_ps(count: usize) -> __mmask16 {
        if count < 16 { (1 << count) - 1 } else { !0 }
    }

    #[inline(always)]
    fn mask_512_pd(count: usize) -> __mmask8 {
        if count < 8 { (1 << count) - 1 } else { !0 }
    }

    #[inline(always)]
    unsafe fn first_512_ps(from: *const f32, mask: __mmask16) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }

    #[inline(always)]
    unsafe fn first_512_pd(from: *const f64, mask: __mmask8) -> __m512d {
        unsafe { _mm512_maskz_loadu_pd(mask, from) }
    }

    #[inline(always)]
    unsafe fn mask_256_ps(count: usize) -> __m256i {
        unsafe {
            let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), places)
        }
    }

    #[inline(always)]
    unsafe fn mask_256_pd(count: usize) -> __m256i {
        unsafe {
            let places = _mm256_setr_epi64x(0, 1, 2, 3);
            _mm256_cmpgt_epi64(_mm256_set1_epi64x(count.min(4) as i64), places)
        }
    }

    #[inline(always)]
    unsafe fn sorted_512_ps(a: __m512, b: __m512) -> (__m512, __m512) {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        }
    }

    #[inline(always)]
    unsafe fn zipped_512_ps(a: __m512, b: __m512) -> (__m512, __m512) {
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            (_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b))
        }
    }

    #[inline(always)]
    unsafe fn sorted_512_pd(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        unsafe {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            (_mm512_permutex2var_pd(a, even, b), _mm512_permutex2var_pd(a, odd, b))
        }
    }

    #[inline(always)]
    unsafe fn zipped_512_pd(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        unsafe {
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            (_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b))
        }
    }

    #[inline(always)]
    unsafe fn sorted_256_ps(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            // Both halves of a register are sorted for themselves, and their pairs then put in order.
            let in_order = |v: __m256| _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(_mm256_castps_pd(v)));
            (in_order(_mm256_shuffle_ps::<0x88>(a, b)), in_order(_mm256_shuffle_ps::<0xDD>(a, b)))
        }
    }

    #[inline(always)]
    unsafe fn zipped_256_ps(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
    }

    #[inline(always)]
    unsafe fn sorted_256_pd(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let (even, odd) = (_mm256_shuffle_pd::<0>(a, b), _mm256_shuffle_pd::<0xF>(a, b));
            (_mm256_permute4x64_pd::<0xD8>(even), _mm256_permute4x64_pd::<0xD8>(odd))
        }
    }

    #[inline(always)]
    unsafe fn zipped_256_pd(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            (_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorts and merges 2 and 4 registers of numbers; reads and writes the first ones.
    #[inline(always)]
    fn moves<V: Lanes>() {
        fn check<V: Lanes, const M: usize>() {
            let n = M * V::COUNT;
            let from: Vec<V::Item> = (0..n).map(|i| V::Item::of(i as f64)).collect();
            let (mut sorted, mut back) = (vec![V::Item::ZERO; n], vec![V::Item::ZERO; n]);
            // SAFETY: only called where the machine has the instructions; the slices have M registers of numbers.
            unsafe {
                let parts = load_by_remainder::<V, M>(from.as_ptr());
                parts
                    .into_iter()
                    .enumerate()
                    .for_each(|(j, v)| v.store(sorted.as_mut_ptr().add(j * V::COUNT)));
                store_by_remainder(parts, back.as_mut_ptr());
            }
            for (i, v) in sorted.iter().enumerate() {
                assert_eq!(v.wide(), (i % V::COUNT * M + i / V::COUNT) as f64);
            }
            assert_eq!(from, back);
        }
        check::<V, 2>();
        check::<V, 4>();
        let square: Vec<V::Item> = (0..V::COUNT * (V::COUNT + 3)).map(|i| V::Item::of(i as f64)).collect();
        for (rows, columns) in [(V::COUNT, V::COUNT), (V::COUNT - 1, 2), (1, V::COUNT), (0, 0)] {
            let mut column = vec![V::Item::ONE; V::COUNT];
            // SAFETY: as above; rows of the square are three numbers longer than a register.
            unsafe {
                let found = turned::<V>(square.as_ptr(), V::COUNT + 3, (rows, columns));
                for (j, found) in found.into_iter().enumerate().take(V::COUNT) {
                    found.store(column.as_mut_ptr());
                    for (i, v) in column.iter().enumerate() {
                        let there = i < rows && j < columns;
                        assert_eq!(v.wide(), if there { (i * (V::COUNT + 3) + j) as f64 } else { 0.0 });
                    }
                }
            }
        }
        for count in 0..=V::COUNT {
            let from: Vec<V::Item> = (0..count).map(|i| V::Item::of(i as f64 + 1.0)).collect();
            let (mut all, mut first) = (vec![V::Item::ONE; V::COUNT], vec![V::Item::ONE; count]);
            // SAFETY: as above; the slices have as many numbers as are named.
            unsafe {
                let some = V::load_first(from.as_ptr(), count);
                some.store(all.as_mut_ptr());
                some.store_first(first.as_mut_ptr(), count);
            }
            assert_eq!(first, from);
            assert!(all[..count] == from && all[count..].iter().all(|v| *v == V::Item::ZERO));
        }
    }

    #[test]
    fn numbers_are_read_and_written_in_their_order() {
        moves::<Plain<f32>>();
        #[cfg(target_arch = "x86_64")]
        {
            use crate::vector::{Instructions, instructions};
            use std::arch::x86_64::*;
            if instructions() >= Instructions::Avx2 {
                moves::<__m256>();
                moves::<__m256d>();
            }
            if instructions() >= Instructions::Avx512 {
                moves::<__m512>();
                moves::<__m512d>();
            }
        }
    }
}
