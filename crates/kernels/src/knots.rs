//! A layer of Relu units at points along a line, and the products on both sides of it.
//!
//! At `start + t · difference` a unit lets its number through on one side of a single t, its knot. So what the next product gives is affine in t from
//! one knot to the next: each unit's weights are added once, where it begins or, going backwards, where it ceases; nothing is taken away again. And of
//! what comes back to a unit, the sum over points is one of the sums up to a point or from a point on, multiplied once. Both cost a product's
//! multiplications once or twice for each unit rather than at every point.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::Aligned;
use crate::lanes::{Lanes, Plain, WIDEST, turn, turned};
use crate::points::LANES;
use crate::real::Real;
use crate::scratch::Room;
use crate::vector::{by_instructions, for_widest, instructions};

/// A unit that changes.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// The first point where it lets its number through, or the last.
    point: u32,
    unit: u32,
}

/// At which points of a line the units of a Relu let their numbers through.
#[derive(Clone, Debug, Default)]
pub struct Knots {
    points: usize,
    /// Whether a unit's number is none: neither are the sums.
    unknown: bool,
    /// For each unit, the point from which on it does and the one from which on it does not; both zero where it never does.
    spans: Vec<[u32; 2]>,
    /// The units that do at all points.
    always: Vec<u32>,
    /// Those that begin at a later point than the first.
    begin: Vec<Change>,
    /// Those that do so up to an earlier point than the last.
    cease: Vec<Change>,
}

impl Knots {
    /// Finds the knots of the units at `start + at[p] · difference`, where `at` ascends.
    ///
    /// Panics where there are 2³² units or points.
    pub fn find<T: Real>(&mut self, start: &[T], difference: &[T], at: &[T]) {
        assert!(at.len().max(start.len()) < u32::MAX as usize, "too many units or points");
        self.points = at.len();
        self.unknown = false;
        self.spans.clear();
        if at.is_empty() {
            self.spans.resize(start.len(), [0; 2]);
        } else {
            find_spans(start, difference, at, &mut self.spans, &mut self.unknown);
        }
        self.list();
    }

    /// Lists the changes. Which units have one is as good as random: all are written down, and those that have none written over.
    fn list(&mut self) {
        let Self { points, spans, always, begin, cease, .. } = self;
        let (units, end) = (spans.len(), *points as u32);
        always.resize(units.max(always.len()), 0);
        begin.resize(units.max(begin.len()), Change::default());
        cease.resize(units.max(cease.len()), Change::default());
        let (mut in_all, mut begun, mut ceased) = (0, 0, 0);
        for (unit, &[on, off]) in spans.iter().enumerate() {
            let unit = unit as u32;
            always[in_all] = unit;
            in_all += usize::from(on == 0) & usize::from(off == end);
            begin[begun] = Change { point: on, unit };
            begun += usize::from(on != 0);
            cease[ceased] = Change { point: off.wrapping_sub(1), unit };
            ceased += usize::from(on == 0) & usize::from(off != 0) & usize::from(off != end);
        }
        always.truncate(if end == 0 { 0 } else { in_all });
        begin.truncate(begun);
        cease.truncate(ceased);
    }
}

