//! Tiles of a product: some rows times a panel of columns, in registers.

use super::{After, Finish, Matrix};
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
/// Bytes of the right factor that all rows are multiplied by before the next ones come: they stay in the cache meanwhile.
const CHUNK: usize = 256 << 10;

/// The panels of a right factor of `n` columns: the first column and the width of each. The last one is half as wide where that is
/// enough.
fn panels(n: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(width).map(move |first| (first, if n - first <= width / 2 { width / 2 } else { width }))
}

/// Lays a matrix out in panels of columns, each with its elements of a row side by side; a narrow one column by column.
pub(super) fn pack<T: Real>(b: &[T], is: Matrix, width: usize) -> Vec<T> {
    let (k, n) = (is.rows, is.columns);
    if n < NARROW {
        return if is.transposed { b.to_vec() } else { (0..n * k).map(|i| b[i % k * n + i / k]).collect() };
    }
    let mut packed = vec![T::ZERO; panels(n, width).map(|(_, width)| width * k).sum()];
    let mut rest = packed.as_mut_slice();
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
    packed
}

/// What lacks in the last columns is never used.
fn pack_panel<T: Real, const W: usize>(b: &[T], is: Matrix, first: usize, panel: &mut [T]) {
    let (k, n) = (is.rows, is.columns);
    let columns = W.min(n - first);
    let rows = panel.as_chunks_mut::<W>().0;
    if is.transposed {
        let columns: [&[T]; W] = std::array::from_fn(|j| {
            let j = first + j.min(columns - 1);
            &b[j * k..(j + 1) * k]
        });
        for (p, row) in rows.iter_mut().enumerate() {
            for (v, column) in row.iter_mut().zip(columns) {
                *v = column[p];
            }
        }
    } else {
        for (p, row) in rows.iter_mut().enumerate() {
            row[..columns].copy_from_slice(&b[p * n + first..p * n + first + columns]);
        }
    }
}

/// The whole product, in tiles of `MR` rows by `NR` columns, or twice the rows by half the columns.
#[inline(always)]
pub(super) fn run<
    T: Real,
    const FUSED: bool,
    const MR: usize,
    const NR: usize,
    const MORE: usize,
    const HALF: usize,
>(
    job: &Job<'_, T>,
    out: &mut [T],
) {
    let (m, k, n) = (job.a_is.rows, job.a_is.columns, job.n);
    if n < NARROW {
        return narrow::<T, FUSED>(job, out);
    }
    let mut packed = vec![T::ZERO; if job.a_is.transposed { MORE * k } else { 0 }];
    let chunk = (CHUNK / size_of::<T>() / (NR * k.max(1))).max(1) * NR;
    for left in (0..n).step_by(chunk) {
        let right = n.min(left + chunk);
        for top in (0..m).step_by(MORE) {
            let rows = MORE.min(m - top);
            if job.a_is.transposed {
                transpose_rows(job, top, rows, MORE, &mut packed);
            }
            let row = |i: usize| {
                let i = i.min(rows - 1);
                if job.a_is.transposed {
                    &packed[i * k..(i + 1) * k]
                } else {
                    &job.a[(top + i) * k..(top + i + 1) * k]
                }
            };
            for (first, width) in panels(right, NR).skip(left / NR) {
                let panel = &job.b[first * k..(first + width) * k];
                if width == HALF {
                    let a: [&[T]; MORE] = std::array::from_fn(row);
                    finish(job, &block::<T, FUSED, MORE, HALF>(a, panel), (top, rows), first, out);
                } else {
                    for start in (0..rows).step_by(MR) {
                        let a: [&[T]; MR] = std::array::from_fn(|i| row(start + i));
                        let sums = block::<T, FUSED, MR, NR>(a, panel);
                        finish(job, &sums, (top + start, MR.min(rows - start)), first, out);
                    }
                }
            }
        }
    }
}

/// Some rows of a left factor that is stored transposed, row by row.
#[inline(always)]
fn transpose_rows<T: Real>(job: &Job<'_, T>, top: usize, rows: usize, most: usize, packed: &mut [T]) {
    let (m, k) = (job.a_is.rows, job.a_is.columns);
    debug_assert!(rows <= most);
    for (p, column) in job.a.chunks_exact(m).take(k).enumerate() {
        for (i, v) in column[top..top + rows].iter().enumerate() {
            packed[i * k + p] = *v;
        }
    }
}

/// The product of some rows and a panel.
#[inline(always)]
fn block<T: Real, const FUSED: bool, const M: usize, const N: usize>(
    a: [&[T]; M],
    panel: &[T],
) -> [[T; N]; M] {
    let mut sums = [[T::ZERO; N]; M];
    let panel = panel.as_chunks::<N>().0;
    assert!(a.iter().all(|row| row.len() == panel.len()));
    for (p, b) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(&a) {
            // SAFETY: each row is as long as the panel, as was just checked.
            #[allow(unsafe_code)]
            let a = unsafe { *row.get_unchecked(p) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = if FUSED { a.mul_add(*b, *sum) } else { a * *b + *sum };
            }
        }
    }
    sums
}

/// Writes the finished elements of a tile.
#[inline(always)]
fn finish<T: Real, const M: usize, const N: usize>(
    job: &Job<'_, T>,
    sums: &[[T; N]; M],
    (top, rows): (usize, usize),
    first: usize,
    out: &mut [T],
) {
    let Finish { alpha, beta, bias, after } = job.finish;
    let columns = N.min(job.n - first);
    let bias = bias.map(|bias| fetch::<T, N>(&bias[first..first + columns]));
    for (i, sums) in sums.iter().enumerate().take(rows) {
        let at = (top + i) * job.n + first;
        let mut v = *sums;
        if alpha != T::ONE {
            v = v.map(|v| alpha * v);
        }
        if let Some(bias) = &bias {
            v.iter_mut().zip(bias).for_each(|(v, b)| *v += *b);
        }
        if beta != T::ZERO {
            let held = fetch::<T, N>(&out[at..at + columns]);
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
        store(&v, &mut out[at..at + columns]);
    }
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
    let mut packed = vec![T::ZERO; if job.a_is.transposed { k } else { 0 }];
    for i in 0..m {
        if job.a_is.transposed {
            transpose_rows(job, i, 1, 1, &mut packed);
        }
        let row = if job.a_is.transposed { &packed[..] } else { &job.a[i * k..(i + 1) * k] };
        let mut sums = [[T::ZERO; NARROW]];
        for (j, sum) in sums[0].iter_mut().enumerate().take(n) {
            *sum = inner::<T, FUSED>(row, &job.b[j * k..(j + 1) * k]);
        }
        finish(job, &sums, (i, 1), 0, out);
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
