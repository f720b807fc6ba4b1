//! The product of two matrices.
//!
//! Each element is one chain of multiply-adds in the order of the inner dimension (for narrow results, one such chain for each of a few lanes),
//! whatever the number of rows. So a row's result has the same bits alone, in any batch, and at any place in it.

pub(crate) mod block;
mod columns;
mod tile;

pub use columns::{MultiplyLeft, PackedLeft, product_left};
pub use tile::Job;

use crate::Aligned;
use crate::lanes::{Lanes, Plain};
use crate::real::Real;
use crate::scratch::Room;
use crate::vector::{Instructions, by_instructions, instructions};

/// How a matrix lies in its slice: rows, columns, and whether it is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// The number of rows, as it is used.
    pub rows: usize,
    /// The number of columns, as it is used.
    pub columns: usize,
    /// Whether the slice holds its transpose, row by row.
    pub transposed: bool,
    /// How far apart the rows that are stored begin; `None` where one follows the other.
    pub apart: Option<usize>,
}

impl Matrix {
    /// A matrix stored row by row.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, transposed: false, apart: None }
    }

    /// The same matrix, its slice holding the transpose where `transposed` says so.
    #[must_use]
    pub fn stored(self, transposed: bool) -> Self {
        Self { transposed, ..self }
    }

    /// The same matrix, its stored rows beginning `apart` elements from each other.
    #[must_use]
    pub fn rows_apart(self, apart: usize) -> Self {
        Self { apart: Some(apart), ..self }
    }

    /// How many rows are stored, and how long they are.
    fn lines(&self) -> (usize, usize) {
        if self.transposed { (self.columns, self.rows) } else { (self.rows, self.columns) }
    }

    /// How far apart stored rows begin.
    fn step(&self) -> usize {
        self.apart.unwrap_or(self.lines().1)
    }

    /// The elements of the slice up to the last one that is used.
    fn span(&self) -> usize {
        let (lines, long) = self.lines();
        if lines == 0 || long == 0 { 0 } else { (lines - 1) * self.step() + long }
    }
}

/// What is done to each element of a product before it is written: `after(alpha · sum + bias + beta · out)`.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a, T> {
    /// The factor of the product.
    pub alpha: T,
    /// The factor of what `out` held. With 0 that is not read.
    pub beta: T,
    /// A number for each column.
    pub bias: Option<&'a [T]>,
    /// What comes last.
    pub after: After<'a, T>,
}

/// The last thing that is done to an element of a product.
#[derive(Clone, Copy, Debug)]
pub enum After<'a, T> {
    /// Nothing.
    Nothing,
    /// max(x, 0), and NaN for NaN.
    Relu,
    /// The element where the one at its place here is positive, else 0.
    Gate(&'a [T]),
}

impl<T: Real> Finish<'_, T> {
    /// `alpha · product + beta · out`.
    pub fn new(alpha: T, beta: T) -> Self {
        Self { alpha, beta, bias: None, after: After::Nothing }
    }
}

/// A right factor laid out for the machine's instructions, to be multiplied by many left ones.
#[derive(Clone, Debug)]
pub struct Packed<T> {
    rows: usize,
    columns: usize,
    instructions: Instructions,
    panels: Aligned<T>,
}

impl<T: Real> Packed<T> {
    /// Lays a matrix out. Panics where the slice is shorter than the matrix.
    pub fn new(b: &[T], is: Matrix) -> Self {
        Self::with(instructions(), b, is)
    }

    fn with(instructions: Instructions, b: &[T], is: Matrix) -> Self {
        assert!(is.span() <= b.len(), "a slice is shorter than its matrix");
        let len = tile::packed_len(is, width::<T>(instructions));
        let mut panels = Aligned::zeros(len);
        tile::pack(b, is, width::<T>(instructions), &mut panels);
        Self { rows: is.rows, columns: is.columns, instructions, panels }
    }

