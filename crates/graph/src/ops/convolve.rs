//! What Conv and ConvTranspose share: running either way, weights laid out beforehand, and the derivatives of both.

use std::sync::Arc;

use super::support::{data, no_type, optional, out, view};
use super::window::{self, AutoPad, Window};
use super::{Conv, ConvTranspose};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Kernel, Kind, Operator, Site, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, Tensor, View, ViewMut};
use pellucid_kernels::Real;
use pellucid_kernels::convolution::{After, Axis, Bounds, Convolution, Direction, Filter};

/// The sizes of a node and which way it goes.
pub(crate) trait Convolving: Operator {
    /// From the shapes of its first two inputs.
    fn sizes(&self, x: &[usize], weights: &[usize]) -> OpResult<(Convolution, Direction)>;

    /// Whether sums of numbers in single precision are taken in double, where it goes from the wide side to the narrow one.
    fn sums_in_double(&self) -> bool {
        false
    }
}

/// Checks what both have in common: groups, channels, bounds.
pub(crate) fn checked(
    axes: [Axis; 3],
    groups: usize,
    (wide_channels, narrow_channels): (usize, usize),
    weights: &[usize],
) -> OpResult<Convolution> {
    if groups == 0 || wide_channels % groups != 0 || narrow_channels % groups != 0 {
        refuse!("{groups} groups do not divide its channels, {wide_channels} and {narrow_channels}");
    }
    if weights[0] != narrow_channels || weights[1] != wide_channels / groups {
        refuse!(
            "weights of shape {weights:?} in {groups} groups do not fit; expected [{narrow_channels}, {}, …]",
            wide_channels / groups
        );
    }
    let found = Convolution { axes, groups, wide_channels, narrow_channels };
    if !found.is_bounded() {
        return Err(window::too_far());
    }
    Ok(found)
}

