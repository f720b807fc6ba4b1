//! Running rows × points: a first stage on blocks of rows, a stage on tiles of points whose outputs are summed over each row's points, and
//! a last stage on blocks of rows again.
//!
//! Sums are taken in a fixed order: the points of a row in groups of [`GROUP`] or [`GROUP_IN_COLUMNS`], each group added up on its own, the groups then
//! added in order. So the same bits come out for any number of threads, whatever the tile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use pellucid_graph::{Buffer, DType, Slice, Tensor, View};
use pellucid_kernels::knots::Knots;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::plan::Workspace;
use crate::profile::Profile;
use crate::stage::{Feed, Layout, Stage, copy_row};
use crate::tile::{self, Filler, Group, Segment, Sums};

/// The number of neighbouring points of a row that are added up before their sum is added to the row's.
pub const GROUP: usize = 8;
/// The same where points lie side by side.
pub const GROUP_IN_COLUMNS: usize = 64;

/// Steps of operators, of which a thread does some in a nanosecond, that are not worth another thread.
const SHORT: f64 = 2e5;

/// With fewer blocks for each thread than this, the thread that asks does some, as it begins at once; with more, the pool alone was faster, by 3 to 8
/// parts in a hundred.
const FEW_BLOCKS: usize = 8;

/// The points of each row.
pub trait Points: Sync {
    /// How many points a row has.
    fn count(&self, row: usize) -> usize;
    /// The numbers that points feed to the point stage's `input`-th point feed. Along a line these should ascend; a stage that was made for
    /// many points of a row may refuse others.
    fn values(&self, input: usize, row: usize, points: Range<usize>) -> Cow<'_, [f64]>;
    /// The factors of points' outputs in the row's sums.
    fn weights(&self, row: usize, points: Range<usize>) -> Cow<'_, [f64]>;
}

/// A result of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// An output of the first stage.
    Before(usize),
    /// A sum over the row's points.
    Sum(usize),
    /// An output of the last stage.
    After(usize),
}

/// What runs and what comes out.
#[derive(Debug)]
pub struct Sweep {
    /// Runs once per row.
    pub before: Stage,
    /// Runs once per point.
    pub point: Option<Stage>,
    /// Runs once per row, after the sums.
    pub after: Option<Stage>,
    /// What comes out, in order.
    pub results: Vec<Yield>,
}

/// How a sweep is run.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// The threads.
    pub pool: &'a rayon::ThreadPool,
    /// Set from outside to end the work early.
    pub cancel: Option<&'a AtomicBool>,
    /// Told, from any thread, how many rows have just been finished.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
    /// Collects times of operators.
    pub profile: Option<&'a Mutex<Profile>>,
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("threads", &self.pool.current_num_threads()).finish_non_exhaustive()
    }
}

impl Control<'_> {
    fn check(&self) -> Result<()> {
        match self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

/// What the stages of rows run in, the last one once it has run.
struct RowSpace {
    before: Workspace,
    after: Option<Workspace>,
    profile: Option<Profile>,
}

/// What the stage of points runs in.
struct PointSpace {
    workspace: Workspace,
    profile: Option<Profile>,
}

/// Spaces that nobody runs in at the moment.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    fn take(&self, make: impl FnOnce() -> T) -> T {
        let kept = self.0.lock().ok().and_then(|mut all| all.pop());
        kept.unwrap_or_else(make)
    }

    fn give_back(&self, space: T) {
        if let Ok(mut all) = self.0.lock() {
            all.push(space);
        }
    }

    fn merge(&self, total: &mut Profile, profile: impl Fn(&T) -> Option<&Profile>) {
        if let Ok(all) = self.0.lock() {
            all.iter().filter_map(profile).for_each(|p| total.merge(p));
        }
    }
}

