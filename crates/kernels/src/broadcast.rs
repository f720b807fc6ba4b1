//! Elementwise work on inputs that are broadcast as numpy does.

use crate::real::Real;
use crate::vector::for_widest;

/// The shape that inputs broadcast to; `None` where they do not.
pub fn broadcast_shape(shapes: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1usize; rank];
    for shape in shapes {
        for (o, &d) in out[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*o, d) {
                (a, b) if a == b => {}
                (1, b) => *o = b,
                (_, 1) => {}
                _ => return None,
            }
        }
    }
    Some(out)
}

/// Walks the elements of `shape`, in order, in runs along which every input either moves by one or stays.
///
/// `body` gets the first position of a run, where each input stands there, the run's length, and each input's step (0 or 1).
/// Inputs' shapes must broadcast to `shape`.
pub fn walk<const N: usize>(
    shape: &[usize],
    inputs: [&[usize]; N],
    mut body: impl FnMut(usize, [usize; N], usize, [usize; N]),
) {
    // The common case takes no memory.
    if inputs.iter().all(|input| *input == shape || input.iter().all(|&n| n == 1)) {
        let len = shape.iter().product();
        if len > 0 {
            body(0, [0; N], len, inputs.map(|input| usize::from(input == shape && len > 1)));
        }
        return;
    }
    // Dimensions from the innermost outwards, neighbours joined where all inputs run through both alike.
    let rank = shape.len();
    let mut dims: Vec<(usize, [usize; N])> = Vec::with_capacity(rank.max(1));
    let mut sizes = [1usize; N];
    for axis in (0..rank).rev() {
        let size = shape[axis];
        let mut strides = [0usize; N];
        for (i, input) in inputs.iter().enumerate() {
            let own = (axis + input.len()).checked_sub(rank).map_or(1, |a| input[a]);
            strides[i] = if own == 1 { 0 } else { sizes[i] };
            sizes[i] *= own;
        }
        if size == 1 {
            continue;
        }
        match dims.last_mut() {
            Some((n, inner)) if (0..N).all(|i| strides[i] == inner[i] * *n) => *n *= size,
            _ => dims.push((size, strides)),
        }
    }
    if shape.contains(&0) {
        return;
    }
    let (run, steps) = match dims.first() {
        Some(&(n, steps)) => (n, steps),
        None => (1, [0; N]),
    };
    let outer = dims.get(1..).unwrap_or(&[]);
    let mut index = vec![0usize; outer.len()];
    let mut at = [0usize; N];
    let mut position = 0;
    loop {
        body(position, at, run, steps);
        position += run;
        let mut axis = 0;
        loop {
            let Some(&(size, strides)) = outer.get(axis) else { return };
            index[axis] += 1;
            if index[axis] < size {
                for i in 0..N {
                    at[i] += strides[i];
                }
                break;
            }
            for i in 0..N {
                at[i] -= strides[i] * (size - 1);
            }
            index[axis] = 0;
            axis += 1;
        }
    }
}

/// `f` of each element.
#[inline(always)]
pub fn map<A, T>(x: &[A], out: &mut [T], f: impl Fn(&A) -> T) {
    for (o, x) in out.iter_mut().zip(x) {
        *o = f(x);
    }
}

for_widest! {
    /// As [`map`], compiled for the machine's vector instructions.
    pub fn map_real<T: Real, F: Fn(&T) -> T>(x: &[T], out: &mut [T], f: F) {
        map(x, out, f);
    }

    /// `sum[i] + factor · x[i]`, in place; without the sum where `fresh` says so.
    pub fn add_scaled<T: Real>(sum: &mut [T], x: &[T], factor: T, fresh: bool) {
        let pairs = sum.iter_mut().zip(x);
        if fresh {
            pairs.for_each(|(s, x)| *s = factor * *x);
        } else {
            pairs.for_each(|(s, x)| *s += factor * *x);
        }
    }

    /// As [`along`], compiled for the machine's vector instructions.
    fn along_widest<T: Real, F: Fn(&T, &T) -> T>(of: (&[T], &[T]), at: [usize; 2], steps: [usize; 2], out: &mut [T], f: &F) {
        along(of, at, steps, out, f);
    }
}

/// `f` of each pair of elements, broadcast to `shape`.
pub fn zip<A, B, T>(
    (x, x_shape): (&[A], &[usize]),
    (y, y_shape): (&[B], &[usize]),
    (out, shape): (&mut [T], &[usize]),
    f: impl Fn(&A, &B) -> T,
) {
    walk(shape, [x_shape, y_shape], |o, at, n, steps| along((x, y), at, steps, &mut out[o..o + n], &f));
}

/// As [`zip`], compiled for the machine's vector instructions.
pub fn zip_real<T: Real>(
    (x, x_shape): (&[T], &[usize]),
    (y, y_shape): (&[T], &[usize]),
    (out, shape): (&mut [T], &[usize]),
    f: impl Fn(&T, &T) -> T,
) {
    walk(shape, [x_shape, y_shape], |o, at, n, steps| {
        along_widest((x, y), at, steps, &mut out[o..o + n], &f);
    });
}

