//! Folding the elements along some axes into one.

/// The number of partial results in which neighbouring elements are folded, so that they can go side by side.
const LANES: usize = 8;

/// Folds neighbouring elements: by lanes, then the lanes by halves, then what is left over. The order depends on the length alone.
pub fn fold<T: Copy, U: Copy>(x: &[T], identity: U, map: impl Fn(T) -> U, combine: impl Fn(U, U) -> U) -> U {
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    let mut lanes = [identity; LANES];
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, map(v));
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = combine(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    rest.iter().fold(lanes[0], |sum, &v| combine(sum, map(v)))
}

/// `out[kept] = combine over the reduced axes of map(x)`, the axes of `shape` being reduced where `reduced` says so.
///
/// The order in which the elements of one result are combined does not depend on the sizes of the other axes.
pub fn reduce<T: Copy, U: Copy>(
    (x, shape): (&[T], &[usize]),
    reduced: &[bool],
    out: &mut [U],
    identity: U,
    map: impl Fn(T) -> U,
    combine: impl Fn(U, U) -> U,
) {
    out.fill(identity);
    each_run(shape, reduced, |from, size, to, gone| {
        let run = &x[from..from + size];
        if gone {
            out[to] = combine(out[to], fold(run, identity, &map, &combine));
        } else {
            for (o, &v) in out[to..to + size].iter_mut().zip(run) {
                *o = combine(*o, map(v));
            }
        }
    });
}

/// The same for a map that also sees a value beside each result, as the largest element of its group.
pub fn reduce_beside<T: Copy, U: Copy, V: Copy>(
    (x, shape): (&[T], &[usize]),
    reduced: &[bool],
    (out, beside): (&mut [U], &[V]),
    identity: U,
    map: impl Fn(T, V) -> U,
    combine: impl Fn(U, U) -> U,
) {
    out.fill(identity);
    each_run(shape, reduced, |from, size, to, gone| {
        let run = &x[from..from + size];
        if gone {
            let beside = beside[to];
            out[to] = combine(out[to], fold(run, identity, |v| map(v, beside), &combine));
        } else {
            for ((o, &v), &s) in out[to..to + size].iter_mut().zip(run).zip(&beside[to..to + size]) {
                *o = combine(*o, map(v, s));
            }
        }
    });
}

/// Calls `body(from, size, to, reduced)` for each run of neighbouring elements, all of which are reduced to one result or none are.
///
/// Neighbouring axes go together where both are reduced or both kept, whatever their sizes.
fn each_run(shape: &[usize], reduced: &[bool], mut body: impl FnMut(usize, usize, usize, bool)) {
    if shape.contains(&0) {
        return;
    }
    let mut groups: Vec<(usize, bool)> = Vec::with_capacity(shape.len());
    for (&size, &gone) in shape.iter().zip(reduced) {
        match groups.last_mut() {
            Some((n, last)) if *last == gone => *n *= size,
            _ => groups.push((size, gone)),
        }
    }
    let Some(((run, gone), outer)) = groups.split_last().map(|(&last, outer)| (last, outer)) else {
        body(0, 1, 0, true);
        return;
    };
    let mut steps = vec![0; outer.len()];
    let mut step = if gone { 1 } else { run };
    for (i, &(size, reduced)) in outer.iter().enumerate().rev() {
        if !reduced {
            steps[i] = step;
            step *= size;
        }
    }
    let mut index = vec![0usize; outer.len()];
    let (mut from, mut to) = (0, 0);
    loop {
        body(from, run, to, gone);
        from += run;
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            to += steps[axis];
            if index[axis] < outer[axis].0 {
                break;
            }
            to -= steps[axis] * outer[axis].0;
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn results_are_those_counted_one_by_one() {
        let shapes: [&[usize]; 6] = [&[3, 4, 5], &[1, 20, 1], &[2, 1, 3, 1], &[17], &[], &[2, 0, 3]];
        for shape in shapes {
            let n: usize = shape.iter().product();
            let x: Vec<i64> = (0..n as i64).map(|i| i * i + 1).collect();
            for mask in 0..1usize << shape.len() {
                let reduced: Vec<bool> = (0..shape.len()).map(|a| mask >> a & 1 == 1).collect();
                let kept: usize = shape.iter().zip(&reduced).filter(|(_, r)| !**r).map(|(d, _)| d).product();
                let mut want = vec![0; kept];
                for (flat, v) in x.iter().enumerate() {
                    let (mut rest, mut to, mut step) = (flat, 0, 1);
                    for axis in (0..shape.len()).rev() {
                        if !reduced[axis] {
                            to += rest % shape[axis] * step;
                            step *= shape[axis];
                        }
                        rest /= shape[axis];
                    }
                    want[to] += v;
                }
                let mut out = vec![-1; kept];
                reduce((&x, shape), &reduced, &mut out, 0, |v| v, |a, b| a + b);
                assert_eq!(out, want, "{shape:?} {reduced:?}");
                let beside: Vec<i64> = (0..kept as i64).collect();
                reduce_beside((&x, shape), &reduced, (&mut out, &beside), 0, |v, s| v - s, |a, b| a + b);
                let each = n.checked_div(kept).unwrap_or(0);
                let less: Vec<i64> = want.iter().zip(&beside).map(|(w, s)| w - s * each as i64).collect();
                assert_eq!(out, less, "{shape:?} {reduced:?}");
            }
        }
    }

    #[test]
    fn a_row_alone_has_the_bits_that_it_has_among_others() {
        let mut stream = Stream::new(3, [0; 3]);
        let x: Vec<f32> = (0..5 * 4 * 37).map(|_| stream.normal() as f32).collect();
        let sum = |x: &[f32], rows: usize| {
            let mut out = vec![0.0; rows];
            reduce((x, &[5, rows, 37]), &[true, false, true], &mut out, 0.0, |v| v, |a, b| a + b);
            out
        };
        let all = sum(&x, 4);
        for (row, want) in all.iter().enumerate() {
            let own: Vec<f32> = x.chunks_exact(37).skip(row).step_by(4).flatten().copied().collect();
            assert_eq!(sum(&own, 1)[0].to_bits(), want.to_bits());
        }
    }
}
