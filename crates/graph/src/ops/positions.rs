//! The way back through taking positions of an axis, for Gather, Pad and their like.

use super::scatter::Reduction;
use super::scatter_elements::ScatterElements;
use crate::build::{Builder, filled};
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;

/// The most pieces in which a cotangent is moved back; more positions than that are scattered.
const MOST_PIECES: usize = 8;

/// Neighbouring positions that are taken in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: usize,
    size: usize,
    /// The first and the last position that is taken.
    ends: (usize, usize),
}

fn runs(map: &[usize]) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    for (i, &p) in map.iter().enumerate() {
        if let Some(run) = found.last_mut() {
            let step = p as i64 - run.ends.1 as i64;
            let own = if run.size == 1 { step } else { (run.ends.1 as i64 - run.ends.0 as i64).signum() };
            if step == own && step.abs() <= 1 {
                run.size += 1;
                run.ends.1 = p;
                continue;
            }
        }
        found.push(Run { start: i, size: 1, ends: (p, p) });
    }
    found
}

/// The transpose of taking positions `map` of an axis of `size`: each element of `g` is added where it was taken from.
pub(crate) fn transposed(
    b: &mut Builder,
    g: ValueId,
    axis: usize,
    size: usize,
    map: &[usize],
) -> OpResult<ValueId> {
    let runs = runs(map);
    if runs.len() > MOST_PIECES {
        let map: Vec<i64> = map.iter().map(|&i| i as i64).collect();
        let index = b.integers(&map);
        return scattered(b, g, axis, size, index);
    }
    let mut sum = None;
    for run in runs {
        let mut piece = b.narrow(g, axis, run.start, run.size)?;
        let (first, last) = run.ends;
        if first == last {
            piece = if run.size > 1 { b.reduce_sum(piece, &[axis], true)? } else { piece };
        } else if first > last {
            piece = b.flip(piece, axis)?;
        }
        let (low, high) = (first.min(last), first.max(last));
        let placed = b.pad_axis(piece, axis, low, size - high - 1)?;
        sum = Some(match sum {
            Some(sum) => b.add(sum, placed)?,
            None => placed,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => b.pad_axis(g, axis, 0, size),
    }
}

/// The same for positions that a value holds, one-dimensional.
pub(crate) fn scattered(
    b: &mut Builder,
    g: ValueId,
    axis: usize,
    size: usize,
    index: ValueId,
) -> OpResult<ValueId> {
    let mut shape = b.shape(g).to_vec();
    let mut flat = vec![1; shape.len()];
    flat[axis] = shape[axis];
    let index = b.reshape(index, &flat)?;
    let index = b.expand(index, &shape)?;
    shape[axis] = size;
    let dtype = b.fact(g).dtype;
    let zeros = filled(dtype, &shape, 0.0).ok_or_else(|| OpError(format!("no zeros of type {dtype}")))?;
    let zeros = b.constant_value(zeros);
    b.push(ScatterElements { axis: axis as i64, reduction: Reduction::Add }, &[zeros, index, g])
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_are_lines_of_one_direction() {
        let found = |map: &[usize]| runs(map).iter().map(|r| (r.start, r.size, r.ends)).collect::<Vec<_>>();
        assert_eq!(found(&[2, 1, 0, 1, 2, 2, 2]), [(0, 3, (2, 0)), (3, 2, (1, 2)), (5, 2, (2, 2))]);
        assert_eq!(found(&[0, 0, 1, 5]), [(0, 2, (0, 0)), (2, 1, (1, 1)), (3, 1, (5, 5))]);
        assert_eq!(found(&[]), []);
    }
}
