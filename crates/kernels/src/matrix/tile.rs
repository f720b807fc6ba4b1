//! Tiles of a product: some rows times a panel of columns, in registers.

use super::block::{Left, multiply};
use super::{After, Finish, Matrix};
use crate::lanes::{Lanes, Plain};
use crate::real::Real;

/// A product that is under way.
#[derive(Debug)]
pub struct Job<'a, T> {
    pub(super) a: &'a [T],
    pub(super) a_is: Matrix,
    /// The right factor as [`pack`] lays it out.
    pub(super) b: &'a [T],
    pub(super) n: usize,
    pub(super) finish: Finish<'a, T>,
}

/// Results of fewer columns than this are computed as inner products.
const NARROW: usize = 6;
/// The chains that an inner product is split into.
const LANES: usize = 16;
/// The most rows of a tile.
const MOST_ROWS: usize = 12;
/// Bytes of a row that are multiplied before the rest of it: a tile's rows stay in the nearest cache.
const DEPTH: usize = 2048;
/// Bytes of the right factor that all rows are multiplied by before the next ones come: they stay in the second cache meanwhile.
const CHUNK: usize = 512 << 10;
/// Rows that lie a multiple of so many bytes apart share a few places of the nearest cache.
const APART: usize = 2048;
/// The most panels that a transposed left factor is read for as it lies.
const TURNED: usize = 8;
/// The elements between rows that are copied because of that.
const PAD: usize = 16;

/// The panels of a right factor of `n` columns: the first column and the width of each. The last one is half as wide where that is
/// enough.
fn panels(n: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(width).map(move |first| (first, if n - first <= width / 2 { width / 2 } else { width }))
}

/// How many numbers [`pack`] writes.
pub(super) fn packed_len(is: Matrix, width: usize) -> usize {
    if is.columns < NARROW {
        return is.rows * is.columns;
    }
    panels(is.columns, width).map(|(_, width)| width * is.rows).sum()
}

/// Lays a matrix out in panels of columns, each with its elements of a row side by side; a narrow one column by column.
pub(super) fn pack<T: Real>(b: &[T], is: Matrix, width: usize, packed: &mut [T]) {
    let (k, n) = (is.rows, is.columns);
    if n < NARROW {
        let (step, k) = (is.step(), k.max(1));
        for (j, column) in packed.chunks_exact_mut(k).enumerate() {
            if is.transposed {
                column.copy_from_slice(&b[j * step..][..k]);
            } else {
                column.iter_mut().enumerate().for_each(|(p, v)| *v = b[p * step + j]);
            }
        }
        return;
    }
    let mut rest = packed;
    for (first, width) in panels(n, width) {
        let (panel, behind) = rest.split_at_mut(width * k);
        rest = behind;
        match width {
            32 => pack_panel::<T, 32>(b, is, first, panel),
            16 => pack_panel::<T, 16>(b, is, first, panel),
            8 => pack_panel::<T, 8>(b, is, first, panel),
            _ => pack_panel::<T, 4>(b, is, first, panel),
        }
    }
}

/// What lacks in the last columns is never used.
fn pack_panel<T: Real, const W: usize>(b: &[T], is: Matrix, first: usize, panel: &mut [T]) {
    const AT_A_TIME: usize = 64;
    let (k, n, step) = (is.rows, is.columns, is.step());
    let columns = W.min(n - first);
    let rows = panel.as_chunks_mut::<W>().0;
    if is.transposed {
        // So many rows of the panel that they stay in the nearest cache until each column is in them.
        for (start, rows) in (0..k).step_by(AT_A_TIME).zip(rows.chunks_mut(AT_A_TIME)) {
            for j in 0..columns {
                let column = &b[(first + j) * step + start..][..rows.len()];
                rows.iter_mut().zip(column).for_each(|(row, v)| row[j] = *v);
            }
        }
    } else {
        for (p, row) in rows.iter_mut().enumerate() {
            let from = &b[p * step + first..][..columns];
            match from.first_chunk::<W>() {
                Some(from) => *row = *from,
                None => row[..columns].copy_from_slice(from),
            }
        }
    }
}

/// Where a tile of the result lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    top: usize,
    first: usize,
    columns: usize,
}

/// What part of the inner dimension a tile adds.
#[derive(Clone, Copy)]
pub(super) struct Part {
    depth: usize,
    /// Whether sums begin here, and whether they are complete afterwards.
    begins: bool,
    ends: bool,
}

