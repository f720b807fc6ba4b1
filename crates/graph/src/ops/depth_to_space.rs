//! DepthToSpace: blocks of channels laid out in the plane, for [records, channels, height, width].

use std::sync::Arc;

use super::composite::runs_through_body;
use super::support::{fact, said};
use super::window;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// DepthToSpace's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "DepthToSpace",
    domain: "",
    since: 1,
    summary: "blocks of channels laid out in the plane",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let (block, columns_first) = attributes(node, "mode")?;
        Ok(Arc::new(DepthToSpace { block, columns_first }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Blocks of channels laid out in the plane.
#[derive(Clone, Copy, Debug)]
pub struct DepthToSpace {
    /// The height and width of a block.
    pub block: usize,
    /// Whether the channels of a block are neighbours (CRD), rather than those of a place in the block (DCR).
    pub columns_first: bool,
}

/// The size of a block, and whether the mode is CRD.
pub(super) fn attributes(node: &Import<'_>, mode: &str) -> OpResult<(usize, bool)> {
    let block = match node.int("blocksize")? {
        Some(n @ 1..=65_536) => n as usize,
        other => refuse!("attribute blocksize is {}, expected 1 to 65536", said(other)),
    };
    match node.text(mode)?.as_deref().unwrap_or("DCR") {
        "DCR" => Ok((block, false)),
        "CRD" => Ok((block, true)),
        other => refuse!("attribute mode is {other:?}, expected DCR or CRD"),
    }
}

/// The attributes as ONNX writes them. Only what is not the default is written.
pub(super) fn written(block: usize, columns_first: bool) -> Attributes {
    let found = Attributes::new().with("blocksize", Attribute::Int(block as i64));
    if columns_first { found.with("mode", Attribute::Text("CRD".to_owned())) } else { found }
}


impl Operator for DepthToSpace {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        written(self.block, self.columns_first)
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let &[n, c, h, w] = &x.shape[..] else { refuse!("input 0 of shape {:?} has not four dimensions", x.shape) };
        let square = self.block * self.block;
        if c % square != 0 {
            refuse!("its {c} channels do not come in blocks of {square}");
        }
        let (Some(h), Some(w)) = (h.checked_mul(self.block), w.checked_mul(self.block)) else {
            refuse!("its output is too large");
        };
        Ok(vec![Fact::new(x.dtype, &[n, c / square, h, w])])
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
        let (s, rest) = (self.block, c / (self.block * self.block));
        let (split, order) = if self.columns_first {
            ([n, rest, s, s, h, w], [0, 1, 4, 2, 5, 3])
        } else {
            ([n, s, s, rest, h, w], [0, 3, 4, 1, 5, 2])
        };
        let blocks = b.reshape(x, &split)?;
        let laid = b.transpose(blocks, &order)?;
        Ok(Some(vec![b.reshape(laid, &[n, rest, h * s, w * s])?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::DepthToSpace;
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        let of = |block, columns_first| Case::new(DepthToSpace { block, columns_first });
        let counted = || f64s(&[1, 8, 1, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        vec![
            of(2, false)
                .input(counted())
                .expect(f64s(&[1, 2, 2, 2], &[0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0])),
            of(2, true)
                .input(counted())
                .expect(f64s(&[1, 2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])),
            of(3, false).random(&[2, 18, 2, 3]),
            of(2, true).random(&[3, 12, 3, 1]),
        ]
    }

    #[test]
    fn channels_that_are_no_blocks_are_refused() {
        let op = DepthToSpace { block: 2, columns_first: false };
        assert!(refusal(op, &[f64s(&[1, 3, 1, 1], &[0.0; 3])]).contains("do not come in blocks of 4"));
    }
}
