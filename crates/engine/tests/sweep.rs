//! A sweep against the same sums taken by hand, and its refusals.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use pellucid_engine::{Control, Error, Feed, Points, Stage, Sweep, Yield};
use pellucid_graph::differentiate::{differentiate, no_rule};
use pellucid_graph::{Builder, DType, Fact, Rows, Tensor, ops};

/// Row r has 3 + 40·r points; point p feeds p and weighs 1 / (p + 1).
struct Uneven;

impl Uneven {
    fn weight(&self, _row: usize, point: usize) -> f64 {
        1.0 / (point as f64 + 1.0)
    }
}

impl Points for Uneven {
    fn count(&self, row: usize) -> usize {
        3 + 40 * (row % 5)
    }

    fn values(&self, _input: usize, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        points.map(|p| p as f64).collect()
    }

    fn weights(&self, row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        points.map(|p| self.weight(row, p)).collect()
    }
}

/// Each row has so many points, 1 / n apart; the threads that ask for them are noted, and wait until as many as are expected have asked.
struct Even {
    points: usize,
    expected: usize,
    threads: Mutex<HashSet<ThreadId>>,
    asked: Condvar,
}

impl Points for Even {
    fn count(&self, _row: usize) -> usize {
        self.points
    }

    fn values(&self, _input: usize, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        let mut threads = self.threads.lock().unwrap();
        threads.insert(std::thread::current().id());
        self.asked.notify_all();
        let some_lack = |threads: &mut HashSet<ThreadId>| threads.len() < self.expected;
        let (threads, waited) =
            self.asked.wait_timeout_while(threads, Duration::from_secs(20), some_lack).unwrap();
        drop(threads);
        assert!(!waited.timed_out(), "a thread never asked");
        points.map(|p| p as f64 / self.points as f64).collect()
    }

    fn weights(&self, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        points.map(|p| 1.0 / (p as f64 + 1.0)).collect()
    }
}

/// Each row has two points, the second before the first.
struct Backwards;

impl Points for Backwards {
    fn count(&self, _row: usize) -> usize {
        2
    }

    fn values(&self, _input: usize, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        points.map(|p| -(p as f64)).collect()
    }

    fn weights(&self, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        points.map(|_| 1.0).collect()
    }
}

const BATCH: Option<Rows> = Some(Rows::BATCH);

