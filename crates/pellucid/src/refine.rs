//! Integrals taken until they are as exact as is asked: the line is cut into pieces, and those are cut again where the gradient is
//! rough.
//!
//! Between two places of a line the attributions of a piece should sum to what the target changes from the one to the other; how much they
//! miss tells where nodes are wanted. A rule whose nodes are spread over the whole line comes near a Relu's kink only as one over their number; here the
//! pieces close in on it, by halves or at once, where the straight parts on both sides of it meet.

use std::borrow::Cow;
use std::ops::Range;

use pellucid_engine::{Control, Points};
use pellucid_graph::{Buffer, Tensor, View, each_type};

use crate::compiled::Compiled;
use crate::error::{Error, Result};
use crate::explanation::Evaluations;
use crate::quadrature::Quadrature;
use crate::spec::{Integration, Precision};

/// The nodes of a piece.
const NODES: usize = 8;
/// In how many pieces a line is cut at first, at least: in the whole of it, what several kinks miss may cancel out.
const FEWEST: usize = 4;
/// The most pieces of a line.
const MOST: usize = 1 << 13;
/// A line of at least so many pieces that gained less than a tenth by each of the last cuts is at the end of what the precision gives.
const MANY: usize = 1 << 10;
const SLOW: usize = 4;
/// How near a kink the line is cut, as a share of the piece in which it is looked for.
const NEAR: f64 = 1.0 / 1024.0;
/// The rows that are refined together, and the bytes of pieces that run together.
const ROWS: usize = 256;
const BYTES: usize = 8 << 20;

/// How a line's nodes are found.
#[derive(Clone, Debug)]
pub(crate) struct Refinement {
    tolerance: f64,
    piece: Quadrature,
    /// In how many pieces a line is cut at first.
    first: usize,
    /// What rounding does to a number, relative to it.
    rounding: f64,
    /// Pieces that are no longer are not cut.
    shortest: f64,
    /// For each target, its value at a point among the results, where that point has the weight 1.
    values: Vec<usize>,
}

impl Refinement {
    pub(crate) fn new(
        tolerance: f64,
        integration: Integration,
        precision: Precision,
        values: Vec<usize>,
    ) -> Result<Self> {
        if !(tolerance > 0.0 && tolerance < 1.0) {
            return Err(Error::Spec(format!("a tolerance is a number between 0 and 1, {tolerance} is none")));
        }
        let (rounding, shortest) = match precision {
            Precision::Float32 => (f64::from(f32::EPSILON), (-20_f64).exp2()),
            Precision::Float64 => (f64::EPSILON, (-40_f64).exp2()),
        };
        Ok(Self {
            tolerance,
            piece: Quadrature::of(integration.quadrature, NODES)?,
            first: integration.n_steps.div_ceil(NODES).next_power_of_two().clamp(FEWEST, MOST / 4),
            rounding,
            shortest,
            values,
        })
    }
}

/// Lines with the places where each is cut, ascending. A line with one place is that point alone, of weight 1.
struct Lines<'a> {
    cuts: Vec<Cow<'a, [f64]>>,
    piece: &'a Quadrature,
}

impl Lines<'_> {
    /// For each of some nodes of a line, where its piece starts and ends, and the node's number in it.
    fn nodes(&self, line: usize, points: Range<usize>) -> impl Iterator<Item = (f64, f64, usize)> + '_ {
        let (cuts, n) = (&self.cuts[line], self.piece.nodes().len());
        points.map(move |p| (cuts[p / n], cuts[p / n + 1], p % n))
    }
}

impl Points for Lines<'_> {
    fn count(&self, line: usize) -> usize {
        ((self.cuts[line].len() - 1) * self.piece.nodes().len()).max(1)
    }

    fn values(&self, _number: usize, line: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        if let [place] = *self.cuts[line] {
            return Cow::Owned(vec![place]);
        }
        let nodes = self.piece.nodes();
        Cow::Owned(
            self.nodes(line, points)
                .map(|(start, end, k)| (start + nodes[k] * (end - start)).min(end))
                .collect(),
        )
    }

    fn weights(&self, line: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        if self.cuts[line].len() == 1 {
            return Cow::Owned(vec![1.0]);
        }
        let weights = self.piece.weights();
        Cow::Owned(self.nodes(line, points).map(|(start, end, k)| weights[k] * (end - start)).collect())
    }
}

