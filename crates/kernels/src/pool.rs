//! Pooling in up to three dimensions: the largest element of each window, where it lies, and sums.
//!
//! The wide side of an [`Axis`] is what is pooled. Windows may reach over its ends; what lies there does not count.

use crate::convolution::Axis;
use crate::real::Real;

/// Marks a window that has no element inside.
pub const NOWHERE: usize = usize::MAX;

fn sizes(axes: &[Axis; 3]) -> (usize, usize) {
    (axes.iter().map(|a| a.wide).product(), axes.iter().map(|a| a.narrow).product())
}

/// Calls `body` with each line of outputs along the last axis, and the lines of the wide side that its windows cover.
fn each_line(axes: &[Axis; 3], mut body: impl FnMut(usize, &[usize])) {
    let [a, b, c] = axes;
    let mut lines = Vec::new();
    for i in 0..a.narrow {
        for j in 0..b.narrow {
            lines.clear();
            for p in a.inside(i).0..a.inside(i).1 {
                for q in b.inside(j).0..b.inside(j).1 {
                    lines.push((a.position(i, p) * b.wide + b.position(j, q)) * c.wide);
                }
            }
            body((i * b.narrow + j) * c.narrow, &lines);
        }
    }
}

/// The largest element of each window, by `larger`; `least` for a window that has no element inside.
///
/// `x` and `out` hold whole planes, one after the other.
pub fn largest<T: Copy>(x: &[T], axes: &[Axis; 3], least: T, larger: impl Fn(T, T) -> T, out: &mut [T]) {
    fold(x, axes, least, larger, out);
}

/// The sum of each window.
pub fn sum<T: Real>(x: &[T], axes: &[Axis; 3], out: &mut [T]) {
    fold(x, axes, T::ZERO, |a, b| a + b, out);
}

/// First over the lines of a window, then within the line that results.
fn fold<T: Copy>(x: &[T], axes: &[Axis; 3], start: T, join: impl Fn(T, T) -> T, out: &mut [T]) {
    let (wide, narrow) = sizes(axes);
    if narrow == 0 {
        return;
    }
    let along = &axes[2];
    let inside: Vec<(usize, usize)> = (0..along.narrow).map(|o| along.inside(o)).collect();
    let mut line = vec![start; along.wide];
    for (plane, out) in out.chunks_exact_mut(narrow).enumerate() {
        let x = &x[plane * wide..(plane + 1) * wide];
        each_line(axes, |at, lines| {
            line.fill(start);
            for &from in lines {
                for (l, &v) in line.iter_mut().zip(&x[from..from + along.wide]) {
                    *l = join(*l, v);
                }
            }
            for (o, (out, &(first, end))) in out[at..at + along.narrow].iter_mut().zip(&inside).enumerate() {
                let mut total = start;
                if first < end {
                    let covered = &line[along.position(o, first)..=along.position(o, end - 1)];
                    for &v in covered.iter().step_by(along.dilation) {
                        total = join(total, v);
                    }
                }
                *out = total;
            }
        });
    }
}

