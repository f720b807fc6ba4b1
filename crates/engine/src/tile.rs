//! One tile of points: what its inputs are fed and where its outputs are added.

use std::ops::Range;

use pellucid_graph::tensor::Element;
use pellucid_graph::{Buffer, Slice, SliceMut};
use pellucid_kernels::knots::Knots;
use pellucid_kernels::{Real, broadcast, points};

use crate::hinge::Behind;
use crate::stage::{Layout, Stage};
use crate::sweep::GROUP_IN_COLUMNS;

/// One group of a row's points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// The row, counted in its block.
    pub(crate) local: usize,
    /// Its first point, counted in the row.
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Group {
    /// Its points, as numbers in the row.
    pub(crate) fn points(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// Neighbouring points of a group that stand in a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) group: Group,
    /// The first of them, counted in the group.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Where they begin in the tile.
    pub(crate) place: usize,
}

impl Segment {
    /// Whether the group ends with it.
    pub(crate) fn ends(&self) -> bool {
        self.first + self.count == self.group.count
    }

    /// Its points, as numbers in the row.
    pub(crate) fn numbers(&self) -> Range<usize> {
        let first = self.group.first + self.first;
        first..first + self.count
    }

    /// Its points, each as its place in the tile and its number in the row.
    pub(crate) fn points(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        (self.place..).zip(self.numbers())
    }
}

/// Hands out the points of groups tile by tile. A group is cut only where its sum's chains begin anew, if the tile has room for that.
pub(crate) struct Filler<'a> {
    groups: &'a [Group],
    group: usize,
    point: usize,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(groups: &'a [Group]) -> Self {
        Self { groups, group: 0, point: 0 }
    }

    /// The segments of the next tile of at most `size` points; none when all are done.
    pub(crate) fn fill(&mut self, size: usize, segments: &mut Vec<Segment>) {
        segments.clear();
        let mut place = 0;
        while let Some(&group) = self.groups.get(self.group) {
            let (rest, room) = (group.count - self.point, size - place);
            let mut count = rest.min(room);
            if count < rest && size >= points::LANES {
                count -= count % points::LANES;
            }
            if count == 0 {
                return;
            }
            segments.push(Segment { group, first: self.point, count, place });
            place += count;
            self.point += count;
            if self.point == group.count {
                (self.group, self.point) = (self.group + 1, 0);
            }
        }
    }
}

