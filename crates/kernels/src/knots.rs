//! A layer of Relu units at points along a line, and the products on both sides of it.
//!
//! At `start + t · difference` a unit lets its number through on one side of a single t, its knot. So what the next product gives is affine in t from
//! one knot to the next, and is carried along by adding a unit's weights to it or taking them away; and of what comes back to a unit, the sum over
//! points is a difference between two running sums, multiplied once. Each costs a product's multiplications for the units that change, rather than
//! for all units at every point.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::Aligned;
use crate::lanes::{Lanes, Plain, WIDEST, turn, turned};
use crate::points::LANES;
use crate::real::Real;
use crate::scratch::Room;
use crate::vector::{by_instructions, for_widest, instructions};

/// A unit that begins or ceases to let its number through.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    point: u32,
    unit: u32,
    begins: bool,
}

/// At which points of a line the units of a Relu let their numbers through.
#[derive(Clone, Debug, Default)]
pub struct Knots {
    units: usize,
    points: usize,
    /// Whether a unit's number is none: neither are the sums.
    unknown: bool,
    /// For each unit, and each run of points that ascend, the point from which on it does and the one from which on it does not. Both are the first of the
    /// run where it never does.
    spans: Vec<[u32; 2]>,
    /// The units that do from the first point on.
    first: Vec<u32>,
    /// What changes at later points; what is left at the end is not listed.
    changes: Vec<Change>,
}

impl Knots {
    /// Finds the knots of the units at `start + at[p] · difference`. Points should ascend: each run of points that do is gone through for itself.
    ///
    /// Panics where there are 2³² units or points.
    pub fn find<T: Real>(&mut self, start: &[T], difference: &[T], at: &[T]) {
        assert!(at.len().max(start.len()) < u32::MAX as usize, "too many units or points");
        (self.units, self.points) = (start.len(), at.len());
        self.unknown = false;
        self.spans.clear();
        let mut first = 0;
        for run in at.chunk_by(|a, b| a <= b) {
            find_spans(start, difference, (run, first), &mut self.spans, &mut self.unknown);
            first += run.len() as u32;
        }
        self.list();
    }

    /// Lists the changes.
    fn list(&mut self) {
        let Self { units, points, spans, first, changes, .. } = self;
        let end = *points as u32;
        if spans.len() == *units {
            // Each unit changes once at most, and whether it does is as good as random: all are written down, and those that do not written over.
            first.resize((*units).max(first.len()), 0);
            changes.resize((*units).max(changes.len()), Change::default());
            let (mut firsts, mut others) = (0, 0);
            for (unit, &[on, off]) in spans.iter().enumerate() {
                let unit = unit as u32;
                first[firsts] = unit;
                firsts += usize::from(on == 0) & usize::from(off != 0);
                let point = if on == 0 { off } else { on };
                changes[others] = Change { point, unit, begins: on != 0 };
                others += usize::from(point != 0) & usize::from(point != end);
            }
            first.truncate(firsts);
            changes.truncate(others);
            return;
        }
        first.clear();
        changes.clear();
        for spans in spans.chunks_exact((*units).max(1)) {
            for (unit, &[on, off]) in spans.iter().enumerate().filter(|(_, [on, off])| on < off) {
                let unit = unit as u32;
                if on == 0 {
                    first.push(unit);
                } else {
                    changes.push(Change { point: on, unit, begins: true });
                }
                if off < end {
                    changes.push(Change { point: off, unit, begins: false });
                }
            }
        }
    }
}

