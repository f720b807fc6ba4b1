//! FusedConv of ONNX Runtime, as it writes it when it optimises a file: an activation function of a convolution, plus Z where input 3 gives it.

use std::sync::Arc;

use super::activation::Activation;
use super::composite::through_body;
use super::{Clip, Conv, conv, window::Window};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// FusedConv's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "FusedConv",
    domain: "com.microsoft",
    since: 1,
    summary: "an activation function of a convolution, plus Z where it is given",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 4)?;
        let name = node.text("activation")?.unwrap_or_default();
        let numbers = node.floats("activation_params")?.unwrap_or_default();
        let after = match (name.as_str(), numbers.as_slice()) {
            ("", _) => After::Nothing,
            ("Clip", &[least, most]) => After::Clip { least, most },
            ("Clip", _) => refuse!("attribute activation_params has {} numbers, Clip needs 2", numbers.len()),
            (_, numbers) => {
                let (alphas, betas) = numbers.split_at(numbers.len().min(1));
                match Activation::read(&[name], alphas, betas)?.as_slice() {
                    &[activation] => After::Function(activation),
                    _ => refuse!("it has more than one activation"),
                }
            }
        };
        let conv = Conv::new(conv::group(node)?, Window::import(node)?);
        Ok(Arc::new(FusedConv { conv, after }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What becomes of each element of a convolution.
#[derive(Clone, Copy, Debug)]
pub enum After {
    /// It stays.
    Nothing,
    /// A function of it.
    Function(Activation),
    /// It is held between two bounds.
    Clip {
        /// The lower.
        least: f32,
        /// The upper.
        most: f32,
    },
}

/// An activation function of a convolution.
#[derive(Clone, Debug)]
pub struct FusedConv {
    /// The convolution.
    pub conv: Conv,
    /// What comes after it.
    pub after: After,
}

impl Operator for FusedConv {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = self.conv.attributes();
        let (name, numbers) = match self.after {
            After::Nothing => return found,
            After::Function(activation) => {
                let (alpha, beta) = activation.numbers();
                (activation.name(), alpha.into_iter().chain(beta).collect())
            }
            After::Clip { least, most } => ("Clip", vec![least, most]),
        };
        found.set("activation", Attribute::Text(name.to_owned()));
        found.set("activation_params", Attribute::Floats(numbers));
        found
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let mut y = b.node(Arc::new(self.conv.clone()), &inputs[..inputs.len().min(3)])?[0];
        if let Some(z) = inputs.get(3).copied().flatten() {
            if b.shape(z) != b.shape(y) {
                refuse!("input 3 is of shape {:?}, expected {:?}", b.shape(z), b.shape(y));
            }
            y = b.add(y, z)?;
        }
        let y = match self.after {
            After::Nothing => y,
            After::Function(activation) => activation.apply(b, y)?,
            After::Clip { least, most } => {
                let least = b.scalar_like(y, f64::from(least))?;
                let most = b.scalar_like(y, f64::from(most))?;
                b.push(Clip, &[y, least, most])?
            }
        };
        Ok(Some(vec![y]))
    }

    fn with_sums_in_double(&self) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Self { conv: Conv { in_double: true, ..self.conv.clone() }, ..self.clone() }))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::activation::Activation;
    use super::super::window::Window;
    use super::{After, Conv, FusedConv};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, refusal};

    fn plain(after: After) -> FusedConv {
        FusedConv { conv: Conv::new(1, Window::default()), after }
    }

    pub(super) fn cases() -> Vec<Case> {
        let line = || f64s(&[1, 1, 4], &[1.0, -2.0, 3.0, -4.0]);
        let two = || f64s(&[1, 1, 1], &[2.0]);
        let steep = Attributes::new()
            .with("activation", Attribute::Text("HardSigmoid".to_owned()))
            .with("activation_params", Attribute::Floats(vec![0.5, 0.25]));
        vec![
            Case::new(plain(After::Function(Activation::Relu)))
                .input(line())
                .input(two())
                .input(f64s(&[1], &[-1.0]))
                .input(f64s(&[1, 1, 4], &[0.0, 6.0, 0.0, 0.0]))
                .expect(f64s(&[1, 1, 4], &[1.0, 1.0, 5.0, 0.0])),
            Case::new(plain(After::Clip { least: -3.5, most: 3.0 }))
                .input(line())
                .input(two())
                .expect(f64s(&[1, 1, 4], &[2.0, -3.5, 3.0, -3.5])),
            Case::imported("FusedConv", 1, &steep, vec![f64s(&[1, 1, 2], &[0.25, 2.0]), two()])
                .expect(f64s(&[1, 1, 2], &[0.5, 1.0])),
            Case::new(plain(After::Nothing)).random(&[2, 3, 5]).random(&[4, 3, 2]).random(&[4]).random(&[2, 4, 4]),
            Case::new(plain(After::Function(Activation::Tanh))).random(&[2, 2, 3, 4]).random(&[3, 2, 2, 2]),
        ]
    }

    #[test]
    fn what_is_added_must_be_as_large() {
        let zeros = |shape: &[usize]| f64s(shape, &vec![0.0; shape.iter().product()]);
        let inputs = [zeros(&[1, 1, 4]), zeros(&[1, 1, 1]), zeros(&[1]), zeros(&[1, 1, 1])];
        let message = refusal(plain(After::Nothing), &inputs);
        assert!(message.contains("input 3 is of shape [1, 1, 1], expected [1, 1, 4]"), "{message}");
    }
}
