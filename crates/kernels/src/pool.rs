//! Pooling in up to three dimensions: the largest element of each window, where it lies, and sums.
//!
//! The wide side of an [`Axis`] is what is pooled. Windows may reach over its ends; what lies there does not count.

use crate::convolution::Axis;
use crate::real::Real;
use crate::vector::widest;

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

/// A tap along the last axis: the outputs whose tap is inside, and its position for the first of them.
struct Tap {
    outputs: std::ops::Range<usize>,
    position: usize,
}

/// The taps of windows along an axis, in order.
fn taps(along: &Axis) -> Vec<Tap> {
    let inside = |o: usize| Some(along.inside(o)).filter(|(first, end)| first < end);
    let found = (0..along.narrow).filter_map(inside).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (first, end) = found.unwrap_or((0, 0));
    let (stride, wide) = (along.stride as i64, along.wide as i64);
    let tap = |k: usize| {
        // Output `o` has its tap at `o · stride - start`.
        let start = along.before - (k * along.dilation) as i64;
        let low = if start > 0 { start / stride + i64::from(start % stride != 0) } else { 0 };
        let high = ((wide - 1 + start).div_euclid(stride) + 1).clamp(0, along.narrow as i64);
        (low < high)
            .then(|| Tap { outputs: low as usize..high as usize, position: (low * stride - start) as usize })
    };
    (first..end).filter_map(tap).collect()
}

/// Every so many elements, side by side.
#[inline(always)]
fn pick<T: Copy>(from: &[T], stride: usize, to: &mut [T]) {
    if stride == 2 {
        let (pairs, last) = from.as_chunks::<2>();
        for (t, pair) in to.iter_mut().zip(pairs) {
            *t = pair[0];
        }
        if let (Some(t), [v]) = (to.get_mut(pairs.len()), last) {
            *t = *v;
        }
    } else {
        for (t, v) in to.iter_mut().zip(from.iter().step_by(stride)) {
            *t = *v;
        }
    }
}

/// First over the lines of a window, then within the line that results.
fn fold<T: Copy>(x: &[T], axes: &[Axis; 3], start: T, join: impl Fn(T, T) -> T, out: &mut [T]) {
    let (wide, narrow) = sizes(axes);
    if narrow == 0 {
        return;
    }
    let along = &axes[2];
    let taps = taps(along);
    let mut line = vec![start; along.wide];
    let mut picked = vec![start; along.narrow];
    for (plane, out) in out.chunks_exact_mut(narrow).enumerate() {
        let x = &x[plane * wide..(plane + 1) * wide];
        each_line(axes, |at, lines| {
            let out = &mut out[at..at + along.narrow];
            widest(
                #[inline(always)]
                || {
                    line.fill(start);
                    for &from in lines {
                        for (l, &v) in line.iter_mut().zip(&x[from..from + along.wide]) {
                            *l = join(*l, v);
                        }
                    }
                    out.fill(start);
                    for tap in &taps {
                        let values = &mut picked[..tap.outputs.len()];
                        pick(&line[tap.position..], along.stride, values);
                        for (o, &v) in out[tap.outputs.clone()].iter_mut().zip(&*values) {
                            *o = join(*o, v);
                        }
                    }
                },
            );
        });
    }
}

/// Calls `body` with each output's place and the place of the largest element of its window, the first of equal ones, or [`NOWHERE`].
///
/// As in PyTorch, a NaN is larger than any number.
pub fn places<T: Copy + PartialOrd>(x: &[T], axes: &[Axis; 3], mut body: impl FnMut(usize, usize)) {
    let (wide, narrow) = sizes(axes);
    let Some(&any) = x.first() else {
        // Nothing lies in any window of a plane that is empty; how many planes there are is not known.
        return;
    };
    if narrow == 0 {
        return;
    }
    let along = &axes[2];
    let taps = taps(along);
    let mut picked = vec![any; along.narrow];
    let mut most = vec![any; along.narrow];
    // Which tap of which line holds the largest element so far, counted through from 1. Narrower than a place, they fill as many lanes as elements.
    let mut found = vec![0u32; along.narrow];
    let mut offsets = Vec::new();
    for plane in 0..x.len().checked_div(wide).unwrap_or(0) {
        let (base, x) = (plane * wide, &x[plane * wide..(plane + 1) * wide]);
        each_line(axes, |at, lines| {
            offsets.clear();
            let taps_of = |line: &usize| {
                let line = *line as i64;
                taps.iter().map(move |t| line + t.position as i64 - (t.outputs.start * along.stride) as i64)
            };
            offsets.extend(lines.iter().flat_map(taps_of));
            widest(
                #[inline(always)]
                || {
                    found.fill(0);
                    let mut number = 0;
                    for &line in lines {
                        for tap in &taps {
                            number += 1;
                            let values = &mut picked[..tap.outputs.len()];
                            pick(&x[line + tap.position..line + along.wide], along.stride, values);
                            let held =
                                most[tap.outputs.clone()].iter_mut().zip(&mut found[tap.outputs.clone()]);
                            for ((most, found), &v) in held.zip(&*values) {
                                #[allow(clippy::eq_op)]
                                let wins = (v > *most) | ((v != v) & (*most == *most)) | (*found == 0);
                                *most = if wins { v } else { *most };
                                *found = if wins { number } else { *found };
                            }
                        }
                    }
                },
            );
            for (o, &found) in found.iter().enumerate() {
                let offset = (found as usize).checked_sub(1).and_then(|i| offsets.get(i));
                let place =
                    offset.map_or(NOWHERE, |offset| base + (offset + (o * along.stride) as i64) as usize);
                body(plane * narrow + at + o, place);
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
