//! A convolution whose groups have one channel to read: each output is summed directly.

use super::Filter;
use crate::real::Real;
use crate::vector::{by_instructions, instructions};

/// The fewest outputs that are summed side by side.
const LANES: usize = 16;

/// A line of neighbouring outputs.
struct Line<'a, T> {
    weights: &'a [T],
    taps: &'a [(usize, usize)],
    /// The frame from the line's first output on.
    frame: &'a [T],
    bias: T,
    /// The line, and how far apart its outputs are.
    out: &'a mut [T],
    step: usize,
    count: usize,
}

pub(super) fn run<T: Real>(
    filter: &Filter<T>,
    weights: &[Vec<T>],
    x: &[T],
    bias: Option<&[T]>,
    out: &mut [T],
) {
    let (source, size, to) = (filter.source, filter.frame.len(), filter.to);
    // Room behind the last row for lanes that reach over it.
    let mut frame = vec![T::ZERO; size + LANES];
    let channels = out.chunks_exact_mut(to * filter.out);
    for (i, (x, out)) in x.chunks(source.max(1)).zip(channels).enumerate() {
        let group = i % filter.groups;
        filter.frame.fill(x, &mut frame[..size]);
        for (m, out) in out.chunks_exact_mut(filter.out).enumerate() {
            let channel = group * to + m;
            let bias = bias.map_or(T::ZERO, |b| b[channel]);
            for (pass, weights) in filter.passes.iter().zip(weights) {
                let weights = &weights[channel * pass.taps.len()..(channel + 1) * pass.taps.len()];
                pass.each_line(|at, place| {
                    line(&mut Line {
                        weights,
                        taps: &pass.taps,
                        frame: frame.get(at..).unwrap_or(&[]),
                        bias,
                        out: &mut out[place..],
                        step: pass.out_steps[2],
                        count: pass.counts[2],
                    });
                });
            }
        }
    }
}

fn line<T: Real>(line: &mut Line<'_, T>) {
    const FUSED: bool = cfg!(target_arch = "aarch64");
    by_instructions!(instructions(), avx512(line), avx2(line), sum::<T, FUSED>(line));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(line: &mut Line<'_, T>) {
    sum::<T, true>(line);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(line: &mut Line<'_, T>) {
    sum::<T, true>(line);
}

#[inline(always)]
fn sum<T: Real, const FUSED: bool>(line: &mut Line<'_, T>) {
    let mut first = 0;
    while line.count - first >= 4 * LANES {
        lanes::<T, FUSED, { 4 * LANES }>(line, first);
        first += 4 * LANES;
    }
    while line.count - first >= 2 * LANES {
        lanes::<T, FUSED, { 2 * LANES }>(line, first);
        first += 2 * LANES;
    }
    while line.count > first {
        lanes::<T, FUSED, LANES>(line, first);
        first += LANES;
    }
}

/// Up to `N` outputs from `first` on. Lanes behind the last output are never used.
#[inline(always)]
fn lanes<T: Real, const FUSED: bool, const N: usize>(line: &mut Line<'_, T>, first: usize) {
    let mut lanes = [line.bias; N];
    for (w, (_, tap)) in line.weights.iter().zip(line.taps) {
        let Some((values, _)) = line.frame[tap + first..].split_first_chunk::<N>() else { continue };
        for (lane, v) in lanes.iter_mut().zip(values) {
            *lane = if FUSED { w.mul_add(*v, *lane) } else { *w * *v + *lane };
        }
    }
    let count = N.min(line.count - first);
    if line.step == 1 {
        let out = &mut line.out[first..first + count];
        match <&mut [T; N]>::try_from(&mut *out) {
            Ok(all) => *all = lanes,
            Err(_) => out.copy_from_slice(&lanes[..count]),
        }
    } else {
        for (o, v) in line.out[first * line.step..].iter_mut().step_by(line.step).zip(&lanes[..count]) {
            *o = *v;
        }
    }
}