impl Sweep {
    /// Runs over all rows of `inputs`, whose first axis they are, and gives each result with its rows first.
    ///
    /// Memory beyond the inputs and results does not grow with rows or points.
    pub fn run(
        &self,
        inputs: &[View<'_>],
        rows: usize,
        points: Option<&dyn Points>,
        control: &Control<'_>,
    ) -> Result<Vec<Tensor>> {
        self.check(inputs, rows, points)?;
        let size = self.before.plan.rows();
        let blocks = rows.div_ceil(size.max(1));
        let (row_spaces, point_spaces) = (Pool(Mutex::default()), Pool(Mutex::default()));
        let spaces = (&row_spaces, &point_spaces);
        let job = Job { sweep: self, inputs, rows, points, control, spaces };
        let threads = control.pool.current_num_threads();
        let many = blocks >= 2 * threads;
        let one = |b: usize| job.block(b * size, size.min(rows - b * size), many);
        let found: Vec<Vec<Buffer>> = if many && blocks < FEW_BLOCKS * threads {
            on_all_threads(control.pool, blocks, one)?
        } else if many {
            control.pool.install(|| (0..blocks).into_par_iter().map(one).collect::<Result<_>>())?
        } else {
            (0..blocks).map(one).collect::<Result<_>>()?
        };
        if let Some(total) = control.profile
            && let Ok(mut total) = total.lock()
        {
            row_spaces.merge(&mut total, |s| s.profile.as_ref());
            point_spaces.merge(&mut total, |s| s.profile.as_ref());
        }
        self.results
            .iter()
            .enumerate()
            .map(|(i, y)| {
                let (dtype, record) = self.record(*y);
                let mut all = Buffer::with_capacity(dtype, rows.saturating_mul(record));
                for block in &found {
                    extend(&mut all, &block[i]);
                }
                Tensor::from_buffer(&[rows, record], all)
                    .ok_or_else(|| Error::Mismatch(format!("result {i} has lost rows")))
            })
            .collect()
    }

    /// The type of a result, and how many elements of it a row has.
    fn record(&self, y: Yield) -> (DType, usize) {
        let of = |stage: &Stage, i: usize| {
            (stage.plan.outputs().nth(i).map_or(DType::F32, |f| f.dtype), stage.outputs[i].record())
        };
        match y {
            Yield::Before(i) => of(&self.before, i),
            Yield::Sum(i) => self.point.as_ref().map_or((DType::F32, 0), |s| (of(s, i).0, s.summed(i))),
            Yield::After(i) => self.after.as_ref().map_or((DType::F32, 0), |s| of(s, i)),
        }
    }

    fn check(&self, inputs: &[View<'_>], rows: usize, points: Option<&dyn Points>) -> Result<()> {
        if self.point.is_some() != points.is_some() {
            return Err(Error::Mismatch(
                "a sweep with points needs to be told them, and one without must not be".into(),
            ));
        }
        let stages = [Some(&self.before), self.point.as_ref(), self.after.as_ref()];
        for stage in stages.into_iter().flatten() {
            for (i, (feed, fact)) in stage.feeds.iter().zip(stage.plan.inputs()).enumerate() {
                let expected = stage.fed(i);
                let (dtype, record) = match *feed {
                    Feed::Row(i) => {
                        let Some(x) = inputs.get(i) else {
                            return Err(Error::Mismatch(format!("row input {i} is missing")));
                        };
                        if x.shape.first() != Some(&rows) {
                            return Err(Error::Mismatch(format!(
                                "row input {i} has shape {:?}, expected {rows} rows",
                                x.shape
                            )));
                        }
                        (x.data.dtype(), x.data.len().checked_div(rows).unwrap_or(expected))
                    }
                    Feed::Carried(i) if i < self.before.outputs.len() => self.record(Yield::Before(i)),
                    Feed::Sum(i) if self.point.as_ref().is_some_and(|p| i < p.outputs.len()) => {
                        self.record(Yield::Sum(i))
                    }
                    Feed::Point(_) => (fact.dtype, 1),
                    Feed::Line { start, difference, .. }
                        if start.max(difference) < self.before.outputs.len()
                            && self.record(Yield::Before(start))
                                == self.record(Yield::Before(difference)) =>
                    {
                        self.record(Yield::Before(start))
                    }
                    other => return Err(Error::Mismatch(format!("{other:?} feeds nothing"))),
                };
                if dtype != fact.dtype || record != expected {
                    return Err(Error::Mismatch(format!(
                        "{feed:?} gives {record} elements of type {dtype} for each row, {expected} of type {} are expected",
                        fact.dtype
                    )));
                }
            }
        }
        Ok(())
    }
}

struct Job<'a> {
    sweep: &'a Sweep,
    inputs: &'a [View<'a>],
    rows: usize,
    points: Option<&'a dyn Points>,
    control: &'a Control<'a>,
    spaces: (&'a Pool<RowSpace>, &'a Pool<PointSpace>),
}

