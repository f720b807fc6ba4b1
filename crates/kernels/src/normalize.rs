//! Vectors scaled by a function of themselves: softmax and its logarithm, layer normalization.
//!
//! Sums run over sixteen interleaved partial sums, which are then added in order: quick, and the same for every machine width.

use crate::real::Real;
use crate::vector::{by_instructions, instructions};

const LANES: usize = 16;

/// The sum of `f` of each element.
#[inline(always)]
fn sum<T: Real>(x: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f(v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(v);
    }
    halved(lanes, |a, b| a + b)
}

/// All lanes as one: the first half by the second, again and again.
#[inline(always)]
fn halved<T: Copy>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = combine(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest element that is not NaN.
#[inline(always)]
fn largest<T: Real>(x: &[T]) -> T {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let mut lanes = [T::LOWEST; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] = larger(chunk[l], lanes[l]);
        }
    }
    rest.iter().fold(halved(lanes, larger), |most, &v| larger(v, most))
}

/// Softmax of each vector along the middle of three axes, of sizes (outer, `n`, `inner`).
///
/// The largest element is subtracted first, so that nothing overflows. A vector that holds NaN or +∞, or nothing above −∞, gives NaN.
pub fn softmax<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    fn avx512<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
        softmax_along(x, n, inner, out);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
        softmax_along(x, n, inner, out);
    }
    if n > 0 && inner > 0 {
        by_instructions!(
            instructions(),
            avx512(x, n, inner, out),
            avx2(x, n, inner, out),
            softmax_along(x, n, inner, out)
        );
    }
}

#[inline(always)]
fn softmax_along<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    let blocks = x.chunks_exact(n * inner).zip(out.chunks_exact_mut(n * inner));
    if inner == 1 {
        for (x, out) in blocks {
            let most = largest(x);
            for (o, &v) in out.iter_mut().zip(x) {
                *o = (v - most).exp();
            }
            let part = T::ONE / sum(out, |v| v);
            for o in out {
                *o *= part;
            }
        }
        return;
    }
    // Vectors beside each other go together, a few at a time.
    const TOGETHER: usize = 64;
    let (mut most, mut total) = ([T::ZERO; TOGETHER], [T::ZERO; TOGETHER]);
    for (x, out) in blocks {
        for first in (0..inner).step_by(TOGETHER) {
            let count = TOGETHER.min(inner - first);
            let part = first..first + count;
            let (most, total) = (&mut most[..count], &mut total[..count]);
            most.fill(T::LOWEST);
            total.fill(T::ZERO);
            for row in x.chunks_exact(inner) {
                for (most, &v) in most.iter_mut().zip(&row[part.clone()]) {
                    *most = v.larger(*most);
                }
            }
            for (row, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(inner)) {
                let columns =
                    out[part.clone()].iter_mut().zip(&row[part.clone()]).zip(most.iter().zip(&mut *total));
                for ((o, &v), (&most, total)) in columns {
                    *o = (v - most).exp();
                    *total += *o;
                }
            }
            total.iter_mut().for_each(|t| *t = T::ONE / *t);
            for out in out.chunks_exact_mut(inner) {
                for (o, &part) in out[part.clone()].iter_mut().zip(&*total) {
                    *o *= part;
                }
            }
        }
    }
}

/// The logarithm of [`softmax`], computed without it.
pub fn log_softmax<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    each_vector(x, n, inner, out, |x, out| {
        let most = largest(x);
        let total = sum(x, |v| (v - most).exp()).ln();
        for (o, &v) in out.iter_mut().zip(x) {
            *o = v - most - total;
        }
    });
}

/// Calls `f` for each vector along the middle axis, gathered where it does not lie in one piece.
fn each_vector<T: Real>(x: &[T], n: usize, inner: usize, out: &mut [T], f: impl Fn(&[T], &mut [T])) {
    if n == 0 || inner == 0 {
        return;
    }
    if inner == 1 {
        for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
            f(x, out);
        }
        return;
    }
    let mut from = vec![T::ZERO; n];
    let mut to = vec![T::ZERO; n];
    for (x, out) in x.chunks_exact(n * inner).zip(out.chunks_exact_mut(n * inner)) {
        for i in 0..inner {
            for (v, &x) in from.iter_mut().zip(x[i..].iter().step_by(inner)) {
                *v = x;
            }
            f(&from, &mut to);
            for (o, &v) in out[i..].iter_mut().step_by(inner).zip(&to) {
                *o = v;
            }
        }
    }
}

