//! The product of two matrices.
//!
//! Each element is one chain of multiply-adds in the order of the inner dimension (for narrow results, one such chain for each of a few lanes),
//! whatever the number of rows. So a row's result has the same bits alone, in any batch, and at any place in it.

use crate::real::Real;

/// How a matrix lies in its slice: rows, columns, and whether it is stored transposed.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// The number of rows, as it is used.
    pub rows: usize,
    /// The number of columns, as it is used.
    pub columns: usize,
    /// Whether the slice holds its transpose, row by row.
    pub transposed: bool,
}

impl Matrix {
    /// A matrix stored row by row.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, transposed: false }
    }

    /// The same matrix, its slice holding the transpose where `transposed` says so.
    #[must_use]
    pub fn stored(self, transposed: bool) -> Self {
        Self { transposed, ..self }
    }
}

/// `out = alpha · a · b + beta · out`, with `out` stored row by row. With `beta` 0 what `out` held is not read.
///
/// Panics where a slice is shorter than its matrix, or the inner dimensions differ.
pub fn product<T: Real>(
    alpha: T,
    (a, a_is): (&[T], Matrix),
    (b, b_is): (&[T], Matrix),
    beta: T,
    out: &mut [T],
) {
    let (m, k, n) = (a_is.rows, a_is.columns, b_is.columns);
    assert_eq!(k, b_is.rows, "inner dimensions");
    assert!(m * k <= a.len() && k * n <= b.len() && m * n <= out.len(), "a slice is shorter than its matrix");
    let job = Job { alpha, beta, a: &a[..m * k], a_is, b: &b[..k * n], b_is };
    if m == 0 || n == 0 {
        return;
    }
    run(&job, &mut out[..m * n]);
}

struct Job<'a, T> {
    alpha: T,
    beta: T,
    a: &'a [T],
    a_is: Matrix,
    b: &'a [T],
    b_is: Matrix,
}

