//! What the Reduce family shares: axes, shapes, rows, and the fold over what is reduced.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::reduce_sum::ReduceSum;
use super::support::{
    axes as checked_axes, data, fact, integers, integers_of_value, integers_of_view, out, view,
};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::operator::{Arg, Cotangents, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{Element, Tensor, View, ViewMut};
use pellucid_kernels::{Real, reduce};

/// The attributes of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Whether the axes stay as dimensions of size one.
    pub(crate) keep: bool,
    /// Whether naming no axes means none rather than all.
    pub(crate) noop: bool,
}

/// Which axes are reduced, and the shapes that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reduction {
    /// The axes, ascending.
    pub(crate) axes: Vec<usize>,
    /// For each axis of the input, whether it is reduced.
    pub(crate) reduced: Vec<bool>,
    /// The shape of the result.
    pub(crate) shape: Vec<usize>,
    /// The shape of the result with the axes kept as dimensions of size one.
    pub(crate) kept_shape: Vec<usize>,
    /// How many elements are reduced to one.
    pub(crate) count: usize,
}

impl Reduction {
    /// From the axes as given; all, where none is and the form does not say otherwise.
    pub(crate) fn new(shape: &[usize], axes: Option<&[i64]>, form: Form) -> OpResult<Self> {
        let rank = shape.len();
        let axes = match axes {
            Some(list) if !list.is_empty() => checked_axes(list, rank)?,
            _ if form.noop => Vec::new(),
            _ => (0..rank).collect(),
        };
        let reduced: Vec<bool> = (0..rank).map(|a| axes.contains(&a)).collect();
        let kept_shape: Vec<usize> =
            shape.iter().zip(&reduced).map(|(&d, &r)| if r { 1 } else { d }).collect();
        let count = axes.iter().map(|&a| shape[a]).product();
        let shape = match form.keep {
            true => kept_shape.clone(),
            false => shape.iter().zip(&reduced).filter(|(_, r)| !**r).map(|(&d, _)| d).collect(),
        };
        Ok(Self { axes, reduced, shape, kept_shape, count })
    }

    /// Folds some function of the elements.
    pub(crate) fn run<T: Element + Copy>(
        &self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
        identity: T,
        map: impl Fn(T) -> T,
        combine: impl Fn(T, T) -> T,
    ) -> OpResult<()> {
        let x = (data::<T>(inputs, 0)?, view(inputs, 0)?.shape);
        reduce::reduce(x, &self.reduced, out::<T>(outputs, 0)?, identity, map, combine);
        Ok(())
    }
}

impl Form {
    /// Reads the attributes, bringing `axes` to input 1.
    pub(crate) fn import(node: &mut Import<'_>) -> OpResult<Self> {
        node.ints_to_input("axes", 1)?;
        node.expect_inputs(1, 2)?;
        Ok(Self { keep: node.flag("keepdims", true)?, noop: node.flag("noop_with_empty_axes", false)? })
    }

