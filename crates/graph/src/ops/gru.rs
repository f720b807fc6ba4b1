//! GRU: a recurrent layer with gates (Cho et al. 2014), unrolled.
//!
//! z = f(x·W_z + h·R_z + b_z), the reset gate r alike, n = g(x·W_n + (r∘h)·R_n + b_n), h ← (1 − z) ∘ n + z ∘ h. Where the reset comes after
//! the product, as in PyTorch, n = g(x·W_n + w_n + r ∘ (h·R_n + b_n)). Gates stand in the order z, r, n.

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

/// GRU's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GRU",
    domain: "",
    since: 7,
    summary: "a recurrent layer with gates, unrolled over up to 4096 time steps",
    derivative: "that of its steps",
    import: |node| {
        let form = Recurrent::import::<Gru>(node)?;
        Ok(Arc::new(Gru { form, reset_after: node.flag("linear_before_reset", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A recurrent layer with gates.
#[derive(Clone, Debug)]
pub struct Gru {
    /// What it shares with other recurrent layers.
    pub form: Recurrent,
    /// Whether the reset gate is applied after the hidden state's product: ONNX's `linear_before_reset`.
    pub reset_after: bool,
}

impl Cell for Gru {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const DEFAULTS: &'static [Activation] = &[Activation::Sigmoid, Activation::Tanh];

    fn biases(
        &self,
        b: &mut Builder,
        input: ValueId,
        recurrent: ValueId,
    ) -> OpResult<(ValueId, Option<ValueId>)> {
        if !self.reset_after {
            return Ok((b.add(input, recurrent)?, None));
        }
        // What belongs to n stays apart, because the reset gate multiplies it.
        let size = self.form.hidden_size;
        let gates = b.narrow(recurrent, 0, 0, 2 * size)?;
        let gates = b.pad_axis(gates, 0, 0, size)?;
        Ok((b.add(input, gates)?, Some(b.narrow(recurrent, 0, 2 * size, size)?)))
    }

    fn step(
        &self,
        b: &mut Builder,
        form: &Recurrent,
        weights: &Weights,
        input: ValueId,
        states: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>> {
        let &[f, g] = weights.activations.as_slice() else { refuse!("it has not two activations") };
        let size = form.hidden_size;
        let hidden = states.first().copied().flatten();
        let gates = b.narrow(input, 1, 0, 2 * size)?;
        let mut n = b.narrow(input, 1, 2 * size, size)?;
        let of_gates = b.narrow(weights.recurrent, 0, 0, 2 * size)?;
        let of_n = b.narrow(weights.recurrent, 0, 2 * size, size)?;
        let gates = form.recur(b, hidden, of_gates, gates)?;
        let &[z, r] = form.gates(b, gates, 2)?.as_slice() else { refuse!("it has not two gates") };
        let z = form.activate(b, z, f)?;
        let r = form.activate(b, r, f)?;
        if self.reset_after {
            let part = match (hidden, weights.recurrent_bias) {
                (Some(h), bias) => {
                    let product = super::Gemm { transpose_b: true, ..super::Gemm::default() };
                    let factors: Vec<ValueId> = [h, of_n].into_iter().chain(bias).collect();
                    Some(b.push(product, &factors)?)
                }
                (None, bias) => bias,
            };
            if let Some(part) = part {
                let kept = b.mul(r, part)?;
                n = b.add(n, kept)?;
            }
        } else if let Some(h) = hidden {
            let kept = b.mul(r, h)?;
            n = form.recur(b, Some(kept), of_n, n)?;
        }
        let n = form.activate(b, n, g)?;
        let one = b.scalar_like(z, 1.0)?;
        let rest = b.sub(one, z)?;
        let new = b.mul(rest, n)?;
        Ok(vec![match hidden {
            Some(h) => {
                let kept = b.mul(z, h)?;
                b.add(new, kept)?
            }
            None => new,
        }])
    }
}

impl Operator for Gru {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.form.attributes().with("linear_before_reset", Attribute::Int(i64::from(self.reset_after)))
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
    use super::Gru;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    fn form(direction: Direction, hidden_size: usize) -> Recurrent {
        let count = if direction == Direction::Bidirectional { 2 } else { 1 };
        let activations = [Activation::Sigmoid, Activation::Tanh].repeat(count);
        Recurrent { hidden_size, direction, batch_first: false, clip: None, activations }
    }

    pub(super) fn cases() -> Vec<Case> {
        let of = |direction, reset_after| Case::new(Gru { form: form(direction, 2), reset_after });
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        // One step of one number from a hidden state of 0.5: z and r from 1 and 2 times the input, with half the state's.
        let (z, r) = (sigmoid(0.1 + 0.25), sigmoid(0.2 + 0.25 + 1.0));
        let before = (1.0 - z) * (0.3 + r * 0.5 * 4.0 + 1.0 + 2.0).tanh() + z * 0.5;
        let after = (1.0 - z) * (0.3 + 1.0 + r * (0.5 * 4.0 + 2.0)).tanh() + z * 0.5;
        let literal = |reset_after, h: f64| {
            Case::new(Gru { form: form(Direction::Forward, 1), reset_after })
                .input(f64s(&[1, 1, 1], &[0.1]))
                .input(f64s(&[1, 3, 1], &[1.0, 2.0, 3.0]))
                .input(f64s(&[1, 3, 1], &[0.5, 0.5, 4.0]))
                .input(f64s(&[1, 6], &[0.0, 0.25, 1.0, 0.0, 0.75, 2.0]))
                .missing()
                .input(f64s(&[1, 1, 1], &[0.5]))
                .expect(f64s(&[1, 1, 1, 1], &[h]))
                .expect(f64s(&[1, 1, 1], &[h]))
        };
        let lens = || Tensor::vector(vec![1i32, 3, 2]);
        vec![
            literal(false, before),
            literal(true, after),
            of(Direction::Forward, false)
                .random(&[3, 3, 4])
                .random(&[1, 6, 4])
                .random(&[1, 6, 2])
                .random(&[1, 12])
                .rows_at(0, Rows::plain(1)),
            of(Direction::Bidirectional, true)
                .random(&[3, 3, 4])
                .random(&[2, 6, 4])
                .random(&[2, 6, 2])
                .random(&[2, 12])
                .input(lens())
                .random(&[2, 3, 2])
                .rows_at(0, Rows::plain(1))
                .rows_at(4, Rows::BATCH)
                .rows_at(5, Rows::plain(1)),
            of(Direction::Reverse, true)
                .random(&[2, 3, 4])
                .random(&[1, 6, 4])
                .random(&[1, 6, 2])
                .rows_at(0, Rows::plain(1)),
        ]
    }
}
