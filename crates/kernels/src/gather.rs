//! Taking and putting elements by index.

use crate::layout::row_major;

/// An index that is outside its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The index.
    pub index: i64,
    /// The size of the axis.
    pub size: usize,
}

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "index {} is outside an axis of size {}", self.index, self.size)
    }
}

impl std::error::Error for OutOfRange {}

/// The position that an index means; negative ones count from the end.
pub fn resolve(index: i64, size: usize) -> Result<usize, OutOfRange> {
    let at = if index < 0 { index.saturating_add(size as i64) } else { index };
    if (0..size as i64).contains(&at) { Ok(at as usize) } else { Err(OutOfRange { index, size }) }
}

/// `out[o, i, k] = x[o, index[i], k]` for x of sizes `[outer, size, inner]`.
pub fn take<T: Clone>(
    x: &[T],
    [outer, size, inner]: [usize; 3],
    index: &[i64],
    out: &mut [T],
) -> Result<(), OutOfRange> {
    let positions: Vec<usize> = index.iter().map(|&i| resolve(i, size)).collect::<Result<_, _>>()?;
    if inner == 0 || positions.is_empty() {
        return Ok(());
    }
    for (o, block) in out.chunks_exact_mut(positions.len() * inner).enumerate().take(outer) {
        let x = &x[o * size * inner..(o + 1) * size * inner];
        if inner == 1 {
            for (to, &at) in block.iter_mut().zip(&positions) {
                *to = x[at].clone();
            }
        } else {
            for (to, &at) in block.chunks_exact_mut(inner).zip(&positions) {
                to.clone_from_slice(&x[at * inner..(at + 1) * inner]);
            }
        }
    }
    Ok(())
}

/// Calls `body` with the flat position of each index and that of the element it means: along `axis` the one at the index, along
/// the other axes the one beside it. `shape` is that of the indices; no size but that of `axis` may exceed the data's.
pub fn along(
    (index, shape): (&[i64], &[usize]),
    data_shape: &[usize],
    axis: usize,
    mut body: impl FnMut(usize, usize),
) -> Result<(), OutOfRange> {
    let steps: Vec<usize> = row_major(data_shape).into_iter().map(|s| s as usize).collect();
    let Some((&run, outer)) = shape.split_last() else { return Ok(()) };
    if shape.contains(&0) {
        return Ok(());
    }
    let (size, step) = (data_shape[axis], steps[axis]);
    let beside = usize::from(axis != outer.len());
    let mut at = vec![0usize; outer.len()];
    for (r, indices) in index.chunks_exact(run).enumerate() {
        let base: usize = (0..outer.len()).filter(|&a| a != axis).map(|a| at[a] * steps[a]).sum();
        for (i, &index) in indices.iter().enumerate() {
            body(r * run + i, base + i * beside + resolve(index, size)? * step);
        }
        for a in (0..outer.len()).rev() {
            at[a] += 1;
            if at[a] < outer[a] {
                break;
            }
            at[a] = 0;
        }
    }
    Ok(())
}

/// The flat position of the block that each tuple of indices means, the tuples being the rows of `index` of `shape`.
///
/// The first `batch` axes of `shape` run beside those of the data; each tuple indexes the data's next axes. A block is what the
/// data has behind them.
pub fn blocks(
    (index, shape): (&[i64], &[usize]),
    data_shape: &[usize],
    batch: usize,
) -> Result<Vec<usize>, OutOfRange> {
    let steps: Vec<usize> = row_major(data_shape).into_iter().map(|s| s as usize).collect();
    let depth = shape.last().copied().unwrap_or(0);
    let count: usize = shape[..shape.len().saturating_sub(1)].iter().product();
    let each: usize = shape.get(batch..shape.len().saturating_sub(1)).unwrap_or(&[]).iter().product();
    // What a step of one in the running number of the batch moves: the data's batch axes are contiguous.
    let batch_step: usize = data_shape[batch..].iter().product();
    (0..count)
        .map(|i| {
            let tuple = &index[i * depth..(i + 1) * depth];
            let mut at = i.checked_div(each).unwrap_or(0) * batch_step;
            for (&index, axis) in tuple.iter().zip(batch..) {
                at += resolve(index, data_shape[axis])? * steps[axis];
            }
            Ok(at)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_from_either_end() {
        assert_eq!(resolve(-3, 3), Ok(0));
        assert_eq!(resolve(2, 3), Ok(2));
        for index in [3, -4, i64::MIN, i64::MAX] {
            assert_eq!(resolve(index, 3), Err(OutOfRange { index, size: 3 }));
        }
        assert!(resolve(0, 0).is_err());
    }

    #[test]
    fn take_moves_blocks() {
        let x: Vec<u32> = (0..12).collect();
        let mut out = vec![0; 8];
        take(&x, [2, 3, 2], &[-1, 0], &mut out).unwrap();
        assert_eq!(out, [4, 5, 0, 1, 10, 11, 6, 7]);
        let mut out = vec![0; 4];
        take(&x, [4, 3, 1], &[1], &mut out).unwrap();
        assert_eq!(out, [1, 4, 7, 10]);
        assert!(take(&x, [4, 3, 1], &[3], &mut out).is_err());
    }

    #[test]
    fn along_pairs_each_index_with_its_element() {
        let pairs = |index: &[i64], shape: &[usize], data: &[usize], axis| {
            let mut found = Vec::new();
            along((index, shape), data, axis, |i, at| found.push((i, at))).map(|()| found)
        };
        assert_eq!(pairs(&[2, 0, -1, 1], &[2, 2], &[3, 3], 1), Ok(vec![(0, 2), (1, 0), (2, 5), (3, 4)]));
        assert_eq!(pairs(&[2, 0, -1, 1], &[2, 2], &[3, 3], 0), Ok(vec![(0, 6), (1, 1), (2, 6), (3, 4)]));
        assert_eq!(pairs(&[1, 0], &[1, 2, 1], &[2, 2, 2], 2), Ok(vec![(0, 1), (1, 2)]));
        assert_eq!(pairs(&[], &[2, 0], &[2, 2], 0), Ok(vec![]));
        assert!(pairs(&[3], &[1, 1], &[3, 3], 1).is_err());
    }

    #[test]
    fn blocks_lie_where_tuples_say() {
        assert_eq!(blocks((&[1, -1, 0, 2], &[2, 2]), &[2, 3, 4], 0), Ok(vec![20, 8]));
        assert_eq!(blocks((&[1, 0], &[2, 1]), &[2, 3, 4], 1), Ok(vec![4, 12]));
        assert_eq!(blocks((&[1, 0, 2, 1], &[2, 2, 1]), &[2, 3], 1), Ok(vec![1, 0, 5, 4]));
        assert_eq!(blocks((&[], &[2, 0]), &[2, 3], 0), Ok(vec![0, 0]));
        assert!(blocks((&[2], &[1, 1]), &[2, 3], 0).is_err());
    }
}