/// The results of [`layer_norm`]; each is written where it is asked for.
#[derive(Debug)]
pub struct LayerNorm<'a, T> {
    /// The scaled and shifted vectors.
    pub y: &'a mut [T],
    /// The mean of each vector.
    pub mean: Option<&'a mut [T]>,
    /// One over the deviation of each vector.
    pub inverse: Option<&'a mut [T]>,
}

/// For each vector of `scale.len()` elements: less its mean, over √(variance + ε), times `scale`, plus `bias`.
pub fn layer_norm<T: Real>(x: &[T], scale: &[T], bias: Option<&[T]>, epsilon: T, out: &mut LayerNorm<'_, T>) {
    let n = scale.len();
    if n == 0 {
        for statistic in [&mut out.mean, &mut out.inverse].into_iter().flatten() {
            statistic.fill(T::of(f64::NAN));
        }
        return;
    }
    let count = T::of(n as f64);
    for (i, (x, y)) in x.chunks_exact(n).zip(out.y.chunks_exact_mut(n)).enumerate() {
        let mean = sum(x, |v| v) / count;
        let variance = sum(x, |v| (v - mean) * (v - mean)) / count;
        let inverse = T::ONE / (variance + epsilon).sqrt();
        for ((y, &v), &s) in y.iter_mut().zip(x).zip(scale) {
            *y = (v - mean) * inverse * s;
        }
        if let Some(bias) = bias {
            for (y, &b) in y.iter_mut().zip(bias) {
                *y += b;
            }
        }
        if let Some(means) = out.mean.as_deref_mut() {
            means[i] = mean;
        }
        if let Some(inverses) = out.inverse.as_deref_mut() {
            inverses[i] = inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn draws(n: usize) -> Vec<f64> {
        let mut stream = Stream::new(5, [0; 3]);
        (0..n).map(|_| 3.0 * stream.normal()).collect()
    }

    #[test]
    fn softmax_is_its_definition_along_any_axis() {
        for (outer, n, inner) in [(2, 5, 1), (3, 1, 2), (2, 37, 3), (1, 16, 1), (0, 4, 2)] {
            let x = draws(outer * n * inner);
            let (mut y, mut log) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            softmax(&x, n, inner, &mut y);
            log_softmax(&x, n, inner, &mut log);
            for o in 0..outer {
                for i in 0..inner {
                    let at = |k: usize| (o * n + k) * inner + i;
                    let total: f64 = (0..n).map(|k| x[at(k)].exp()).sum();
                    for k in 0..n {
                        let want = x[at(k)].exp() / total;
                        assert!((y[at(k)] - want).abs() < 1e-14 && (log[at(k)] - want.ln()).abs() < 1e-12);
                    }
                }
            }
        }
    }

    #[test]
    fn softmax_does_not_overflow() {
        let mut y = [0.0f32; 3];
        softmax(&[1000.0, 0.0, -1000.0], 3, 1, &mut y);
        assert_eq!(y, [1.0, 0.0, 0.0]);
        log_softmax(&[1000.0, 0.0, -1000.0], 3, 1, &mut y);
        assert_eq!(y, [0.0, -1000.0, -2000.0]);
        softmax(&[1.0, f32::NEG_INFINITY, 1.0], 3, 1, &mut y);
        assert_eq!(y, [0.5, 0.0, 0.5]);
        softmax(&[1.0, f32::NAN, 1.0], 3, 1, &mut y);
        assert!(y.iter().all(|v| v.is_nan()));
        softmax(&[f32::NEG_INFINITY; 3], 3, 1, &mut y);
        assert!(y.iter().all(|v| v.is_nan()));
    }

    #[test]
    fn layer_norm_is_its_definition() {
        for n in [1, 2, 16, 33] {
            let (x, scale, bias) = (draws(3 * n), draws(n), draws(n));
            let (mut y, mut mean, mut inverse) = (vec![0.0; 3 * n], vec![0.0; 3], vec![0.0; 3]);
            let mut out = LayerNorm { y: &mut y, mean: Some(&mut mean), inverse: Some(&mut inverse) };
            layer_norm(&x, &scale, Some(&bias), 1e-3, &mut out);
            for r in 0..3 {
                let row = &x[r * n..(r + 1) * n];
                let m = row.iter().sum::<f64>() / n as f64;
                let v = row.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n as f64;
                let d = (v + 1e-3).sqrt();
                assert!((mean[r] - m).abs() < 1e-12 && (inverse[r] - 1.0 / d).abs() < 1e-12);
                for k in 0..n {
                    let want = (row[k] - m) / d * scale[k] + bias[k];
                    assert!((y[r * n + k] - want).abs() < 1e-12);
                }
            }
        }
    }
}
