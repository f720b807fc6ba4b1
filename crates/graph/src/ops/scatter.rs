//! What the Scatter family shares: how an update meets the element that is there.

use super::number::{Number, number_type};
use super::support::{data, out, output, same_type, view};
use crate::attributes::Attribute;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Cotangents, Kind, Site};
use crate::refuse;
use crate::tensor::{View, ViewMut};

/// How an update meets the element that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// It takes its place; of several updates of one element the last does.
    None,
    /// They are added.
    Add,
    /// They are multiplied.
    Mul,
    /// The larger stays.
    Max,
    /// The smaller stays.
    Min,
}

impl Reduction {
    const ALL: [(Self, &'static str); 5] = [
        (Self::None, "none"),
        (Self::Add, "add"),
        (Self::Mul, "mul"),
        (Self::Max, "max"),
        (Self::Min, "min"),
    ];

    /// Reads the attribute.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        let name = node.text("reduction")?.unwrap_or_else(|| "none".to_owned());
        match Self::ALL.iter().find(|(_, n)| *n == name) {
            Some((reduction, _)) => Ok(*reduction),
            None => refuse!("attribute reduction is {name:?}, expected none, add, mul, max or min"),
        }
    }

    /// The attribute.
    pub(crate) fn attribute(self) -> Attribute {
        let name = Self::ALL.iter().find(|(r, _)| *r == self).map_or("none", |(_, name)| name);
        Attribute::Text(name.to_owned())
    }

    /// The kind of an operator that scatters so.
    pub(crate) fn kind(self, active: &[bool]) -> Kind {
        match self {
            Self::None => Kind::Route,
            Self::Add => Kind::Affine,
            Self::Mul if active.first() == Some(&true) && active.get(2) != Some(&true) => Kind::Affine,
            Self::Mul => Kind::Product,
            Self::Max | Self::Min => Kind::Select,
        }
    }

    fn combine<T: Number>(self) -> fn(T, T) -> T {
        match self {
            Self::None => |_, update| update,
            Self::Add => T::plus,
            Self::Mul => T::times,
            Self::Max => T::larger,
            Self::Min => T::smaller,
        }
    }
}

/// Copies input 0 to the output and lets the updates, input 2, meet the elements at the positions that `places` calls its body
/// with, each with the position of its update.
pub(crate) fn run(
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    reduction: Reduction,
    places: impl FnOnce(&mut dyn FnMut(usize, usize)) -> OpResult<()>,
) -> OpResult<()> {
    let (x, updates) = (view(inputs, 0)?, view(inputs, 2)?);
    if !output(outputs, 0)?.data.copy_from(x.data) {
        refuse!("its output does not have the input's elements");
    }
    if reduction == Reduction::None {
        same_type!(updates.data, &mut output(outputs, 0)?.data, |us, o| {
            places(&mut |i, at| o[at].clone_from(&us[i]))
        })
    } else {
        number_type!(x.data.dtype(), T => {
            let (us, o) = (data::<T>(inputs, 2)?, out::<T>(outputs, 0)?);
            let combine = reduction.combine::<T>();
            places(&mut |i, at| o[at] = combine(o[at], us[i]))
        })
    }
}

/// What the derivative is, for the table.
pub(crate) const DERIVATIVE: &str = "with max and min shared evenly among ties; none with respect to updates that multiply; \
                                     without reduction, indices are taken to differ";

type Gather<'a> = dyn Fn(&mut Builder, ValueId) -> OpResult<ValueId> + 'a;
type Scatter<'a> = dyn Fn(&mut Builder, ValueId, ValueId, Reduction) -> OpResult<ValueId> + 'a;

/// The derivative of scattering input 2 into input 0, by the same places: `gather` takes from them, `scatter` puts there.
pub(crate) fn derivative(
    b: &mut Builder,
    site: &Site<'_>,
    reduction: Reduction,
    gather: &Gather<'_>,
    scatter: &Scatter<'_>,
) -> OpResult<Option<Cotangents>> {
    let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; 3])) };
    let (x, updates) = (site.input(0)?, site.input(2)?);
    let (for_data, for_updates) = match reduction {
        Reduction::None => {
            let zeros = b.zeros_like(updates)?;
            (scatter(b, g, zeros, Reduction::None)?, Some(gather(b, g)?))
        }
        Reduction::Add => (g, Some(gather(b, g)?)),
        Reduction::Mul if site.active(2) => {
            refuse!("it is not differentiable with respect to updates that multiply")
        }
        Reduction::Mul => (scatter(b, g, updates, Reduction::Mul)?, None),
        Reduction::Max | Reduction::Min => {
            let y = site.outputs[0];
            let (zero, one) = (b.scalar_like(g, 0.0)?, b.scalar_like(g, 1.0)?);
            let kept = b.equal(x, y)?;
            let there = gather(b, y)?;
            let taken = b.equal(updates, there)?;
            let (own, others) = (b.select(kept, one, zero)?, b.select(taken, one, zero)?);
            let count = scatter(b, own, others, Reduction::Add)?;
            let share = b.div(g, count)?;
            let shares = gather(b, share)?;
            (b.masked(kept, share)?, Some(b.masked(taken, shares)?))
        }
    };
    Ok(Some(vec![Some(for_data), None, for_updates]))
}