/// Chooses the widest instructions that the machine has.
fn run<T: Real>(job: &Job<'_, T>, out: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the machine has the instructions, as was just found.
            #[allow(unsafe_code)]
            unsafe {
                avx512(job, out);
            }
            return;
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the machine has the instructions, as was just found.
            #[allow(unsafe_code)]
            unsafe {
                avx2(job, out);
            }
            return;
        }
    }
    let fused = cfg!(target_arch = "aarch64");
    if fused { tiled::<T, true, 4, 16>(job, out) } else { tiled::<T, false, 4, 8>(job, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(job: &Job<'_, T>, out: &mut [T]) {
    // Six rows of two registers each; of the shapes that were measured, the fastest that the compiler keeps in registers.
    match (size_of::<T>() == 4, job.b_is.columns) {
        (true, 17..) => tiled::<T, true, 6, 32>(job, out),
        (true, _) => tiled::<T, true, 6, 16>(job, out),
        (false, 9..) => tiled::<T, true, 6, 16>(job, out),
        (false, _) => tiled::<T, true, 6, 8>(job, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(job: &Job<'_, T>, out: &mut [T]) {
    if size_of::<T>() == 4 { tiled::<T, true, 6, 16>(job, out) } else { tiled::<T, true, 6, 8>(job, out) }
}

/// Results of fewer columns than this are computed as inner products.
const NARROW: usize = 6;
/// The chains that an inner product is split into.
const LANES: usize = 16;

#[inline(always)]
fn tiled<T: Real, const FUSED: bool, const MR: usize, const NR: usize>(job: &Job<'_, T>, out: &mut [T]) {
    let (m, k, n) = (job.a_is.rows, job.a_is.columns, job.b_is.columns);
    if n < NARROW {
        return narrow::<T, FUSED>(job, out);
    }
    let panels = n.div_ceil(NR);
    let mut b = vec![T::ZERO; panels * k * NR];
    pack_columns::<T, NR>(job.b, job.b_is, &mut b);
    let mut a = vec![T::ZERO; k * MR];
    for first in (0..m).step_by(MR) {
        let rows = MR.min(m - first);
        pack_rows::<T, MR>(job.a, job.a_is, first, rows, &mut a);
        for (panel, b) in b.chunks_exact((k * NR).max(1)).take(panels).enumerate() {
            let sums = block::<T, FUSED, MR, NR>(&a, b);
            let columns = NR.min(n - panel * NR);
            for (i, sums) in sums.iter().enumerate().take(rows) {
                let at = (first + i) * n + panel * NR;
                finish(job, &sums[..columns], &mut out[at..at + columns]);
            }
        }
        if k == 0 {
            for o in &mut out[first * n..(first + rows) * n] {
                *o = if job.beta == T::ZERO { T::ZERO } else { job.beta * *o };
            }
        }
    }
}

#[inline(always)]
fn finish<T: Real>(job: &Job<'_, T>, sums: &[T], out: &mut [T]) {
    if job.beta == T::ZERO {
        for (o, s) in out.iter_mut().zip(sums) {
            *o = job.alpha * *s;
        }
    } else {
        for (o, s) in out.iter_mut().zip(sums) {
            *o = job.alpha * *s + job.beta * *o;
        }
    }
}

/// The product of MR packed rows and NR packed columns, in registers.
#[inline(always)]
fn block<T: Real, const FUSED: bool, const MR: usize, const NR: usize>(a: &[T], b: &[T]) -> [[T; NR]; MR] {
    let mut sums = [[T::ZERO; NR]; MR];
    for (a, b) in a.as_chunks::<MR>().0.iter().zip(b.as_chunks::<NR>().0) {
        for i in 0..MR {
            let a = a[i];
            for j in 0..NR {
                sums[i][j] = if FUSED { a.mul_add(b[j], sums[i][j]) } else { a * b[j] + sums[i][j] };
            }
        }
    }
    sums
}

/// Columns in panels of NR, each with its NR elements of a row side by side. What lacks is never used.
#[inline(always)]
fn pack_columns<T: Real, const NR: usize>(b: &[T], is: Matrix, packed: &mut [T]) {
    let (k, n) = (is.rows, is.columns);
    for (panel, packed) in packed.chunks_exact_mut((k * NR).max(1)).enumerate() {
        let first = panel * NR;
        let columns = NR.min(n - first);
        if is.transposed {
            let columns: [&[T]; NR] = std::array::from_fn(|j| {
                let j = first + j.min(columns - 1);
                &b[j * k..(j + 1) * k]
            });
            for (p, row) in packed.as_chunks_mut::<NR>().0.iter_mut().enumerate() {
                for (v, column) in row.iter_mut().zip(columns) {
                    *v = column[p];
                }
            }
        } else {
            for (p, row) in packed.chunks_exact_mut(NR).enumerate() {
                row[..columns].copy_from_slice(&b[p * n + first..p * n + first + columns]);
            }
        }
    }
}

/// Some rows with their elements of a column side by side. What lacks is never used.
#[inline(always)]
fn pack_rows<T: Real, const MR: usize>(a: &[T], is: Matrix, first: usize, rows: usize, packed: &mut [T]) {
    let (m, k) = (is.rows, is.columns);
    if is.transposed {
        for (p, column) in packed.chunks_exact_mut(MR).enumerate() {
            column[..rows].copy_from_slice(&a[p * m + first..p * m + first + rows]);
        }
    } else {
        let rows: [&[T]; MR] = std::array::from_fn(|i| {
            let i = first + i.min(rows - 1);
            &a[i * k..(i + 1) * k]
        });
        for (p, column) in packed.as_chunks_mut::<MR>().0.iter_mut().enumerate() {
            for (v, row) in column.iter_mut().zip(rows) {
                *v = row[p];
            }
        }
    }
}

/// Inner products of rows and columns, each in [`LANES`] chains that are then added pairwise.
#[inline(always)]
fn narrow<T: Real, const FUSED: bool>(job: &Job<'_, T>, out: &mut [T]) {
    let (m, k, n) = (job.a_is.rows, job.a_is.columns, job.b_is.columns);
    let mut columns = vec![T::ZERO; k * n];
    for j in 0..n {
        for p in 0..k {
            columns[j * k + p] = if job.b_is.transposed { job.b[j * k + p] } else { job.b[p * n + j] };
        }
    }
    let mut row = vec![T::ZERO; k];
    for i in 0..m {
        if job.a_is.transposed {
            for (p, v) in row.iter_mut().enumerate() {
                *v = job.a[p * m + i];
            }
        } else {
            row.copy_from_slice(&job.a[i * k..(i + 1) * k]);
        }
        for j in 0..n {
            let sum = inner::<T, FUSED>(&row, &columns[j * k..(j + 1) * k]);
            finish(job, &[sum], &mut out[i * n + j..i * n + j + 1]);
        }
    }
}

#[inline(always)]
fn inner<T: Real, const FUSED: bool>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let add = |lane: &mut T, a: T, b: T| {
        *lane = if FUSED { a.mul_add(b, *lane) } else { a * b + *lane };
    };
    let (mut a_chunks, mut b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in a_chunks.by_ref().zip(b_chunks.by_ref()) {
        for l in 0..LANES {
            add(&mut lanes[l], a[l], b[l]);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_chunks.remainder()).zip(b_chunks.remainder()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const SIZES: [(usize, usize, usize); 9] = [
        (1, 1, 1),
        (3, 4, 5),
        (64, 80, 51),
        (7, 1, 10),
        (1, 9, 33),
        (5, 6, 0),
        (5, 3, 0),
        (33, 30, 80),
        (13, 70, 17),
    ];

    fn check<T: Real>(tolerance: f64) {
        let mut stream = Stream::new(1, [0; 3]);
        for (m, n, k) in SIZES {
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                for beta in [0.0, 2.0] {
                    let mut draw = |n: usize| (0..n).map(|_| T::of(stream.normal())).collect::<Vec<T>>();
                    let (a, b, start) = (draw(m * k), draw(k * n), draw(m * n));
                    let mut out = start.clone();
                    let a_is = Matrix::new(m, k).stored(ta);
                    let b_is = Matrix::new(k, n).stored(tb);
                    product(T::of(0.5), (&a, a_is), (&b, b_is), T::of(beta), &mut out);
                    for i in 0..m {
                        for j in 0..n {
                            let at = |p: usize| if ta { a[p * m + i] } else { a[i * k + p] };
                            let bt = |p: usize| if tb { b[j * k + p] } else { b[p * n + j] };
                            let sum: f64 = (0..k).map(|p| at(p).wide() * bt(p).wide()).sum();
                            let want = 0.5 * sum + beta * start[i * n + j].wide();
                            assert!(
                                (out[i * n + j].wide() - want).abs() < tolerance,
                                "{m} {n} {k} {ta} {tb}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_the_definition() {
        check::<f32>(1e-4);
        check::<f64>(1e-12);
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        let mut stream = Stream::new(2, [0; 3]);
        for (m, n, k) in SIZES {
            let mut draw = |n: usize| (0..n).map(|_| stream.normal() as f32).collect::<Vec<f32>>();
            let (a, b) = (draw(m * k), draw(k * n));
            let mut all = vec![0.0; m * n];
            product(1.0, (&a, Matrix::new(m, k)), (&b, Matrix::new(k, n)), 0.0, &mut all);
            for i in 0..m {
                let mut one = vec![0.0; n];
                product(
                    1.0,
                    (&a[i * k..(i + 1) * k], Matrix::new(1, k)),
                    (&b, Matrix::new(k, n)),
                    0.0,
                    &mut one,
                );
                assert_eq!(one, all[i * n..(i + 1) * n]);
            }
        }
    }

    #[test]
    fn plain_instructions_agree_with_the_machine_s() {
        let mut stream = Stream::new(3, [0; 3]);
        for (m, n, k) in SIZES {
            let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
            let (a, b) = (draw(m * k), draw(k * n));
            let job =
                Job { alpha: 1.0, beta: 0.0, a: &a, a_is: Matrix::new(m, k), b: &b, b_is: Matrix::new(k, n) };
            let (mut plain, mut best) = (vec![0.0; m * n], vec![0.0; m * n]);
            tiled::<f64, false, 4, 8>(&job, &mut plain);
            run(&job, &mut best);
            assert!(plain.iter().zip(&best).all(|(p, q)| (p - q).abs() < 1e-12));
        }
    }
}