    /// The attributes as ONNX writes them.
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::new()
            .with("keepdims", Attribute::Int(i64::from(self.keep)))
            .with("noop_with_empty_axes", Attribute::Int(i64::from(self.noop)))
    }

    /// The output's type and shape.
    pub(crate) fn infer(self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let axes = integers(inputs, 1, "axes")?;
        Ok(vec![Fact::new(x.dtype, &Reduction::new(&x.shape, axes.as_deref(), self)?.shape)])
    }

    /// Where the output's rows lie.
    pub(crate) fn rows(self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let x = site.input(0).ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        let axes = site.input(1).and_then(|a| a.constant).and_then(Tensor::to_i64);
        rows::reduce(site, &Reduction::new(&x.fact.shape, axes.as_deref(), self)?.axes, self.keep)
    }

    /// The reduction of a running node.
    pub(crate) fn of_views(self, inputs: &[Option<View<'_>>]) -> OpResult<Reduction> {
        Reduction::new(view(inputs, 0)?.shape, integers_of_view(inputs, 1)?.as_deref(), self)
    }

    /// The reduction of a node on the way back.
    pub(crate) fn of_site(self, b: &Builder, site: &Site<'_>) -> OpResult<Reduction> {
        let axes = integers_of_value(b, site, 1)?;
        Reduction::new(b.shape(site.input(0)?), axes.as_deref(), self)
    }

    /// A value of the output's shape repeated along the axes, to the input's shape.
    pub(crate) fn spread(self, b: &mut Builder, site: &Site<'_>, value: ValueId) -> OpResult<ValueId> {
        let kept = self.of_site(b, site)?.kept_shape;
        let shape = b.shape(site.input(0)?).to_vec();
        let kept = b.reshape(value, &kept)?;
        b.expand(kept, &shape)
    }

    /// A value of the input's shape summed over the axes, which stay as dimensions of size one.
    pub(crate) fn sum(self, b: &mut Builder, site: &Site<'_>, value: ValueId) -> OpResult<ValueId> {
        let axes = self.of_site(b, site)?.axes;
        b.reduce_sum(value, &axes, true)
    }

    /// The derivative of an operator that chooses one of the elements: shared evenly among those that equal it.
    pub(crate) fn shared_among_chosen(
        self,
        b: &mut Builder,
        site: &Site<'_>,
    ) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let y = self.spread(b, site, site.outputs[0])?;
        let chosen = b.equal(site.input(0)?, y)?;
        let one = b.scalar_like(g, 1.0)?;
        let ones = b.masked(chosen, one)?;
        let count = self.sum(b, site, ones)?;
        let kept = b.shape(count).to_vec();
        let g = b.reshape(g, &kept)?;
        let share = b.div(g, count)?;
        found[0] = Some(b.masked(chosen, share)?);
        Ok(Some(found))
    }

    /// The sum over the axes of some function of the elements, as nodes.
    pub(crate) fn lower_sum(
        self,
        b: &mut Builder,
        inputs: &[Option<ValueId>],
        map: impl FnOnce(&mut Builder, ValueId) -> OpResult<ValueId>,
    ) -> OpResult<ValueId> {
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let x = map(b, x)?;
        let inputs: Vec<Option<ValueId>> =
            [Some(x)].into_iter().chain(inputs.iter().skip(1).copied()).collect();
        let sum = ReduceSum { keep: self.keep, noop_with_empty_axes: self.noop };
        match b.node(Arc::new(sum), &inputs)?.first() {
            Some(&sum) => Ok(sum),
            None => refuse!("its sum has no output"),
        }
    }

    /// Computes the sum of some function of the elements, and of that the result.
    pub(crate) fn run_sum<T: Number>(
        self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
        map: impl Fn(T) -> T,
        finish: impl Fn(T, usize) -> T,
    ) -> OpResult<()> {
        let reduction = self.of_views(inputs)?;
        reduction.run(inputs, outputs, T::ZERO, map, T::plus)?;
        for o in out::<T>(outputs, 0)? {
            *o = finish(*o, reduction.count);
        }
        Ok(())
    }

    /// Computes log(sum(exp(x))) so that no element overflows.
    pub(crate) fn run_log_sum_exp<T: Real + Element>(
        self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let reduction = self.of_views(inputs)?;
        let x = (data::<T>(inputs, 0)?, view(inputs, 0)?.shape);
        let out = out::<T>(outputs, 0)?;
        let mut largest = vec![T::LOWEST; out.len()];
        reduce::reduce(x, &reduction.reduced, &mut largest, T::LOWEST, |v| v, T::larger);
        // An infinite element decides alone.
        for m in largest.iter_mut().filter(|m| m.wide().is_infinite()) {
            *m = T::ZERO;
        }
        let exp = |v: T, m: T| (v - m).exp();
        reduce::reduce_beside(x, &reduction.reduced, (out, &largest), T::ZERO, exp, |a, b| a + b);
        for (o, &m) in out.iter_mut().zip(&largest) {
            *o = o.ln() + m;
        }
        Ok(())
    }
}

/// Sums numbers of any type; integers wrap.
pub(crate) fn sum_numbers(
    form: Form,
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
) -> OpResult<()> {
    number_type!(view(inputs, 0)?.data.dtype(), T => form.run_sum::<T>(inputs, outputs, |v| v, |sum, _| sum))
}

/// For [`awkward`]: any numbers.
#[cfg(test)]
pub(crate) const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Cases of reductions that keep the axes, drop them, and take no axes for none, over numbers from one to another.
#[cfg(test)]
pub(crate) fn awkward<O: crate::operator::Operator + Copy + 'static>(
    of: fn(bool, bool) -> O,
    (from, to): (f64, f64),
) -> Vec<crate::cases::Case> {
    use crate::cases::{Case, i64s};
    let (keep, drop, noop) = (of(true, false), of(false, false), of(false, true));
    let case = |op, shape: &[usize]| Case::new(op).between(shape, from, to);
    vec![
        case(drop, &[3, 4, 5]).input(i64s(&[-1, 1])),
        case(keep, &[3, 4, 5]).input(i64s(&[-2])).rows(&[0]),
        case(drop, &[2, 4, 19]).input(i64s(&[0, 2])).rows_at(0, Rows { axis: 1, outer: 2, inner: 1 }),
        case(drop, &[3, 4]).input(i64s(&[0])).rows(&[0]).mixes(),
        case(drop, &[3, 4]),
        case(noop, &[3, 4]).input(i64s(&[])),
        case(drop, &[]),
    ]
}
