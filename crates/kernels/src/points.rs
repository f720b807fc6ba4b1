//! Points that lie side by side: values along a line, and weighted sums in a fixed order.

use crate::real::Real;
use crate::vector::for_widest;

/// The chains that a sum over points is split into: point `k` of a sum belongs to chain `k % LANES`.
pub const LANES: usize = 16;

for_widest! {
    /// `start[i] + at[p] · difference[i]` for each element, written to row `i` of `out`, which has `width` elements, from `left` on.
    pub fn lines<T: Real>(start: &[T], difference: &[T], at: &[T], out: &mut [T], place: (usize, usize)) {
        let (width, left) = place;
        for ((row, start), difference) in out.chunks_exact_mut(width.max(1)).zip(start).zip(difference) {
            for (o, at) in row[left..left + at.len()].iter_mut().zip(at) {
                *o = *start + *at * *difference;
            }
        }
    }

    /// `start[i] + at · difference[i]` for each element of a point.
    pub fn line_point<T: Real>(start: &[T], difference: &[T], at: T, out: &mut [T]) {
        for ((o, s), d) in out.iter_mut().zip(start).zip(difference) {
            *o = *s + at * *d;
        }
    }

    /// Adds `weights[p] · x[p]`, for the points that stand from `left` on in each row of `width` elements of `x`, to the chains of the row. The
    /// first of them is point `first` of the sum.
    pub fn add_weighted<T: Real>(chains: &mut [T], x: &[T], place: (usize, usize), weights: &[T], first: usize) {
        add_rows(chains, x, place, weights, first);
    }

    /// Adds the chains of each row up, pairwise, and clears them.
    pub fn fold<T: Real>(chains: &mut [T], sums: &mut [T]) {
        for (chains, sum) in chains.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
            let eight: [T; 8] = std::array::from_fn(|l| chains[l] + chains[l + 8]);
            let four: [T; 4] = std::array::from_fn(|l| eight[l] + eight[l + 4]);
            *sum = (four[0] + four[2]) + (four[1] + four[3]);
            *chains = [T::ZERO; LANES];
        }
    }
}

#[inline(always)]
fn add_rows<T: Real>(chains: &mut [T], x: &[T], (width, left): (usize, usize), weights: &[T], first: usize) {
    let skipped = first % LANES;
    let (whole, rest) = weights.as_chunks::<LANES>();
    let mut last = [T::ZERO; LANES];
    last[..rest.len()].copy_from_slice(rest);
    for (i, chains) in chains.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let x = &x[i * width + left..];
        if skipped != 0 {
            for (p, (w, x)) in weights.iter().zip(x).enumerate() {
                chains[(skipped + p) % LANES] += *w * *x;
            }
            continue;
        }
        let mut sums = *chains;
        for (w, x) in whole.iter().zip(x.as_chunks::<LANES>().0) {
            for l in 0..LANES {
                sums[l] += w[l] * x[l];
            }
        }
        // What lies behind the last points belongs to others; it is read, as a whole vector, and not used.
        match x[whole.len() * LANES..].first_chunk::<LANES>() {
            Some(x) => {
                for l in 0..LANES {
                    sums[l] = if l < rest.len() { sums[l] + last[l] * x[l] } else { sums[l] };
                }
            }
            None => {
                for ((sum, w), x) in sums.iter_mut().zip(rest).zip(&x[whole.len() * LANES..]) {
                    *sum += *w * *x;
                }
            }
        }
        *chains = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_the_same_bits_however_its_points_are_split() {
        let x: Vec<f32> = (0..3 * 70).map(|i| (i as f32 * 0.7).sin()).collect();
        let weights: Vec<f32> = (0..50).map(|i| (i as f32 * 0.3).cos()).collect();
        let sum = |cuts: &[usize]| {
            let mut chains = vec![0.0; 3 * LANES];
            for pair in cuts.windows(2) {
                add_weighted(&mut chains, &x, (70, 9 + pair[0]), &weights[pair[0]..pair[1]], pair[0]);
            }
            let mut sums = vec![0.0; 3];
            fold(&mut chains, &mut sums);
            assert!(chains.iter().all(|c| *c == 0.0));
            sums
        };
        let whole = sum(&[0, 50]);
        for (row, sum) in whole.iter().enumerate() {
            let wide: f64 = (0..50).map(|p| f64::from(weights[p]) * f64::from(x[row * 70 + 9 + p])).sum();
            assert!((f64::from(*sum) - wide).abs() < 1e-5);
        }
        assert_eq!(whole, sum(&[0, 16, 50]));
        assert_eq!(whole, sum(&[0, 1, 2, 19, 33, 50]));
    }

    #[test]
    fn a_line_is_the_same_in_both_layouts() {
        let (start, difference, at) = ([1.0f32, -2.0], [0.3f32, 0.7], [0.1f32, 0.5, 0.9]);
        let mut along = [0.0; 2 * 5];
        lines(&start, &difference, &at, &mut along, (5, 1));
        for (p, at) in at.into_iter().enumerate() {
            let mut point = [0.0; 2];
            line_point(&start, &difference, at, &mut point);
            assert_eq!(point, [along[1 + p], along[6 + p]]);
        }
    }
}
