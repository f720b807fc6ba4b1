//! A convolution as a matrix product: weights by patches, a panel of patches at a time.

use super::geometry::Pass;
use super::{After, Ends, Filter, Frame};
use crate::Aligned;
use crate::lanes::{Lanes, Plain};
use crate::matrix::block::{Left, multiply, multiply_blocks};
use crate::real::Real;
use crate::vector::{Instructions, by_instructions, instructions};

/// Groups with fewer channels to write than this, and one to read, are not worth a matrix product.
pub(super) const LEAST_ROWS: usize = 4;
/// Fewer outputs than this take tiles of as many rows, of four registers.
const FEW_ROWS: usize = 3;
/// About how many rows of patches are laid out at a time: a panel of them and a strip of weights fit the nearest cache.
const DEPTH: usize = 160;
/// How many products are added up before their sum is added to those of others: the error of a long sum grows with the length of its parts, and with
/// their number. A multiple of the rows of any strip.
const PART: usize = 36;
/// The elements that are moved at once.
const PIECE: usize = 16;
/// About how many elements of the source are laid out at a time, at most.
const MOST_LAID_OUT: usize = 1 << 24;
/// The most sums of a tile.
pub(super) const MOST_SUMS: usize = 12 * 32;
/// Records of fewer positions than this are taken together.
const FEW: usize = 128;

/// The weights of one group: for each block of channels, strips of as many outputs as a tile has rows, each row by row.
#[derive(Clone, Debug)]
pub(super) struct Packed<T> {
    rows: usize,
    tall: usize,
    strips: Aligned<T>,
}

impl<T: Real> Packed<T> {
    pub(super) fn new(
        (rows, channels, block): (usize, usize, usize),
        taps: &[(usize, usize)],
        weight: impl Fn(usize, usize, usize) -> T,
    ) -> Self {
        let tall = tall(rows);
        let mut strips = Aligned::zeros(rows.next_multiple_of(tall) * channels * taps.len());
        let mut places = strips.iter_mut();
        for first in (0..channels).step_by(block) {
            for top in (0..rows).step_by(tall) {
                for c in first..channels.min(first + block) {
                    for (tap, _) in taps {
                        for (m, place) in (top..top + tall).zip(places.by_ref()) {
                            *place = if m < rows { weight(m, c, *tap) } else { T::ZERO };
                        }
                    }
                }
            }
        }
        Self { rows, tall, strips }
    }

    /// The strips of the block of channels that begins at `first`, each of `depth` rows.
    fn strips(&self, first: usize, depth: usize, taps: usize) -> std::slice::ChunksExact<'_, T> {
        let rows = self.rows.next_multiple_of(self.tall);
        let start = first * taps * rows;
        self.strips[start..start + depth * rows].chunks_exact((depth * self.tall).max(1))
    }
}

/// The rows of a tile for so many outputs.
pub(super) fn tall(rows: usize) -> usize {
    match instructions() {
        _ if rows <= FEW_ROWS => FEW_ROWS,
        Instructions::Avx512 => 12,
        Instructions::Avx2 => 6,
        Instructions::Plain => 4,
    }
}

/// The columns of a tile for so many outputs: two registers, or four.
fn wide<T>(rows: usize) -> usize {
    let register = match instructions() {
        Instructions::Avx512 => 64 / size_of::<T>(),
        Instructions::Avx2 => 32 / size_of::<T>(),
        Instructions::Plain => 4,
    };
    register * if rows <= FEW_ROWS { 4 } else { 2 }
}

/// How many of a group's channels are laid out at a time.
pub(super) fn block_of(passes: &[Pass], (rows, channels): (usize, usize), frame: usize) -> usize {
    let taps = passes.iter().map(|p| p.taps.len()).max().unwrap_or(0);
    let depth = if rows <= FEW_ROWS { DEPTH / 2 } else { DEPTH };
    (depth / taps.max(1)).min(MOST_LAID_OUT / frame.max(1)).clamp(1, channels.max(1))
}

