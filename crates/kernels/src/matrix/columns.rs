//! Products of a constant left factor and a right one whose columns are independent: points, which lie side by side.
//!
//! As in [`super::product`], each element is one chain of multiply-adds in the order of the inner dimension, whatever the number of columns.

use super::{After, Finish, Multiply};
use crate::Aligned;
use crate::lanes::{Lanes, Plain, WIDEST};
use crate::real::Real;
use crate::vector::{Instructions, by_instructions, instructions};

/// The most rows of a tile, of the wider and of the other instruction sets.
const WIDE: usize = 6;
const SLIM: usize = 4;

/// A left factor laid out for the machine's instructions: blocks of rows, the elements of a column side by side.
#[derive(Clone, Debug)]
pub struct PackedLeft<T> {
    rows: usize,
    columns: usize,
    instructions: Instructions,
    blocks: Aligned<T>,
}

/// The blocks of rows, as even as can be: the first row and the number of rows of each.
fn blocks(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most).max(1);
    (0..count).map(move |i| (i * rows / count, (i + 1) * rows / count - i * rows / count))
}

fn most_rows(instructions: Instructions) -> usize {
    if instructions == Instructions::Avx512 { WIDE } else { SLIM }
}

impl<T: Real> PackedLeft<T> {
    /// Lays out a matrix, given row by row or, where `transposed` says so, column by column. Panics where the slice is too short.
    pub fn new(a: &[T], rows: usize, columns: usize, transposed: bool) -> Self {
        Self::with(instructions(), a, rows, columns, transposed)
    }

    fn with(instructions: Instructions, a: &[T], rows: usize, columns: usize, transposed: bool) -> Self {
        assert!(rows * columns <= a.len(), "a slice is shorter than its matrix");
        let mut packed = Aligned::zeros(rows * columns);
        let mut places = packed.iter_mut();
        for (first, count) in blocks(rows, most_rows(instructions)) {
            for p in 0..columns {
                let at = |i: usize| if transposed { a[p * rows + i] } else { a[i * columns + p] };
                (first..first + count).zip(places.by_ref()).for_each(|(i, place)| *place = at(i));
            }
        }
        Self { rows, columns, instructions, blocks: packed }
    }
}

/// A product that is under way.
#[derive(Debug)]
pub struct Job<'a, T> {
    a: &'a PackedLeft<T>,
    b: &'a [T],
    width: usize,
    finish: Finish<'a, T>,
}

/// `out = finish(a · b)`, where `b` has `width` columns and is stored row by row, as `out` is. The bias has a number for each row.
///
/// Panics where a slice is shorter than its matrix.
pub fn product_left<T: Real>(
    a: &PackedLeft<T>,
    (b, width): (&[T], usize),
    finish: Finish<'_, T>,
    out: &mut [T],
) {
    let size = a.rows * width;
    assert!(a.columns * width <= b.len() && size <= out.len(), "a slice is shorter than its matrix");
    assert!(finish.bias.is_none_or(|v| v.len() >= a.rows), "a bias is shorter than the columns");
    assert!(!matches!(finish.after, After::Gate(v) if v.len() < size), "a gate is smaller than the product");
    if size > 0 {
        T::multiply_left(&Job { a, b, width, finish }, &mut out[..size]);
    }
}