/// Writes the values of a line at a segment's points: the start plus each number times the difference.
pub(crate) fn feed_line(
    (start, start_is): (Slice<'_>, Layout),
    (difference, difference_is): (Slice<'_>, Layout),
    row: usize,
    at: &[f64],
    segment: &Segment,
    (to, to_is): (SliceMut<'_>, Layout),
) {
    fn go<T: Real>(
        (start, start_is): (&[T], Layout),
        (difference, difference_is): (&[T], Layout),
        row: usize,
        at: &[f64],
        segment: &Segment,
        (to, to_is): (&mut [T], Layout),
    ) {
        let (mut starts, mut differences) = (Vec::new(), Vec::new());
        let start = record(start, start_is, row, &mut starts);
        let difference = record(difference, difference_is, row, &mut differences);
        if to_is.each == 1 {
            let at: Vec<T> = at.iter().map(|&v| T::of(v)).collect();
            return points::lines(start, difference, &at, to, (to_is.rows, segment.place));
        }
        for (i, at) in at.iter().enumerate() {
            let pieces =
                start.chunks_exact(to_is.each.max(1)).zip(difference.chunks_exact(to_is.each.max(1)));
            for (place, (start, difference)) in to_is.pieces(segment.place + i).zip(pieces) {
                points::line_point(start, difference, T::of(*at), &mut to[place..place + to_is.each]);
            }
        }
    }
    match (start, difference, to) {
        (Slice::F32(s), Slice::F32(d), SliceMut::F32(t)) => {
            go((s, start_is), (d, difference_is), row, at, segment, (t, to_is));
        }
        (Slice::F64(s), Slice::F64(d), SliceMut::F64(t)) => {
            go((s, start_is), (d, difference_is), row, at, segment, (t, to_is));
        }
        _ => {}
    }
}

/// A row's elements side by side, gathered in `space` where they are not.
pub(crate) fn record<'a, T: Real>(from: &'a [T], is: Layout, row: usize, space: &'a mut Vec<T>) -> &'a [T] {
    if is.outer == 1 {
        let at = is.pieces(row).next().unwrap_or(0);
        return &from[at..at + is.each];
    }
    space.extend(is.pieces(row).flat_map(|at| &from[at..at + is.each]));
    space
}

/// The sums of the outputs of a stage over a group of points.
#[derive(Debug)]
pub(crate) struct Sums {
    /// For each output, a row's elements.
    pub(crate) totals: Vec<Buffer>,
    /// For each output whose points lie side by side, the chains of each element's sum, or what goes on of the sums of units with knots.
    chains: Vec<Option<Buffer>>,
}

impl Sums {
    pub(crate) fn new(stage: &Stage) -> Self {
        let totals = zeros(stage);
        let chains = stage.outputs.iter().enumerate().map(|(o, layout)| {
            let apart = stage.columns && layout.each == 1 && !layout.shared;
            let len = match &stage.behind[o] {
                Some(behind) => Some(behind.weights.state(GROUP_IN_COLUMNS)),
                None => apart.then(|| layout.record() * points::LANES),
            };
            len.map(|len| Buffer::zeros(totals[o].dtype(), len))
        });
        Self { chains: chains.collect(), totals }
    }

    /// Adds an output's elements at a segment's points, each times its weight; or what comes of them behind units with knots.
    pub(crate) fn add(
        &mut self,
        o: usize,
        (from, layout): (Slice<'_>, Layout),
        segment: &Segment,
        weights: &[f64],
        behind: Option<(&Behind, &Knots)>,
    ) {
        fn go<T: Real + Element>(
            total: &mut [T],
            chains: Option<&mut [T]>,
            from: &[T],
            layout: Layout,
            segment: &Segment,
            weights: &[f64],
        ) {
            if let Some(chains) = chains {
                let weights: Vec<T> = weights.iter().map(|&w| T::of(w)).collect();
                points::add_weighted(chains, from, (layout.rows, segment.place), &weights, segment.first);
                if segment.ends() {
                    points::fold(chains, total);
                }
                return;
            }
            for (i, weight) in weights.iter().enumerate() {
                let parts = total.chunks_exact_mut(layout.each.max(1));
                for (part, at) in parts.zip(layout.pieces(segment.place + i)) {
                    let fresh = segment.first + i == 0;
                    broadcast::add_scaled(part, &from[at..at + layout.each], T::of(*weight), fresh);
                }
            }
        }
        if let (Some((behind, knots)), Some(state)) = (behind, &mut self.chains[o]) {
            return behind.add(knots, (from, layout), weights, segment, (state, &mut self.totals[o]));
        }
        match (&mut self.totals[o], &mut self.chains[o], from) {
            (Buffer::F32(t), chains, Slice::F32(v)) => {
                let chains = chains.as_mut().and_then(|c| f32::slice_mut(c.as_slice_mut()));
                go(t, chains, v, layout, segment, weights);
            }
            (Buffer::F64(t), chains, Slice::F64(v)) => {
                let chains = chains.as_mut().and_then(|c| f64::slice_mut(c.as_slice_mut()));
                go(t, chains, v, layout, segment, weights);
            }
            _ => {}
        }
    }
}

/// A row's sums of all outputs of a stage, all zero.
pub(crate) fn zeros(stage: &Stage) -> Vec<Buffer> {
    stage.plan.outputs().enumerate().map(|(o, f)| Buffer::zeros(f.dtype, stage.summed(o))).collect()
}

/// Adds one group's sums to a row's.
pub(crate) fn add(total: &mut [Buffer], part: &[Buffer]) {
    for (t, p) in total.iter_mut().zip(part) {
        match (t, p) {
            (Buffer::F32(t), Buffer::F32(p)) => t.iter_mut().zip(p).for_each(|(t, p)| *t += p),
            (Buffer::F64(t), Buffer::F64(p)) => t.iter_mut().zip(p).for_each(|(t, p)| *t += p),
            _ => {}
        }
    }
}