/// Positions side by side: where pieces of them lie in the source, relative to a tap, and where they go.
#[derive(Clone, Debug)]
struct Panel {
    first: usize,
    columns: usize,
    pieces: std::ops::Range<usize>,
}

/// The panels of a pass over some records.
#[derive(Debug, Default)]
struct Panels {
    panels: Vec<Panel>,
    /// The place in the panel, the place in the source, and the length of each piece.
    pieces: Vec<(usize, usize, usize)>,
}

impl Panels {
    fn new(pass: &Pass, records: usize, record_step: usize, width: usize) -> Self {
        let mut found = Self::default();
        let mut column = 0;
        // A line of positions that are neighbours in the source too.
        let mut add = |found: &mut Self, mut at: usize, mut left: usize| {
            while left > 0 {
                let inside = column % width;
                if inside == 0 {
                    let start = found.pieces.len();
                    found.panels.push(Panel { first: column, columns: 0, pieces: start..start });
                }
                let run = left.min(width - inside);
                for piece in (0..run).step_by(PIECE) {
                    found.pieces.push((inside + piece, at + piece, PIECE.min(run - piece)));
                }
                if let Some(panel) = found.panels.last_mut() {
                    panel.columns += run;
                    panel.pieces.end = found.pieces.len();
                }
                (column, at, left) = (column + run, at + run, left - run);
            }
        };
        for record in 0..records {
            let mut line: Option<(usize, usize)> = None;
            pass.each_line(|at, _| {
                let at = at + record * record_step;
                match &mut line {
                    Some((start, length)) if *start + *length == at => *length += pass.counts[2],
                    _ => {
                        if let Some((start, length)) = line {
                            add(&mut found, start, length);
                        }
                        line = Some((at, pass.counts[2]));
                    }
                }
            });
            if let Some((start, length)) = line {
                add(&mut found, start, length);
            }
        }
        found
    }
}

/// What [`block`] works on: a block of channels of some records, and what it adds to.
struct Work<'a, T> {
    /// The source, and how far apart channels are in it.
    source: &'a [T],
    channel: usize,
    channels: usize,
    taps: &'a [(usize, usize)],
    panels: &'a Panels,
    strips: std::slice::ChunksExact<'a, T>,
    rows: usize,
    /// Sums so far, row by row, and how many a row has.
    sums: &'a mut [T],
    columns: usize,
    /// What the sums begin with, if they do here, and what is done to them, if they are complete.
    starts: Option<&'a [T]>,
    after: After<'a, T>,
    patches: &'a mut Vec<T>,
}