for_widest! {
    /// Adds the spans of all units at points that ascend.
    fn find_spans<T: Real>(start: &[T], difference: &[T], at: &[T], spans: &mut Vec<[u32; 2]>, unknown: &mut bool) {
        let end = at.len() as u32;
        let (low, high) = (at[0], at[at.len() - 1]);
        let (mut s, mut d) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        for (start, difference) in start.chunks(LANES).zip(difference.chunks(LANES)) {
            s[..start.len()].copy_from_slice(start);
            d[..start.len()].copy_from_slice(difference);
            let mut broken = false;
            for l in 0..start.len() {
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
                found[l] = [on, on + count[l]];
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
        let fits = units.checked_mul(others).is_some_and(|size| size <= matrix.len());
        assert!(fits, "a slice is shorter than its matrix");
        let padded = others.next_multiple_of(LANES);
        let mut weights = Aligned::zeros(units * padded);
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
        self.padded * points
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
    /// What each point adds.
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
    let across = left.checked_add(points.len()).is_some_and(|end| end <= *width);
    let down = weights.others.checked_mul(*width).is_some_and(|size| size <= len);
    assert!(across && down, "a slice is shorter than its matrix");
    assert!(knots.spans.len() == weights.units, "weights of other units");
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
    // What changes at each point in the sums' two parts, a + b · t, by what begins there; and by what goes on up to there.
    let each = 2 * across;
    let mut begin: Room<V::Item> = Room::new(knots.points.max(1) * each);
    let mut cease: Room<V::Item> = Room::new(knots.points.max(1) * each);
    begin.fill(V::Item::ZERO);
    cease.fill(V::Item::ZERO);
    if let Some(bias) = bias.and_then(|b| b.get(top..)) {
        begin.iter_mut().take(across).zip(bias).for_each(|(a, bias)| *a = *bias);
    }
    if knots.unknown {
        begin[..across].fill(V::Item::of(f64::NAN));
    }
    let mut block: Room<V::Item> = Room::new(V::COUNT * across);
    // SAFETY: `top + across` is at most as many weights as each unit has; that there are so many units was checked. The two rooms have a step for each point. The
    // block has room for COUNT points. The places in rows of `out`, from which on as many numbers have room as a segment has
    // points, were checked. Only functions that are compiled for the instructions inline this.
    unsafe {
        let (begin, cease) = (begin.as_mut_ptr(), cease.as_mut_ptr());
        let mut line = Affine::<V, R>::load(begin);
        for unit in knots.always.iter().map(|unit| *unit as usize) {
            line.add(weights, top, unit, (start[unit], difference[unit]));
        }
        line.store(begin);
        for (steps, changes) in [(begin, &knots.begin), (cease, &knots.cease)] {
            for change in changes {
                let unit = change.unit as usize;
                let at = steps.add(change.point as usize * each);
                let mut step = Affine::<V, R>::load(at);
                step.add(weights, top, unit, (start[unit], difference[unit]));
                step.store(at);
            }
        }
        let mut line = Affine::<V, R>::zero();
        for point in (points.start..knots.points).rev() {
            let at = cease.add(point * each);
            line.plus(Affine::load(at));
            line.store(at);
        }
        let mut line = Affine::<V, R>::zero();
        let mut point = 0;
        while point < points.end {
            let written = point >= points.start;
            let next = if written { points.end.min(point + V::COUNT) } else { points.start };
            for p in point..next {
                line.plus(Affine::load(begin.add(p * each)));
                if written {
                    let t = V::splat(at[p]);
                    let mut here = line;
                    here.plus(Affine::load(cease.add(p * each)));
                    for r in 0..R {
                        let to = block.as_mut_ptr().add((r * V::COUNT + p - point) * V::COUNT);
                        here.b[r].multiply_add(t, here.a[r]).store(to);
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

    #[inline(always)]
    unsafe fn plus(&mut self, other: Self) {
        // SAFETY: the caller's.
        unsafe {
            for r in 0..R {
                self.a[r] = self.a[r].add(other.a[r]);
                self.b[r] = self.b[r].add(other.b[r]);
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
    for first in points.clone().step_by(V::COUNT) {
        let count = V::COUNT.min(points.end - first);
        let (column, factors) = (left + first - points.start, &factors[first - points.start..][..count]);
        for top in (0..padded).step_by(V::COUNT) {
            // SAFETY: `count` numbers from `column` on are in each row of `x`, of which there are `others`; the state has `padded` numbers for each
            // point. Only functions that are compiled for the instructions inline this.
            unsafe {
                let rows = V::COUNT.min(weights.others.saturating_sub(top));
                let from = x.as_ptr().wrapping_add(top * width + column);
                let square = turned::<V>(from, *width, (rows, count));
                for ((i, v), factor) in square.into_iter().enumerate().zip(factors) {
                    let to = state.as_mut_ptr().add((first + i) * padded + top);
                    v.multiply_add(V::splat(*factor), V::splat(V::Item::ZERO)).store(to);
                }
            }
        }
    }
    if points.end < knots.points {
        return;
    }
    let scans = Scans::new::<V>(state, padded, knots.points);
    for (first, spans) in (0..weights.units).step_by(V::COUNT).zip(knots.spans.chunks(V::COUNT)) {
        let products = products::<V>(spans, weights, first, &scans);
        sums[first..first + spans.len()].copy_from_slice(&products[..spans.len()]);
    }
}

/// The sums of what each point adds.
struct Scans<T: Real> {
    /// Before each point, and at the end.
    before: Room<T>,
    /// From each point on.
    from: Room<T>,
}

impl<T: Real> Scans<T> {
    #[inline(always)]
    fn new<V: Lanes<Item = T>>(parts: &[T], padded: usize, points: usize) -> Self {
        let mut scans =
            Self { before: Room::new((points + 1) * padded), from: Room::new((points + 1) * padded) };
        for top in (0..padded).step_by(V::COUNT) {
            // SAFETY: the parts have `padded` numbers for each point, which was checked, and the rooms also for the end. Only functions that are compiled for
            // the instructions inline this.
            unsafe {
                let (parts, before) = (parts.as_ptr().add(top), scans.before.as_mut_ptr().add(top));
                let from = scans.from.as_mut_ptr().add(top);
                let (mut up_to, mut behind) = (V::splat(T::ZERO), V::splat(T::ZERO));
                up_to.store(before);
                behind.store(from.add(points * padded));
                for (point, last) in (0..points).zip((0..points).rev()) {
                    up_to = up_to.add(V::load(parts.add(point * padded)));
                    up_to.store(before.add((point + 1) * padded));
                    behind = behind.add(V::load(parts.add(last * padded)));
                    behind.store(from.add(last * padded));
                }
            }
        }
        scans
    }

    /// The sum over a span, which begins with the first point or ends with the last.
    #[inline(always)]
    fn over(&self, [on, off]: [u32; 2], padded: usize) -> &[T] {
        let (scan, at) = if on > 0 { (&self.from, on) } else { (&self.before, off) };
        &scan[at as usize * padded..][..padded]
    }
}

/// For up to COUNT units from `first` on the products of their weights with the sums over their spans.
#[inline(always)]
fn products<V: Lanes>(
    spans: &[[u32; 2]],
    weights: &ByUnit<V::Item>,
    first: usize,
    scans: &Scans<V::Item>,
) -> [V::Item; WIDEST] {
    let padded = weights.padded;
    let mut found = [V::Item::ZERO; WIDEST];
    // SAFETY: each unit has `padded` weights, a multiple of LANES, which is one of COUNT, and each sum as many numbers. Only functions that are compiled for
    // the instructions inline this.
    unsafe {
        let mut lanes = [V::splat(V::Item::ZERO); WIDEST];
        for ((i, span), lane) in spans.iter().enumerate().zip(&mut lanes) {
            let sum = scans.over(*span, padded).as_ptr();
            let of_unit = weights.weights[(first + i) * padded..][..padded].as_ptr();
            let mut chains = [V::splat(V::Item::ZERO); WIDEST];
            for first in (0..padded).step_by(LANES) {
                for (c, chain) in chains.iter_mut().enumerate().take(LANES / V::COUNT) {
                    let at = first + c * V::COUNT;
                    *chain = V::load(of_unit.add(at)).multiply_add(V::load(sum.add(at)), *chain);
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
        // Equal points, and both ends.
        let mixed = [vec![0.0; 2], even(19), vec![1.0; 4]].concat();
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
    fn large_numbers_leave_nothing_behind() {
        // One unit is large where it begins and gone at the end; one comes back with what is infinite at the first point.
        let (start, difference, at) = ([1e6f32, 0.1, -0.5], [-2e6f32, 0.3, 1.0], [0.25f32, 0.75, 1.0]);
        let mut knots = Knots::default();
        knots.find(&start, &difference, &at);
        let weights = ByUnit::new(&[1.0f32; 3], (3, 1), true, 1.0);
        let segment = Segment { points: 0..3, width: 3, left: 0 };
        let mut out = [0.0f32; 3];
        values(&knots, (&start, &difference), &at, (&weights, None), &segment, &mut out);
        for (found, want) in out[1..].iter().zip([0.1 + 0.75 * 0.3 + 0.25, 0.1 + 0.3 + 0.5]) {
            assert!((found - want).abs() < 1e-6, "{found} and {want}");
        }
        let (mut state, mut sums) = (vec![0.0; weights.state(3)], [0.0; 3]);
        let x = [f32::INFINITY, 1e-3, 2e-3];
        sum_products(&knots, &weights, (&x, &[1.0; 3]), &segment, &mut state, &mut sums);
        assert_eq!(sums, [f32::INFINITY, f32::INFINITY, 1e-3 + 2e-3]);
        let x = [1e6, 1e-3, 2e-3];
        sum_products(&knots, &weights, (&x, &[1.0; 3]), &segment, &mut state, &mut sums);
        assert_eq!(sums[2], 1e-3 + 2e-3);
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