/// What a target is at a place of a line, and how fast it changes there.
#[derive(Clone, Copy, Debug)]
struct Place {
    value: f64,
    slope: f64,
}

/// By how much the attributions of a piece miss the change of a target, and how much of that may be rounding.
#[derive(Clone, Copy, Debug)]
struct Miss {
    by: f64,
    rounding: f64,
}

/// By how much all pieces miss the change of a target.
struct Missed {
    sum: f64,
    /// How much of that may be rounding.
    rounding: f64,
    /// Twice the root of the sum of squares: two standard deviations of a sum of signs that nobody knows. What pieces miss cancels out in their sum,
    /// and not in the attributions of single elements.
    spread: f64,
}

impl Missed {
    fn of(pieces: impl Iterator<Item = Miss>) -> Self {
        let (mut sum, mut squares, mut rounding) = (0.0, 0.0, 0.0);
        for piece in pieces {
            sum += piece.by;
            squares += piece.by * piece.by;
            rounding += piece.rounding * piece.rounding;
        }
        Self { sum, spread: 2.0 * f64::sqrt(squares), rounding: f64::sqrt(rounding) }
    }

    fn most(&self) -> f64 {
        // Not a number where one of them is none.
        if self.sum.abs() > self.spread { self.sum.abs() } else { self.spread }
    }

    /// What one of so many pieces may miss, of what all may: some piece misses more where all do.
    fn rough(&self, allowed: f64, count: usize) -> f64 {
        if self.most() <= self.rounding {
            f64::INFINITY
        } else if self.spread > allowed {
            allowed / (2.0 * (count as f64).sqrt())
        } else if self.sum.abs() > allowed {
            allowed / count as f64
        } else {
            f64::INFINITY
        }
    }
}

/// What is known of a row's line.
#[derive(Debug, Default)]
struct Line {
    /// Where it is cut, from 0 to 1.
    cuts: Vec<f64>,
    /// For each of those and each target.
    places: Vec<Place>,
    /// For each piece and target.
    missed: Vec<Miss>,
    /// For each piece, whether it comes from a cut around a kink; if it is rough all the same, it is halved.
    guessed: Vec<bool>,
    /// By how much all pieces missed together, over what they may, and how often in a row that fell by less than a tenth.
    most: f64,
    slow: usize,
    /// At how many points the model has run, and how often for the row beside.
    points: u64,
    runs: u64,
}

/// What is asked of a line next: what it is at some places, and what the pieces between miss.
#[derive(Debug, Default)]
struct Step {
    /// The pieces that are cut, each with how many places are in it; nothing where the line is new.
    cut: Vec<(usize, usize)>,
    places: Vec<f64>,
    pieces: Vec<[f64; 2]>,
}

impl Line {
    fn begin(refinement: &Refinement) -> Step {
        let count = refinement.first;
        let places: Vec<f64> = (0..=count).map(|k| k as f64 / count as f64).collect();
        Step { cut: Vec::new(), pieces: places.windows(2).map(|w| [w[0], w[1]]).collect(), places }
    }