pub(super) fn run<T: Real>(
    filter: &Filter<T>,
    packed: &[Vec<Packed<T>>],
    x: &[T],
    ends: Ends<'_, T>,
    out: &mut [T],
) {
    let frame: &Frame = &filter.frame;
    let direct = frame.is_source();
    let (source, to) = (filter.source, filter.to);
    let record = filter.groups * filter.from * source;
    let written = filter.groups * to * filter.out;
    let batch = out.len() / written;
    let whole = matches!(&filter.passes[..], [pass] if pass.len() == filter.out);
    let positions = filter.passes.iter().map(Pass::len).max().unwrap_or(0);
    let together = FEW.div_ceil(positions.max(1)).min(batch);
    let most = filter.block;
    let size = frame.len();
    // Room behind the last channel for pieces that reach over it.
    let mut frames = if direct { Vec::new() } else { vec![T::ZERO; together * most * size + PIECE] };
    let mut patches = Vec::new();
    let mut scratch = Vec::new();
    let mut cached: Option<(usize, Vec<Panels>)> = None;
    for start in (0..batch).step_by(together) {
        let records = together.min(batch - start);
        let step = if direct { record } else { most * size };
        let panels = match &mut cached {
            Some((n, panels)) if *n == records => panels,
            _ => {
                let of = |p: &Pass| Panels::new(p, records, step, wide::<T>(to));
                &mut cached.insert((records, filter.passes.iter().map(of).collect())).1
            }
        };
        for group in 0..filter.groups {
            let written_at = |r: usize| (start + r) * written + group * to * filter.out;
            let starts = ends.bias.map_or(&[][..], |b| &b[group * to..(group + 1) * to]);
            // The sums lie where the output is, unless its places are not side by side.
            let in_place = whole && records == 1;
            let sums: &mut [T] = if in_place {
                &mut out[written_at(0)..][..to * filter.out]
            } else {
                scratch.resize(to * filter.out * records, T::ZERO);
                &mut scratch
            };
            let after =
                if in_place { ends.after.part(written_at(0), to * filter.out) } else { After::Nothing };
            let mut at = 0;
            for pass in &filter.passes {
                let columns = pass.len() * records;
                if pass.taps.is_empty() || filter.from == 0 {
                    for m in 0..to {
                        let sums = &mut sums[at + m * columns..at + (m + 1) * columns];
                        sums.fill(ends.start(group * to + m));
                        after.apply(at + m * columns, sums);
                    }
                }
                at += to * columns;
            }
            for first in (0..filter.from).step_by(most) {
                let channels = most.min(filter.from - first);
                if !direct {
                    for r in 0..records {
                        for c in 0..channels {
                            let from = (start + r) * record + (group * filter.from + first + c) * source;
                            let to = &mut frames[(r * most + c) * size..(r * most + c + 1) * size];
                            frame.fill(&x[from..from + source], to);
                        }
                    }
                }
                let (base, channel): (&[T], usize) = if direct {
                    (&x[start * record + (group * filter.from + first) * source..], source)
                } else {
                    (&frames, size)
                };
                let mut at = 0;
                for ((pass, panels), packed) in filter.passes.iter().zip(panels.iter()).zip(packed) {
                    let packed = &packed[group];
                    let columns = pass.len() * records;
                    let sums = &mut sums[at..at + to * columns];
                    at += to * columns;
                    if pass.taps.is_empty() {
                        continue;
                    }
                    block(&mut Work {
                        source: base,
                        channel,
                        channels,
                        taps: &pass.taps,
                        panels,
                        strips: packed.strips(first, channels * pass.taps.len(), pass.taps.len()),
                        rows: to,
                        sums,
                        columns,
                        starts: (first == 0).then_some(starts),
                        after: if first + channels == filter.from { after } else { After::Nothing },
                        patches: &mut patches,
                    });
                }
            }
            if !in_place {
                scatter(filter, &scratch, records, written_at, out);
                for r in 0..records {
                    let at = written_at(r);
                    ends.after.apply(at, &mut out[at..at + to * filter.out]);
                }
            }
        }
    }
}

/// Moves sums to the places of their outputs.
fn scatter<T: Real>(
    filter: &Filter<T>,
    sums: &[T],
    records: usize,
    written_at: impl Fn(usize) -> usize,
    out: &mut [T],
) {
    let mut at = 0;
    for pass in &filter.passes {
        let (length, width, step) = (pass.len(), pass.counts[2], pass.out_steps[2]);
        for m in 0..filter.to {
            for r in 0..records {
                let out = &mut out[written_at(r) + m * filter.out..][..filter.out];
                let mut lines = sums[at + (m * records + r) * length..][..length].chunks_exact(width.max(1));
                pass.each_line(|_, place| {
                    let Some(line) = lines.next() else { return };
                    if step == 1 {
                        out[place..place + width].copy_from_slice(line);
                    } else {
                        for (o, v) in out[place..].iter_mut().step_by(step).zip(line) {
                            *o = *v;
                        }
                    }
                });
            }
        }
        at += filter.to * length * records;
    }
}

