//! Convolutions of 3 × 3 taps that lie close, with fewer multiplications: Winograd's F(2×2, 3×3) and F(4×4, 3×3).
//!
//! Tiles of `M × M` outputs read tiles of `N × N` elements, `N = M + 2`. Both tiles and weights are brought to where a convolution is a product of
//! elements: one matrix product over channels for each of `N²` elements. Each output is the same arithmetic whatever the batch.
//!
//! In single precision, on what a Relu leaves of random numbers, an exact result that is rounded is off by 2.5e-8 (the L2 norm of the difference over that
//! of the result); sums of products are by 1e-7, F(2×2) by 2e-7, and F(4×4), at the points 0, ±5/8, ±3/2 and ∞, by 5e-7. So a
//! convolution, whose error decides on which side of its kink a Relu stands, takes F(2×2); the transpose, which mostly carries gradients back and
//! is linear in them, takes F(4×4), unless both directions can have the weights of F(2×2) in common.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::product::{MOST_SUMS, Strip, Tile, tall};
use super::{After, Axis, Convolution, Direction, Ends};
use crate::Aligned;
use crate::lanes::{Lanes, Plain, load_by_remainder, store_by_remainder};
use crate::real::Real;
use crate::scratch;
use crate::vector::{by_instructions, instructions, widest};

/// The fewest channels, read and written, that are worth it.
const LEAST_CHANNELS: usize = 16;
/// The most pairs of channels whose transpose takes F(4×4). Of more, weights are what waits for memory and fills it, so both directions take F(2×2)
/// with the same ones.
const MOST_PAIRS: usize = 1 << 15;
/// Tiles that are taken at a time, at least and at most: as many as weigh about what the weights do.
const LEAST_TILES: usize = 32;
const MOST_TILES: usize = 128;
/// The most lanes of a register.
const MOST_LANES: usize = 16;

/// The points of F(4×4): ±A and ±B, with 0 and ∞.
const A: f64 = 0.625;
const B: f64 = 1.5;

/// A convolution whose weights are transformed.
#[derive(Clone, Debug)]
pub(super) struct Winograd<T> {
    /// The outputs of a tile along each axis.
    size: usize,
    from: usize,
    to: usize,
    /// Rows and columns that are read, and written, and how far the first window begins before the first of those read.
    source: [usize; 2],
    out: [usize; 2],
    before: [i64; 2],
    weights: Arc<Transformed<T>>,
    /// Whether the weights are those of the other direction.
    turned: bool,
}

/// Weights of 3 × 3 taps, transformed: for each element of a tile strips of outputs, each channel by channel.
#[derive(Debug)]
pub struct Transformed<T> {
    /// The outputs of a strip.
    tall: usize,
    /// How many weights each element has.
    each: usize,
    strips: Aligned<T>,
}

/// Whether the sizes allow it, and it is faster.
fn fits<T>(sizes: &Convolution) -> bool {
    let [none, y, x] = sizes.axes;
    let fits = |a: Axis| {
        a.kernel == 3
            && a.stride == 1
            && a.dilation == 1
            && a.narrow > 0
            && a.wide > 0
            && a.before.abs() <= 1 << 20
    };
    size_of::<T>() == 4
        && sizes.groups == 1
        && (none.kernel, none.wide, none.narrow, none.before) == (1, 1, 1, 0)
        && fits(y)
        && fits(x)
        && sizes.wide_channels.min(sizes.narrow_channels) >= LEAST_CHANNELS
}

/// Whether both directions take F(2×2), with the same weights.
pub(super) fn shares<T>(sizes: &Convolution) -> bool {
    fits::<T>(sizes) && sizes.wide_channels * sizes.narrow_channels > MOST_PAIRS
}

impl<T: Real> Transformed<T> {
    /// Whether they have as many channels.
    pub(super) fn fits(&self, sizes: &Convolution) -> bool {
        self.each == sizes.narrow_channels.next_multiple_of(self.tall) * sizes.wide_channels
    }