/// A tile that is to be computed: of how many rows at most is the caller's matter.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    left: Left<T>,
    panel: &'a [T],
    part: Part,
    place: Place,
    /// Whether the panel is half as wide.
    half: bool,
    /// Whether neighbours of a column of the left factor lie side by side, rather than those of a row.
    turned: bool,
    /// Whether nothing is to be done to the sums.
    plain: bool,
}

/// Room for the sums of a tile.
type Stage<T, const WIDE: usize> = [[T; WIDE]; MOST_ROWS];

/// Registers, and the tiles that are compiled for them.
pub(super) trait Tiles<const WIDE: usize>: Lanes {
    /// Computes a tile of `WIDE` columns, or of half as many, of as many rows as it can, of `rows`. Returns how many.
    ///
    /// # Safety
    ///
    /// As [`multiply`] has it.
    #[allow(unsafe_code)]
    unsafe fn tile(
        rows: usize,
        job: &Job<'_, Self::Item>,
        tile: Tile<'_, Self::Item>,
        stage: &mut Stage<Self::Item, WIDE>,
        out: &mut [Self::Item],
    ) -> usize;
}

macro_rules! tiles {
    ($register:ty, $wide:literal, $half:literal, $($rows:literal)*) => {
        #[allow(unsafe_code)]
        impl Tiles<$wide> for $register {
            #[inline(always)]
            unsafe fn tile(
                rows: usize,
                job: &Job<'_, Self::Item>,
                tile: Tile<'_, Self::Item>,
                stage: &mut Stage<Self::Item, $wide>,
                out: &mut [Self::Item],
            ) -> usize {
                // SAFETY: the caller's.
                unsafe {
                    if tile.half {
                        $(if rows >= $rows {
                            compute::<Self, $rows, 1, $half, $wide>(job, tile, stage, out);
                            return $rows;
                        })*
                    } else {
                        $(if rows >= $rows {
                            compute::<Self, $rows, 2, $wide, $wide>(job, tile, stage, out);
                            return $rows;
                        })*
                    }
                }
                rows
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    tiles!(__m512, 32, 16, 12 10 8 6 4 2 1);
    tiles!(__m512d, 16, 8, 12 10 8 6 4 2 1);
    tiles!(__m256, 16, 8, 6 4 2 1);
    tiles!(__m256d, 8, 4, 6 4 2 1);
}
tiles!(Plain<f32>, 8, 4, 4 2 1);
tiles!(Plain<f64>, 8, 4, 4 2 1);

/// The whole product, in tiles of at most `ROWS` rows.
#[inline(always)]
pub(super) fn run<V: Tiles<WIDE>, const FUSED: bool, const ROWS: usize, const WIDE: usize>(
    job: &Job<'_, V::Item>,
    out: &mut [V::Item],
) {
    const { assert!(WIDE == 2 * V::COUNT && ROWS <= MOST_ROWS) };
    let (m, k, n) = (job.a_is.rows, job.a_is.columns, job.n);
    let step = job.a_is.step();
    if n < NARROW {
        return narrow::<V::Item, FUSED>(job, out);
    }
    let size = size_of::<V::Item>();
    let finish = &job.finish;
    let plain = finish.alpha == V::Item::ONE
        && finish.beta == V::Item::ZERO
        && finish.bias.is_none()
        && matches!(finish.after, After::Nothing);
    // Sums wait in the result between parts of the inner dimension, unless what it held is still needed.
    let depth = if finish.beta == V::Item::ZERO { DEPTH / size } else { k };
    let parts = k.div_ceil(depth.max(1)).max(1);
    let depth = k.div_ceil(parts);
    // Rows that lie apart by about a multiple of a page would throw each other out of the nearest cache.
    let apart = (step * size).is_multiple_of(APART) && n > 2 * WIDE && m > 1;
    // Columns that lie side by side are read as they are where that is not done often.
    let turned = job.a_is.transposed && n <= TURNED * WIDE && k > 0;
    let copies = !turned && (job.a_is.transposed || apart);
    let mut copied = vec![V::Item::ZERO; if copies { ROWS.min(m) * (depth + PAD) } else { 0 }];
    let mut stage = [[V::Item::ZERO; WIDE]; MOST_ROWS];
    let chunk = (CHUNK / size / (WIDE * depth.max(1))).max(1) * WIDE;
    for part in 0..parts {
        let start = part * depth;
        let part = Part { depth: depth.min(k - start), begins: part == 0, ends: part + 1 == parts };
        for left in (0..n).step_by(chunk) {
            let right = n.min(left + chunk);
            for top in (0..m).step_by(ROWS) {
                let rows = ROWS.min(m - top);
                if copies {
                    copy_rows(job, (top, rows), (start, part.depth), depth + PAD, &mut copied);
                }
                let (a, row) = if copies {
                    (&copied[..], depth + PAD)
                } else if turned {
                    (&job.a[start * step + top..], 1)
                } else {
                    (&job.a[top * step + start..], step)
                };
                for (first, width) in panels(right, WIDE).skip(left / WIDE) {
                    let panel = &job.b[first * k + start * width..][..part.depth * width];
                    let mut done = 0;
                    while done < rows {
                        let left = Left {
                            first: a[done * row..].as_ptr(),
                            row,
                            step: if turned { step } else { 1 },
                        };
                        let place = Place { top: top + done, first, columns: width.min(n - first) };
                        let tile = Tile { left, panel, part, place, half: width < WIDE, turned, plain };
                        // SAFETY: rows `top` to `top + rows`, and as many columns as the part has, are in `a`; the panel was just cut to
                        // the part's depth; only callers that are compiled for the instructions inline this.
                        #[allow(unsafe_code)]
                        let more = unsafe { V::tile(rows - done, job, tile, &mut stage, out) };
                        done += more;
                    }
                }
            }
        }
    }
}

/// Copies a part of some rows of the left factor, row by row.
#[inline(always)]
fn copy_rows<T: Real>(
    job: &Job<'_, T>,
    (top, rows): (usize, usize),
    (start, depth): (usize, usize),
    apart: usize,
    to: &mut [T],
) {
    let step = job.a_is.step();
    if job.a_is.transposed {
        for p in 0..depth {
            for (i, v) in job.a[(start + p) * step + top..][..rows].iter().enumerate() {
                to[i * apart + p] = *v;
            }
        }
    } else {
        for (i, row) in to.chunks_exact_mut(apart).enumerate().take(rows) {
            row[..depth].copy_from_slice(&job.a[(top + i) * step + start..][..depth]);
        }
    }
}

/// One tile of `M` rows and `P` registers, which are `N` columns.
///
/// # Safety
///
/// As [`multiply`] has it.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn compute<V: Lanes, const M: usize, const P: usize, const N: usize, const WIDE: usize>(
    job: &Job<'_, V::Item>,
    tile: Tile<'_, V::Item>,
    stage: &mut Stage<V::Item, WIDE>,
    out: &mut [V::Item],
) {
    let Tile { left, panel, part, place, turned, plain, .. } = tile;
    const { assert!(N == P * V::COUNT && N <= WIDE && M <= MOST_ROWS) };
    let n = job.n;
    let (begin, whole) = (place.top * n + place.first, place.columns == N);
    let direct = whole && (plain || !part.ends);
    let out = &mut out[begin..begin + (M - 1) * n + place.columns];
    // SAFETY: the slice just taken has M rows of `columns` elements, `N` of them where the tile is whole; a row of the stage has at
    // least `N`; the rest is the caller's.
    unsafe {
        let zero = V::splat(V::Item::ZERO);
        let mut sums = [[zero; P]; M];
        if !part.begins {
            if !whole {
                for (i, row) in stage.iter_mut().enumerate().take(M) {
                    row[..place.columns].copy_from_slice(&out[i * n..i * n + place.columns]);
                }
            }
            let (from, row) = if whole { (out.as_ptr(), n) } else { (stage.as_ptr().cast(), WIDE) };
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(from.add(i * row + j * V::COUNT));
                }
            }
        }
        let sums = if turned {
            multiply::<V, M, P, false>(left, panel.as_ptr(), part.depth, sums)
        } else {
            multiply::<V, M, P, true>(left, panel.as_ptr(), part.depth, sums)
        };
        let (to, row) = if direct { (out.as_mut_ptr(), n) } else { (stage.as_mut_ptr().cast(), WIDE) };
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                sum.store(to.add(i * row + j * V::COUNT));
            }
        }
    }
    if direct {
        return;
    }
    for (i, row) in stage.iter().enumerate().take(M) {
        let out = &mut out[i * n..i * n + place.columns];
        if part.ends {
            if let Some(sums) = row.first_chunk::<N>() {
                complete(&job.finish, sums, (begin + i * n, place.first), out);
            }
        } else {
            out.copy_from_slice(&row[..place.columns]);
        }
    }
}

