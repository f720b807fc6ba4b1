//! MeanVarianceNormalization: (x − mean) / (√variance + 1e-9) over axes.

use std::sync::Arc;

use super::composite::through_body;
use super::support::axes;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// MeanVarianceNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MeanVarianceNormalization",
    domain: "",
    since: 9,
    summary: "(x − mean) over the deviation, over axes",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(MeanVarianceNormalization { axes: node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// (x − mean) over the deviation, over axes.
#[derive(Clone, Debug)]
pub struct MeanVarianceNormalization {
    /// The axes.
    pub axes: Vec<i64>,
}

impl Operator for MeanVarianceNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axes", Attribute::Ints(self.axes.clone()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x)] = inputs else { refuse!("it needs one input") };
        let shape = b.shape(x).to_vec();
        let axes = axes(&self.axes, shape.len())?;
        let n: usize = axes.iter().map(|&a| shape[a]).product();
        let mean = |b: &mut Builder, x: ValueId| {
            let sum = b.reduce_sum(x, &axes, true)?;
            b.scale(sum, 1.0 / n as f64)
        };
        let level = mean(b, x)?;
        let apart = b.sub(x, level)?;
        let square = b.mul(apart, apart)?;
        let variance = mean(b, square)?;
        let deviation = b.sqrt(variance)?;
        let divisor = b.shift(deviation, 1e-9)?;
        Ok(Some(vec![b.div(apart, divisor)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::MeanVarianceNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let over = |axes: &[i64]| Case::new(MeanVarianceNormalization { axes: axes.to_vec() });
        vec![
            over(&[1])
                .input(f64s(&[2, 2], &[1.0, 3.0, -4.0, 0.0]))
                .expect(f64s(&[2, 2], &[-1.0, 1.0, -1.0, 1.0])),
            over(&[1, -1]).random(&[3, 2, 4]),
            over(&[0, 2]).random(&[3, 2, 4]).rows(&[0]).mixes(),
        ]
    }
}