/// `f` of each pair along one run.
#[inline(always)]
fn along<A, B, T>(
    (x, y): (&[A], &[B]),
    [a, b]: [usize; 2],
    steps: [usize; 2],
    out: &mut [T],
    f: &impl Fn(&A, &B) -> T,
) {
    let n = out.len();
    match steps {
        [0, 0] => {
            let (x, y) = (&x[a], &y[b]);
            out.iter_mut().for_each(|o| *o = f(x, y));
        }
        [0, _] => {
            let x = &x[a];
            out.iter_mut().zip(&y[b..b + n]).for_each(|(o, y)| *o = f(x, y));
        }
        [_, 0] => {
            let y = &y[b];
            out.iter_mut().zip(&x[a..a + n]).for_each(|(o, x)| *o = f(x, y));
        }
        _ => out.iter_mut().zip(&x[a..a + n]).zip(&y[b..b + n]).for_each(|((o, x), y)| *o = f(x, y)),
    }
}

/// For each element, `yes` where the condition holds, else `no`; broadcast to `shape`.
pub fn select<T: Clone>(
    (condition, c_shape): (&[bool], &[usize]),
    (yes, y_shape): (&[T], &[usize]),
    (no, n_shape): (&[T], &[usize]),
    (out, shape): (&mut [T], &[usize]),
) {
    walk(shape, [c_shape, y_shape, n_shape], |o, [c, y, n], run, steps| {
        let out = &mut out[o..o + run];
        let pick = |c: &bool, yes: &T, no: &T| if *c { yes.clone() } else { no.clone() };
        let condition_run = condition.get(c..c + run).unwrap_or_default();
        match steps {
            [1, 1, 0] => {
                let no = &no[n];
                out.iter_mut()
                    .zip(condition_run)
                    .zip(&yes[y..y + run])
                    .for_each(|((o, c), y)| *o = pick(c, y, no));
            }
            [1, 0, 1] => {
                let yes = &yes[y];
                out.iter_mut()
                    .zip(condition_run)
                    .zip(&no[n..n + run])
                    .for_each(|((o, c), n)| *o = pick(c, yes, n));
            }
            [1, 1, 1] => {
                let both = yes[y..y + run].iter().zip(&no[n..n + run]);
                out.iter_mut().zip(condition_run).zip(both).for_each(|((o, c), (y, n))| *o = pick(c, y, n));
            }
            [cs, ys, ns] => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = pick(&condition[c + cs * i], &yes[y + ys * i], &no[n + ns * i]);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast_shape(&[&[2, 1, 3], &[4, 1]]), Some(vec![2, 4, 3]));
        assert_eq!(broadcast_shape(&[&[], &[5]]), Some(vec![5]));
        assert_eq!(broadcast_shape(&[&[0], &[1]]), Some(vec![0]));
        assert_eq!(broadcast_shape(&[&[2], &[3]]), None);
    }

    #[test]
    fn select_chooses_alike_however_its_inputs_are_broadcast() {
        let shapes: [&[usize]; 4] = [&[3, 4], &[4], &[3, 1], &[]];
        let at = |shape: &[usize], i: usize, j: usize| match shape {
            [3, 4] => i * 4 + j,
            [4] => j,
            [3, 1] => i,
            _ => 0,
        };
        for c_shape in shapes {
            for y_shape in shapes {
                for n_shape in shapes {
                    let size = |s: &[usize]| s.iter().product::<usize>();
                    let condition: Vec<bool> = (0..size(c_shape)).map(|i| i % 3 != 1).collect();
                    let yes: Vec<usize> = (0..size(y_shape)).collect();
                    let no: Vec<usize> = (100..100 + size(n_shape)).collect();
                    let mut out = vec![0; 12];
                    select((&condition, c_shape), (&yes, y_shape), (&no, n_shape), (&mut out, &[3, 4]));
                    for i in 0..3 {
                        for j in 0..4 {
                            let chosen = condition[at(c_shape, i, j)];
                            let want = if chosen { yes[at(y_shape, i, j)] } else { no[at(n_shape, i, j)] };
                            assert_eq!(
                                out[i * 4 + j],
                                want,
                                "{c_shape:?} {y_shape:?} {n_shape:?} at {i}, {j}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn zip_agrees_with_indices_counted_one_by_one() {
        let cases: [(&[usize], &[usize]); 8] = [
            (&[2, 3, 4], &[2, 3, 4]),
            (&[2, 3, 4], &[4]),
            (&[2, 1, 4], &[3, 1]),
            (&[], &[2, 2]),
            (&[1, 3, 1], &[2, 1, 5]),
            (&[1], &[1]),
            (&[0, 2], &[1, 2]),
            (&[2, 3, 1, 2], &[1, 3, 4, 1]),
        ];
        for (xs, ys) in cases {
            let shape = broadcast_shape(&[xs, ys]).unwrap();
            let x: Vec<usize> = (0..xs.iter().product()).collect();
            let y: Vec<usize> = (0..ys.iter().product()).map(|v: usize| 1000 * v).collect();
            let mut out = vec![usize::MAX; shape.iter().product()];
            zip((&x, xs), (&y, ys), (&mut out, &shape), |a, b| a + b);
            let at = |flat: usize, own: &[usize]| {
                let (mut rest, mut index, mut stride) = (flat, 0, 1);
                for axis in (0..shape.len()).rev() {
                    let i = rest % shape[axis];
                    rest /= shape[axis];
                    if let Some(a) = (axis + own.len()).checked_sub(shape.len()) {
                        if own[a] != 1 {
                            index += i * stride;
                        }
                        stride *= own[a];
                    }
                }
                index
            };
            for (flat, &got) in out.iter().enumerate() {
                assert_eq!(got, at(flat, xs) + 1000 * at(flat, ys), "{xs:?} {ys:?} at {flat}");
            }
        }
    }
}
