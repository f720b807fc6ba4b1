//! LSTM: a recurrent layer with a memory (Hochreiter and Schmidhuber 1997), unrolled.
//!
//! i = f(x·Wᵢ + h·Rᵢ + pᵢ∘c + bᵢ), the forget gate alike, c ← forget ∘ c + i ∘ g(x·W_c + h·R_c + b_c), o = f(x·W_o + h·R_o + p_o∘c + b_o),
//! h ← o ∘ k(c). Gates stand in the order i, o, forget, c; peepholes p in the order i, o, forget.

use std::sync::Arc;

use super::activation::Activation;
use super::composite::through_body;
use super::recurrent::{Cell, Recurrent, Weights};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// LSTM's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LSTM",
    domain: "",
    since: 7,
    summary: "a recurrent layer with a memory, unrolled over up to 4096 time steps",
    derivative: "that of its steps",
    import: |node| {
        let form = Recurrent::import::<Lstm>(node)?;
        Ok(Arc::new(Lstm { form, input_forget: node.flag("input_forget", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A recurrent layer with a memory.
#[derive(Clone, Debug)]
pub struct Lstm {
    /// What it shares with other recurrent layers.
    pub form: Recurrent,
    /// Whether the forget gate is one less the input gate.
    pub input_forget: bool,
}

impl Cell for Lstm {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const DEFAULTS: &'static [Activation] = &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh];

    fn step(
        &self,
        b: &mut Builder,
        form: &Recurrent,
        weights: &Weights,
        input: ValueId,
        states: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>> {
        let &[hidden, memory] = states else { refuse!("it has not two states") };
        let &[f, g, k] = weights.activations.as_slice() else { refuse!("it has not three activations") };
        let all = form.recur(b, hidden, weights.recurrent, input)?;
        let &[mut i, mut o, mut forget, c] = form.gates(b, all, 4)?.as_slice() else {
            refuse!("it has not four gates")
        };
        let peek = |b: &mut Builder, gate: ValueId, memory: Option<ValueId>, which: usize| match (
            weights.peepholes,
            memory,
        ) {
            (Some(p), Some(memory)) => {
                let p = b.narrow(p, 0, which * form.hidden_size, form.hidden_size)?;
                let product = b.mul(memory, p)?;
                b.add(gate, product)
            }
            _ => Ok(gate),
        };
        i = peek(b, i, memory, 0)?;
        i = form.activate(b, i, f)?;
        let candidate = form.activate(b, c, g)?;
        let mut new = b.mul(i, candidate)?;
        if let Some(old) = memory {
            forget = if self.input_forget {
                let one = b.scalar_like(i, 1.0)?;
                b.sub(one, i)?
            } else {
                let forget = peek(b, forget, memory, 2)?;
                form.activate(b, forget, f)?
            };
            let kept = b.mul(forget, old)?;
            new = b.add(kept, new)?;
        }
        o = peek(b, o, Some(new), 1)?;
        o = form.activate(b, o, f)?;
        let shown = k.apply(b, new)?;
        Ok(vec![b.mul(o, shown)?, new])
    }
}

impl Operator for Lstm {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.form.attributes().with("input_forget", Attribute::Int(i64::from(self.input_forget)))
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
    use super::Lstm;
    use crate::cases::{Case, f64s, refusal};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    fn form(direction: Direction) -> Recurrent {
        let count = if direction == Direction::Bidirectional { 2 } else { 1 };
        let own = [Activation::Sigmoid, Activation::Tanh, Activation::Tanh];
        Recurrent {
            hidden_size: 2,
            direction,
            batch_first: false,
            clip: None,
            activations: own.repeat(count),
        }
    }

    pub(super) fn cases() -> Vec<Case> {
        let one = || Lstm { form: form(Direction::Forward), input_forget: false };
        let both = || Lstm { form: form(Direction::Bidirectional), input_forget: false };
        let lens = |v: &[i32]| Tensor::vector(v.to_vec());
        let (sigmoid, tanh) = (|x: f64| 1.0 / (1.0 + (-x).exp()), f64::tanh);
        // One step of one number: i, o, forget and c from 1, 2, 3 and 4 times the input, with the memory at 0.5.
        let c = sigmoid(0.3) * 0.5 + sigmoid(0.1) * tanh(0.4);
        let h = sigmoid(0.2) * tanh(c);
        let small =
            Lstm { form: Recurrent { hidden_size: 1, ..form(Direction::Forward) }, input_forget: false };
        let first = Lstm { form: Recurrent { batch_first: true, ..both().form }, input_forget: false };
        let odd = Lstm {
            form: Recurrent {
                clip: Some(0.8),
                activations: vec![
                    Activation::HardSigmoid { alpha: 0.3, beta: 0.4 },
                    Activation::Softsign,
                    Activation::ScaledTanh { alpha: 1.5, beta: 0.5 },
                ],
                ..form(Direction::Reverse)
            },
            input_forget: true,
        };
        vec![
            Case::new(small)
                .input(f64s(&[1, 1, 1], &[0.1]))
                .input(f64s(&[1, 4, 1], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[1, 4, 1], &[5.0, 6.0, 7.0, 8.0]))
                .missing()
                .missing()
                .input(f64s(&[1, 1, 1], &[0.0]))
                .input(f64s(&[1, 1, 1], &[0.5]))
                .fixed(&[5])
                .expect(f64s(&[1, 1, 1, 1], &[h]))
                .expect(f64s(&[1, 1, 1], &[h]))
                .expect(f64s(&[1, 1, 1], &[c])),
            Case::new(one())
                .random(&[3, 4, 3])
                .random(&[1, 8, 3])
                .random(&[1, 8, 2])
                .random(&[1, 16])
                .rows_at(0, Rows::plain(1)),
            Case::new(both())
                .random(&[3, 4, 3])
                .random(&[2, 8, 3])
                .random(&[2, 8, 2])
                .random(&[2, 16])
                .input(lens(&[3, 1, 2, 0]))
                .random(&[2, 4, 2])
                .random(&[2, 4, 2])
                .random(&[2, 6])
                .rows_at(0, Rows::plain(1))
                .rows_at(4, Rows::BATCH)
                .rows_at(5, Rows::plain(1))
                .rows_at(6, Rows::plain(1)),
            Case::new(first)
                .random(&[4, 2, 3])
                .random(&[2, 8, 3])
                .random(&[2, 8, 2])
                .missing()
                .missing()
                .random(&[4, 2, 2])
                .rows(&[0, 5]),
            Case::new(odd)
                .random(&[3, 2, 3])
                .random(&[1, 8, 3])
                .random(&[1, 8, 2])
                .rows_at(0, Rows::plain(1)),
            Case::new(one()).random(&[3, 4, 3]).random(&[1, 8, 3]).random(&[1, 8, 2]).rows(&[0]).mixes(),
            Case::new(one())
                .random(&[2, 2, 3])
                .random(&[1, 8, 3])
                .random(&[1, 8, 2])
                .missing()
                .missing()
                .random(&[1, 2, 2])
                .rows_at(0, Rows::plain(1))
                .mixes(),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = || Lstm { form: form(Direction::Forward), input_forget: false };
        let zeros = |shape: &[usize]| Tensor::zeros(crate::DType::F64, shape).unwrap();
        let (w, r) = (|| zeros(&[1, 8, 1]), || zeros(&[1, 8, 2]));
        let long = refusal(op(), &[zeros(&[4097, 1, 1]), w(), r()]);
        assert!(long.contains("4097 time steps") && long.contains("at most 4096"), "{long}");
        assert!(refusal(op(), &[zeros(&[0, 1, 1]), w(), r()]).contains("no time steps"));
        assert!(refusal(op(), &[zeros(&[3, 1]), w(), r()]).contains("three dimensions"));
        let narrow = refusal(op(), &[zeros(&[3, 1, 2]), w(), r()]);
        assert!(narrow.contains("W is of shape [1, 8, 1], expected [1, 8, 2]"), "{narrow}");
    }
}
