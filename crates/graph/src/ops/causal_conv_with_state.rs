//! CausalConvWithState: each channel convolved with its own weights over what came before, with a state that goes on from earlier input.
//!
//! X is [batch, channels, length], the weights [channels, 1, k], the state [batch, channels, k − 1]; the second output is the state behind X.

use std::sync::Arc;

use super::composite::through_body;
use super::window::Window;
use super::{Conv, Swish};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// CausalConvWithState's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CausalConvWithState",
    domain: "",
    since: 27,
    summary: "each channel convolved over what came before it",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 4)?;
        match node.text("activation")?.as_deref() {
            None | Some("none") => Ok(Arc::new(CausalConvWithState { swish: false })),
            Some("silu" | "swish") => Ok(Arc::new(CausalConvWithState { swish: true })),
            Some(other) => refuse!("attribute activation is {other:?}, expected none, silu or swish"),
        }
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Each channel convolved over what came before it.
#[derive(Clone, Copy, Debug)]
pub struct CausalConvWithState {
    /// Whether the result goes through SiLU.
    pub swish: bool,
}

impl Operator for CausalConvWithState {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let name = if self.swish { "silu" } else { "none" };
        Attributes::new().with("activation", Attribute::Text(name.to_owned()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (x, weights) = (needed(0)?, needed(1)?);
        let (&[batch, channels, _], &[_, _, k]) = (b.shape(x), b.shape(weights)) else {
            refuse!(
                "its input {:?} and weights {:?} must have three dimensions",
                b.shape(x),
                b.shape(weights)
            )
        };
        if k == 0 {
            refuse!("its weights of shape {:?} are empty", b.shape(weights));
        }
        let padded = match given(3) {
            Some(state) if b.shape(state) != [batch, channels, k - 1] => {
                refuse!("a state of shape {:?}, expected [{batch}, {channels}, {}]", b.shape(state), k - 1)
            }
            Some(state) => b.concat(&[state, x], 2)?,
            None => b.pad_axis(x, 2, k - 1, 0)?,
        };
        let conv = Conv::new(channels, Window::default());
        let factors: Vec<Option<ValueId>> =
            [Some(padded), Some(weights)].into_iter().chain(given(2).map(Some)).collect();
        let Some(&sum) = b.node(Arc::new(conv), &factors)?.first() else { refuse!("a product is missing") };
        let y = if self.swish { b.push(Swish { alpha: 1.0 }, &[sum])? } else { sum };
        let length = b.shape(padded)[2];
        Ok(Some(vec![y, b.narrow(padded, 2, length + 1 - k, k - 1)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::CausalConvWithState;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |swish| Case::new(CausalConvWithState { swish });
        vec![
            of(false)
                .input(f64s(&[1, 1, 3], &[1.0, 2.0, 3.0]))
                .input(f64s(&[1, 1, 2], &[10.0, 1.0]))
                .input(f64s(&[1], &[0.5]))
                .input(f64s(&[1, 1, 1], &[4.0]))
                .expect(f64s(&[1, 1, 3], &[41.5, 12.5, 23.5]))
                .expect(f64s(&[1, 1, 1], &[3.0])),
            of(true).random(&[2, 3, 4]).random(&[3, 1, 3]),
            of(false).random(&[2, 3, 4]).random(&[3, 1, 1]),
        ]
    }
}