fn block<T: Real>(work: &mut Work<'_, T>) {
    by_instructions!(instructions(), avx512(work), avx2(work), panels::<Plain<T>, 4>(work));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(work: &mut Work<'_, T>) {
    panels::<T::Avx512, 12>(work);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(work: &mut Work<'_, T>) {
    panels::<T::Avx2, 6>(work);
}

/// Adds to all sums, panel by panel, in tiles of at most `TALL` rows.
#[inline(always)]
fn panels<V: Lanes, const TALL: usize>(work: &mut Work<'_, V::Item>) {
    let Work { source, channel, channels, taps, panels, rows, columns, starts, after, .. } = *work;
    let (tall, wide) = (tall(rows), wide::<V::Item>(rows));
    let depth = channels * taps.len();
    work.patches.resize(depth * wide + PIECE, V::Item::ZERO);
    let mut stage = [V::Item::ZERO; MOST_SUMS];
    for panel in &panels.panels {
        let pieces = &panels.pieces[panel.pieces.clone()];
        lay_out((source, channel, channels), taps, pieces, wide, work.patches);
        for (strip, top) in work.strips.clone().zip((0..rows).step_by(tall)) {
            let tile = Tile {
                strip: Strip::plain(strip, tall),
                patches: &work.patches[..depth * wide],
                depth,
                rows: tall.min(rows - top),
                columns: panel.columns,
                apart: columns,
                starts: starts.and_then(|s| s.get(top..)).unwrap_or(&[]),
            };
            let at = top * columns + panel.first;
            let sums = &mut work.sums[at..];
            match (tall == FEW_ROWS, starts.is_some()) {
                (true, true) => tile.compute::<V, FEW_ROWS, 4, true, false>(sums, &mut stage),
                (true, false) => tile.compute::<V, FEW_ROWS, 4, false, false>(sums, &mut stage),
                (false, true) => tile.compute_fitting::<V, TALL, true>(sums, &mut stage),
                (false, false) => tile.compute_fitting::<V, TALL, false>(sums, &mut stage),
            }
            if !matches!(after, After::Nothing) {
                for (i, sums) in sums.chunks_mut(columns).enumerate().take(tile.rows) {
                    after.apply(at + i * columns, &mut sums[..panel.columns]);
                }
            }
        }
    }
}

/// The weights of some rows of outputs.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, T> {
    pub(super) weights: &'a [T],
    /// How far apart the elements of a row are; of a turned strip, rows.
    pub(super) step: usize,
    /// Of a strip that is turned, the weights being those of the other direction: how far apart its blocks of `step` elements of each row are.
    pub(super) turned: Option<usize>,
}

impl<'a, T> Strip<'a, T> {
    /// A strip whose elements of a column lie side by side.
    pub(super) fn plain(weights: &'a [T], step: usize) -> Self {
        Self { weights, step, turned: None }
    }

    /// Whether `rows` of it, of `depth` elements, are there.
    fn has(&self, rows: usize, depth: usize) -> bool {
        match self.turned {
            None => rows <= self.step && self.weights.len() >= depth * self.step,
            Some(apart) => {
                let blocks = depth.div_ceil(self.step);
                blocks == 0 || self.weights.len() >= (blocks - 1) * apart + rows * self.step
            }
        }
    }
}

/// A strip of weights and a panel of patches, to be multiplied.
pub(super) struct Tile<'a, T> {
    pub(super) strip: Strip<'a, T>,
    pub(super) patches: &'a [T],
    pub(super) depth: usize,
    /// The rows and columns that there are sums of, and how far apart those rows are.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) apart: usize,
    /// What each row's sums begin with; those that lack begin with 0.
    pub(super) starts: &'a [T],
}