    /// What to do next; `None` where the line is as exact as is asked, or as it gets.
    fn next(&mut self, refinement: &Refinement) -> Option<Step> {
        let targets = refinement.values.len();
        let count = self.guessed.len();
        let last = self.places.len() - targets;
        let change = |t: usize| self.places[last + t].value - self.places[t].value;
        let allowed: Vec<f64> = (0..targets).map(|t| refinement.tolerance * change(t).abs()).collect();
        let of = |t: usize| self.missed.iter().skip(t).step_by(targets).copied();
        let missed: Vec<Missed> = (0..targets).map(|t| Missed::of(of(t))).collect();
        if missed.iter().zip(&allowed).all(|(m, a)| m.most() <= *a) {
            return None;
        }
        // Of the targets that are not there yet, on the scale of each.
        let left = missed.iter().zip(&allowed).filter(|(m, a)| m.most() > **a);
        let most = left.map(|(m, a)| if *a > 0.0 { m.most() / a } else { m.most() }).sum();
        self.slow = if most > 0.9 * self.most { self.slow + 1 } else { 0 };
        self.most = most;
        if count >= MANY && self.slow >= SLOW {
            return None;
        }
        let rough: Vec<f64> = missed.iter().zip(&allowed).map(|(m, a)| m.rough(*a, count)).collect();
        let mut cut: Vec<(f64, usize, usize)> = Vec::new();
        for k in (0..count).filter(|k| self.cuts[k + 1] - self.cuts[*k] > refinement.shortest) {
            let by = |t: usize| self.missed[k * targets + t].by.abs();
            if let Some(t) = (0..targets).find(|t| by(*t) > rough[*t]) {
                cut.push((by(t) / rough[t], k, t));
            }
        }
        // Each takes two places at most.
        let room = (MOST - count) / 2;
        if cut.len() > room {
            cut.sort_by(|a, b| b.0.total_cmp(&a.0));
            cut.truncate(room);
            cut.sort_by_key(|c| c.1);
        }
        let mut step = Step::default();
        for (_, k, t) in cut {
            let (start, end) = (self.cuts[k], self.cuts[k + 1]);
            let before = step.places.len();
            match self.kink(k, t, refinement).filter(|_| !self.guessed[k]) {
                Some(around) => step.places.extend(around),
                None => step.places.push((start + end) / 2.0),
            }
            let inner = &step.places[before..];
            let ends = [start].into_iter().chain(inner.iter().copied());
            step.pieces.extend(ends.zip(inner.iter().copied().chain([end])).map(|(a, b)| [a, b]));
            step.cut.push((k, inner.len()));
        }
        (!step.places.is_empty()).then_some(step)
    }

    /// Two places close around a target's kink, where a piece misses what it would if the target were straight but for that.
    fn kink(&self, piece: usize, target: usize, refinement: &Refinement) -> Option<[f64; 2]> {
        let targets = refinement.values.len();
        let (start, end) = (self.cuts[piece], self.cuts[piece + 1]);
        let at = |k: usize| self.places[k * targets + target];
        let (a, b) = (at(piece), at(piece + 1));
        let length = end - start;
        let share = (b.value - a.value - b.slope * length) / ((a.slope - b.slope) * length);
        let nodes = refinement.piece.nodes().iter().zip(refinement.piece.weights());
        let before: f64 = nodes.filter(|n| *n.0 < share).map(|n| n.1).sum();
        let straight = (before - share) * (a.slope - b.slope) * length;
        let missed = self.missed[piece * targets + target].by;
        let inside = (NEAR * 2.0..1.0 - NEAR * 2.0).contains(&share);
        let alone = inside && (straight - missed).abs() < 0.2 * missed.abs();
        // In the middle, where as many nodes lie on either side of it, unless one lies on it.
        let behind = if refinement.piece.nodes().contains(&0.5) { 1.3 * NEAR } else { NEAR };
        alone.then(|| [share - NEAR, share + behind].map(|s| start + s * length))
    }

    /// Takes in what was found at the places of a step, and for its pieces the sums of attributions and of their sizes.
    fn take(&mut self, step: &Step, places: &[Place], sums: &[(f64, f64)], refinement: &Refinement) {
        let targets = refinement.values.len();
        let nodes = refinement.piece.nodes().len();
        let old = std::mem::take(self);
        self.points = old.points + (step.places.len() + step.pieces.len() * nodes) as u64;
        self.runs = old.runs + (step.places.len() + step.pieces.len()) as u64;
        (self.most, self.slow) = (old.most, old.slow);
        let mut sums = sums.chunks_exact(targets);
        let mut add = |line: &mut Self, (cut, start): (f64, &[Place]), end: &[Place], guessed: bool| {
            line.cuts.push(cut);
            line.places.extend_from_slice(start);
            line.guessed.push(guessed);
            let each = sums.next().unwrap_or_default().iter().zip(start.iter().zip(end));
            line.missed.extend(each.map(|(&(sum, size), (a, b))| Miss {
                by: sum - (b.value - a.value),
                rounding: 8.0 * refinement.rounding * (a.value.abs() + b.value.abs() + size),
            }));
        };
        let of = |places: &[Place], k: usize| places[k * targets..][..targets].to_vec();
        if step.cut.is_empty() {
            for k in 0..step.pieces.len() {
                add(self, (step.places[k], &of(places, k)), &of(places, k + 1), false);
            }
            self.cuts.extend(step.places.last());
            self.places.extend(of(places, step.pieces.len()));
            return;
        }
        let mut cut = step.cut.iter().peekable();
        let mut first = 0;
        for k in 0..old.guessed.len() {
            let mut start = (old.cuts[k], of(&old.places, k));
            let Some((_, inner)) = cut.next_if(|c| c.0 == k) else {
                self.cuts.push(start.0);
                self.places.extend(start.1);
                self.guessed.push(old.guessed[k]);
                self.missed.extend_from_slice(&old.missed[k * targets..][..targets]);
                continue;
            };
            let guessed = *inner > 1;
            for p in first..first + inner {
                let end = of(places, p);
                add(self, (start.0, &start.1), &end, guessed);
                start = (step.places[p], end);
            }
            first += inner;
            add(self, (start.0, &start.1), &of(&old.places, k + 1), guessed);
        }
        self.cuts.extend(old.cuts.last());
        self.places.extend(of(&old.places, old.guessed.len()));
    }
}

