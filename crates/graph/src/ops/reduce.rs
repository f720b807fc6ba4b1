//! What the Reduce family shares: axes, shapes and the walk over what is reduced.

use super::support::{axes as checked_axes, data, no_type, out, view};
use crate::error::{OpError, OpResult};
use crate::import::Import;
use crate::rows::RowsSite;
use crate::tensor::{DType, Element, Tensor, View, ViewMut};

/// Which axes are reduced, and the shapes that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reduction {
    /// The axes, ascending.
    pub(crate) axes: Vec<usize>,
    /// The shape of the result.
    pub(crate) shape: Vec<usize>,
    /// The shape of the result with the axes kept as dimensions of size one.
    pub(crate) kept_shape: Vec<usize>,
}

impl Reduction {
    /// From the axes as given; all, where none is and `noop` does not say otherwise.
    pub(crate) fn new(shape: &[usize], axes: Option<&[i64]>, keep: bool, noop: bool) -> OpResult<Self> {
        let rank = shape.len();
        let axes = match axes {
            Some(list) if !list.is_empty() => checked_axes(list, rank)?,
            _ if noop => Vec::new(),
            _ => (0..rank).collect(),
        };
        let kept_shape: Vec<usize> =
            shape.iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect();
        let shape = if keep {
            kept_shape.clone()
        } else {
            shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect()
        };
        Ok(Self { axes, shape, kept_shape })
    }

    /// How many elements are reduced to one.
    pub(crate) fn count(&self, from: &[usize]) -> usize {
        self.axes.iter().map(|&a| from[a]).product()
    }
}

/// Reads the attributes of the family, bringing `axes` to input 1.
pub(crate) fn import(node: &mut Import<'_>) -> OpResult<(bool, bool)> {
    node.expect_inputs(1, 2)?;
    node.ints_to_input("axes", 1)?;
    Ok((node.flag("keepdims", true)?, node.flag("noop_with_empty_axes", false)?))
}

/// The axes that input 1 of a running node names.
pub(crate) fn axes_of_views(inputs: &[Option<View<'_>>]) -> OpResult<Option<Vec<i64>>> {
    if inputs.get(1).copied().flatten().is_none() {
        return Ok(None);
    }
    Ok(Some(data::<i64>(inputs, 1)?.to_vec()))
}

/// The axes that a node reduces, for the analysis of rows.
pub(crate) fn axes_of_site(site: &RowsSite<'_>, noop: bool) -> OpResult<Vec<usize>> {
    let x = site.input(0).ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
    let axes = site.input(1).and_then(|a| a.constant).and_then(Tensor::to_i64);
    Ok(Reduction::new(&x.fact.shape, axes.as_deref(), true, noop)?.axes)
}

/// Calls `body(result, element)` with flat positions for every element of `shape`, in row-major order.
pub(crate) fn each(
    shape: &[usize],
    kept_shape: &[usize],
    mut body: impl FnMut(usize, std::ops::Range<usize>, usize),
) {
    pellucid_kernels::broadcast::walk(shape, [kept_shape], |at, [to], run, [step]| {
        body(to, at..at + run, step)
    });
}

/// Folds the elements of each group into one, from `start`, in row-major order.
pub(crate) fn fold<T: Element + Copy, U: Element + Copy>(
    x: (&[T], &[usize]),
    reduction: &Reduction,
    out: &mut [U],
    start: U,
    f: impl Fn(U, T) -> U,
) {
    out.fill(start);
    each(x.1, &reduction.kept_shape, |to, from, step| {
        if step == 0 {
            out[to] = x.0[from].iter().fold(out[to], |acc, &v| f(acc, v));
        } else {
            let n = from.len();
            for (o, &v) in out[to..to + n].iter_mut().zip(&x.0[from]) {
                *o = f(*o, v);
            }
        }
    });
}

/// Sums numbers of any type; integers wrap.
pub(crate) fn fold_number(
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    axes: Option<&[i64]>,
    noop: bool,
) -> OpResult<()> {
    let x = view(inputs, 0)?;
    let reduction = Reduction::new(x.shape, axes, true, noop)?;
    macro_rules! go {
        ($type:ty, $zero:expr, $f:expr) => {
            fold((data::<$type>(inputs, 0)?, x.shape), &reduction, out::<$type>(outputs, 0)?, $zero, $f)
        };
    }
    match x.data.dtype() {
        DType::F32 => go!(f32, 0.0, |a, v| a + v),
        DType::F64 => go!(f64, 0.0, |a, v| a + v),
        DType::I32 => go!(i32, 0, |a, v| a.wrapping_add(v)),
        DType::I64 => go!(i64, 0, |a, v| a.wrapping_add(v)),
        DType::U32 => go!(u32, 0, |a, v| a.wrapping_add(v)),
        DType::U64 => go!(u64, 0, |a, v| a.wrapping_add(v)),
        other => return no_type(other),
    }
    Ok(())
}