impl Job<'_> {
    fn profile(&self) -> Option<Profile> {
        self.control.profile.map(|_| Profile::default())
    }

    fn row_space(&self) -> RowSpace {
        self.spaces.0.take(|| RowSpace {
            before: self.sweep.before.plan.workspace(),
            after: None,
            profile: self.profile(),
        })
    }

    /// Runs a block of rows, with the points on this thread where `alone` says so, else on all.
    fn block(&self, first: usize, count: usize, alone: bool) -> Result<Vec<Buffer>> {
        self.control.check()?;
        let mut spaces = self.row_space();
        let sweep = self.sweep;
        let before = &sweep.before;
        self.feed_rows(before, &mut spaces.before, first, count, None, None);
        enter(&mut spaces.profile, "row");
        before.plan.run(&mut spaces.before, spaces.profile.as_mut())?;
        before.plan.let_go(&mut spaces.before);
        let mut sums: Vec<Vec<Buffer>> = Vec::new();
        if let (Some(stage), Some(points)) = (&sweep.point, self.points) {
            let size = group_size(stage);
            let groups: Vec<Group> = (0..count)
                .flat_map(|local| {
                    let n = points.count(first + local);
                    (0..n.div_ceil(size)).map(move |g| Group {
                        local,
                        first: g * size,
                        count: size.min(n - g * size),
                    })
                })
                .collect();
            sums = (0..count).map(|_| tile::zeros(stage)).collect();
            if alone || groups.len() == 1 || is_short(stage, &groups) {
                self.tiles(stage, points, first, &groups, &spaces.before, &mut |group, part| {
                    tile::add(&mut sums[group.local], part);
                })?;
            } else {
                self.tiles_on_all_threads(stage, points, first, &groups, &spaces.before, &mut sums)?;
            }
        }
        if let Some(stage) = &sweep.after {
            let space = spaces.after.get_or_insert_with(|| stage.plan.workspace());
            self.feed_rows(stage, space, first, count, Some(&spaces.before), Some(&sums));
            enter(&mut spaces.profile, "row, after");
            stage.plan.run(space, spaces.profile.as_mut())?;
            stage.plan.let_go(space);
        }
        let found = sweep.results.iter().map(|y| self.collect(*y, count, &spaces, &sums)).collect();
        self.spaces.0.give_back(spaces);
        if let Some(progress) = self.control.progress {
            progress(count);
        }
        Ok(found)
    }

    /// Fills the inputs of a stage that runs on rows. Rows that the block lacks repeat its last.
    fn feed_rows(
        &self,
        stage: &Stage,
        space: &mut Workspace,
        first: usize,
        count: usize,
        before: Option<&Workspace>,
        sums: Option<&[Vec<Buffer>]>,
    ) {
        for (i, (feed, layout)) in stage.feeds.iter().zip(&stage.inputs).enumerate() {
            for row in 0..layout.rows {
                let local = row.min(count.saturating_sub(1));
                let to = (stage.plan.input(space, i), *layout, row);
                match *feed {
                    Feed::Row(k) => {
                        let x = self.inputs[k];
                        let from = Layout::plain(self.rows, layout.record());
                        copy_row((x.data, from, first + local), to);
                    }
                    Feed::Carried(k) => {
                        if let Some(before) = before {
                            let from = &self.sweep.before;
                            copy_row((from.plan.output(before, k), from.outputs[k], local), to);
                        }
                    }
                    Feed::Sum(k) => {
                        if let Some(sums) = sums {
                            let from = Layout::plain(1, layout.record());
                            copy_row((sums[local][k].as_slice(), from, 0), to);
                        }
                    }
                    Feed::Point(_) | Feed::Line { .. } => {}
                }
            }
        }
    }

    /// Runs the points of some groups tile by tile and tells each group's sums, in order.
    fn tiles(
        &self,
        stage: &Stage,
        points: &dyn Points,
        first: usize,
        groups: &[Group],
        before: &Workspace,
        tell: &mut dyn FnMut(Group, &[Buffer]),
    ) -> Result<()> {
        let make = || PointSpace { workspace: stage.plan.workspace(), profile: self.profile() };
        let mut kept = self.spaces.1.take(make);
        enter(&mut kept.profile, "point");
        let PointSpace { workspace: space, profile } = &mut kept;
        let mut filler = Filler::new(groups);
        let mut segments: Vec<Segment> = Vec::new();
        // For each input, the knots of each segment, where it has any.
        let mut knots: Vec<Vec<Knots>> = stage.feeds.iter().map(|_| Vec::new()).collect();
        let mut sums = Sums::new(stage);
        loop {
            filler.fill(stage.plan.rows(), &mut segments);
            if segments.is_empty() {
                self.spaces.1.give_back(kept);
                return Ok(());
            }
            self.control.check()?;
            for (i, knots) in knots.iter_mut().enumerate() {
                knots.resize_with(segments.len().max(knots.len()), Knots::default);
                for (segment, knots) in segments.iter().zip(knots) {
                    self.feed_points(stage, space, i, points, first, segment, before, knots)?;
                }
            }
            if let Some(last) = segments.last().filter(|_| !stage.columns) {
                // An operator may refuse what a place without a point happens to hold.
                let end = last.place + last.count;
                stage.repeat(space, end - 1, end..stage.plan.rows());
            }
            stage.plan.run(space, profile.as_mut())?;
            for (s, segment) in segments.iter().enumerate() {
                let row = first + segment.group.local;
                let weights = points.weights(row, segment.numbers());
                for (o, layout) in stage.outputs.iter().enumerate() {
                    let behind = stage.behind[o].as_ref().map(|b| (b, &knots[b.input][s]));
                    sums.add(o, (stage.plan.output(space, o), *layout), segment, &weights, behind);
                }
                if segment.ends() {
                    tell(segment.group, &sums.totals);
                }
            }
        }
    }

    /// Fills an input of the stage of points at one segment.
    #[allow(clippy::too_many_arguments)]
    fn feed_points(
        &self,
        stage: &Stage,
        space: &mut Workspace,
        i: usize,
        points: &dyn Points,
        first: usize,
        segment: &Segment,
        before: &Workspace,
        knots: &mut Knots,
    ) -> Result<()> {
        let (local, row) = (segment.group.local, first + segment.group.local);
        let layout = stage.inputs[i];
        let carried = |c: usize| {
            let from = &self.sweep.before;
            (from.plan.output(before, c), from.outputs[c])
        };
        match stage.feeds[i] {
            Feed::Row(r) => {
                let from = Layout::plain(self.rows, layout.record());
                for (place, _) in segment.points() {
                    let to = (stage.plan.input(space, i), layout, place);
                    copy_row((self.inputs[r].data, from, row), to);
                }
            }
            Feed::Carried(c) => {
                let (from, from_is) = carried(c);
                for (place, _) in segment.points() {
                    copy_row((from, from_is, local), (stage.plan.input(space, i), layout, place));
                }
            }
            Feed::Point(v) => {
                let values = points.values(v, row, segment.numbers());
                for ((place, _), value) in segment.points().zip(values.iter()) {
                    set(stage, space, i, layout, place, *value);
                }
            }
            Feed::Line { start, difference, number } => {
                let ahead = stage.ahead[i].as_ref();
                let numbered = if ahead.is_some() { segment.group.points() } else { segment.numbers() };
                let at = points.values(number, row, numbered);
                let to = (stage.plan.input(space, i), layout);
                let (start, difference) = (carried(start), carried(difference));
                match ahead {
                    Some(ahead) => ahead.feed(knots, [start, difference], local, &at, segment, to)?,
                    None => tile::feed_line(start, difference, local, &at, segment, to),
                }
            }
            Feed::Sum(_) => {}
        }
        Ok(())
    }

    /// The same with the groups spread over the threads, which take them in order, so that few sums wait for one before them.
    fn tiles_on_all_threads(
        &self,
        stage: &Stage,
        points: &dyn Points,
        first: usize,
        groups: &[Group],
        before: &Workspace,
        sums: &mut [Vec<Buffer>],
    ) -> Result<()> {
        let each = (stage.plan.rows() / group_size(stage)).max(1);
        let parts: Vec<&[Group]> = groups.chunks(each).collect();
        let merge = Mutex::new(Merge { sums, head: 0, waiting: BTreeMap::new() });
        // A thread that panicked ends the sweep when the others are done.
        let lock = || merge.lock().unwrap_or_else(PoisonError::into_inner);
        on_all_threads(self.control.pool, parts.len(), |i| {
            self.tiles(stage, points, first, parts[i], before, &mut |group, sums| {
                lock().add(i, group, sums);
            })?;
            lock().end(i);
            Ok(())
        })
        .map(drop)
    }

    fn collect(&self, y: Yield, count: usize, spaces: &RowSpace, sums: &[Vec<Buffer>]) -> Buffer {
        let (dtype, record) = self.sweep.record(y);
        let mut out = Buffer::zeros(dtype, count * record);
        let to = Layout::plain(count, record);
        for row in 0..count {
            let from: (Slice<'_>, Layout, usize) = match y {
                Yield::Before(i) => {
                    let stage = &self.sweep.before;
                    (stage.plan.output(&spaces.before, i), stage.outputs[i], row)
                }
                Yield::Sum(i) => match sums.get(row) {
                    Some(sums) => (sums[i].as_slice(), Layout::plain(1, record), 0),
                    None => continue,
                },
                Yield::After(i) => match (&self.sweep.after, &spaces.after) {
                    (Some(stage), Some(space)) => (stage.plan.output(space, i), stage.outputs[i], row),
                    _ => continue,
                },
            };
            copy_row(from, (out.as_slice_mut(), to, row));
        }
        out
    }
}

