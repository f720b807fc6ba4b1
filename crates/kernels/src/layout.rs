//! Moving elements: copies between strided blocks, and along one axis by index.

/// Where the elements of a block lie in a slice: the first one, and the step along each axis.
#[derive(Clone, Copy, Debug)]
pub struct Strides<'a> {
    /// The position of the first element.
    pub start: usize,
    /// For each axis, the distance between neighbours.
    pub steps: &'a [isize],
}

/// The steps of a row-major tensor.
pub fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut steps = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis] as isize;
    }
    steps
}

/// Rows and columns of the squares in which a transposed copy goes, so that the lines of both sides stay in cache.
const SQUARE: usize = 32;

#[derive(Clone, Copy)]
struct Dim {
    size: usize,
    from: isize,
    to: isize,
}

/// Copies a block of `shape` from one place to another. Panics where an element lies outside its slice.
pub fn copy<T: Clone>(shape: &[usize], (x, from): (&[T], Strides<'_>), (out, to): (&mut [T], Strides<'_>)) {
    assert!(shape.len() == from.steps.len() && shape.len() == to.steps.len(), "a step for each axis");
    if shape.contains(&0) {
        return;
    }
    let dims = joined(shape, from.steps, to.steps);
    let (x_start, out_start) = (from.start as isize, to.start as isize);
    let Some(&inner) = dims.first() else {
        out[to.start] = x[from.start].clone();
        return;
    };
    let along = dims.iter().position(|d| d.from == 1).filter(|&j| j > 0 && inner.to == 1);
    if let Some(j) = along {
        let other = dims[j];
        let rest: Vec<Dim> =
            dims.iter().enumerate().filter(|(i, _)| *i != 0 && *i != j).map(|(_, d)| *d).collect();
        each(&rest, x_start, out_start, |a, b| squares(inner, other, (x, a), (out, b)));
        return;
    }
    each(&dims[1..], x_start, out_start, |a, b| {
        let (a, n) = (a as usize, inner.size);
        match (inner.from, inner.to) {
            (1, 1) => out[b as usize..b as usize + n].clone_from_slice(&x[a..a + n]),
            (0, 1) => out[b as usize..b as usize + n].fill(x[a].clone()),
            (step, 1) => {
                let mut at = a as isize;
                for o in &mut out[b as usize..b as usize + n] {
                    *o = x[at as usize].clone();
                    at += step;
                }
            }
            (from, to) => {
                for i in 0..n as isize {
                    out[(b + i * to) as usize] = x[(a as isize + i * from) as usize].clone();
                }
            }
        }
    });
}

/// The axes from the innermost outwards, those of size one left out, neighbours joined where both sides run through alike.
fn joined(shape: &[usize], from: &[isize], to: &[isize]) -> Vec<Dim> {
    let mut dims: Vec<Dim> = Vec::with_capacity(shape.len());
    for axis in (0..shape.len()).rev().filter(|&a| shape[a] != 1) {
        let dim = Dim { size: shape[axis], from: from[axis], to: to[axis] };
        match dims.last_mut() {
            Some(d) if dim.from == d.from * d.size as isize && dim.to == d.to * d.size as isize => {
                d.size *= dim.size;
            }
            _ => dims.push(dim),
        }
    }
    dims
}

/// Calls `body` with both positions for every index of `dims`, the first of which moves fastest.
fn each(dims: &[Dim], mut from: isize, mut to: isize, mut body: impl FnMut(isize, isize)) {
    let mut index = vec![0usize; dims.len()];
    loop {
        body(from, to);
        let mut axis = 0;
        loop {
            let Some(&Dim { size, from: f, to: t }) = dims.get(axis) else { return };
            index[axis] += 1;
            if index[axis] < size {
                from += f;
                to += t;
                break;
            }
            from -= f * (size as isize - 1);
            to -= t * (size as isize - 1);
            index[axis] = 0;
            axis += 1;
        }
    }
}