/// Calls `body` with each output's place and the place of the largest element of its window, the first of equal ones, or [`NOWHERE`].
///
/// As in PyTorch, a NaN is larger than any number.
pub fn places<T: Copy + PartialOrd>(x: &[T], axes: &[Axis; 3], mut body: impl FnMut(usize, usize)) {
    let (wide, narrow) = sizes(axes);
    if narrow == 0 {
        return;
    }
    let along = &axes[2];
    let inside: Vec<(usize, usize)> = (0..along.narrow).map(|o| along.inside(o)).collect();
    for plane in 0..x.len().checked_div(wide).unwrap_or(0) {
        let (base, x) = (plane * wide, &x[plane * wide..(plane + 1) * wide]);
        each_line(axes, |at, lines| {
            for (o, &(first, end)) in inside.iter().enumerate() {
                let mut found = NOWHERE;
                if first < end {
                    let (low, high) = (along.position(o, first), along.position(o, end - 1));
                    let mut most: Option<T> = None;
                    for &line in lines {
                        for place in (line + low..=line + high).step_by(along.dilation) {
                            let v = x[place];
                            if most.is_none_or(|m| {
                                v > m || (v.partial_cmp(&v).is_none() && m.partial_cmp(&m).is_some())
                            }) {
                                (most, found) = (Some(v), base + place);
                            }
                        }
                    }
                }
                body(plane * narrow + at + o, found);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn cases() -> [[Axis; 3]; 4] {
        let axis = |wide, narrow, kernel, stride, dilation, before| Axis {
            wide,
            narrow,
            kernel,
            stride,
            dilation,
            before,
        };
        [
            [Axis::NONE, axis(7, 4, 3, 2, 1, 1), axis(9, 5, 3, 2, 1, 1)],
            [Axis::NONE, Axis::NONE, axis(6, 4, 2, 2, 2, 0)],
            [axis(4, 2, 2, 2, 1, 0), axis(5, 5, 3, 1, 1, 1), axis(6, 2, 2, 3, 1, 0)],
            [Axis::NONE, axis(3, 3, 5, 1, 1, 2), axis(2, 4, 1, 1, 1, 1)],
        ]
    }

    /// The places of each window's elements, in order.
    fn windows(axes: &[Axis; 3]) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        let of = |a: &Axis, o: usize| -> Vec<usize> {
            let at = |k: usize| (o * a.stride + k * a.dilation) as i64 - a.before;
            (0..a.kernel).map(at).filter(|p| (0..a.wide as i64).contains(p)).map(|p| p as usize).collect()
        };
        for i in 0..axes[0].narrow {
            for j in 0..axes[1].narrow {
                for k in 0..axes[2].narrow {
                    let mut window = Vec::new();
                    for p in of(&axes[0], i) {
                        for q in of(&axes[1], j) {
                            for r in of(&axes[2], k) {
                                window.push((p * axes[1].wide + q) * axes[2].wide + r);
                            }
                        }
                    }
                    found.push(window);
                }
            }
        }
        found
    }

    #[test]
    fn pools_are_their_definition() {
        for axes in cases() {
            let (wide, narrow) = sizes(&axes);
            let mut stream = Stream::new(9, [wide as u64, 0, 0]);
            // Few different values, so that there are ties.
            let x: Vec<f64> = (0..2 * wide).map(|_| (2.0 * stream.normal()).round()).collect();
            let (mut most, mut total) = (vec![0.0; 2 * narrow], vec![0.0; 2 * narrow]);
            largest(&x, &axes, f64::LOWEST, f64::larger, &mut most);
            sum(&x, &axes, &mut total);
            let mut found = vec![0; 2 * narrow];
            places(&x, &axes, |o, place| found[o] = place);
            let windows = windows(&axes);
            for (o, i) in (0..2 * narrow).map(|i| (i, i % narrow)) {
                let at = |p: &usize| o / narrow * wide + p;
                let want = windows[i].iter().map(|p| x[at(p)]).fold(f64::LOWEST, f64::max);
                assert_eq!(most[o], want);
                assert!((total[o] - windows[i].iter().map(|p| x[at(p)]).sum::<f64>()).abs() < 1e-12);
                let first = windows[i].iter().find(|p| x[at(p)] == want).map_or(NOWHERE, at);
                assert_eq!(found[o], first);
            }
        }
    }

    #[test]
    fn a_nan_is_larger_than_any_number() {
        let axes = [Axis::NONE, Axis::NONE, Axis { wide: 4, narrow: 1, kernel: 4, ..Axis::NONE }];
        let mut found = Vec::new();
        places(&[1.0, f64::NAN, 2.0, f64::NAN], &axes, |_, place| found.push(place));
        assert_eq!(found, [1]);
        let mut out = [0.0];
        largest(&[1.0, f64::NAN, 2.0, 0.5], &axes, f64::LOWEST, f64::larger, &mut out);
        assert!(out[0].is_nan());
    }
}