/// The products of one type, compiled once.
pub trait MultiplyLeft: Sized {
    /// Runs a product that was checked.
    #[doc(hidden)]
    fn multiply_left(job: &Job<'_, Self>, out: &mut [Self]);
}

/// The registers across a tile.
const ACROSS: usize = 2;

/// A tile of `M` rows by as many columns as fill two registers, or as are left.
///
/// # Safety
///
/// As [`Lanes`] has it, and the slices are as large as the job says.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn tile<V: Lanes, const M: usize>(
    job: &Job<'_, V::Item>,
    block: &[V::Item],
    (top, left): (usize, usize),
    out: &mut [V::Item],
) {
    let columns = (job.width - left).min(ACROSS * V::COUNT);
    let mut line = [V::Item::ZERO; ACROSS * WIDEST];
    // SAFETY: `columns` numbers are in each row from `left` on, and none is read behind them; the line has room for two registers.
    unsafe {
        let mut sums = [[V::splat(V::Item::ZERO); ACROSS]; M];
        let mut from = job.b.as_ptr().wrapping_add(left);
        for a in block.as_chunks::<M>().0 {
            let mut b = [V::splat(V::Item::ZERO); ACROSS];
            for (r, b) in b.iter_mut().enumerate() {
                let from = from.wrapping_add(r * V::COUNT);
                *b = if columns == ACROSS * V::COUNT {
                    V::load(from)
                } else {
                    V::load_first(from, columns.saturating_sub(r * V::COUNT).min(V::COUNT))
                };
            }
            for i in 0..M {
                let a = V::splat(a[i]);
                for r in 0..ACROSS {
                    sums[i][r] = b[r].multiply_add(a, sums[i][r]);
                }
            }
            from = from.wrapping_add(job.width);
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (r, sum) in sums.into_iter().enumerate() {
                sum.store(line.as_mut_ptr().add(r * V::COUNT));
            }
            let at = (top + i) * job.width + left;
            finish(&mut line[..columns], &job.finish, (top + i, at), &mut out[at..at + columns]);
        }
    }
}

/// Writes the sums of a row, whose outputs begin at a place. One thing after the other, so that each fills the registers.
#[inline(always)]
fn finish<T: Real>(sums: &mut [T], how: &Finish<'_, T>, (row, at): (usize, usize), out: &mut [T]) {
    let Finish { alpha, beta, bias, after } = *how;
    sums.iter_mut().for_each(|v| *v = alpha * *v);
    if let Some(bias) = bias {
        let bias = bias[row];
        sums.iter_mut().for_each(|v| *v += bias);
    }
    if beta != T::ZERO {
        sums.iter_mut().zip(&*out).for_each(|(v, out)| *v += beta * *out);
    }
    match after {
        After::Nothing => {}
        After::Relu => sums.iter_mut().for_each(|v| *v = if *v < T::ZERO { T::ZERO } else { *v }),
        After::Gate(gate) => {
            let gate = &gate[at..at + sums.len()];
            sums.iter_mut().zip(gate).for_each(|(v, g)| *v = if *g > T::ZERO { *v } else { T::ZERO });
        }
    }
    out.copy_from_slice(sums);
}

#[inline(always)]
#[allow(unsafe_code)]
fn run<V: Lanes>(job: &Job<'_, V::Item>, out: &mut [V::Item]) {
    let k = job.a.columns;
    for left in (0..job.width).step_by(ACROSS * V::COUNT) {
        let mut rest = &job.a.blocks[..];
        for (top, count) in blocks(job.a.rows, SLIM) {
            let (block, behind) = rest.split_at(count * k);
            rest = behind;
            // SAFETY: the job was checked; only functions that are compiled for the instructions inline this.
            unsafe {
                match count {
                    1 => tile::<V, 1>(job, block, (top, left), out),
                    2 => tile::<V, 2>(job, block, (top, left), out),
                    3 => tile::<V, 3>(job, block, (top, left), out),
                    _ => tile::<V, SLIM>(job, block, (top, left), out),
                }
            }
        }
    }
}

