//! The product of two matrices.

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

    /// The distance in the slice between neighbours in a column and in a row.
    fn strides(self) -> (isize, isize) {
        if self.transposed { (1, self.rows as isize) } else { (self.columns as isize, 1) }
    }
}

/// `out = alpha · a · b + beta · out`, with `out` stored row by row. With `beta` 0 what `out` held is not read.
///
/// Each element is summed over the inner dimension in an order that depends on the sizes of `b` alone. Panics where a slice is
/// shorter than its matrix, or the inner dimensions differ.
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
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        for o in &mut out[..m * n] {
            *o = if beta == T::ZERO { T::ZERO } else { beta * *o };
        }
        return;
    }
    let (a_rows, a_columns) = a_is.strides();
    let (b_rows, b_columns) = b_is.strides();
    // SAFETY: the strides stay within the slices, whose lengths were checked above; `out` is not aliased, being `&mut`.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            beta != T::ZERO,
            a.as_ptr(),
            a_columns,
            a_rows,
            b.as_ptr(),
            b_columns,
            b_rows,
            beta,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn check<T: Real>(tolerance: f64) {
        let mut stream = Stream::new(1, [0; 3]);
        for (m, n, k) in [(1, 1, 1), (3, 4, 5), (64, 80, 51), (7, 1, 10), (1, 9, 33), (5, 6, 0), (33, 30, 80)]
        {
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                let mut draw = |n: usize| (0..n).map(|_| T::of(stream.normal())).collect::<Vec<T>>();
                let (a, b, start) = (draw(m * k), draw(k * n), draw(m * n));
                let mut out = start.clone();
                let (al, be) = (T::of(0.5), T::of(2.0));
                product(
                    al,
                    (&a, Matrix::new(m, k).stored(ta)),
                    (&b, Matrix::new(k, n).stored(tb)),
                    be,
                    &mut out,
                );
                for i in 0..m {
                    for j in 0..n {
                        let at = |p: usize| if ta { a[p * m + i] } else { a[i * k + p] };
                        let bt = |p: usize| if tb { b[j * k + p] } else { b[p * n + j] };
                        let sum: f64 = (0..k).map(|p| at(p).wide() * bt(p).wide()).sum();
                        let want = 0.5 * sum + 2.0 * start[i * n + j].wide();
                        assert!((out[i * n + j].wide() - want).abs() < tolerance, "{m} {n} {k} {ta} {tb}");
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
}