/// Adds the sums of groups up in order. The groups come in parts, of which several are under way.
struct Merge<'a> {
    /// For each row.
    sums: &'a mut [Vec<Buffer>],
    /// The first part that is not done.
    head: usize,
    /// What there is of later ones.
    waiting: BTreeMap<usize, Waiting>,
}

/// Sums of a part's groups so far, and whether these are all.
#[derive(Default)]
struct Waiting {
    groups: Vec<(Group, Vec<Buffer>)>,
    ended: bool,
}

impl Merge<'_> {
    /// The sums of a part's next group.
    fn add(&mut self, part: usize, group: Group, sums: &[Buffer]) {
        if part == self.head {
            tile::add(&mut self.sums[group.local], sums);
        } else {
            self.waiting.entry(part).or_default().groups.push((group, sums.to_vec()));
        }
    }

    /// There are no more of a part.
    fn end(&mut self, part: usize) {
        if part != self.head {
            self.waiting.entry(part).or_default().ended = true;
            return;
        }
        loop {
            self.head += 1;
            let Some(part) = self.waiting.remove(&self.head) else { return };
            for (group, sums) in part.groups {
                tile::add(&mut self.sums[group.local], &sums);
            }
            if !part.ended {
                return;
            }
        }
    }
}

/// Does all parts, begun in order, on as many threads as the pool has, and gives what came of each. This thread is among them: it begins while
/// others wake up. Of several errors it is left open which one is given.
fn on_all_threads<T: Send + Sync>(
    pool: &rayon::ThreadPool,
    parts: usize,
    part: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, failed) = (AtomicUsize::new(0), OnceLock::new());
    let found: Vec<OnceLock<T>> = (0..parts).map(|_| OnceLock::new()).collect();
    let take_all = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= parts {
                return;
            }
            match part(i) {
                // It is empty, as a part is taken once.
                Ok(made) => drop(found[i].set(made)),
                Err(error) => {
                    next.store(parts, Ordering::Relaxed);
                    // Another thread's may be there already.
                    drop(failed.set(error));
                }
            }
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 1..pool.current_num_threads().min(parts) {
            scope.spawn(|_| take_all());
        }
        take_all();
    });
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(found.into_iter().filter_map(OnceLock::into_inner).collect()),
    }
}