/// Runs a method's sweep with each row's nodes where its line wants them. Gives the results, and how often the model ran for the row for
/// which it did most often.
///
/// A row's nodes depend on that row alone.
pub(crate) fn run(
    compiled: &Compiled,
    refinement: &Refinement,
    fed: &[Tensor],
    rows: usize,
    control: &Control<'_>,
) -> Result<(Vec<Tensor>, Evaluations)> {
    let mut most = Evaluations::default();
    let mut parts = Vec::new();
    let quiet = Control { progress: None, ..*control };
    for first in (0..rows.max(1)).step_by(ROWS) {
        let chunk: Vec<usize> = (first..rows.min(first + ROWS)).collect();
        let fed = rows_at(fed, rows, &chunk)?;
        let search = Search { compiled, refinement, fed: &fed, rows: chunk.len(), control: &quiet };
        let lines = search.lines()?;
        let n = refinement.piece.nodes().len();
        for line in &lines {
            let points = line.points + ((line.cuts.len() - 1) * n) as u64;
            most = most.max(Evaluations { forward: points + 2 * line.runs + 2, backward: points });
        }
        let cuts = lines.iter().map(|l| Cow::Borrowed(&l.cuts[..])).collect();
        let lines = Lines { cuts, piece: &refinement.piece };
        let views: Vec<View<'_>> = fed.iter().map(Tensor::view).collect();
        parts.push(compiled.sweep.run(&views, chunk.len(), Some(&lines), control)?);
    }
    let count = parts.first().map_or(0, Vec::len);
    let joined =
        (0..count).map(|i| crate::ragged::concatenated(&parts.iter().map(|p| &p[i]).collect::<Vec<_>>()));
    Ok((joined.collect::<Result<_>>()?, most))
}

/// The search for the lines of some rows.
struct Search<'a> {
    compiled: &'a Compiled,
    refinement: &'a Refinement,
    fed: &'a [Tensor],
    rows: usize,
    control: &'a Control<'a>,
}

