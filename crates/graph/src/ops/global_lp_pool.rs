//! GlobalLpPool: (Σ |x|ᵖ)^(1/p) over all spatial axes, which stay as dimensions of size one.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::lp_pool::{raised, root};
use super::window;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// GlobalLpPool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GlobalLpPool",
    domain: "",
    since: 2,
    summary: "the p-norm of each channel",
    derivative: "everywhere but where a channel is zero",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(GlobalLpPool { p: super::lp_pool::order(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The p-norm of each channel.
#[derive(Clone, Copy, Debug)]
pub struct GlobalLpPool {
    /// p.
    pub p: i64,
}


impl Operator for GlobalLpPool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("p", Attribute::Int(self.p))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        window::infer_global(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let axes: Vec<usize> = (2..b.shape(x).len()).collect();
        let powers = raised(b, x, self.p)?;
        let sum = b.reduce_sum(powers, &axes, true)?;
        Ok(Some(vec![root(b, sum, self.p)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::GlobalLpPool;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(GlobalLpPool { p: 2 })
                .input(f64s(&[1, 2, 2], &[3.0, -4.0, 0.0, 2.0]))
                .expect(f64s(&[1, 2, 1], &[5.0, 2.0])),
            Case::new(GlobalLpPool { p: 1 }).random(&[3, 2, 5, 4]),
            Case::new(GlobalLpPool { p: 3 }).random(&[2, 3, 4]),
        ]
    }
}