for_widest! {
    /// Adds the spans of all units in a run of points.
    fn find_spans<T: Real>(start: &[T], difference: &[T], run: (&[T], u32), spans: &mut Vec<[u32; 2]>, unknown: &mut bool) {
        let (at, first) = run;
        let end = at.len() as u32;
        let (low, high) = (at[0], at[at.len() - 1]);
        let (mut s, mut d) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        for (start, difference) in start.chunks(LANES).zip(difference.chunks(LANES)) {
            s[..start.len()].copy_from_slice(start);
            d[..start.len()].copy_from_slice(difference);
            let mut broken = false;
            for l in 0..LANES {
                broken |= (s[l] + low * d[l]).is_nan() | (s[l] + high * d[l]).is_nan();
            }
            *unknown |= broken;
            let mut count = [0; LANES];
            for at in at {
                for l in 0..LANES {
                    count[l] += u32::from(*at * d[l] > -s[l]);
                }
            }
            let mut found = [[0; 2]; LANES];
            for l in 0..LANES {
                let on = if d[l] > T::ZERO && count[l] > 0 { end - count[l] } else { 0 };
                found[l] = [first + on, first + on + count[l]];
            }
            spans.extend_from_slice(&found[..start.len()]);
        }
    }
}

/// The weights of a product, those of each unit side by side.
#[derive(Clone, Debug)]
pub struct ByUnit<T> {
    units: usize,
    others: usize,
    /// Of each unit `padded` ones, so that they fill registers.
    weights: Aligned<T>,
    padded: usize,
}

impl<T: Real> ByUnit<T> {
    /// Lays out `scale` times a matrix of a row for each unit, or of a column where `transposed` says so. Panics where the slice is too short.
    pub fn new(matrix: &[T], (units, others): (usize, usize), transposed: bool, scale: T) -> Self {
        assert!(units * others <= matrix.len(), "a slice is shorter than its matrix");
        let padded = others.next_multiple_of(LANES);
        let mut weights = Aligned::from_iter(0, std::iter::repeat_n(T::ZERO, units * padded));
        for (unit, weights) in weights.chunks_exact_mut(padded.max(1)).enumerate() {
            for (i, w) in weights[..others].iter_mut().enumerate() {
                *w = scale * if transposed { matrix[i * units + unit] } else { matrix[unit * others + i] };
            }
        }
        Self { units, others, weights, padded }
    }

    /// The number of units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// How many numbers the sum over so many points needs from one segment to the next.
    pub fn state(&self, points: usize) -> usize {
        self.padded * (points + 1)
    }
}

/// Points of a line that stand beside each other, and where: from `left` on in rows of `width` numbers.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Which of the points that the knots were found for.
    pub points: Range<usize>,
    /// How long a row is.
    pub width: usize,
    /// Where in a row the first of them stands.
    pub left: usize,
}

/// A product's values that are asked for.
struct Values<'a, T> {
    knots: &'a Knots,
    line: (&'a [T], &'a [T]),
    at: &'a [T],
    weights: &'a ByUnit<T>,
    bias: Option<&'a [T]>,
    segment: &'a Segment,
    out: &'a mut [T],
}

/// A sum over points that goes on.
struct Sums<'a, T> {
    knots: &'a Knots,
    weights: &'a ByUnit<T>,
    x: &'a [T],
    factors: &'a [T],
    segment: &'a Segment,
    /// The running sums before each point, and at the end.
    state: &'a mut [T],
    sums: &'a mut [T],
}

/// `weights · max(start + at[p] · difference, 0) + bias` for the points of a segment, which stand in columns of `out`.
///
/// Panics where a slice is too short for what the others say.
pub fn values<T: Real>(
    knots: &Knots,
    line: (&[T], &[T]),
    at: &[T],
    (weights, bias): (&ByUnit<T>, Option<&[T]>),
    segment: &Segment,
    out: &mut [T],
) {
    check(knots, weights, segment, out.len());
    assert!(line.0.len().min(line.1.len()) >= weights.units, "a unit lacks its line");
    assert!(at.len() == knots.points, "a point lacks its number");
    assert!(bias.is_none_or(|b| b.len() >= weights.others), "a bias is too short");
    let work = &mut Values { knots, line, at, weights, bias, segment, out };
    by_instructions!(instructions(), values_avx512(work), values_avx2(work), values_with::<Plain<T>>(work));
}

