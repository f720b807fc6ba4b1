//! Where the elements of a convolution lie: its axes, the frame in which the source is laid out, and the passes over it.

/// One spatial axis. The wide side is what a convolution reads and a transposed one writes: its position `o · stride + k · dilation − before`
/// meets position `o` of the narrow side through tap `k` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// The size of the wide side.
    pub wide: usize,
    /// The size of the narrow side.
    pub narrow: usize,
    /// The number of taps.
    pub kernel: usize,
    /// The distance of neighbouring windows.
    pub stride: usize,
    /// The distance of neighbouring taps.
    pub dilation: usize,
    /// How far the first window begins before the wide side.
    pub before: i64,
}

impl Axis {
    /// An axis that is not there.
    pub const NONE: Self = Self { wide: 1, narrow: 1, kernel: 1, stride: 1, dilation: 1, before: 0 };

    /// The taps whose position is inside the wide side, for a position of the narrow side: the first and the one behind the last.
    pub fn inside(&self, o: usize) -> (usize, usize) {
        let start = (o * self.stride) as i64 - self.before;
        let (d, last) = (self.dilation as i64, self.kernel as i64);
        let first = (-start).max(0).div_euclid(d) + i64::from((-start).max(0) % d != 0);
        let end = (self.wide as i64 - start + d - 1).div_euclid(d).clamp(0, last);
        (first.min(end) as usize, end as usize)
    }

    /// The position on the wide side; it must be inside.
    pub fn position(&self, o: usize, k: usize) -> usize {
        ((o * self.stride + k * self.dilation) as i64 - self.before) as usize
    }
}

/// Along one axis: how the source is laid out in the frame, and which positions meet which.
#[derive(Clone, Debug)]
struct Line {
    /// Position in the source of the frame's first.
    start: i64,
    /// How far apart neighbours in the frame are in the source.
    step: usize,
    /// The positions of the frame.
    size: usize,
    /// In how many interleaved parts the frame's positions are sorted: by their remainder.
    parts: usize,
    /// How far apart neighbouring outputs are in the frame, before sorting.
    stride: usize,
    phases: Vec<Phase>,
}

/// Outputs of one axis that meet the same taps.
#[derive(Clone, Debug)]
struct Phase {
    /// The taps, and the position in the frame at which the first output meets each.
    taps: Vec<(usize, usize)>,
    first: usize,
    step: usize,
    count: usize,
}

impl Line {
    /// From the wide side to the narrow one.
    fn gathering(axis: &Axis, sorted: bool) -> Self {
        let one = axis.kernel == 1;
        let reach = if axis.narrow == 0 || axis.kernel == 0 {
            0
        } else {
            (axis.narrow - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
        };
        // A kernel of one tap reads only its own positions.
        let (step, stride) = if one { (axis.stride, 1) } else { (1, axis.stride) };
        Self {
            start: -axis.before,
            step,
            size: if one { axis.narrow } else { reach },
            parts: if sorted { stride } else { 1 },
            stride,
            phases: vec![Phase {
                taps: (0..axis.kernel).map(|k| (k, k * axis.dilation)).collect(),
                first: 0,
                step: 1,
                count: axis.narrow,
            }],
        }
    }

    /// From the narrow side to the wide one: each remainder of the stride has its own taps.
    fn spreading(axis: &Axis) -> Self {
        let s = axis.stride as i64;
        let mut phases = Vec::new();
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for first in 0..axis.stride.min(axis.wide) {
            let count = (axis.wide - first).div_ceil(axis.stride);
            let at = first as i64 + axis.before;
            let taps: Vec<(usize, i64)> = (0..axis.kernel)
                .map(|k| (k, at - (k * axis.dilation) as i64))
                .filter(|(_, distance)| distance.rem_euclid(s) == 0)
                .map(|(k, distance)| (k, distance.div_euclid(s)))
                // Taps that no output meets inside the source.
                .filter(|&(_, e)| e < axis.narrow as i64 && e + count as i64 > 0)
                .collect();
            for &(_, e) in &taps {
                low = low.min(e);
                high = high.max(e + count as i64);
            }
            phases.push((taps, first, count));
        }
        let start = if low <= high { low } else { 0 };
        let size = if low <= high { (high - low) as usize } else { 0 };
        let phases = phases
            .into_iter()
            .map(|(taps, first, count)| Phase {
                taps: taps.into_iter().map(|(k, e)| (k, (e - start) as usize)).collect(),
                first,
                step: axis.stride,
                count,
            })
            .collect();
        Self { start, step: 1, size, parts: 1, stride: 1, phases }
    }

    /// Where a position of the frame lies, its positions sorted by remainder.
    fn sorted(&self, position: usize) -> usize {
        (position % self.parts) * self.part() + position / self.parts
    }

    /// The frame's positions whose source, of `n` positions, is inside: the first and the one behind the last.
    fn inside(&self, n: usize) -> (usize, usize) {
        let step = self.step as i64;
        let first = (-self.start).max(0).div_euclid(step) + i64::from((-self.start).max(0) % step != 0);
        let end = (n as i64 - self.start + step - 1).div_euclid(step).clamp(0, self.size as i64);
        (first.min(end) as usize, end as usize)
    }

    /// The position in the source of one of the frame.
    fn at(&self, position: usize) -> i64 {
        (position * self.step) as i64 + self.start
    }

    /// The positions of one part.
    fn part(&self) -> usize {
        self.size.div_ceil(self.parts)
    }
}

/// The source of one channel, laid out so that each tap reads neighbours for neighbouring outputs: with zeros around, and without
/// what no tap reads.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    source: [usize; 3],
    lines: [Line; 3],
}