fn enter(profile: &mut Option<Profile>, stage: &'static str) {
    if let Some(profile) = profile {
        profile.enter(stage);
    }
}

/// Whether the points of some groups are done sooner than another thread wakes up.
fn is_short(stage: &Stage, groups: &[Group]) -> bool {
    let points: usize = groups.iter().map(|g| g.count).sum();
    let tiles = points as f64 / stage.plan.rows().max(1) as f64;
    tiles * stage.work() < SHORT
}

fn group_size(stage: &Stage) -> usize {
    if stage.columns { GROUP_IN_COLUMNS } else { GROUP }
}

fn set(stage: &Stage, space: &mut Workspace, i: usize, layout: Layout, row: usize, value: f64) {
    use pellucid_graph::SliceMut;
    let at = layout.pieces(row).next().unwrap_or(0);
    match stage.plan.input(space, i) {
        SliceMut::F32(v) => v[at] = value as f32,
        SliceMut::F64(v) => v[at] = value,
        SliceMut::I64(v) => v[at] = value as i64,
        SliceMut::I32(v) => v[at] = value as i32,
        _ => {}
    }
}

fn extend(all: &mut Buffer, more: &Buffer) {
    macro_rules! go {
        ($($variant:ident),*) => {
            match (all, more) {
                $((Buffer::$variant(a), Buffer::$variant(m)) => a.extend_from_slice(m),)*
                _ => {}
            }
        };
    }
    go!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, String);
}