/// Writes a row of finished elements: the sums of `N` columns, of which `out` may have fewer. `at` is the place of its first element in the
/// result, and the first column.
#[inline(always)]
fn complete<T: Real, const N: usize>(
    finish: &Finish<'_, T>,
    sums: &[T; N],
    (at, first): (usize, usize),
    out: &mut [T],
) {
    let Finish { alpha, beta, bias, after } = *finish;
    let columns = out.len();
    let mut v = *sums;
    if alpha != T::ONE {
        v = v.map(|v| alpha * v);
    }
    if let Some(bias) = bias {
        let bias = fetch::<T, N>(&bias[first..first + columns]);
        v.iter_mut().zip(&bias).for_each(|(v, b)| *v += *b);
    }
    if beta != T::ZERO {
        let held = fetch::<T, N>(out);
        v.iter_mut().zip(&held).for_each(|(v, o)| *v += beta * *o);
    }
    match after {
        After::Nothing => {}
        After::Relu => v = v.map(|v| if v < T::ZERO { T::ZERO } else { v }),
        After::Gate(gate) => {
            let gate = fetch::<T, N>(&gate[at..at + columns]);
            v.iter_mut().zip(&gate).for_each(|(v, g)| *v = if *g > T::ZERO { *v } else { T::ZERO });
        }
    }
    store(&v, out);
}