/// Adds up, for each unit, its weights' products with the columns of `x` at the points where the unit lets its number through, each times its factor.
/// Segments come in order; `state` holds what goes on from one to the next, and the one with the last point writes the sums.
///
/// Panics where a slice is too short for what the others say.
pub fn sum_products<T: Real>(
    knots: &Knots,
    weights: &ByUnit<T>,
    (x, factors): (&[T], &[T]),
    segment: &Segment,
    state: &mut [T],
    sums: &mut [T],
) {
    check(knots, weights, segment, x.len());
    let lacks = state.len() < weights.state(knots.points) || sums.len() < weights.units;
    assert!(!lacks && factors.len() == segment.points.len(), "a sum lacks numbers");
    let work = &mut Sums { knots, weights, x, factors, segment, state, sums };
    by_instructions!(instructions(), sums_avx512(work), sums_avx2(work), sums_with::<Plain<T>>(work));
}

fn check<T: Real>(knots: &Knots, weights: &ByUnit<T>, segment: &Segment, len: usize) {
    let Segment { points, width, left } = segment;
    assert!(points.start <= points.end && points.end <= knots.points, "points without knots");
    assert!(
        left + points.len() <= *width && weights.others * width <= len,
        "a slice is shorter than its matrix"
    );
    assert!(knots.units == weights.units, "weights of other units");
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn values_avx512<T: Real>(work: &mut Values<'_, T>) {
    values_with::<T::Avx512>(work);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn values_avx2<T: Real>(work: &mut Values<'_, T>) {
    values_with::<T::Avx2>(work);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn sums_avx512<T: Real>(work: &mut Sums<'_, T>) {
    sums_with::<T::Avx512>(work);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn sums_avx2<T: Real>(work: &mut Sums<'_, T>) {
    sums_with::<T::Avx2>(work);
}

#[inline(always)]
fn values_with<V: Lanes>(work: &mut Values<'_, V::Item>) {
    let padded = work.weights.padded;
    let mut top = 0;
    while top < padded {
        top += match (padded - top) / V::COUNT {
            1 => outputs::<V, 1>(work, top),
            2 | 3 => outputs::<V, 2>(work, top),
            _ => outputs::<V, 4>(work, top),
        };
    }
}

/// The values of `R` registers of outputs from `top` on; gives their number.
#[inline(always)]
fn outputs<V: Lanes, const R: usize>(work: &mut Values<'_, V::Item>, top: usize) -> usize {
    let Values { knots, line: (start, difference), at, weights, bias, segment, out } = work;
    let Segment { points, width, left } = segment;
    let across = R * V::COUNT;
    // What changes at each point, and at the end, in the sums' two parts: a + b · t.
    let mut steps: Room<V::Item> = Room::new((knots.points + 1) * 2 * across);
    steps.fill(V::Item::ZERO);
    if let Some(bias) = bias.and_then(|b| b.get(top..)) {
        steps.iter_mut().take(across).zip(bias).for_each(|(a, bias)| *a = *bias);
    }
    if knots.unknown {
        steps[..across].fill(V::Item::of(f64::NAN));
    }
    let mut block: Room<V::Item> = Room::new(V::COUNT * across);
    // SAFETY: `top + across` is at most as many weights as each unit has; that there are so many units was checked. Of points there are steps for
    // each and one behind them, and spans end there. The block has room for COUNT points. The places in rows of `out`, from which on as many numbers have room
    // as a segment has points, were checked. Only functions that are compiled for the instructions inline this.
    unsafe {
        let steps = steps.as_mut_ptr();
        // Most begin with the first point; they would wait for each other in memory.
        let mut line = Affine::<V, R>::load(steps);
        for unit in knots.first.iter().map(|unit| *unit as usize) {
            line.add(weights, top, unit, (start[unit], difference[unit]));
        }
        line.store(steps);
        for change in &knots.changes {
            let unit = change.unit as usize;
            let sign = if change.begins { V::Item::ONE } else { -V::Item::ONE };
            let at = steps.add(change.point as usize * 2 * across);
            let mut step = Affine::<V, R>::load(at);
            step.add(weights, top, unit, (sign * start[unit], sign * difference[unit]));
            step.store(at);
        }
        let mut line = Affine::<V, R>::zero();
        let mut point = 0;
        while point < points.end {
            let written = point >= points.start;
            let next = if written { points.end.min(point + V::COUNT) } else { points.start };
            for p in point..next {
                let step = Affine::<V, R>::load(steps.add(p * 2 * across));
                let t = V::splat(at[p]);
                for r in 0..R {
                    line.a[r] = line.a[r].add(step.a[r]);
                    line.b[r] = line.b[r].add(step.b[r]);
                    if written {
                        let to = block.as_mut_ptr().add((r * V::COUNT + p - point) * V::COUNT);
                        line.b[r].multiply_add(t, line.a[r]).store(to);
                    }
                }
            }
            let column = left + point - points.start.min(point);
            for r in 0..if written { R } else { 0 } {
                let from = block.as_ptr().add(r * V::COUNT * V::COUNT);
                let square = turned::<V>(from, V::COUNT, (V::COUNT, V::COUNT));
                let first = top + r * V::COUNT;
                let rows = V::COUNT.min(weights.others.saturating_sub(first));
                for (i, v) in square.into_iter().enumerate().take(rows) {
                    v.store_first(out.as_mut_ptr().add((first + i) * width + column), next - point);
                }
            }
            point = next;
        }
    }
    across
}

/// `R` registers of sums that are affine along the line: `a + b · t`.
#[derive(Clone, Copy)]
struct Affine<V, const R: usize> {
    a: [V; R],
    b: [V; R],
}

/// # Safety
///
/// As [`Lanes`] has it; where a pointer is given, there are `2 · R` registers of numbers.
impl<V: Lanes, const R: usize> Affine<V, R> {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's.
        let zero = unsafe { [V::splat(V::Item::ZERO); R] };
        Self { a: zero, b: zero }
    }

    #[inline(always)]
    unsafe fn load(from: *const V::Item) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let mut found = Self::zero();
            for r in 0..R {
                found.a[r] = V::load(from.add(r * V::COUNT));
                found.b[r] = V::load(from.add((R + r) * V::COUNT));
            }
            found
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut V::Item) {
        // SAFETY: the caller's.
        unsafe {
            for r in 0..R {
                self.a[r].store(to.add(r * V::COUNT));
                self.b[r].store(to.add((R + r) * V::COUNT));
            }
        }
    }

    /// Adds a unit's weights from `top` on, times its start and its difference.
    #[inline(always)]
    unsafe fn add(&mut self, weights: &ByUnit<V::Item>, top: usize, unit: usize, part: (V::Item, V::Item)) {
        // SAFETY: the caller's, who says that the unit has `R` registers of weights from `top` on.
        unsafe {
            let of_unit = weights.weights.as_ptr().add(unit * weights.padded + top);
            let (s, d) = (V::splat(part.0), V::splat(part.1));
            for r in 0..R {
                let w = V::load(of_unit.add(r * V::COUNT));
                self.a[r] = w.multiply_add(s, self.a[r]);
                self.b[r] = w.multiply_add(d, self.b[r]);
            }
        }
    }
}

#[inline(always)]
fn sums_with<V: Lanes>(work: &mut Sums<'_, V::Item>) {
    let Sums { knots, weights, x, factors, segment, state, sums } = work;
    let Segment { points, width, left } = segment;
    let padded = weights.padded;
    if points.start == 0 {
        state[..padded].fill(V::Item::ZERO);
    }
    for first in points.clone().step_by(V::COUNT) {
        let count = V::COUNT.min(points.end - first);
        let (column, factors) = (left + first - points.start, &factors[first - points.start..][..count]);
        for top in (0..padded).step_by(V::COUNT) {
            // SAFETY: `count` numbers from `column` on are in each row of `x`, of which there are `others`; the state has `padded` numbers for each
            // point and for the end. Only functions that are compiled for the instructions inline this.
            unsafe {
                let rows = V::COUNT.min(weights.others.saturating_sub(top));
                let from = x.as_ptr().wrapping_add(top * width + column);
                let square = turned::<V>(from, *width, (rows, count));
                let at = state.as_mut_ptr().add(first * padded + top);
                let mut sum = V::load(at);
                for ((i, v), factor) in square.into_iter().enumerate().zip(factors) {
                    sum = v.multiply_add(V::splat(*factor), sum);
                    sum.store(at.add((i + 1) * padded));
                }
            }
        }
    }
    if points.end < knots.points {
        return;
    }
    for (run, spans) in knots.spans.chunks_exact(weights.units.max(1)).enumerate() {
        for (first, spans) in (0..weights.units).step_by(V::COUNT).zip(spans.chunks(V::COUNT)) {
            let products = products::<V>(spans, weights, first, state);
            for (sum, product) in sums[first..].iter_mut().zip(products).take(spans.len()) {
                *sum = if run == 0 { product } else { *sum + product };
            }
        }
    }
    if knots.points == 0 {
        sums[..weights.units].fill(V::Item::ZERO);
    }
}

/// For up to COUNT units from `first` on the products of their weights with what the running sums grow by in their spans.
#[inline(always)]
fn products<V: Lanes>(
    spans: &[[u32; 2]],
    weights: &ByUnit<V::Item>,
    first: usize,
    running: &[V::Item],
) -> [V::Item; WIDEST] {
    let padded = weights.padded;
    let mut found = [V::Item::ZERO; WIDEST];
    // SAFETY: each unit has `padded` weights, a multiple of LANES, which is one of COUNT, and each point and the end, where spans end, as many running sums.
    // Only functions that are compiled for the instructions inline this.
    unsafe {
        let mut lanes = [V::splat(V::Item::ZERO); WIDEST];
        for ((i, span), lane) in spans.iter().enumerate().zip(&mut lanes) {
            let [on, off] = span.map(|point| running.as_ptr().add(point as usize * padded));
            let of_unit = weights.weights.as_ptr().add((first + i) * padded);
            let mut chains = [V::splat(V::Item::ZERO); WIDEST];
            for first in (0..padded).step_by(LANES) {
                for (c, chain) in chains.iter_mut().enumerate().take(LANES / V::COUNT) {
                    let at = first + c * V::COUNT;
                    let grown = V::load(off.add(at)).subtract(V::load(on.add(at)));
                    *chain = V::load(of_unit.add(at)).multiply_add(grown, *chain);
                }
            }
            halved(&mut chains, LANES / V::COUNT, 1);
            *lane = chains[0];
        }
        turn(&mut lanes);
        halved(&mut lanes, V::COUNT, 4);
        lanes[0].add(lanes[2]).add(lanes[1].add(lanes[3])).store(found.as_mut_ptr());
    }
    found
}

/// Adds the second half of the first `from` registers to the first, until `to` are left.
///
/// # Safety
///
/// As [`Lanes`] has it.
#[inline(always)]
unsafe fn halved<V: Lanes>(v: &mut [V; WIDEST], from: usize, to: usize) {
    let mut half = from / 2;
    while half >= to {
        for i in 0..half {
            // SAFETY: the caller's.
            v[i] = unsafe { v[i].add(v[i + half]) };
        }
        half /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 504.5 - 1.0).collect()
    }

    /// Values and sums by knots, with the points cut where `cuts` says.
    fn by_knots<T: Real>(case: &Case<T>, cuts: &[usize]) -> (Vec<T>, Vec<T>) {
        let Case { units, others, start, difference, at, matrix, bias, x, factors } = case;
        let mut knots = Knots::default();
        knots.find(start, difference, at);
        let weights = ByUnit::new(matrix, (*units, *others), true, T::ONE);
        let width = at.len() + 5;
        let mut out = vec![T::of(77.0); others * width];
        let mut state = vec![T::of(33.0); weights.state(at.len())];
        let mut sums = vec![T::of(44.0); *units];
        for pair in cuts.windows(2) {
            let segment = Segment { points: pair[0]..pair[1], width, left: 3 + pair[0] };
            values(&knots, (start, difference), at, (&weights, Some(bias)), &segment, &mut out);
            let factors = &factors[pair[0]..pair[1]];
            sum_products(&knots, &weights, (x, factors), &segment, &mut state, &mut sums);
        }
        (out, sums)
    }

    struct Case<T> {
        units: usize,
        others: usize,
        start: Vec<T>,
        difference: Vec<T>,
        at: Vec<T>,
        /// A row for each of the others.
        matrix: Vec<T>,
        bias: Vec<T>,
        /// Rows of five more than the points, of which three stand before them.
        x: Vec<T>,
        factors: Vec<T>,
    }

    fn case<T: Real>(units: usize, others: usize, at: &[f64]) -> Case<T> {
        let of = |v: Vec<f64>| v.into_iter().map(T::of).collect::<Vec<T>>();
        let mut start = numbers(units, 1);
        // A unit that is zero throughout.
        start.iter_mut().take(1).for_each(|v| *v = 0.0);
        let mut difference = numbers(units, 2);
        difference.iter_mut().take(1).for_each(|v| *v = 0.0);
        Case {
            units,
            others,
            start: of(start),
            difference: of(difference),
            at: of(at.to_vec()),
            matrix: of(numbers(units * others, 3)),
            bias: of(numbers(others, 4)),
            x: of(numbers(others * (at.len() + 5), 5)),
            factors: of(numbers(at.len(), 6)),
        }
    }

    impl<T: Real> Case<T> {
        fn unit(&self, unit: usize, p: usize) -> f64 {
            // As the kernel rounds it, so that both agree on which side of its knot a point lies.
            (self.start[unit] + self.at[p] * self.difference[unit]).wide()
        }

        /// The same, point by point in 64 bits.
        fn by_points(&self) -> (Vec<f64>, Vec<f64>) {
            let width = self.at.len() + 5;
            let weight = |other: usize, unit: usize| self.matrix[other * self.units + unit].wide();
            let mut out = vec![77.0; self.others * width];
            let mut sums = vec![0.0; self.units];
            for p in 0..self.at.len() {
                for other in 0..self.others {
                    let products = (0..self.units).map(|u| weight(other, u) * self.unit(u, p).max(0.0));
                    out[other * width + 3 + p] = self.bias[other].wide() + products.sum::<f64>();
                }
                for (unit, sum) in sums.iter_mut().enumerate().filter(|(u, _)| self.unit(*u, p) > 0.0) {
                    let back = (0..self.others).map(|o| weight(o, unit) * self.x[o * width + 3 + p].wide());
                    *sum += self.factors[p].wide() * back.sum::<f64>();
                }
            }
            (out, sums)
        }
    }

    fn held<T: Real + PartialEq>(tolerance: f64) {
        let even = |n: usize| (0..n).map(|p| (p as f64 + 0.5) / n as f64).collect::<Vec<f64>>();
        // Points that do not ascend, and equal ones.
        let mixed = [even(9), even(20), vec![0.3; 4]].concat();
        for (units, others, at) in [
            (80, 30, even(50)),
            (10, 3, even(64)),
            (7, 1, even(1)),
            (33, 100, even(17)),
            (5, 16, mixed.clone()),
            (20, 33, mixed),
        ] {
            let case = case::<T>(units, others, &at);
            let (out, sums) = by_knots(&case, &[0, at.len()]);
            let (want_out, want_sums) = case.by_points();
            for (found, want) in out.iter().zip(want_out).chain(sums.iter().zip(want_sums)) {
                let error = (found.wide() - want).abs();
                assert!(error < tolerance, "{units} and {others}: {} and {want}", found.wide());
            }
            let cut = by_knots(&case, &[0, at.len() / 3, at.len() / 2, at.len()]);
            assert!(cut == (out, sums), "{units} and {others}: other bits when cut");
        }
    }

    #[test]
    fn values_and_sums_are_those_of_each_point() {
        held::<f32>(2e-5);
        held::<f64>(1e-12);
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for broken in [0, 1] {
            let mut case = case::<f32>(20, 4, &[0.1, 0.2, 0.9]);
            if broken == 0 {
                case.start[3] = f32::NAN;
            } else {
                case.difference[3] = f32::NAN;
            }
            let (out, sums) = by_knots(&case, &[0, 3]);
            for other in 0..4 {
                assert!(out[other * 8 + 3..other * 8 + 6].iter().all(|v| v.is_nan()));
            }
            assert!(sums[3] == 0.0 && sums.iter().all(|v| v.is_finite()));
        }
    }
}
