//! InstanceNormalization: (x − mean) / √(variance + epsilon) · scale + bias, over the spatial axes of each channel of each record.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::LayerNormalization;
use super::support::fact;
use super::window;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// InstanceNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "InstanceNormalization",
    domain: "",
    since: 6,
    summary: "(x − mean) / √(variance + epsilon) · scale + bias, over each channel of each record",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(InstanceNormalization { epsilon: node.float("epsilon")?.unwrap_or(1e-5) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Each channel of each record less its mean, over its deviation, times a scale, plus a bias.
#[derive(Clone, Copy, Debug)]
pub struct InstanceNormalization {
    /// What is added to the variance.
    pub epsilon: f32,
}

/// x less its mean, over its deviation, over each of `parts` neighbouring parts of each record; then times a scale and plus a bias for each
/// channel.
pub(super) fn normalized(
    b: &mut Builder,
    (x, parts): (ValueId, usize),
    (scale, bias): (ValueId, ValueId),
    epsilon: f32,
) -> OpResult<ValueId> {
    let shape = b.shape(x).to_vec();
    let each = shape[1..].iter().product::<usize>().checked_div(parts).unwrap_or(0);
    let flat = b.reshape(x, &[shape[0], parts, each])?;
    let like = b.scalar_like(x, 1.0)?;
    let one = b.reshape(like, &[1])?;
    let normal = b.push(LayerNormalization { axis: -1, epsilon }, &[flat, one])?;
    let normal = b.reshape(normal, &shape)?;
    let mut along = vec![1; shape.len() - 1];
    along[0] = shape[1];
    let (scale, bias) = (b.reshape(scale, &along)?, b.reshape(bias, &along)?);
    let scaled = b.mul(normal, scale)?;
    b.add(scaled, bias)
}


impl Operator for InstanceNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("epsilon", Attribute::Float(self.epsilon))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let (_, channels, _) = window::split(&x.shape)?;
        for i in [1, 2] {
            let parameter = fact(inputs, i)?;
            if parameter.shape != [channels] || parameter.dtype != x.dtype {
                refuse!("input {i} is {parameter}, expected {}[{channels}]", x.dtype);
            }
        }
        Ok(vec![x.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows(site, &[0])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let &[Some(x), Some(scale), Some(bias)] = inputs else { refuse!("an input is missing") };
        let channels = b.shape(x)[1];
        Ok(Some(vec![normalized(b, (x, channels), (scale, bias), self.epsilon)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::InstanceNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = InstanceNormalization { epsilon: 0.25 };
        vec![
            Case::new(InstanceNormalization { epsilon: 0.0 })
                .input(f64s(&[1, 2, 2], &[1.0, 3.0, -4.0, 0.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .expect(f64s(&[1, 2, 2], &[8.0, 12.0, 17.0, 23.0])),
            Case::new(op).random(&[2, 3, 4, 2]).random(&[3]).random(&[3]),
            Case::new(op).random(&[3, 2, 5]).random(&[2]).random(&[2]).fixed(&[1, 2]),
        ]
    }
}