/// Outputs that meet the same taps, and where.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// For each tap, its place in the kernel and the position in the frame at which the first output meets it.
    pub(super) taps: Vec<(usize, usize)>,
    /// The outputs along each axis.
    pub(super) counts: [usize; 3],
    /// How far apart they are in the frame.
    pub(super) steps: [usize; 3],
    /// The place of the first in the output, and how far apart they are there.
    pub(super) first: usize,
    pub(super) out_steps: [usize; 3],
}

impl Pass {
    pub(super) fn len(&self) -> usize {
        self.counts.iter().product()
    }

    /// Calls `body` with the position in the frame and the place in the output of the first of each line of outputs.
    pub(super) fn each_line(&self, mut body: impl FnMut(usize, usize)) {
        for i in 0..self.counts[0] {
            for j in 0..self.counts[1] {
                body(
                    i * self.steps[0] + j * self.steps[1],
                    self.first + i * self.out_steps[0] + j * self.out_steps[1],
                );
            }
        }
    }
}

impl Frame {
    pub(super) fn new(axes: &[Axis; 3], transposed: bool) -> Self {
        let line =
            |i: usize| if transposed { Line::spreading(&axes[i]) } else { Line::gathering(&axes[i], i == 2) };
        let source = axes.map(|a| if transposed { a.narrow } else { a.wide });
        Self { source, lines: [line(0), line(1), line(2)] }
    }

    /// The elements that a channel takes.
    pub(super) fn len(&self) -> usize {
        self.lines[0].size * self.lines[1].size * self.row()
    }

    fn row(&self) -> usize {
        self.lines[2].parts * self.lines[2].part()
    }

    /// How many passes write the columns of a row in turn: so many follow one another.
    pub(super) fn turns(&self) -> usize {
        self.lines[2].phases.len()
    }

    /// Whether it is the source as it is.
    pub(super) fn is_source(&self) -> bool {
        self.lines
            .iter()
            .zip(self.source)
            .all(|(l, n)| l.start == 0 && l.step == 1 && l.parts == 1 && l.size == n)
    }

    /// The passes whose outputs make up the whole output of shape `out`.
    pub(super) fn passes(&self, kernel: [usize; 3], out: [usize; 3]) -> Vec<Pass> {
        let [a, b, c] = &self.lines;
        let (row, plane) = (self.row(), b.size * self.row());
        let (out_row, out_plane) = (out[2], out[1] * out[2]);
        let mut found = Vec::new();
        for p in &a.phases {
            for q in &b.phases {
                for r in &c.phases {
                    let mut taps = Vec::with_capacity(p.taps.len() * q.taps.len() * r.taps.len());
                    for (i, x) in &p.taps {
                        for (j, y) in &q.taps {
                            for (k, z) in &r.taps {
                                let at = x * plane + y * row + c.sorted(*z);
                                taps.push(((i * kernel[1] + j) * kernel[2] + k, at));
                            }
                        }
                    }
                    found.push(Pass {
                        taps,
                        counts: [p.count, q.count, r.count],
                        steps: [a.stride * plane, b.stride * row, 1],
                        first: p.first * out_plane + q.first * out_row + r.first,
                        out_steps: [p.step * out_plane, q.step * out_row, r.step],
                    });
                }
            }
        }
        found
    }