/// Before: 2x. Point: tanh(2x + p). After: the sum minus x.
fn sweep(block: usize, tile: usize) -> Sweep {
    let fact = |n: usize| Fact::new(DType::F64, &[n, 3]);
    let mut b = Builder::new(block);
    let x = b.input("x", fact(block));
    let twice = b.scale(x, 2.0).unwrap();
    let before = Stage::new(&b.finish(&[twice]), &[Feed::Row(0)], &[BATCH], &[]).unwrap();
    let mut b = Builder::new(tile);
    let carried = b.input("carried", fact(tile));
    let p = b.input("p", Fact::new(DType::F64, &[tile, 1]));
    let sum = b.add(carried, p).unwrap();
    let bent = b.tanh(sum).unwrap();
    let feeds = [Feed::Carried(0), Feed::Point(0)];
    let point = Stage::new(&b.finish(&[bent]), &feeds, &[BATCH, BATCH], &[]).unwrap();
    let mut b = Builder::new(block);
    let (sum, x) = (b.input("sum", fact(block)), b.input("x", fact(block)));
    let less = b.sub(sum, x).unwrap();
    let after = Stage::new(&b.finish(&[less]), &[Feed::Sum(0), Feed::Row(0)], &[BATCH, BATCH], &[]).unwrap();
    Sweep {
        before,
        point: Some(point),
        after: Some(after),
        results: vec![Yield::Before(0), Yield::Sum(0), Yield::After(0)],
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn rows(n: usize) -> Tensor {
    Tensor::new(&[n, 3], (0..n * 3).map(|v| v as f64 / 7.0 - 1.0).collect()).unwrap()
}

#[test]
fn sums_are_those_taken_by_hand_for_any_tile_and_threads() {
    let x = rows(40);
    let mut kept: Option<Vec<Tensor>> = None;
    // 40 rows in blocks: one thread alone, threads that share one block's points, a few blocks for each thread, and many.
    for (block, tile, threads) in [
        (1, 1, 1),
        (2, 7, 1),
        (4, 32, 2),
        (8, 33, 3),
        (16, 256, 2),
        (1, 64, 4),
        (1, 7, 2),
        (3, 8, 2),
        (1, 5, 3),
    ] {
        let pool = pool(threads);
        let done = AtomicUsize::new(0);
        let progress = |n: usize| {
            done.fetch_add(n, Ordering::Relaxed);
        };
        let control = Control { pool: &pool, cancel: None, progress: Some(&progress), profile: None };
        let found = sweep(block, tile).run(&[x.view()], 40, Some(&Uneven), &control).unwrap();
        assert_eq!(done.into_inner(), 40);
        let (x, sum, after) = (x.to_f64().unwrap(), found[1].to_f64().unwrap(), found[2].to_f64().unwrap());
        for (i, &v) in x.iter().enumerate() {
            let want: f64 =
                (0..Uneven.count(i / 3)).map(|p| (2.0 * v + p as f64).tanh() * Uneven.weight(i / 3, p)).sum();
            assert!(
                (sum[i] - want).abs() < 1e-12 && (after[i] - (want - v)).abs() < 1e-12,
                "block {block}, tile {tile}"
            );
        }
        let first = kept.get_or_insert_with(|| found.clone());
        assert_eq!(*first, found, "block {block}, tile {tile}, {threads} threads: other bits");
    }
}

#[test]
fn the_points_of_few_rows_are_spread_over_threads_where_there_are_enough() {
    let x = rows(2);
    let run = |points: usize, tile: usize, threads: usize, expected: usize| {
        let points = Even { points, expected, threads: Mutex::default(), asked: Condvar::new() };
        let pool = pool(threads);
        let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
        let found = sweep(2, tile).run(&[x.view()], 2, Some(&points), &control).unwrap();
        (found, points.threads.into_inner().unwrap())
    };
    let own = HashSet::from([std::thread::current().id()]);
    assert_eq!(run(100, 8, 4, 1).1, own, "short work left its thread");
    let (want, _) = run(40_000, 64, 1, 1);
    for (tile, threads) in [(8, 2), (5, 3), (64, 4), (1000, 3)] {
        let (found, asked) = run(40_000, tile, threads, threads);
        assert_eq!(found, want, "tile {tile}, {threads} threads: other bits");
        assert!(asked.len() == threads && asked.is_superset(&own), "this thread and others share the points");
    }
}

#[test]
fn no_rows_give_empty_results() {
    let pool = pool(2);
    let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
    let found = sweep(4, 8).run(&[rows(0).view()], 0, Some(&Uneven), &control).unwrap();
    assert_eq!(found[2].shape(), [0, 3]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let pool = pool(1);
    let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
    let s = sweep(2, 4);
    let (good, narrow) = (rows(2), Tensor::new(&[2, 2], vec![0.0f64; 4]).unwrap());
    let single = Tensor::new(&[2, 3], vec![0.0f32; 6]).unwrap();
    for result in [
        s.run(&[good.view()], 2, None, &control),
        s.run(&[], 2, Some(&Uneven), &control),
        s.run(&[good.view()], 3, Some(&Uneven), &control),
        s.run(&[narrow.view()], 2, Some(&Uneven), &control),
        s.run(&[single.view()], 2, Some(&Uneven), &control),
    ] {
        assert!(matches!(result, Err(Error::Mismatch(_))), "{result:?}");
    }
    let back = with_knots(2, 48).run(&[good.view()], 2, Some(&Backwards), &control);
    assert!(matches!(&back, Err(Error::Mismatch(why)) if why.contains("do not ascend")), "{back:?}");
    let stop = AtomicBool::new(true);
    let control = Control { cancel: Some(&stop), ..control };
    assert!(matches!(s.run(&[good.view()], 2, Some(&Uneven), &control), Err(Error::Interrupted)));
}

/// Before: x, and 2x. Point: tanh(W · (x + p · 2x) + b) with points side by side, W of two rows.
fn on_a_line(block: usize, tile: usize) -> Sweep {
    let mut b = Builder::new(block);
    let x = b.input("x", Fact::new(DType::F64, &[block, 3]));
    let twice = b.scale(x, 2.0).unwrap();
    let same = b.scale(x, 1.0).unwrap();
    let before = Stage::new(&b.finish(&[same, twice]), &[Feed::Row(0)], &[BATCH], &[]).unwrap();
    let mut b = Builder::new(tile);
    let z = b.input("z", Fact::new(DType::F64, &[tile, 3]));
    let w = b.constant_value(Tensor::new(&[2, 3], WEIGHTS.to_vec()).unwrap());
    let bias = b.constant_value(Tensor::new(&[2], BIAS.to_vec()).unwrap());
    let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
    let y = b.push(gemm, &[z, w, bias]).unwrap();
    let y = b.tanh(y).unwrap();
    let line = Feed::Line { start: 0, difference: 1, number: 0 };
    let point = Stage::of_points(&b.finish(&[y]), &[line], &[BATCH], &[], 64).unwrap();
    assert!(point.in_columns());
    Sweep { before, point: Some(point), after: None, results: vec![Yield::Sum(0)] }
}

const WEIGHTS: [f64; 6] = [0.5, -0.25, 0.125, -0.03, 0.07, 0.01];
const BIAS: [f64; 2] = [0.1, -0.2];

/// Before: x, and x times `TURNS`. Point: the gradient of the sum of tanh(W · max(z, 0) + b) with respect to z = x + p · x · `TURNS`, whose units have
/// knots.
fn with_knots(block: usize, tile: usize) -> Sweep {
    let mut b = Builder::new(block);
    let x = b.input("x", Fact::new(DType::F64, &[block, 3]));
    let turns = b.constant_value(Tensor::new(&[3], TURNS.to_vec()).unwrap());
    let change = b.mul(x, turns).unwrap();
    let same = b.scale(x, 1.0).unwrap();
    let before = Stage::new(&b.finish(&[same, change]), &[Feed::Row(0)], &[BATCH], &[]).unwrap();
    let mut b = Builder::new(tile);
    let z = b.input("z", Fact::new(DType::F64, &[tile, 3]));
    let units = b.relu(z).unwrap();
    let w = b.constant_value(Tensor::new(&[2, 3], WEIGHTS.to_vec()).unwrap());
    let bias = b.constant_value(Tensor::new(&[2], BIAS.to_vec()).unwrap());
    let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
    let y = b.push(gemm, &[units, w, bias]).unwrap();
    let y = b.tanh(y).unwrap();
    let ones = b.ones_like(y).unwrap();
    let gradient = differentiate(&mut b, &[(y, ones)], &[z], &mut no_rule).unwrap()[0].unwrap();
    let line = Feed::Line { start: 0, difference: 1, number: 0 };
    let point = Stage::of_points(&b.finish(&[gradient]), &[line], &[BATCH], &[], 64).unwrap();
    // What runs begins behind the product with the units.
    assert_eq!(point.plan().inputs().next().unwrap().shape, [2, tile]);
    Sweep { before, point: Some(point), after: None, results: vec![Yield::Sum(0)] }
}

const TURNS: [f64; 3] = [-0.05, 0.1, -0.013];

#[test]
fn sums_over_points_side_by_side_are_those_taken_by_hand_for_any_tile_and_threads() {
    hold(on_a_line, 2, |x, p| {
        let z = x.map(|x| x + p * 2.0 * x);
        product(z).map(f64::tanh).to_vec()
    });
    hold(with_knots, 3, |x, p| {
        let z: [f64; 3] = std::array::from_fn(|j| x[j] + p * (x[j] * TURNS[j]));
        let y = product(z.map(|z| z.max(0.0))).map(f64::tanh);
        let back = |j: usize| (0..2).map(|k| WEIGHTS[k * 3 + j] * (1.0 - y[k] * y[k])).sum::<f64>();
        (0..3).map(|j| if z[j] > 0.0 { back(j) } else { 0.0 }).collect()
    });
}

fn product(z: [f64; 3]) -> [f64; 2] {
    std::array::from_fn(|k| (0..3).map(|j| WEIGHTS[k * 3 + j] * z[j]).sum::<f64>() + BIAS[k])
}

/// Holds the sums of `width` numbers over five rows' points to those of what a row gives at a point.
fn hold(make: fn(usize, usize) -> Sweep, width: usize, at: impl Fn([f64; 3], f64) -> Vec<f64>) {
    let x = rows(5);
    let mut kept: Option<Vec<Tensor>> = None;
    for (block, tile, threads) in
        [(1, 1, 1), (2, 7, 1), (4, 16, 2), (8, 33, 3), (16, 240, 2), (1, 48, 4), (8, 100, 1)]
    {
        let pool = pool(threads);
        let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
        let found = make(block, tile).run(&[x.view()], 5, Some(&Uneven), &control).unwrap();
        let (x, sums) = (x.to_f64().unwrap(), found[0].to_f64().unwrap());
        for (row, sums) in sums.chunks_exact(width).enumerate() {
            let x: [f64; 3] = std::array::from_fn(|j| x[row * 3 + j]);
            let mut want = vec![0.0; width];
            for p in 0..Uneven.count(row) {
                let parts = at(x, p as f64);
                want.iter_mut().zip(parts).for_each(|(w, part)| *w += part * Uneven.weight(row, p));
            }
            for (sum, want) in sums.iter().zip(&want) {
                assert!((sum - want).abs() < 1e-12, "block {block}, tile {tile}: {sum} and {want}");
            }
        }
        let first = kept.get_or_insert_with(|| found.clone());
        assert_eq!(*first, found, "block {block}, tile {tile}, {threads} threads: other bits");
    }
}