    /// The inner dimension.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// `out = finish(a · b)`, with `out` stored row by row.
///
/// Panics where a slice is shorter than its matrix, or the inner dimensions differ.
pub fn product<T: Real>(a: (&[T], Matrix), (b, b_is): (&[T], Matrix), finish: Finish<'_, T>, out: &mut [T]) {
    assert!(b_is.span() <= b.len(), "a slice is shorter than its matrix");
    if a.1.rows > 0 {
        let instructions = instructions();
        let width = width::<T>(instructions);
        let mut panels = Room::new(tile::packed_len(b_is, width));
        tile::pack(b, b_is, width, &mut panels);
        run(instructions, a, (&panels, b_is.rows, b_is.columns), finish, out);
    }
}

/// As [`product`], with a right factor that has been laid out before.
pub fn product_packed<T: Real>(a: (&[T], Matrix), b: &Packed<T>, finish: Finish<'_, T>, out: &mut [T]) {
    run(b.instructions, a, (&b.panels, b.rows, b.columns), finish, out);
}

/// The product with a right factor of so many rows and columns, laid out for some instructions.
fn run<T: Real>(
    instructions: Instructions,
    (a, a_is): (&[T], Matrix),
    (panels, rows, n): (&[T], usize, usize),
    finish: Finish<'_, T>,
    out: &mut [T],
) {
    let (m, k) = (a_is.rows, a_is.columns);
    assert_eq!(k, rows, "inner dimensions");
    assert!(a_is.span() <= a.len() && m * n <= out.len(), "a slice is shorter than its matrix");
    assert!(finish.bias.is_none_or(|v| v.len() >= n), "a bias is shorter than the rows");
    assert!(!matches!(finish.after, After::Gate(v) if v.len() < m * n), "a gate is smaller than the product");
    if m == 0 || n == 0 {
        return;
    }
    let job = Job { a, a_is, b: panels, n, finish };
    T::multiply(instructions, &job, &mut out[..m * n]);
}

/// The columns of a tile: two vector registers of the wider sets.
fn width<T>(instructions: Instructions) -> usize {
    match instructions {
        Instructions::Avx512 => 128 / size_of::<T>(),
        Instructions::Avx2 => 64 / size_of::<T>(),
        Instructions::Plain => 8,
    }
}

/// The products of one type, compiled once.
pub trait Multiply: Sized {
    /// A register of AVX-512, and of AVX2; elsewhere there are none.
    #[doc(hidden)]
    type Avx512: Lanes<Item = Self>;
    #[doc(hidden)]
    type Avx2: Lanes<Item = Self>;

    /// Runs a product that was checked.
    #[doc(hidden)]
    fn multiply(instructions: Instructions, job: &Job<'_, Self>, out: &mut [Self]);
}

macro_rules! multiply {
    ($type:ty, $of512:ident, $wide512:literal, $of2:ident, $wide2:literal) => {
        impl Multiply for $type {
            #[cfg(target_arch = "x86_64")]
            type Avx512 = std::arch::x86_64::$of512;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = std::arch::x86_64::$of2;
            #[cfg(not(target_arch = "x86_64"))]
            type Avx512 = Plain<Self>;
            #[cfg(not(target_arch = "x86_64"))]
            type Avx2 = Plain<Self>;

            fn multiply(instructions: Instructions, job: &Job<'_, Self>, out: &mut [Self]) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512(job: &Job<'_, $type>, out: &mut [$type]) {
                    tile::run::<std::arch::x86_64::$of512, true, 12, $wide512>(job, out);
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn avx2(job: &Job<'_, $type>, out: &mut [$type]) {
                    tile::run::<std::arch::x86_64::$of2, true, 6, $wide2>(job, out);
                }
                by_instructions!(
                    instructions,
                    avx512(job, out),
                    avx2(job, out),
                    tile::run::<Plain<$type>, { cfg!(target_arch = "aarch64") }, 4, 8>(job, out)
                );
            }
        }
    };
}

multiply!(f32, __m512, 32, __m256, 16);
multiply!(f64, __m512d, 16, __m256d, 8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const SIZES: [(usize, usize, usize); 12] = [
        (1, 1, 1),
        (3, 4, 5),
        (64, 80, 51),
        (7, 1, 10),
        (1, 9, 33),
        (5, 6, 0),
        (5, 3, 0),
        (33, 30, 80),
        (13, 70, 17),
        (25, 64, 12),
        (14, 6, 700),
        (3, 330, 900),
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
                    product((&a, a_is), (&b, b_is), Finish::new(T::of(0.5), T::of(beta)), &mut out);
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
            product((&a, Matrix::new(m, k)), (&b, Matrix::new(k, n)), Finish::new(1.0, 0.0), &mut all);
            for i in 0..m {
                let mut one = vec![0.0; n];
                let row = (&a[i * k..(i + 1) * k], Matrix::new(1, k));
                product(row, (&b, Matrix::new(k, n)), Finish::new(1.0, 0.0), &mut one);
                assert_eq!(one, all[i * n..(i + 1) * n]);
            }
        }
    }