/// Up to `N` elements. Those that lack are zero.
#[inline(always)]
fn fetch<T: Real, const N: usize>(from: &[T]) -> [T; N] {
    let mut to = [T::ZERO; N];
    overlapping(from, &mut to[..from.len()]);
    to
}

/// Writes as many of `N` elements as there is room for.
#[inline(always)]
fn store<T: Real, const N: usize>(from: &[T; N], to: &mut [T]) {
    if to.len() == N { to.copy_from_slice(from) } else { overlapping(&from[..to.len()], to) }
}

/// Copies slices of one length of at most 32 in two pieces of a fixed size, which may overlap.
#[inline(always)]
fn overlapping<T: Real>(from: &[T], to: &mut [T]) {
    #[inline(always)]
    fn ends<T: Real, const N: usize>(from: &[T], to: &mut [T]) {
        let last = from.len() - N;
        to[..N].copy_from_slice(&from[..N]);
        to[last..].copy_from_slice(&from[last..]);
    }
    match from.len() {
        16.. => ends::<T, 16>(from, to),
        8.. => ends::<T, 8>(from, to),
        4.. => ends::<T, 4>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Inner products of rows and columns, each in [`LANES`] chains that are then added pairwise.
#[inline(always)]
fn narrow<T: Real, const FUSED: bool>(job: &Job<'_, T>, out: &mut [T]) {
    let (m, k, n) = (job.a_is.rows, job.a_is.columns, job.n);
    let step = job.a_is.step();
    let mut packed = vec![T::ZERO; if job.a_is.transposed { k } else { 0 }];
    for i in 0..m {
        if job.a_is.transposed {
            packed
                .iter_mut()
                .zip(job.a[i.min(job.a.len())..].iter().step_by(step.max(1)))
                .for_each(|(p, v)| *p = *v);
        }
        let row = if job.a_is.transposed { &packed[..] } else { &job.a[i * step..][..k] };
        let mut sums = [T::ZERO; NARROW];
        for (j, sum) in sums.iter_mut().enumerate().take(n) {
            *sum = inner::<T, FUSED>(row, &job.b[j * k..(j + 1) * k]);
        }
        complete(&job.finish, &sums, (i * n, 0), &mut out[i * n..(i + 1) * n]);
    }
}

#[inline(always)]
fn inner<T: Real, const FUSED: bool>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let add = |lane: &mut T, a: T, b: T| {
        *lane = if FUSED { a.mul_add(b, *lane) } else { a * b + *lane };
    };
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            add(&mut lanes[l], a[l], b[l]);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        add(lane, a, b);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            let other = lanes[l + width];
            lanes[l] += other;
        }
        width /= 2;
    }
    lanes[0]
}