pub(crate) fn infer(
    op: &impl Convolving,
    inputs: &[Option<Arg<'_>>],
    shape: impl Fn(&Convolution, usize) -> Vec<usize>,
) -> OpResult<Vec<Fact>> {
    let (x, weights) = (super::support::fact(inputs, 0)?, super::support::fact(inputs, 1)?);
    let (sizes, direction) = op.sizes(&x.shape, &weights.shape)?;
    let written = if direction == Direction::Convolve { sizes.narrow_channels } else { sizes.wide_channels };
    if weights.dtype != x.dtype || !x.dtype.is_float() {
        refuse!(
            "its weights are of type {}, its input of {}, expected floats of one type",
            weights.dtype,
            x.dtype
        );
    }
    if let Some(bias) = optional(inputs, 2)
        && (bias.fact.shape != [written] || bias.fact.dtype != x.dtype)
    {
        refuse!("input 2 is {}, expected {}[{written}]", bias.fact, x.dtype);
    }
    let full = [&[x.shape[0], written][..], &shape(&sizes, x.shape.len() - 2)].concat();
    Ok(vec![Fact::new(x.dtype, &full)])
}

/// Every tap of every channel at every position of the narrow side.
pub(crate) fn work(op: &impl Convolving, inputs: &[Option<Arg<'_>>]) -> u64 {
    let (Ok(x), Ok(weights)) = (super::support::fact(inputs, 0), super::support::fact(inputs, 1)) else {
        return 0;
    };
    op.sizes(&x.shape, &weights.shape).map_or(0, |(sizes, _)| {
        let positions = sizes.axes.iter().map(|a| a.narrow);
        super::support::steps(weights.shape.iter().copied().chain(x.shape.first().copied()).chain(positions))
    })
}

pub(crate) fn kind(active: &[bool]) -> Kind {
    if let [true, true, ..] = active { Kind::Product } else { Kind::Affine }
}

pub(crate) fn rows(site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    window::rows(site, &[0])
}

pub(crate) fn run(
    op: &impl Convolving,
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
) -> OpResult<()> {
    fn go<T: Real + Element>(
        (sizes, direction): (Convolution, Direction),
        in_double: bool,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let weights = data::<T>(inputs, 1)?;
        let filter =
            if in_double { sizes.filter_in_double(weights) } else { sizes.filter(direction, weights) };
        apply(&filter, None, inputs, outputs)
    }
    let (x, weights) = (view(inputs, 0)?, view(inputs, 1)?);
    let sizes = op.sizes(x.shape, weights.shape)?;
    match x.data.dtype() {
        DType::F32 => go::<f32>(sizes, op.sums_in_double(), inputs, outputs),
        DType::F64 => go::<f64>(sizes, false, inputs, outputs),
        other => no_type(other),
    }
}

fn apply<T: Real + Element>(
    filter: &Filter<T>,
    then: Option<(Then, usize)>,
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
) -> OpResult<()> {
    let own = then.and_then(|(_, own)| inputs.get(..own)).unwrap_or(inputs);
    let bias = match own.get(2).copied().flatten() {
        Some(_) => Some(data::<T>(inputs, 2)?),
        None => None,
    };
    let records = view(inputs, 0)?.shape.first().copied().unwrap_or(0);
    let between = |low: f64, high: f64| Bounds { low: T::of(low), high: Some(T::of(high)) };
    let after = match then {
        None => After::Nothing,
        Some((Then::Relu, _)) => After::Clip(Bounds::POSITIVE),
        Some((Then::Clip(low, high), _)) => After::Clip(between(low, high)),
        Some((Then::Gate, own)) => After::Gate(data(inputs, own)?, Bounds::POSITIVE),
        Some((Then::Inside(low, high), own)) => After::Gate(data(inputs, own)?, between(low, high)),
    };
    filter.run(data::<T>(inputs, 0)?, bias, after, records, out::<T>(outputs, 0)?);
    Ok(())
}

/// A convolution of either direction whose weights are laid out.
#[derive(Debug)]
struct Ready<T> {
    filter: Arc<Filter<T>>,
    /// What is done to each output, and the number of its own inputs, behind which a gate stands.
    then: Option<(Then, usize)>,
}

/// A kernel with the weights laid out, where they are constant.
pub(crate) fn prepare(
    op: &impl Convolving,
    inputs: &[Option<Arg<'_>>],
    then: Option<Then>,
) -> OpResult<Option<Box<dyn Kernel>>> {
    fn ready<T: Real + Element>(
        weights: &Tensor,
        as_is: (Convolution, Direction, bool),
        then: Option<(Then, usize)>,
    ) -> Option<Box<dyn Kernel>> {
        let elements: &[T] = weights.as_slice()?;
        let (sizes, direction, in_double) = as_is;
        let filter = weights.form(as_is, || {
            if in_double {
                return sizes.filter_in_double(elements);
            }
            if !sizes.shares_weights::<T>() {
                return sizes.filter(direction, elements);
            }
            let channels = (sizes.wide_channels, sizes.narrow_channels);
            sizes.filter_sharing(direction, weights.form(channels, || sizes.transformed(elements)))
        });
        Some(Box::new(Ready { filter, then }))
    }
    let (x, weights) = (super::support::fact(inputs, 0)?, super::support::arg(inputs, 1)?);
    let Some(constant) = weights.constant else { return Ok(None) };
    let ((sizes, direction), then) =
        (op.sizes(&x.shape, constant.shape())?, then.map(|then| (then, inputs.len())));
    let as_is = (sizes, direction, op.sums_in_double());
    Ok(ready::<f32>(constant, as_is, then).or_else(|| ready::<f64>(constant, as_is, then)))
}

impl<T: Real + Element> Kernel for Ready<T> {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        apply(&self.filter, self.then, inputs, outputs)
    }
}

/// The derivative of either: with respect to the input the other one, with respect to the weights a convolution of the wide side by the
/// narrow one.
pub(crate) fn derivative(
    op: &impl Convolving,
    b: &mut Builder,
    site: &Site<'_>,
) -> OpResult<Option<Cotangents>> {
    let mut found = vec![None; site.inputs.len()];
    let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
    let (x, weights) = (site.input(0)?, site.input(1)?);
    let (sizes, direction) = op.sizes(b.shape(x), b.shape(weights))?;
    let rank = b.shape(x).len() - 2;
    let axes = &sizes.axes[3 - rank..];
    if site.active(0) {
        found[0] = Some(match direction {
            Direction::Convolve => transpose(b, &sizes, axes, g, weights)?,
            Direction::Transpose => convolve(b, &sizes, axes, g, weights)?,
        });
    }
    if site.active(1) {
        let (wide, narrow) = if direction == Direction::Convolve { (x, g) } else { (g, x) };
        found[1] = Some(by_weights(b, &sizes, axes, wide, narrow)?);
    }
    if site.active(2) {
        let others: Vec<usize> = (0..rank + 2).filter(|&a| a != 1).collect();
        found[2] = Some(b.reduce_sum(g, &others, false)?);
    }
    Ok(Some(found))
}

/// Pads that make windows cover an axis as `axis` says, and the zeros, or with negative numbers the elements too many, that the wide side
/// needs besides: before and after.
fn fitted(axis: &Axis) -> OpResult<((usize, usize), (i64, i64))> {
    let reach =
        (axis.narrow as i64 - 1) * axis.stride as i64 + (axis.kernel as i64 - 1) * axis.dilation as i64 + 1;
    let after = reach - axis.wide as i64 - axis.before;
    let part = |n: i64| (n.max(0) as usize, n.min(0));
    let ((before, cut_before), (after, cut_after)) = (part(axis.before), part(after));
    Ok(((before, after), (cut_before, cut_after)))
}

/// From the wide side to the narrow one, exactly to its sizes.
pub(super) fn convolve(
    b: &mut Builder,
    sizes: &Convolution,
    axes: &[Axis],
    wide: ValueId,
    weights: ValueId,
) -> OpResult<ValueId> {
    let fitted: Vec<_> = axes.iter().map(fitted).collect::<OpResult<_>>()?;
    let cut = |end: fn(&(i64, i64)) -> i64| {
        [0, 0].into_iter().chain(fitted.iter().map(|f| end(&f.1))).collect::<Vec<i64>>()
    };
    let wide = b.pad(wide, &cut(|c| c.0), &cut(|c| c.1))?;
    let op = Conv::new(sizes.groups, explicit(axes, fitted.iter().map(|f| f.0)));
    b.push(op, &[wide, weights])
}

/// From the narrow side to the wide one, exactly to its sizes.
pub(super) fn transpose(
    b: &mut Builder,
    sizes: &Convolution,
    axes: &[Axis],
    narrow: ValueId,
    weights: ValueId,
) -> OpResult<ValueId> {
    let fitted: Vec<_> = axes.iter().map(fitted).collect::<OpResult<_>>()?;
    let window = explicit(axes, fitted.iter().map(|f| f.0));
    // What no window covered comes last, and is made up for by output padding as far as that goes.
    let left: Vec<usize> = fitted.iter().map(|f| f.1.1.unsigned_abs() as usize).collect();
    let paddings: Vec<usize> = left.iter().zip(axes).map(|(n, a)| (*n).min(a.stride - 1)).collect();
    let before: Vec<i64> = [0, 0].into_iter().chain(fitted.iter().map(|f| -f.1.0)).collect();
    let after: Vec<i64> =
        [0, 0].into_iter().chain(left.iter().zip(&paddings).map(|(n, p)| (n - p) as i64)).collect();
    let output_padding = if paddings.iter().all(|&p| p == 0) { Vec::new() } else { paddings };
    let op = ConvTranspose { group: sizes.groups, window, output_padding, output_shape: Vec::new() };
    let wide = b.push(op, &[narrow, weights])?;
    b.pad(wide, &before, &after)
}

fn explicit(axes: &[Axis], pads: impl Iterator<Item = (usize, usize)> + Clone) -> Window {
    Window {
        auto_pad: AutoPad::NotSet,
        kernel: axes.iter().map(|a| a.kernel).collect(),
        strides: axes.iter().map(|a| a.stride).collect(),
        dilations: axes.iter().map(|a| a.dilation).collect(),
        pads: pads.clone().map(|p| p.0).chain(pads.map(|p| p.1)).collect(),
        ceil: false,
    }
}

/// The derivative with respect to the weights: each group's wide channels take the place of records, its records that of channels, and the
/// cotangent's windows that of the kernel; strides and dilations change places.
fn by_weights(
    b: &mut Builder,
    sizes: &Convolution,
    axes: &[Axis],
    wide: ValueId,
    narrow: ValueId,
) -> OpResult<ValueId> {
    let records = b.shape(wide)[0];
    let (groups, per_wide) = (sizes.groups, sizes.wide_channels / sizes.groups.max(1));
    let exchanged: Vec<Axis> = axes
        .iter()
        .map(|a| Axis { narrow: a.kernel, kernel: a.narrow, stride: a.dilation, dilation: a.stride, ..*a })
        .collect();
    let spatial: Vec<usize> = b.shape(wide)[2..].to_vec();
    let behind = |first: usize| (first..first + spatial.len()).collect::<Vec<usize>>();
    let x = b.reshape(wide, &[&[records, groups, per_wide][..], &spatial].concat())?;
    let x = b.transpose(x, &[&[2, 1, 0][..], &behind(3)].concat())?;
    let x = b.reshape(x, &[&[per_wide, groups * records][..], &spatial].concat())?;
    let g = b.transpose(narrow, &[&[1, 0][..], &behind(2)].concat())?;
    let sizes = Convolution {
        axes: sizes.axes,
        groups,
        wide_channels: groups * records,
        narrow_channels: sizes.narrow_channels,
    };
    let y = convolve(b, &sizes, &exchanged, x, g)?;
    b.transpose(y, &[&[1, 0][..], &behind(2)].concat())
}

/// The error of a node whose input has no spatial axes.
pub(crate) fn dimensions<'a>(x: &'a [usize], weights: &'a [usize]) -> OpResult<(&'a [usize], &'a [usize])> {
    let (_, _, spatial) = window::split(x)?;
    match weights {
        [_, _, kernel @ ..] if kernel.len() == spatial.len() => Ok((spatial, kernel)),
        _ => Err(OpError(format!("weights of shape {weights:?} do not fit an input of shape {x:?}"))),
    }
}