impl Search<'_> {
    fn lines(&self) -> Result<Vec<Line>> {
        let targets = self.refinement.values.len();
        let mut lines: Vec<Line> = (0..self.rows).map(|_| Line::default()).collect();
        let mut steps: Vec<(usize, Step)> =
            (0..self.rows).map(|r| (r, Line::begin(self.refinement))).collect();
        while !steps.is_empty() {
            let each = |(row, step): &(usize, Step)| -> Vec<(usize, Vec<f64>)> {
                let places = step.places.iter().map(|p| (*row, vec![*p]));
                places.chain(step.pieces.iter().map(|p| (*row, p.to_vec()))).collect()
            };
            let items: Vec<(usize, Vec<f64>)> = steps.iter().flat_map(each).collect();
            let found = self.evaluate(&items)?;
            let mut rest = &found[..];
            for (row, step) in &steps {
                let (places, more) = rest.split_at(step.places.len() * targets);
                let (pieces, more) = more.split_at(step.pieces.len() * targets);
                // At a place of weight 1 the attributions sum to what the target gains along the line.
                let at = |p: &Found| Place { value: p.value, slope: p.sum };
                let places: Vec<Place> = places.iter().map(at).collect();
                let sums: Vec<(f64, f64)> = pieces.iter().map(|p| (p.sum, p.size)).collect();
                lines[*row].take(step, &places, &sums, self.refinement);
                rest = more;
            }
            let going = steps.iter().filter_map(|(row, _)| Some((*row, lines[*row].next(self.refinement)?)));
            steps = going.collect::<Vec<_>>();
        }
        Ok(lines)
    }

    /// For each place or piece of a row and each target what was found there.
    fn evaluate(&self, items: &[(usize, Vec<f64>)]) -> Result<Vec<Found>> {
        let compiled = self.compiled;
        let targets = self.refinement.values.len();
        let elements: usize = compiled.shapes.iter().map(|s| s.iter().product::<usize>()).sum();
        let fed: usize = self.fed.iter().map(|t| t.len() / self.rows.max(1)).sum();
        let bytes = 8 * (fed + elements * (targets + 1)).max(1);
        let together = (BYTES / bytes).clamp(16, 4096);
        let mut all = Vec::with_capacity(items.len() * targets);
        for items in items.chunks(together) {
            let rows: Vec<usize> = items.iter().map(|i| i.0).collect();
            let fed = rows_at(self.fed, self.rows, &rows)?;
            let views: Vec<View<'_>> = fed.iter().map(Tensor::view).collect();
            let cuts = items.iter().map(|i| Cow::Borrowed(&i.1[..])).collect();
            let lines = Lines { cuts, piece: &self.refinement.piece };
            let found = compiled.sweep.run(&views, items.len(), Some(&lines), self.control)?;
            for item in 0..items.len() {
                for t in 0..targets {
                    let (value, _) = sum_of_row(&found[self.refinement.values[t]], item, items.len());
                    let mut whole = Found { value, sum: 0.0, size: 0.0 };
                    for position in compiled.attributions.iter().filter_map(|list| list[t]) {
                        let (sum, size) = sum_of_row(&found[position], item, items.len());
                        whole.sum += sum;
                        whole.size += size;
                    }
                    all.push(whole);
                }
            }
        }
        Ok(all)
    }
}

/// What was found at a place or on a piece for a target.
struct Found {
    /// Its value, at a place.
    value: f64,
    /// The sum of attributions, on a piece, and that of their sizes.
    sum: f64,
    size: f64,
}

/// The sum of a row's elements, and that of their sizes.
fn sum_of_row(t: &Tensor, row: usize, rows: usize) -> (f64, f64) {
    fn sums(values: impl Iterator<Item = f64>) -> (f64, f64) {
        values.fold((0.0, 0.0), |(sum, size), v| (sum + v, size + v.abs()))
    }
    let each = t.len() / rows.max(1);
    let range = row * each..(row + 1) * each;
    match t.data() {
        Buffer::F32(v) => sums(v[range].iter().map(|&x| f64::from(x))),
        Buffer::F64(v) => sums(v[range].iter().copied()),
        _ => (0.0, 0.0),
    }
}

/// Some rows of tensors that have so many; what has no rows, as it is.
fn rows_at(tensors: &[Tensor], rows: usize, chosen: &[usize]) -> Result<Vec<Tensor>> {
    let of = |t: &Tensor| match t.shape().first() {
        Some(&n) if n == rows => rows_of_tensor(t, chosen),
        _ => Some(t.clone()),
    };
    let lost = || Error::Spec("a row has lost its elements".to_owned());
    tensors.iter().map(|t| of(t).ok_or_else(lost)).collect()
}

/// Some rows of a tensor, in the order given; `None` where it has no rows or too few.
pub(crate) fn rows_of_tensor(t: &Tensor, chosen: &[usize]) -> Option<Tensor> {
    let mut shape = t.shape().to_vec();
    let each: usize = shape.get(1..)?.iter().product();
    *shape.first_mut()? = chosen.len();
    each_type!(t.data(), Buffer, v => {
        let mut all = Vec::with_capacity(chosen.len() * each);
        for &row in chosen {
            all.extend_from_slice(v.get(row * each..(row + 1) * each)?);
        }
        Tensor::new(&shape, all)
    })
}