    /// Those of F(2×2), as a convolution reads them.
    pub(super) fn forward(sizes: &Convolution, weights: &[T]) -> Self {
        let (wide, narrow) = (sizes.wide_channels, sizes.narrow_channels);
        Self::new::<4>(&G2, (narrow, wide), |to, from, tap| weights[(to * wide + from) * 9 + tap].wide())
    }

    fn new<const N: usize>(
        g: &[[f64; 3]; N],
        (to, from): (usize, usize),
        weight: impl Fn(usize, usize, usize) -> f64,
    ) -> Self {
        let (tall, strips) = widest(|| transform_weights::<T, N>(g, (to, from), weight));
        Self { tall, each: to.next_multiple_of(tall) * from, strips }
    }
}

/// Tiles of a record that are neighbours in a row of tiles.
#[derive(Clone, Copy)]
struct Segment {
    record: usize,
    row: usize,
    first: usize,
    count: usize,
    /// The column of the first among the tiles that are taken together.
    column: usize,
}

impl<T: Real> Winograd<T> {
    /// `None` where the sizes do not allow it, it would not be faster, or the numbers are double: those are taken for exactness. Weights that are
    /// `shared` are not transformed anew.
    pub(super) fn new(
        sizes: &Convolution,
        direction: Direction,
        weights: &[T],
        shared: Option<Arc<Transformed<T>>>,
    ) -> Option<Self> {
        if !fits::<T>(sizes) {
            return None;
        }
        let [_, y, x] = sizes.axes;
        let transposed = direction == Direction::Transpose;
        let sides = |f: fn(&Axis) -> usize| [f(&y), f(&x)];
        let (wide_size, narrow_size) = (sides(|a| a.wide), sides(|a| a.narrow));
        let turned = transposed && shares::<T>(sizes);
        let size = if transposed && !turned { 4 } else { 2 };
        let (wide, narrow) = (sizes.wide_channels, sizes.narrow_channels);
        let (from, to) = if transposed { (narrow, wide) } else { (wide, narrow) };
        let (source, out) = if transposed { (narrow_size, wide_size) } else { (wide_size, narrow_size) };
        let before = [y, x].map(|a| if transposed { 2 - a.before } else { a.before });
        let weights = match shared {
            Some(shared) => shared,
            None if size == 2 => Arc::new(Transformed::forward(sizes, weights)),
            // The transpose reads the kernel from its other end.
            None => Arc::new(Transformed::new::<6>(&G4, (wide, narrow), |to, from, tap| {
                weights[(from * wide + to) * 9 + 8 - tap].wide()
            })),
        };
        Some(Self { size, from, to, source, out, before, weights, turned })
    }

    pub(super) fn run(&self, x: &[T], ends: Ends<'_, T>, out: &mut [T]) {
        by_instructions!(
            instructions(),
            avx512(self, x, ends, out),
            avx2(self, x, ends, out),
            sized::<Plain<T>, 4>(self, x, ends, out)
        );
    }

