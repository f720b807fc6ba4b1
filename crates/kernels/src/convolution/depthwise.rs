//! A convolution whose groups have one channel to read: each output is summed directly, tiles of neighbours at once.

#![allow(unsafe_code)]

use super::geometry::Pass;
use super::{Ends, Filter};
use crate::lanes::{Lanes, Plain};
use crate::real::Real;
use crate::scratch::Room;
use crate::vector::{by_instructions, instructions};

/// What a tile may read behind the last number that is needed: four of the widest registers.
const BEHIND: usize = 64;

/// All records of a convolution.
struct Work<'a, T: Real> {
    filter: &'a Filter<T>,
    /// For each pass the taps of each output channel, one after the other.
    weights: &'a [Vec<T>],
    x: &'a [T],
    ends: Ends<'a, T>,
    out: &'a mut [T],
}

/// The outputs of one channel that meet the same taps.
struct Plane<'a, T> {
    pass: &'a Pass,
    weights: &'a [T],
    frame: &'a [T],
    bias: T,
    /// Where they go: all of them, line by line, `steps` apart along the first two axes.
    out: &'a mut [T],
    steps: [usize; 2],
}

pub(super) fn run<T: Real>(
    filter: &Filter<T>,
    weights: &[Vec<T>],
    x: &[T],
    ends: Ends<'_, T>,
    out: &mut [T],
) {
    let work = &mut Work { filter, weights, x, ends, out };
    by_instructions!(instructions(), avx512(work), avx2(work), channels::<Plain<T>>(work));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(work: &mut Work<'_, T>) {
    channels::<T::Avx512>(work);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(work: &mut Work<'_, T>) {
    channels::<T::Avx2>(work);
}

#[inline(always)]
fn channels<V: Lanes>(work: &mut Work<'_, V::Item>) {
    let Work { filter, weights, x, ends, out } = work;
    let (size, to) = (filter.frame.len(), filter.to);
    let mut frame = Room::new(size + BEHIND);
    frame.fill(V::Item::ZERO);
    let copies = filter.frame.copies();
    let turns = filter.frame.turns();
    let mut apart = Room::new(if turns == 1 { 0 } else { filter.out });
    let channels = out.chunks_exact_mut(to * filter.out);
    for (i, (x, out)) in x.chunks(filter.source.max(1)).zip(channels).enumerate() {
        let group = i % filter.groups;
        match &copies {
            Some((rows, width)) => copy::<V>(x, rows, *width, &mut frame),
            None => filter.frame.fill(x, &mut frame[..size]),
        }
        for (m, out) in out.chunks_exact_mut(filter.out).enumerate() {
            let channel = group * to + m;
            let bias = ends.start(channel);
            let mut passes = filter.passes.iter().zip(weights.iter()).map(|(pass, weights)| {
                (pass, &weights[channel * pass.taps.len()..(channel + 1) * pass.taps.len()])
            });
            if turns == 1 {
                for (pass, weights) in passes {
                    let (out, steps) = (&mut out[pass.first..], [pass.out_steps[0], pass.out_steps[1]]);
                    plane::<V>(&mut Plane { pass, weights, frame: &frame, bias, out, steps });
                }
            } else {
                for together in filter.passes.chunks(turns) {
                    let mut rest = &mut apart[..];
                    for (pass, weights) in passes.by_ref().take(turns) {
                        let (out, behind) = rest.split_at_mut(pass.len());
                        let steps = [pass.counts[1] * pass.counts[2], pass.counts[2]];
                        plane::<V>(&mut Plane { pass, weights, frame: &frame, bias, out, steps });
                        rest = behind;
                    }
                    in_turn::<V>(together, &apart, out);
                }
            }
            ends.after.apply((i * to + m) * filter.out, out);
        }
    }
}

/// Copies pieces of `width` numbers.
#[inline(always)]
fn copy<V: Lanes>(from: &[V::Item], pieces: &[(usize, usize)], width: usize, to: &mut [V::Item]) {
    for &(source, place) in pieces {
        let (from, to) = (&from[source..source + width], &mut to[place..place + width]);
        for first in (0..width).step_by(V::COUNT) {
            let count = V::COUNT.min(width - first);
            // SAFETY: `count` numbers from `first` on are in both slices; only callers that are compiled for the instructions inline this.
            unsafe {
                let piece = V::load_first(from.as_ptr().add(first), count);
                piece.store_first(to.as_mut_ptr().add(first), count);
            }
        }
    }
}

#[inline(always)]
fn plane<V: Lanes>(plane: &mut Plane<'_, V::Item>) {
    let Pass { counts, steps, taps, .. } = plane.pass;
    if counts.contains(&0) {
        return;
    }
    let last = |steps: [usize; 2]| (counts[0] - 1) * steps[0] + (counts[1] - 1) * steps[1] + counts[2] - 1;
    let furthest = taps.iter().map(|t| t.1).max();
    assert!(furthest.is_none_or(|tap| last([steps[0], steps[1]]) + tap + BEHIND < plane.frame.len()));
    assert!(last(plane.steps) < plane.out.len());
    assert!(steps[2] == 1 && plane.weights.len() == taps.len() && 4 * V::COUNT <= BEHIND);
    for i in 0..counts[0] {
        let mut column = 0;
        while column < counts[2] {
            let left = counts[2] - column;
            // SAFETY: all positions of the tile are within the counts, or up to `BEHIND` after one that is, which was checked to lie in
            // the frame; only callers that are compiled for the instructions inline this.
            column += unsafe {
                if counts[1] == 1 && left > V::COUNT {
                    tiles::<V, 1, 4>(plane, i, column)
                } else if left > V::COUNT {
                    tiles::<V, 4, 2>(plane, i, column)
                } else {
                    tiles::<V, 8, 1>(plane, i, column)
                }
            };
        }
    }
}

/// All lines of the columns from `column` on that `P` registers hold, `M` lines at a time. Returns how many columns that is.
///
/// # Safety
///
/// The frame has [`BEHIND`] numbers behind each position that is read, and this is inlined where [`Lanes`] says.
#[inline(always)]
unsafe fn tiles<V: Lanes, const M: usize, const P: usize>(
    plane: &mut Plane<'_, V::Item>,
    i: usize,
    column: usize,
) -> usize {
    let Pass { counts, steps, taps, .. } = plane.pass;
    let (lines, count) = (counts[1], (P * V::COUNT).min(counts[2] - column));
    for top in (0..lines).step_by(M) {
        let line = |r: usize| (top + r).min(lines - 1);
        // SAFETY: the caller's; where there are fewer lines than `M` the last is computed again.
        unsafe {
            let from: [*const V::Item; M] = std::array::from_fn(|r| {
                plane.frame.as_ptr().wrapping_add(i * steps[0] + line(r) * steps[1] + column)
            });
            let mut held = [[V::splat(plane.bias); P]; M];
            for (w, (_, tap)) in plane.weights.iter().zip(taps) {
                let w = V::splat(*w);
                for (held, from) in held.iter_mut().zip(from) {
                    for (j, held) in held.iter_mut().enumerate() {
                        *held = w.multiply_add(V::load(from.add(tap + j * V::COUNT)), *held);
                    }
                }
            }
            for (r, held) in held.into_iter().enumerate().take(lines - top) {
                let place = i * plane.steps[0] + (top + r) * plane.steps[1] + column;
                let out = plane.out[place..place + count].as_mut_ptr();
                for (j, held) in held.into_iter().enumerate() {
                    let left = count.saturating_sub(j * V::COUNT);
                    if left >= V::COUNT {
                        held.store(out.add(j * V::COUNT));
                    } else if left > 0 {
                        held.store_first(out.add(j * V::COUNT), left);
                    }
                }
            }
        }
    }
    count
}

/// Moves the outputs of passes that write the columns of a row in turn, each pass line by line, to their places.
#[inline(always)]
fn in_turn<V: Lanes>(passes: &[Pass], from: &[V::Item], out: &mut [V::Item]) {
    let Some(Pass { counts, out_steps, first, .. }) = passes.first() else { return };
    for line in 0..counts[0] * counts[1] {
        let place = first + line / counts[1] * out_steps[0] + line % counts[1] * out_steps[1];
        let row = |k: usize| {
            let start = passes[..k].iter().map(Pass::len).sum::<usize>();
            let wide = passes[k].counts[2];
            &from[start + line * wide..start + (line + 1) * wide]
        };
        let mut done = 0;
        if let [_, _] = passes {
            let (even, odd) = (row(0), row(1));
            let out = &mut out[place..place + even.len() + odd.len()];
            while done + V::COUNT <= even.len().min(odd.len()) {
                // SAFETY: there are as many numbers in both, and so twice as many places; only callers that are compiled for the
                // instructions inline this.
                unsafe {
                    let (a, b) = (V::load(even.as_ptr().add(done)), V::load(odd.as_ptr().add(done)));
                    let (first, second) = a.zipped(b);
                    first.store(out.as_mut_ptr().add(2 * done));
                    second.store(out.as_mut_ptr().add(2 * done + V::COUNT));
                }
                done += V::COUNT;
            }
        }
        for k in 0..passes.len() {
            let rest = &row(k)[done..];
            let places = out[place..].iter_mut().skip(k + done * passes.len()).step_by(passes.len());
            places.zip(rest).for_each(|(o, v)| *o = *v);
        }
    }
}