    /// The pieces of a row that lie side by side in the source and in the frame: for each row its place in both, and how long they all are.
    /// `None` where neighbours do not stay neighbours.
    pub(super) fn copies(&self) -> Option<(Vec<(usize, usize)>, usize)> {
        let c = &self.lines[2];
        if c.parts != 1 || c.step != 1 {
            return None;
        }
        let (first, end) = c.inside(self.source[2]);
        if first == end {
            return Some((Vec::new(), 0));
        }
        let from = c.at(first) as usize;
        Some((self.rows().map(|(source, to)| (source + from, to + first)).collect(), end - first))
    }

    /// Where each row of the source that is inside the frame begins, and where the frame's row does.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let [a, b, _] = &self.lines;
        let (planes, rows) = (a.inside(self.source[0]), b.inside(self.source[1]));
        (planes.0..planes.1).flat_map(move |i| {
            (rows.0..rows.1).map(move |j| {
                let line = a.at(i) as usize * self.source[1] + b.at(j) as usize;
                (line * self.source[2], (i * b.size + j) * self.row())
            })
        })
    }

    /// Lays out one channel. The frame's zeros must be zero already.
    pub(super) fn fill<T: Copy>(&self, source: &[T], frame: &mut [T]) {
        let c = &self.lines[2];
        let columns = c.inside(self.source[2]);
        if columns.0 == columns.1 {
            return;
        }
        let from = c.at(columns.0) as usize;
        let width = columns.1 - columns.0;
        let part = c.part();
        for (line, row) in self.rows() {
            let source = &source[line + from..line + self.source[2]];
            let to = &mut frame[row..][..self.row()];
            if c.parts == 1 && c.step == 1 {
                to[columns.0..columns.1].copy_from_slice(&source[..width]);
            } else if c.parts == 1 {
                for (t, s) in to[columns.0..columns.1].iter_mut().zip(source.iter().step_by(c.step)) {
                    *t = *s;
                }
            } else if c.parts == 2 {
                let (even, odd) = to.split_at_mut(part);
                let (first, second) = if columns.0.is_multiple_of(2) {
                    (&mut even[columns.0 / 2..], &mut odd[columns.0 / 2..])
                } else {
                    (&mut odd[columns.0 / 2..], &mut even[columns.0 / 2 + 1..])
                };
                let (pairs, last) = source[..width].as_chunks::<2>();
                for ((a, b), pair) in first.iter_mut().zip(second.iter_mut()).zip(pairs) {
                    (*a, *b) = (pair[0], pair[1]);
                }
                if let (Some(a), [v]) = (first.get_mut(pairs.len()), last) {
                    *a = *v;
                }
            } else {
                for p in 0..c.parts {
                    // The first position of this part that is inside.
                    let first = columns.0 + (p + c.parts - columns.0 % c.parts) % c.parts;
                    if first < columns.1 {
                        let elements = source[first - columns.0..width].iter().step_by(c.parts);
                        for (t, s) in to[p * part + first / c.parts..(p + 1) * part].iter_mut().zip(elements)
                        {
                            *t = *s;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn taps_inside_are_those_whose_position_is() {
        for wide in 0..6 {
            for before in -2..4 {
                for (kernel, stride, dilation) in [(1, 1, 1), (3, 2, 1), (3, 1, 2), (2, 3, 3)] {
                    let axis = Axis { wide, narrow: 4, kernel, stride, dilation, before };
                    for o in 0..4 {
                        let (first, end) = axis.inside(o);
                        let is = |k: usize| {
                            let at = (o * stride + k * dilation) as i64 - before;
                            (0..wide as i64).contains(&at)
                        };
                        let want: Vec<usize> = (0..kernel).filter(|&k| is(k)).collect();
                        assert_eq!((first..end).collect::<Vec<_>>(), want, "{axis:?} {o}");
                    }
                }
            }
        }
    }
}