    /// The weights of so many rows from `top` on, of an element of a tile.
    fn strip(&self, element: usize, top: usize, rows: usize) -> Strip<'_, T> {
        let Transformed { tall, each, strips } = &*self.weights;
        if !self.turned {
            return Strip::plain(&strips[element * each + top * self.from..][..rows * self.from], *tall);
        }
        let element = TURNED[element / TURNED.len()] * TURNED.len() + TURNED[element % TURNED.len()];
        let apart = self.to * tall;
        let last = (self.from - 1) / tall * apart;
        Strip {
            weights: &strips[element * each + top * tall..][..last + rows * tall],
            step: *tall,
            turned: Some(apart),
        }
    }

    /// The tiles along each axis.
    fn tiles(&self) -> [usize; 2] {
        self.out.map(|n| n.div_ceil(self.size))
    }

    /// The rows of tiles that `count` tiles from `first` on take, piece by piece.
    fn segments(&self, first: usize, count: usize) -> Vec<Segment> {
        let [high, wide] = self.tiles();
        let mut found = Vec::new();
        let mut column = 0;
        while column < count {
            let (line, at) = ((first + column) / wide, (first + column) % wide);
            let here = (wide - at).min(count - column);
            found.push(Segment { record: line / high, row: line % high, first: at, count: here, column });
            column += here;
        }
        found
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(filter: &Winograd<T>, x: &[T], ends: Ends<'_, T>, out: &mut [T]) {
    sized::<T::Avx512, 12>(filter, x, ends, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(filter: &Winograd<T>, x: &[T], ends: Ends<'_, T>, out: &mut [T]) {
    sized::<T::Avx2, 6>(filter, x, ends, out);
}

#[inline(always)]
fn sized<V: Lanes, const TALL: usize>(
    filter: &Winograd<V::Item>,
    x: &[V::Item],
    ends: Ends<'_, V::Item>,
    out: &mut [V::Item],
) {
    if filter.size == 4 {
        tiled::<V, TALL, 4, 6>(filter, x, ends, out);
    } else {
        tiled::<V, TALL, 2, 4>(filter, x, ends, out);
    }
}

/// From taps to elements of a tile, along one axis.
/// Those of F(2×2) come back, in the order [`TURNED`], where taps are read from the other end.
const G2: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
const TURNED: [usize; 4] = [3, 1, 2, 0];
const G4: [[f64; 3]; 6] = {
    const fn row(p: f64, n: f64) -> [f64; 3] {
        [1.0 / n, p / n, p * p / n]
    }
    let (a, b) = (2.0 * A * A * (A * A - B * B), 2.0 * B * B * (B * B - A * A));
    [row(0.0, A * A * B * B), row(A, a), row(-A, a), row(B, b), row(-B, b), [0.0, 0.0, 1.0]]
};

/// The weights of each element of a tile, laid out in strips of so many rows, with room for a tile of the transpose at the end.
#[inline(always)]
fn transform_weights<T: Real, const N: usize>(
    g: &[[f64; 3]; N],
    (to, from): (usize, usize),
    weight: impl Fn(usize, usize, usize) -> f64,
) -> (usize, Aligned<T>) {
    const MOST: usize = 12;
    let tall = tall(to).min(MOST);
    let rows = to.next_multiple_of(tall);
    let mut strips = Aligned::zeros(N * N * rows * from + MOST * tall);
    for top in (0..to).step_by(tall) {
        for c in 0..from {
            let mut taps = [[0.0; MOST]; 9];
            for (tap, taps) in taps.iter_mut().enumerate() {
                for (i, v) in taps.iter_mut().enumerate().take(tall.min(to - top)) {
                    *v = weight(top + i, c, tap);
                }
            }
            for (a, ga) in g.iter().enumerate() {
                let mut line = [[0.0; MOST]; 3];
                for (j, line) in line.iter_mut().enumerate() {
                    for (l, v) in line.iter_mut().enumerate() {
                        *v = ga[0] * taps[j][l] + ga[1] * taps[3 + j][l] + ga[2] * taps[6 + j][l];
                    }
                }
                for (b, gb) in g.iter().enumerate() {
                    let at = ((a * N + b) * rows + top) * from + c * tall;
                    for (l, v) in strips[at..at + tall].iter_mut().enumerate() {
                        *v = T::of(gb[0] * line[0][l] + gb[1] * line[1][l] + gb[2] * line[2][l]);
                    }
                }
            }
        }
    }
    (tall, strips)
}

#[inline(always)]
fn tiled<V: Lanes, const TALL: usize, const M: usize, const N: usize>(
    filter: &Winograd<V::Item>,
    x: &[V::Item],
    ends: Ends<'_, V::Item>,
    out: &mut [V::Item],
) {
    let zero = V::Item::ZERO;
    let (from, to) = (filter.from, filter.to);
    let [high, across] = filter.tiles();
    let (source, written) = (filter.source[0] * filter.source[1], filter.out[0] * filter.out[1]);
    let batch = out.len() / (to * written);
    let all = batch * high * across;
    let wide = 2 * V::COUNT;
    let tall = tall(to);
    let rows = to.next_multiple_of(tall);
    let together = (rows * from / (from + to)).clamp(LEAST_TILES, MOST_TILES).min(all).next_multiple_of(wide);
    let frame_rows = (together.div_ceil(across) + 2).min(high + 1);
    let part = frame_rows * across + V::COUNT;
    let mut room = Room {
        line: vec![zero; M * (across.next_multiple_of(V::COUNT) + 1)],
        frame: scratch::Room::new(M * N * part),
        flat: scratch::Room::new(N * N * (together + MOST_LANES)),
        stage: [zero; MOST_SUMS],
    };
    let mut elements = scratch::Room::new(N * N * from * together);
    let mut products = scratch::Room::new(rows * N * N * together);
    for first in (0..all).step_by(together) {
        let count = together.min(all - first);
        let panels = count.div_ceil(wide);
        let segments = filter.segments(first, count);
        for c in 0..from {
            for span in segments.chunk_by(|a, b| a.record == b.record) {
                let x = &x[(span[0].record * from + c) * source..][..source];
                gather::<V, M, N>(filter, x, span, together, &mut room);
            }
            for (e, flat) in room.flat.chunks_exact(together + MOST_LANES).enumerate() {
                for (p, flat) in flat.chunks_exact(wide).enumerate().take(panels) {
                    let at = ((e * panels + p) * from + c) * wide;
                    elements[at..at + wide].copy_from_slice(flat);
                }
            }
        }
        for e in 0..N * N {
            for top in (0..to).step_by(tall) {
                let (strip, rows) = (filter.strip(e, top, tall), tall.min(to - top));
                for p in 0..panels {
                    let patches = &elements[(e * panels + p) * from * wide..][..from * wide];
                    let apart = N * N * together;
                    let tile = Tile { strip, patches, depth: from, rows, columns: wide, apart, starts: &[] };
                    let sums = &mut products[(top * N * N + e) * together + p * wide..];
                    tile.compute_fitting::<V, TALL, true>(sums, &mut room.stage);
                }
            }
        }
        for (k, products) in products.chunks_exact(N * N * together).enumerate().take(to) {
            spread::<V, M, N>(products, ends.start(k), together, count, &mut room.flat);
            for s in &segments {
                let at = (s.record * to + k) * written;
                let after = ends.after.part(at, written);
                write::<V, M>(filter.out, s, &room.flat, together, after, &mut out[at..at + written]);
            }
        }
    }
}

/// Scratch space.
struct Room<T: Real> {
    /// A row of the source, with zeros around it.
    line: Vec<T>,
    /// Rows of the source by their remainder, and for each column of a tile the elements that tiles have there.
    frame: scratch::Room<T>,
    /// A row of tiles for each element.
    flat: scratch::Room<T>,
    stage: [T; MOST_SUMS],
}

/// Transforms the tiles of some segments of one channel of a record.
#[inline(always)]
fn gather<V: Lanes, const M: usize, const N: usize>(
    filter: &Winograd<V::Item>,
    x: &[V::Item],
    span: &[Segment],
    together: usize,
    room: &mut Room<V::Item>,
) {
    let [_, across] = filter.tiles();
    let [high, wide] = filter.source;
    let Room { line, frame, flat, .. } = room;
    let (Some(start), Some(end)) = (span.first(), span.last()) else { return };
    let rows = end.row - start.row + 1;
    let part = (rows + 1) * across + V::COUNT;
    assert!(M * N * part <= frame.len() && M * (across.next_multiple_of(V::COUNT) + 1) <= line.len());
    // What of a row of the source lies in a line.
    let shift = filter.before[1];
    let first = (-shift).clamp(0, wide as i64) as usize;
    let last = (((M * across + 2) as i64 - shift).clamp(first as i64, wide as i64)) as usize;
    for f in 0..rows * M + 2 {
        let y = (start.row * M + f) as i64 - filter.before[0];
        let parts = f % M * N * part + f / M * across;
        match usize::try_from(y) {
            Ok(y) if y < high && first < last => {
                let at = (first as i64 + shift) as usize;
                line[at..at + last - first].copy_from_slice(&x[y * wide + first..y * wide + last]);
                for tile in (0..across).step_by(V::COUNT) {
                    // SAFETY: the line goes on for a tile behind the last register; what is written behind a row is its part's next row, written
                    // later, or room left at its end, as was checked.
                    unsafe {
                        let from = line.as_ptr().add(M * tile);
                        let own = load_by_remainder::<V, M>(from);
                        let next = load_by_remainder::<V, M>(from.add(M));
                        for (j, v) in own.into_iter().chain(next).enumerate().take(N) {
                            v.store(frame.as_mut_ptr().add(parts + j * part + tile));
                        }
                    }
                }
            }
            _ => (0..N).for_each(|j| frame[parts + j * part..][..across].fill(V::Item::ZERO)),
        }
    }
    // The tiles of neighbouring rows lie one after the other.
    let count: usize = span.iter().map(|s| s.count).sum();
    for step in (0..count).step_by(V::COUNT) {
        let (at, to) = (start.first + step, start.column + step);
        assert!(at + across + V::COUNT <= part);
        assert!(to + V::COUNT <= together + MOST_LANES && flat.len() >= N * N * (together + MOST_LANES));
        // SAFETY: the farthest places were just checked.
        unsafe {
            let zero = V::splat(V::Item::ZERO);
            let mut half = [[zero; N]; N];
            for j in 0..N {
                let mut column = [zero; N];
                for (i, v) in column.iter_mut().enumerate() {
                    let place = (i % M * N + j) * part + i / M * across + at;
                    *v = V::load(frame.as_ptr().add(place));
                }
                let column = to_elements::<V, N>(column);
                for (half, v) in half.iter_mut().zip(column) {
                    half[j] = v;
                }
            }
            for (a, half) in half.iter().enumerate() {
                let line = to_elements::<V, N>(*half);
                for (b, v) in line.into_iter().enumerate() {
                    v.store(flat.as_mut_ptr().add((a * N + b) * (together + MOST_LANES) + to));
                }
            }
        }
    }
}

/// From what a tile reads to its elements, along one axis.
#[inline(always)]
unsafe fn to_elements<V: Lanes, const N: usize>(d: [V; N]) -> [V; N] {
    // SAFETY: the caller's.
    unsafe {
        let mut to = d;
        if N == 4 {
            (to[0], to[1]) = (d[0].subtract(d[2]), d[1].add(d[2]));
            (to[2], to[3]) = (d[2].subtract(d[1]), d[3].subtract(d[1]));
        } else {
            let (a, b) = (V::splat(V::Item::of(-A * A)), V::splat(V::Item::of(-B * B)));
            let (all, sum) = (V::splat(V::Item::of(A * A * B * B)), V::splat(V::Item::of(-A * A - B * B)));
            let (e, f) = (b.multiply_add(d[2], d[4]), b.multiply_add(d[1], d[3]));
            let (g, h) = (a.multiply_add(d[2], d[4]), a.multiply_add(d[1], d[3]));
            (to[1], to[2]) =
                (V::splat(V::Item::of(A)).multiply_add(f, e), V::splat(V::Item::of(-A)).multiply_add(f, e));
            (to[3], to[4]) =
                (V::splat(V::Item::of(B)).multiply_add(h, g), V::splat(V::Item::of(-B)).multiply_add(h, g));
            to[0] = all.multiply_add(d[0], sum.multiply_add(d[2], d[4]));
            to[5] = all.multiply_add(d[1], sum.multiply_add(d[3], d[5]));
        }
        to
    }
}

/// From elements to outputs, along one axis.
#[inline(always)]
unsafe fn to_outputs<V: Lanes, const M: usize, const N: usize>(m: [V; N]) -> [V; M] {
    // SAFETY: the caller's.
    unsafe {
        let mut to = [m[0]; M];
        if N == 4 {
            to[0] = m[0].add(m[1].add(m[2]));
            to[1] = m[3].add(m[1].subtract(m[2]));
        } else {
            let (s, t) = (m[1].add(m[2]), m[1].subtract(m[2]));
            let (u, v) = (m[3].add(m[4]), m[3].subtract(m[4]));
            to[0] = m[0].add(s.add(u));
            to[1] = V::splat(V::Item::of(B))
                .multiply_add(v, V::splat(V::Item::of(A)).multiply_add(t, V::splat(V::Item::of(0.0))));
            to[2] = V::splat(V::Item::of(B * B))
                .multiply_add(u, V::splat(V::Item::of(A * A)).multiply_add(s, V::splat(V::Item::of(0.0))));
            to[3] = V::splat(V::Item::of(B * B * B))
                .multiply_add(v, V::splat(V::Item::of(A * A * A)).multiply_add(t, m[5]));
        }
        to
    }
}

/// Transforms the products of one output channel; output `i`, `j` of each tile is written to row `i · M + j`.
#[inline(always)]
fn spread<V: Lanes, const M: usize, const N: usize>(
    products: &[V::Item],
    bias: V::Item,
    together: usize,
    count: usize,
    flat: &mut [V::Item],
) {
    assert!(products.len() >= N * N * together && count.next_multiple_of(V::COUNT) <= together);
    assert!(flat.len() >= M * M * together);
    for at in (0..count).step_by(V::COUNT) {
        // SAFETY: all places are below those that were checked.
        unsafe {
            let bias = V::splat(bias);
            let mut half = [[bias; N]; M];
            for b in 0..N {
                let mut column = [bias; N];
                for (a, v) in column.iter_mut().enumerate() {
                    *v = V::load(products.as_ptr().add((a * N + b) * together + at));
                }
                let column = to_outputs::<V, M, N>(column);
                for (half, v) in half.iter_mut().zip(column) {
                    half[b] = v;
                }
            }
            for (i, half) in half.iter().enumerate() {
                let line = to_outputs::<V, M, N>(*half);
                for (j, v) in line.into_iter().enumerate() {
                    v.add(bias).store(flat.as_mut_ptr().add((i * M + j) * together + at));
                }
            }
        }
    }
}

/// Writes the outputs of a segment's tiles to their places.
#[inline(always)]
fn write<V: Lanes, const M: usize>(
    [high, wide]: [usize; 2],
    s: &Segment,
    flat: &[V::Item],
    together: usize,
    after: After<'_, V::Item>,
    out: &mut [V::Item],
) {
    assert!(flat.len() >= M * M * together + V::COUNT && s.column + s.count <= together);
    let mut stage = [V::Item::ZERO; 4 * MOST_LANES];
    for i in 0..M.min(high - s.row * M) {
        let start = (s.row * M + i) * wide + s.first * M;
        let length = (s.count * M).min(wide - s.first * M);
        for (t, out) in out[start..start + length].chunks_mut(M * V::COUNT).enumerate() {
            // SAFETY: there is a register of tiles from each place on, as was checked; both places that are written have room for `M` registers.
            unsafe {
                let line = |j| V::load(flat.as_ptr().add((i * M + j) * together + s.column + t * V::COUNT));
                let tiles: [V; M] = std::array::from_fn(line);
                if out.len() == M * V::COUNT {
                    store_by_remainder(tiles, out.as_mut_ptr());
                } else {
                    store_by_remainder(tiles, stage.as_mut_ptr());
                    out.copy_from_slice(&stage[..out.len()]);
                }
            }
        }
        after.apply(start, &mut out[start..start + length]);
    }
}