/// The product with the intrinsics of AVX-512: tiles of up to six rows by three registers, as many as leave room for the right factor, the last of them masked.
#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($module:ident, $type:ty, $lanes:literal, $mask:ty, $zero:ident, $set:ident, $load:ident, $store:ident, $fma:ident, $mul:ident, $add:ident,
     $compare:ident, $blend:ident) => {
        mod $module {
            use std::arch::x86_64::*;

            use super::super::{After, Finish};
            use super::{Job, WIDE, blocks};

            const LANES: usize = $lanes;

            /// # Safety
            ///
            /// The machine has AVX-512, and the slices are as large as the job says.
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(unsafe_code)]
            pub(super) unsafe fn run(job: &Job<'_, $type>, out: &mut [$type]) {
                let k = job.a.columns;
                for left in (0..job.width).step_by(3 * LANES) {
                    let columns = (job.width - left).min(3 * LANES);
                    let vectors = columns.div_ceil(LANES);
                    let mask = (<$mask>::MAX) >> (vectors * LANES - columns);
                    let mut rest = &job.a.blocks[..];
                    for (top, count) in blocks(job.a.rows, WIDE) {
                        let (block, behind) = rest.split_at(count * k);
                        rest = behind;
                        // SAFETY: the same conditions.
                        unsafe {
                            match vectors {
                                1 => rows::<1>(job, block, count, (top, left), mask, out),
                                2 => rows::<2>(job, block, count, (top, left), mask, out),
                                _ => rows::<3>(job, block, count, (top, left), mask, out),
                            }
                        }
                    }
                }
            }

            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[inline]
            #[allow(unsafe_code)]
            unsafe fn rows<const V: usize>(
                job: &Job<'_, $type>,
                block: &[$type],
                count: usize,
                at: (usize, usize),
                mask: $mask,
                out: &mut [$type],
            ) {
                // SAFETY: the same conditions.
                unsafe {
                    match count {
                        1 => tile::<1, V>(job, block, at, mask, out),
                        2 => tile::<2, V>(job, block, at, mask, out),
                        3 => tile::<3, V>(job, block, at, mask, out),
                        4 => tile::<4, V>(job, block, at, mask, out),
                        5 => tile::<5, V>(job, block, at, mask, out),
                        _ => tile::<WIDE, V>(job, block, at, mask, out),
                    }
                }
            }

            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(unsafe_code)]
            unsafe fn tile<const M: usize, const V: usize>(
                job: &Job<'_, $type>,
                block: &[$type],
                (top, left): (usize, usize),
                mask: $mask,
                out: &mut [$type],
            ) {
                let mask_of = |v: usize| if v + 1 == V { mask } else { <$mask>::MAX };
                // SAFETY: rows of `b` and `out` have `width` elements, of which those from `left` on that the masks let through are read and
                // written; a block has `M` elements for each row of `b`.
                unsafe {
                    let mut sums = [[$zero(); V]; M];
                    let mut a = block.as_ptr();
                    let mut b = job.b.as_ptr().add(left);
                    for _ in 0..job.a.columns {
                        let mut right = [$zero(); V];
                        for (v, r) in right.iter_mut().enumerate() {
                            *r = $load(mask_of(v), b.add(v * LANES));
                        }
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let factor = $set(*a.add(i));
                            for (sum, r) in sums.iter_mut().zip(right) {
                                *sum = $fma(factor, r, *sum);
                            }
                        }
                        a = a.add(M);
                        b = b.add(job.width);
                    }
                    let Finish { alpha, beta, bias, after } = job.finish;
                    let nothing = $zero();
                    for (i, sums) in sums.iter().enumerate() {
                        let bias = bias.map(|bias| $set(bias[top + i]));
                        for (v, sum) in sums.iter().enumerate() {
                            let at = (top + i) * job.width + left + v * LANES;
                            let mask = mask_of(v);
                            let mut found = *sum;
                            if alpha != 1.0 {
                                found = $mul($set(alpha), found);
                            }
                            if let Some(bias) = bias {
                                found = $add(found, bias);
                            }
                            if beta != 0.0 {
                                let held = $load(mask, out.as_ptr().add(at));
                                found = $add(found, $mul($set(beta), held));
                            }
                            match after {
                                After::Nothing => {}
                                After::Relu => {
                                    let below = $compare::<_CMP_LT_OQ>(found, nothing);
                                    found = $blend(below, found, nothing);
                                }
                                After::Gate(gate) => {
                                    let gate = $load(mask, gate.as_ptr().add(at));
                                    let open = $compare::<_CMP_GT_OQ>(gate, nothing);
                                    found = $blend(open, nothing, found);
                                }
                            }
                            $store(out.as_mut_ptr().add(at), mask, found);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_f32,
    f32,
    16,
    u16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_mul_ps,
    _mm512_add_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps
);
#[cfg(target_arch = "x86_64")]
avx512!(
    avx512_f64,
    f64,
    8,
    u8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_mul_pd,
    _mm512_add_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd
);

macro_rules! multiply_left {
    ($type:ty, $module:ident) => {
        impl MultiplyLeft for $type {
            fn multiply_left(job: &Job<'_, Self>, out: &mut [Self]) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn avx2(job: &Job<'_, $type>, out: &mut [$type]) {
                    run::<<$type as Multiply>::Avx2>(job, out);
                }
                by_instructions!(
                    job.a.instructions,
                    $module::run(job, out),
                    avx2(job, out),
                    run::<Plain<$type>>(job, out)
                );
            }
        }
    };
}

multiply_left!(f32, avx512_f32);
multiply_left!(f64, avx512_f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Matrix, product};
    use crate::random::Stream;

    /// Every size of tile, against the product of rows, whose chains are the same where no result is narrow.
    fn check<T: Real + PartialEq>() {
        let mut stream = Stream::new(1, [0; 3]);
        for (m, k, n) in [
            (1, 3, 7),
            (7, 80, 48),
            (8, 5, 49),
            (10, 30, 144),
            (30, 1, 17),
            (33, 9, 100),
            (80, 30, 16),
            (13, 0, 9),
        ] {
            for transposed in [false, true] {
                let mut draw = |n: usize| (0..n).map(|_| T::of(stream.normal())).collect::<Vec<T>>();
                let (a, b, bias, gate, held) = (draw(m * k), draw(k * n), draw(m), draw(m * n), draw(m * n));
                let mut plain = vec![T::ZERO; m * n];
                let a_is = Matrix::new(m, k).stored(transposed);
                product((&a, a_is), (&b, Matrix::new(k, n)), Finish::new(T::of(0.5), T::ZERO), &mut plain);
                for set in
                    [Instructions::Avx2, Instructions::Avx512].into_iter().filter(|s| *s <= instructions())
                {
                    let left = PackedLeft::with(set, &a, m, k, transposed);
                    for after in [After::Nothing, After::Relu, After::Gate(&gate)] {
                        for beta in [0.0, 2.0] {
                            let finish =
                                Finish { bias: Some(&bias), after, ..Finish::new(T::of(0.5), T::of(beta)) };
                            let mut out = held.clone();
                            product_left(&left, (&b, n), finish, &mut out);
                            for i in 0..m * n {
                                let mut want = plain[i] + bias[i / n];
                                if beta != 0.0 {
                                    want += T::of(beta) * held[i];
                                }
                                let want = match after {
                                    After::Nothing => want,
                                    After::Relu => {
                                        if want < T::ZERO {
                                            T::ZERO
                                        } else {
                                            want
                                        }
                                    }
                                    After::Gate(g) => {
                                        if g[i] > T::ZERO {
                                            want
                                        } else {
                                            T::ZERO
                                        }
                                    }
                                };
                                assert_eq!(
                                    out[i].wide(),
                                    want.wide(),
                                    "{m} {k} {n} {transposed} {set:?} {after:?} {beta} at {i}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_have_the_bits_of_those_of_rows() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn plain_instructions_agree() {
        let mut stream = Stream::new(2, [0; 3]);
        let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
        let (a, b) = (draw(11 * 30), draw(30 * 21));
        let of = |set| {
            let mut out = vec![0.0; 11 * 21];
            product_left(
                &PackedLeft::with(set, &a, 11, 30, false),
                (&b, 21),
                Finish::new(1.0, 0.0),
                &mut out,
            );
            out
        };
        let plain = of(Instructions::Plain);
        assert!(plain.iter().zip(of(instructions())).all(|(p, q)| (p - q).abs() < 1e-12));
    }
}
