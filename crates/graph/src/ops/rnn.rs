//! RNN: a recurrent layer of one activation, h ← f(x·W + h·R + b), unrolled.

use std::sync::Arc;

use super::activation::Activation;
use super::composite::through_body;
use super::recurrent::{Cell, Recurrent, Weights};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// RNN's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "RNN",
    domain: "",
    since: 7,
    summary: "a recurrent layer of one activation, unrolled over up to 4096 time steps",
    derivative: "that of its steps",
    import: |node| Ok(Arc::new(Rnn { form: Recurrent::import::<Rnn>(node)? })),
    #[cfg(test)]
    cases: tests::cases,
};

/// A recurrent layer of one activation.
#[derive(Clone, Debug)]
pub struct Rnn {
    /// What it shares with other recurrent layers.
    pub form: Recurrent,
}

impl Cell for Rnn {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const DEFAULTS: &'static [Activation] = &[Activation::Tanh];

    fn step(
        &self,
        b: &mut Builder,
        form: &Recurrent,
        weights: &Weights,
        input: ValueId,
        states: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>> {
        let &[f] = weights.activations.as_slice() else { refuse!("it has not one activation") };
        let all = form.recur(b, states.first().copied().flatten(), weights.recurrent, input)?;
        Ok(vec![form.activate(b, all, f)?])
    }
}

impl Operator for Rnn {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.form.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        self.form.unroll(self, b, inputs).map(Some)
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::activation::Activation;
    use super::super::recurrent::{Direction, Recurrent};
    use super::{DEFINITION, Rnn};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s};
    use crate::import::{Import, ImportInput};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let form = |direction, activations: &[Activation], hidden_size| Recurrent {
            hidden_size,
            direction,
            batch_first: false,
            clip: None,
            activations: activations.to_vec(),
        };
        let of = |form| Case::new(Rnn { form });
        let affine = Activation::Affine { alpha: 1.0, beta: 0.5 };
        vec![
            // h: 0.5 + 1, then 0.5 + 2 + 2 · 1.5; the other way 0.5 − 2, then 0.5 − 1 + 3 · −1.5.
            of(form(Direction::Bidirectional, &[affine, affine], 1))
                .input(f64s(&[2, 1, 1], &[1.0, 2.0]))
                .input(f64s(&[2, 1, 1], &[1.0, -1.0]))
                .input(f64s(&[2, 1, 1], &[2.0, 3.0]))
                .expect(f64s(&[2, 2, 1, 1], &[1.5, -5.0, 5.5, -1.5]))
                .expect(f64s(&[2, 1, 1], &[5.5, -5.0])),
            // The second row has one step: its state stays, and its output behind it is 0.
            of(form(Direction::Forward, &[affine], 1))
                .input(f64s(&[2, 2, 1], &[1.0, 1.0, 2.0, 2.0]))
                .input(f64s(&[1, 1, 1], &[1.0]))
                .input(f64s(&[1, 1, 1], &[2.0]))
                .missing()
                .input(Tensor::vector(vec![2i32, 1]))
                .rows_at(0, Rows::plain(1))
                .rows_at(4, Rows::BATCH)
                .expect(f64s(&[2, 1, 2, 1], &[1.5, 1.5, 5.5, 0.0]))
                .expect(f64s(&[1, 2, 1], &[5.5, 1.5])),
            of(form(Direction::Reverse, &[Activation::Tanh], 2))
                .random(&[3, 4, 3])
                .random(&[1, 2, 3])
                .random(&[1, 2, 2])
                .random(&[1, 4])
                .rows_at(0, Rows::plain(1)),
        ]
    }

    #[test]
    fn bad_attributes_are_refused() {
        let read = |name: &str, value: Attribute| {
            let attributes = Attributes::new().with("hidden_size", Attribute::Int(2)).with(name, value);
            let inputs = vec![ImportInput::Value(0, None); 3];
            let mut node = Import { operator: "RNN", opset: 14, attributes: &attributes, inputs, outputs: 1 };
            (DEFINITION.import)(&mut node).unwrap_err().0
        };
        assert!(read("direction", Attribute::Text("up".to_owned())).contains("expected forward"));
        assert!(read("hidden_size", Attribute::Int(-1)).contains("expected a positive number"));
        let two = Attribute::Texts(vec!["Tanh".to_owned(); 2]);
        assert!(read("activations", two).contains("it names 2 activations, expected 1"));
    }
}
