//! GroupNormalization: (x − mean) / √(variance + epsilon), over each group of channels of each record; then times a scale and plus a bias.
//!
//! Both have a number for each channel, or, in the form of opset 18, for each group; their size tells which.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::instance_normalization::normalized;
use super::support::{fact, said};
use super::window;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator, Part, Wire};
use crate::refuse;
use crate::rows::{Rows, RowsSite};

/// GroupNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GroupNormalization",
    domain: "",
    since: 18,
    summary: "(x − mean) / √(variance + epsilon) · scale + bias, over each group of channels of each record",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 3)?;
        let groups = match node.int("num_groups")? {
            Some(n @ 1..=1_048_576) => n as usize,
            other => refuse!("attribute num_groups is {}, expected a positive number", said(other)),
        };
        // Until operator set 21, the parameters are those of groups.
        let per_group = node.opset < 21 && node.constant(1).is_none_or(|scale| scale.shape() == [groups]);
        Ok(Arc::new(GroupNormalization { groups, epsilon: node.float("epsilon")?.unwrap_or(1e-5), per_group }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Each group of channels of each record less its mean, over its deviation, times a scale, plus a bias.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormalization {
    /// The number of groups.
    pub groups: usize,
    /// What is added to the variance.
    pub epsilon: f32,
    /// Whether the scale and the bias have a number for each group, as they had before operator set 21.
    pub per_group: bool,
}

impl GroupNormalization {
    /// A number for each channel, from one for each channel or group.
    fn spread(&self, b: &mut Builder, parameter: ValueId, channels: usize) -> OpResult<ValueId> {
        if b.shape(parameter) == [channels] {
            return Ok(parameter);
        }
        let column = b.reshape(parameter, &[self.groups, 1])?;
        let wide = b.expand(column, &[self.groups, channels / self.groups])?;
        b.reshape(wide, &[channels])
    }
}


impl Operator for GroupNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("num_groups", Attribute::Int(self.groups as i64))
            .with("epsilon", Attribute::Float(self.epsilon))
    }

    fn spelled_out(&self) -> Option<Vec<Part>> {
        use Wire::{Input, Made};
        // Groups as channels are instances.
        let sizes = Attributes::new().with("value_ints", Attribute::Ints(vec![0, self.groups as i64, -1]));
        let epsilon = Attributes::new().with("epsilon", Attribute::Float(self.epsilon));
        let part = |operator, attributes, inputs: &[Wire]| Part { operator, attributes, inputs: inputs.to_vec() };
        self.per_group.then(|| {
            vec![
                part("Shape", Attributes::new(), &[Input(0)]),
                part("Constant", sizes, &[]),
                part("Reshape", Attributes::new(), &[Input(0), Made(1)]),
                part("InstanceNormalization", epsilon, &[Made(2), Input(1), Input(2)]),
                part("Reshape", Attributes::new(), &[Made(3), Made(0)]),
            ]
        })
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let (_, channels, _) = window::split(&x.shape)?;
        if channels % self.groups != 0 {
            refuse!("{} groups do not divide its {channels} channels", self.groups);
        }
        for i in [1, 2] {
            let parameter = fact(inputs, i)?;
            if (parameter.shape != [channels] && parameter.shape != [self.groups]) || parameter.dtype != x.dtype {
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
        let (scale, bias) = (self.spread(b, scale, channels)?, self.spread(b, bias, channels)?);
        Ok(Some(vec![normalized(b, (x, self.groups), (scale, bias), self.epsilon)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::GroupNormalization;
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        let of = |groups| Case::new(GroupNormalization { groups, epsilon: 0.25, per_group: false });
        vec![
            Case::new(GroupNormalization { groups: 1, epsilon: 0.0, per_group: false })
                .input(f64s(&[1, 2, 2], &[1.0, 1.0, 3.0, 3.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .expect(f64s(&[1, 2, 2], &[8.0, 8.0, 23.0, 23.0])),
            of(2).random(&[2, 6, 4, 2]).random(&[6]).random(&[6]),
            of(3).random(&[2, 6, 5]).random(&[3]).random(&[3]),
            of(4).random(&[3, 4, 5]).random(&[4]).random(&[4]).fixed(&[1, 2]),
        ]
    }

    #[test]
    fn groups_that_do_not_divide_are_refused() {
        let op = GroupNormalization { groups: 2, epsilon: 0.0, per_group: false };
        let one = || f64s(&[3], &[1.0; 3]);
        assert!(refusal(op, &[f64s(&[1, 3, 1], &[0.0; 3]), one(), one()]).contains("2 groups do not divide"));
    }
}