/// A transposed copy: `inner` is contiguous in the output, `other` in the input.
fn squares<T: Clone>(inner: Dim, other: Dim, (x, a): (&[T], isize), (out, b): (&mut [T], isize)) {
    for j0 in (0..other.size).step_by(SQUARE) {
        for i0 in (0..inner.size).step_by(SQUARE) {
            let n = SQUARE.min(inner.size - i0);
            for j in j0..(j0 + SQUARE).min(other.size) {
                let to = (b + j as isize * other.to) as usize + i0;
                let mut from = a + j as isize + i0 as isize * inner.from;
                for o in &mut out[to..to + n] {
                    *o = x[from as usize].clone();
                    from += inner.from;
                }
            }
        }
    }
}

/// `out[i, j, …] = x[tables[0][i] + tables[1][j] + …]`: an independent choice of positions along each axis.
pub fn pick<T: Clone>(x: &[T], tables: &[Vec<usize>], out: &mut [T]) {
    let Some((inner, outer)) = tables.split_last() else {
        out[0] = x[0].clone();
        return;
    };
    if tables.iter().any(Vec::is_empty) {
        return;
    }
    let mut index = vec![0usize; outer.len()];
    for run in out.chunks_exact_mut(inner.len()) {
        let base: usize = outer.iter().zip(&index).map(|(t, &i)| t[i]).sum();
        for (o, &i) in run.iter_mut().zip(inner) {
            *o = x[base + i].clone();
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis].len() {
                break;
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flat positions of a block, counted one by one.
    fn positions(shape: &[usize], at: Strides<'_>) -> Vec<usize> {
        let n: usize = shape.iter().product();
        (0..n)
            .map(|flat| {
                let (mut rest, mut position) = (flat, at.start as isize);
                for axis in (0..shape.len()).rev() {
                    position += (rest % shape[axis]) as isize * at.steps[axis];
                    rest /= shape[axis];
                }
                position as usize
            })
            .collect()
    }

    #[test]
    fn a_copy_moves_every_element_to_its_place() {
        type Block<'a> = (&'a [usize], (usize, &'a [isize]), (usize, &'a [isize]));
        let cases: [Block<'_>; 10] = [
            (&[2, 3, 4], (0, &[12, 4, 1]), (0, &[12, 4, 1])),
            (&[4, 3, 2], (0, &[1, 4, 12]), (0, &[6, 2, 1])),
            (&[40, 70], (0, &[1, 40]), (0, &[70, 1])),
            (&[3, 40, 2, 35], (5, &[2800, 1, 1400, 40]), (7, &[2800, 70, 35, 1])),
            (&[3, 2], (5, &[-2, 1]), (0, &[2, 1])),
            (&[2, 3], (0, &[0, 1]), (1, &[10, 2])),
            (&[2, 3], (4, &[1, 0]), (0, &[3, 1])),
            (&[1, 1], (2, &[9, 9]), (3, &[9, 9])),
            (&[], (2, &[]), (3, &[])),
            (&[2, 0], (0, &[0, 1]), (0, &[0, 1])),
        ];
        for (shape, (x_start, x_steps), (o_start, o_steps)) in cases {
            let x: Vec<usize> = (0..10_000).collect();
            let mut out = vec![usize::MAX; 10_000];
            let from = Strides { start: x_start, steps: x_steps };
            let to = Strides { start: o_start, steps: o_steps };
            copy(shape, (&x, from), (&mut out, to));
            let mut want = vec![usize::MAX; 10_000];
            for (a, b) in positions(shape, from).into_iter().zip(positions(shape, to)) {
                want[b] = x[a];
            }
            assert_eq!(out, want, "{shape:?}");
        }
    }

    #[test]
    fn pick_takes_each_axis_by_its_own_table() {
        let x: Vec<usize> = (0..12).collect();
        let mut out = vec![0; 6];
        pick(&x, &[vec![8, 0], vec![1, 1, 3]], &mut out);
        assert_eq!(out, [9, 9, 11, 1, 1, 3]);
    }
}
