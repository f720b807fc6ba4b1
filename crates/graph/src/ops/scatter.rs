//! What the Scatter family shares: how an update meets the element that is there.

use super::number::{Number, number_type};
use super::support::{data, out, output, same_type, view};
use crate::attributes::Attribute;
use crate::error::OpResult;
use crate::import::Import;
use crate::operator::Kind;
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
            places(&mut |i, at| o[at] = us[i].clone())
        })
    } else {
        number_type!(x.data.dtype(), T => {
            let (us, o) = (data::<T>(inputs, 2)?, out::<T>(outputs, 0)?);
            let combine = reduction.combine::<T>();
            places(&mut |i, at| o[at] = combine(o[at], us[i]))
        })
    }
}
