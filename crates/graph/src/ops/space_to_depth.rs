//! SpaceToDepth: blocks of the plane laid out in channels, for [records, channels, height, width].

use std::sync::Arc;

use super::composite::runs_through_body;
use super::depth_to_space::{attributes, written};
use super::support::fact;
use super::window;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// SpaceToDepth's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SpaceToDepth",
    domain: "",
    since: 1,
    summary: "blocks of the plane laid out in channels",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let (block, columns_first) = attributes(node, "mode")?;
        Ok(Arc::new(SpaceToDepth { block, columns_first }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Blocks of the plane laid out in channels.
#[derive(Clone, Copy, Debug)]
pub struct SpaceToDepth {
    /// The height and width of a block.
    pub block: usize,
    /// Whether the elements of a channel's block become neighbours (CRD), rather than the channels (DCR).
    pub columns_first: bool,
}


impl Operator for SpaceToDepth {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        written(self.block, self.columns_first)
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let &[n, c, h, w] = &x.shape[..] else { refuse!("input 0 of shape {:?} has not four dimensions", x.shape) };
        let s = self.block;
        if h % s != 0 || w % s != 0 {
            refuse!("its plane of {h} by {w} does not come in blocks of {s} by {s}");
        }
        let Some(channels) = c.checked_mul(s * s) else { refuse!("its output is too large") };
        Ok(vec![Fact::new(x.dtype, &[n, channels, h / s, w / s])])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let Some(x) = inputs.first().copied().flatten() else { refuse!("input 0 is missing") };
        let &[n, c, h, w] = b.shape(x) else { refuse!("input 0 has not four dimensions") };
        let s = self.block;
        let blocks = b.reshape(x, &[n, c, h / s, s, w / s, s])?;
        let order = if self.columns_first { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
        let laid = b.transpose(blocks, &order)?;
        Ok(Some(vec![b.reshape(laid, &[n, c * s * s, h / s, w / s])?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::SpaceToDepth;
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        let of = |block, columns_first| Case::new(SpaceToDepth { block, columns_first });
        let counted = || f64s(&[1, 2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        vec![
            of(2, false)
                .input(counted())
                .expect(f64s(&[1, 8, 1, 1], &[0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0])),
            of(2, true)
                .input(counted())
                .expect(f64s(&[1, 8, 1, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])),
            of(3, false).random(&[2, 2, 6, 3]),
        ]
    }

    #[test]
    fn planes_that_are_no_blocks_are_refused() {
        let op = SpaceToDepth { block: 2, columns_first: false };
        assert!(refusal(op, &[f64s(&[1, 1, 1, 2], &[0.0; 2])]).contains("does not come in blocks of 2 by 2"));
    }
}