    #[test]
    fn rows_may_lie_apart() {
        let mut stream = Stream::new(5, [0; 3]);
        for (m, n, k) in SIZES {
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                let mut draw = |is: Matrix| -> (Vec<f32>, Vec<f32>, Matrix) {
                    let (lines, long) = is.lines();
                    let apart = long + 5;
                    let wide: Vec<f32> = (0..lines * apart).map(|_| stream.normal() as f32).collect();
                    let close = (0..lines).flat_map(|i| wide[i * apart..i * apart + long].to_vec()).collect();
                    (close, wide, is.rows_apart(apart))
                };
                let (a_is, b_is) = (Matrix::new(m, k).stored(ta), Matrix::new(k, n).stored(tb));
                let ((a, a_wide, a_apart), (b, b_wide, b_apart)) = (draw(a_is), draw(b_is));
                let (mut want, mut found) = (vec![0.0; m * n], vec![0.0; m * n]);
                product((&a, a_is), (&b, b_is), Finish::new(1.0, 0.0), &mut want);
                product((&a_wide, a_apart), (&b_wide, b_apart), Finish::new(1.0, 0.0), &mut found);
                assert_eq!(want, found, "{m} {n} {k} {ta} {tb}");
            }
        }
    }

    #[test]
    fn what_comes_after_is_done_to_each_element() {
        let mut stream = Stream::new(4, [0; 3]);
        for (m, n, k) in SIZES {
            let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
            let (a, b, bias, gate) = (draw(m * k), draw(k * n), draw(n), draw(m * n));
            let factors = ((&a[..], Matrix::new(m, k)), (&b[..], Matrix::new(k, n)));
            let mut plain = vec![0.0; m * n];
            product(factors.0, factors.1, Finish::new(1.0, 0.0), &mut plain);
            for after in [After::Nothing, After::Relu, After::Gate(&gate)] {
                let mut out = vec![0.0; m * n];
                product(
                    factors.0,
                    factors.1,
                    Finish { bias: Some(&bias), after, ..Finish::new(1.0, 0.0) },
                    &mut out,
                );
                for i in 0..m * n {
                    let v = plain[i] + bias[i % n];
                    let want = match after {
                        After::Nothing => v,
                        After::Relu => v.max(0.0),
                        After::Gate(g) => {
                            if g[i] > 0.0 {
                                v
                            } else {
                                0.0
                            }
                        }
                    };
                    assert_eq!(out[i], want, "{m} {n} {k} {after:?} at {i}");
                }
            }
        }
    }

    #[test]
    fn all_instructions_agree() {
        let mut stream = Stream::new(3, [0; 3]);
        for (m, n, k) in SIZES {
            let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
            let (a, b) = (draw(m * k), draw(k * n));
            let of = |set: Instructions| {
                let packed = Packed::with(set, &b, Matrix::new(k, n));
                let mut out = vec![0.0; m * n];
                product_packed((&a, Matrix::new(m, k)), &packed, Finish::new(1.0, 0.0), &mut out);
                out
            };
            let plain = of(Instructions::Plain);
            for set in [Instructions::Avx2, Instructions::Avx512].into_iter().filter(|s| *s <= instructions())
            {
                assert!(plain.iter().zip(&of(set)).all(|(p, q)| (p - q).abs() < 1e-12));
            }
        }
    }
}