impl<T: Real> Tile<'_, T> {
    /// As [`Self::compute`] does, with two registers' columns and as few rows as hold all, of at most `TALL`.
    #[inline(always)]
    pub(super) fn compute_fitting<V: Lanes<Item = T>, const TALL: usize, const FRESH: bool>(
        &self,
        sums: &mut [T],
        stage: &mut [T; MOST_SUMS],
    ) {
        if self.strip.turned.is_some() {
            self.compute::<V, TALL, 2, FRESH, true>(sums, stage);
        } else if TALL == 12 && self.rows <= 4 {
            self.compute::<V, 4, 2, FRESH, false>(sums, stage);
        } else if TALL == 12 && self.rows <= 8 {
            self.compute::<V, 8, 2, FRESH, false>(sums, stage);
        } else {
            self.compute::<V, TALL, 2, FRESH, false>(sums, stage);
        }
    }

    /// Adds the product of `M` rows and `P` registers' columns, of which fewer may be wanted; to `starts` where `FRESH` says so.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn compute<V: Lanes<Item = T>, const M: usize, const P: usize, const FRESH: bool, const TURNED: bool>(
        &self,
        sums: &mut [T],
        stage: &mut [T; MOST_SUMS],
    ) {
        const { assert!(M * P * V::COUNT <= MOST_SUMS) };
        let wide = P * V::COUNT;
        let Strip { weights, step, turned } = self.strip;
        assert!(
            self.rows <= M && self.columns <= wide && turned.is_some() == TURNED && (!TURNED || M == step)
        );
        assert!(self.strip.has(M, self.depth) && self.patches.len() >= self.depth * wide);
        let sums = &mut sums[..(self.rows - 1) * self.apart + self.columns];
        let whole = self.rows == M && self.columns == wide;
        // SAFETY: the strip has `M` rows of `depth` elements and the patches have `depth` rows, as was checked; the stage has room for `M` rows of `P` registers, and the sums
        // have where they are whole; only callers that are compiled for the instructions inline this.
        unsafe {
            let staged = stage.as_mut_ptr();
            let mut held = [[V::splat(T::ZERO); P]; M];
            if FRESH {
                for (i, held) in held.iter_mut().enumerate() {
                    *held = [V::splat(self.starts.get(i).copied().unwrap_or(T::ZERO)); P];
                }
            }
            let mut done = 0;
            loop {
                let (part, patches) = (PART.min(self.depth - done), self.patches.as_ptr());
                if let Some(apart) = turned {
                    let block = weights.as_ptr().add(done / step * apart);
                    held = multiply_blocks::<V, M, P>(block, apart, patches.add(done * wide), part, held);
                } else {
                    let left = Left { first: weights.as_ptr().add(done * step), row: 1, step };
                    held = multiply::<V, M, P, false>(left, patches.add(done * wide), part, held);
                }
                for (i, held) in held.iter_mut().enumerate() {
                    for (j, held) in held.iter_mut().enumerate() {
                        let to = staged.add(i * wide + j * V::COUNT);
                        if done > 0 {
                            *held = V::load(to).add(*held);
                        }
                        if done + part < self.depth {
                            held.store(to);
                            *held = V::splat(T::ZERO);
                        }
                    }
                }
                done += part;
                if done == self.depth {
                    break;
                }
            }
            let (to, apart) = if whole { (sums.as_mut_ptr(), self.apart) } else { (staged, wide) };
            for (i, held) in held.iter().enumerate() {
                for (j, held) in held.iter().enumerate() {
                    let to = to.add(i * apart + j * V::COUNT);
                    if FRESH || !whole { held.store(to) } else { V::load(to).add(*held).store(to) }
                }
            }
        }
        if !whole {
            for (row, sums) in stage.chunks_exact(wide).zip(sums.chunks_mut(self.apart)).take(self.rows) {
                if FRESH {
                    sums[..self.columns].copy_from_slice(&row[..self.columns]);
                } else {
                    sums.iter_mut().zip(&row[..self.columns]).for_each(|(sum, v)| *sum += *v);
                }
            }
        }
    }
}

/// Lays out the patches of a panel: a row for each channel and tap. Pieces are moved whole; what is too much of one is overwritten by
/// the next, and what is too much of the last is never used.
#[inline(always)]
fn lay_out<T: Real>(
    (source, channel, channels): (&[T], usize, usize),
    taps: &[(usize, usize)],
    pieces: &[(usize, usize, usize)],
    wide: usize,
    patches: &mut [T],
) {
    let mut row = 0;
    for c in 0..channels {
        for (_, tap) in taps {
            let from = c * channel + tap;
            for &(to, at, length) in pieces {
                match source.get(from + at..from + at + PIECE) {
                    Some(piece) => patches[row + to..row + to + PIECE].copy_from_slice(piece),
                    None => {
                        let piece = &source[from + at..from + at + length];
                        patches[row + to..row + to + length].copy_from_slice(piece);
                    }
                }
            }
            row += wide;
        }
    }
}
