//! A convolution as a matrix product: weights by patches, a panel of patches at a time.

use super::geometry::Pass;
use super::{Filter, Frame};
use crate::real::Real;
use crate::vector::{Instructions, by_instructions, instructions};

/// Groups with fewer channels to write than this, and one to read, are not worth a matrix product.
pub(super) const LEAST_ROWS: usize = 4;
/// The rows of a tile; few outputs take half as many, of twice the columns.
const ROWS: usize = 6;
const FEW_ROWS: usize = 3;
/// About how many rows of patches are laid out at a time: a panel of them and a strip of weights fit the nearest cache.
const DEPTH: usize = 160;
/// The elements that are moved at once.
const PIECE: usize = 16;
/// About how many elements of the source are laid out at a time, at most.
const MOST_LAID_OUT: usize = 1 << 24;
/// Records of fewer positions than this are taken together.
const FEW: usize = 128;

/// The weights of one group: for each block of channels, strips of as many outputs as a tile has rows, each row by row.
#[derive(Clone, Debug)]
pub(super) struct Packed<T> {
    rows: usize,
    tall: usize,
    strips: Vec<T>,
}

impl<T: Real> Packed<T> {
    pub(super) fn new(
        (rows, channels, block): (usize, usize, usize),
        taps: &[(usize, usize)],
        weight: impl Fn(usize, usize, usize) -> T,
    ) -> Self {
        let tall = tall(rows);
        let mut strips = Vec::with_capacity(rows.next_multiple_of(tall) * channels * taps.len());
        for first in (0..channels).step_by(block) {
            for top in (0..rows).step_by(tall) {
                for c in first..channels.min(first + block) {
                    for (tap, _) in taps {
                        strips.extend(
                            (top..top + tall).map(|m| if m < rows { weight(m, c, *tap) } else { T::ZERO }),
                        );
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
fn tall(rows: usize) -> usize {
    if rows <= FEW_ROWS { FEW_ROWS } else { ROWS }
}

/// How many of a group's channels are laid out at a time.
pub(super) fn block_of(passes: &[Pass], (rows, channels): (usize, usize), frame: usize) -> usize {
    let taps = passes.iter().map(|p| p.taps.len()).max().unwrap_or(0);
    let depth = DEPTH * tall(rows) / ROWS;
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
    patches: &'a mut Vec<T>,
}

pub(super) fn run<T: Real>(
    filter: &Filter<T>,
    packed: &[Vec<Packed<T>>],
    x: &[T],
    bias: Option<&[T]>,
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
                let of = |p: &Pass| Panels::new(p, records, step, width::<T>() * ROWS / tall(to));
                &mut cached.insert((records, filter.passes.iter().map(of).collect())).1
            }
        };
        for group in 0..filter.groups {
            let written_at = |r: usize| (start + r) * written + group * to * filter.out;
            let bias = |m: usize| bias.map_or(T::ZERO, |b| b[group * to + m]);
            // The sums lie where the output is, unless its places are not side by side.
            let in_place = whole && records == 1;
            let sums: &mut [T] = if in_place {
                &mut out[written_at(0)..][..to * filter.out]
            } else {
                scratch.resize(to * filter.out * records, T::ZERO);
                &mut scratch
            };
            let mut at = 0;
            for pass in &filter.passes {
                let columns = pass.len() * records;
                for m in 0..to {
                    sums[at + m * columns..at + (m + 1) * columns].fill(bias(m));
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
                        patches: &mut patches,
                    });
                }
            }
            if !in_place {
                scatter(filter, &scratch, records, written_at, out);
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

/// The columns of a tile: two vector registers of the wider sets.
fn width<T>() -> usize {
    if instructions() == Instructions::Avx512 { 128 / size_of::<T>() } else { 64 / size_of::<T>() }
}

fn block<T: Real>(work: &mut Work<'_, T>) {
    const FUSED: bool = cfg!(target_arch = "aarch64");
    by_instructions!(
        instructions(),
        avx512(work),
        avx2(work),
        if size_of::<T>() == 4 { sized::<T, FUSED, 16, 32>(work) } else { sized::<T, FUSED, 8, 16>(work) }
    );
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<T: Real>(work: &mut Work<'_, T>) {
    if size_of::<T>() == 4 { sized::<T, true, 32, 64>(work) } else { sized::<T, true, 16, 32>(work) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Real>(work: &mut Work<'_, T>) {
    if size_of::<T>() == 4 { sized::<T, true, 16, 32>(work) } else { sized::<T, true, 8, 16>(work) }
}

#[inline(always)]
fn sized<T: Real, const FUSED: bool, const NR: usize, const WIDE: usize>(work: &mut Work<'_, T>) {
    if tall(work.rows) == FEW_ROWS {
        tiled::<T, FUSED, FEW_ROWS, WIDE>(work);
    } else {
        tiled::<T, FUSED, ROWS, NR>(work);
    }
}

#[inline(always)]
fn tiled<T: Real, const FUSED: bool, const MR: usize, const NR: usize>(work: &mut Work<'_, T>) {
    let Work { source, channel, channels, taps, panels, rows, columns, .. } = *work;
    let depth = channels * taps.len();
    work.patches.resize(depth * NR + PIECE, T::ZERO);
    for panel in &panels.panels {
        let patches = &mut work.patches[..depth * NR + PIECE];
        lay_out::<T, NR>((source, channel, channels), taps, &panels.pieces[panel.pieces.clone()], patches);
        let patches = &patches[..depth * NR];
        for (strip, top) in work.strips.clone().zip((0..rows).step_by(MR)) {
            let count = MR.min(rows - top);
            let place = |i: usize| (top + i) * columns + panel.first;
            let mut sums = [[T::ZERO; NR]; MR];
            if count == MR && panel.columns == NR {
                for (i, sums) in sums.iter_mut().enumerate() {
                    sums.copy_from_slice(&work.sums[place(i)..place(i) + NR]);
                }
                let sums = tile::<T, FUSED, MR, NR>(strip, patches, sums);
                for (i, sums) in sums.iter().enumerate() {
                    work.sums[place(i)..place(i) + NR].copy_from_slice(sums);
                }
            } else {
                let n = panel.columns;
                for (i, sums) in sums.iter_mut().enumerate().take(count) {
                    sums[..n].copy_from_slice(&work.sums[place(i)..place(i) + n]);
                }
                let sums = tile::<T, FUSED, MR, NR>(strip, patches, sums);
                for (i, sums) in sums.iter().enumerate().take(count) {
                    work.sums[place(i)..place(i) + n].copy_from_slice(&sums[..n]);
                }
            }
        }
    }
}

/// Lays out the patches of a panel: a row for each channel and tap. Pieces are moved whole; what is too much of one is overwritten by
/// the next, and what is too much of the last is never used.
#[inline(always)]
fn lay_out<T: Real, const NR: usize>(
    (source, channel, channels): (&[T], usize, usize),
    taps: &[(usize, usize)],
    pieces: &[(usize, usize, usize)],
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
            row += NR;
        }
    }
}

/// Adds the product of a strip of weights and a panel of patches, in registers.
#[inline(always)]
fn tile<T: Real, const FUSED: bool, const MR: usize, const NR: usize>(
    strip: &[T],
    patches: &[T],
    mut sums: [[T; NR]; MR],
) -> [[T; NR]; MR] {
    for (a, b) in strip.as_chunks::<MR>().0.iter().zip(patches.as_chunks::<NR>().0) {
        for i in 0..MR {
            let a = a[i];
            for j in 0..NR {
                sums[i][j] = if FUSED { a.mul_add(b[j], sums[i][j]) } else { a * b[j] + sums[i][j] };
            }
        }
    }
    sums
}
