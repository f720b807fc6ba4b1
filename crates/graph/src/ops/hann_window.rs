//! HannWindow: Hann's window of a given length, 0.5 − 0.5 · cos(2πk/n).

use std::sync::Arc;

use super::composite::through_body;
use super::convert::{code, dtype};
use super::cosines::window;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::DType;

/// HannWindow's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "HannWindow",
    domain: "",
    since: 17,
    summary: "Hann's window of a given length",
    derivative: "its input is constant",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let to = node.int("output_datatype")?.map_or(Ok(DType::F32), dtype)?;
        Ok(Arc::new(HannWindow { periodic: node.flag("periodic", true)?, to }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Hann's window of a given length.
#[derive(Clone, Debug)]
pub struct HannWindow {
    /// Whether the window goes on from its end to its beginning.
    pub periodic: bool,
    /// The type of its elements.
    pub to: DType,
}

impl Operator for HannWindow {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("periodic", Attribute::Int(i64::from(self.periodic)))
            .with("output_datatype", Attribute::Int(code(self.to)))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(size)] = inputs else { refuse!("it needs one input") };
        Ok(Some(vec![window(b, size, self.periodic, self.to, [0.5, 0.5, 0.0])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::HannWindow;
    use crate::cases::{Case, f64s};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |periodic| {
            Case::new(HannWindow { periodic, to: DType::F64 }).input(Tensor::scalar(if periodic {
                4i64
            } else {
                5
            }))
        };
        let first: [f64; 4] = [0.0, 0.5, 1.0, 0.5];
        let closed: Vec<f64> = first.into_iter().chain([first[0]]).collect();
        vec![of(true).expect(f64s(&[4], &first)), of(false).expect(f64s(&[5], &closed))]
    }
}
