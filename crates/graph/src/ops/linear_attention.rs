//! LinearAttention: attention without a softmax, as a recurrence of a state of keys and values, with decay and correction where asked for.
//!
//! Queries, keys and values are [batch, positions, heads · size]; the state is [batch, heads, key size, value size]. At each position the
//! state decays by exp(decay), the value is corrected to beta · (v − kᵀ·state) where there is a beta, k·vᵀ is added, and the query reads it.

use std::sync::Arc;

use super::Split;
use super::attend::{join_heads, repeat_heads, split_heads};
use super::composite::through_body;
use super::recurrent::MOST_STEPS;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// LinearAttention's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LinearAttention",
    domain: "",
    since: 27,
    summary: "attention as a recurrence of a state of keys and values, over up to 4096 positions",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 6)?;
        let count = |name: &str| {
            let n = node.int(name)?;
            n.and_then(|n| usize::try_from(n).ok())
                .filter(|&n| n > 0)
                .ok_or_else(|| OpError(format!("attribute {name} is {n:?}, expected a positive number")))
        };
        let rule = node.text("update_rule")?.unwrap_or_else(|| "gated_delta".to_owned());
        let (gated, corrected) = match rule.as_str() {
            "linear" => (false, false),
            "gated" => (true, false),
            "delta" => (false, true),
            "gated_delta" => (true, true),
            other => {
                refuse!("attribute update_rule is {other:?}, expected linear, gated, delta or gated_delta")
            }
        };
        if node.has(4) != gated || node.has(5) != corrected {
            refuse!("the update rule {rule} does not go with its inputs: decay (input 4) and beta (input 5)");
        }
        Ok(Arc::new(LinearAttention {
            heads: count("q_num_heads")?,
            key_heads: count("kv_num_heads")?,
            scale: node.float("scale")?.filter(|&s| s != 0.0),
            gated,
            corrected,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Attention as a recurrence of a state of keys and values, over up to 4096 positions.
#[derive(Clone, Copy, Debug)]
pub struct LinearAttention {
    /// The number of the queries' heads.
    pub heads: usize,
    /// The number of the keys' and values' heads.
    pub key_heads: usize,
    /// The factor of the result; one over the root of a head's size where it is `None`.
    pub scale: Option<f32>,
    /// Whether the state decays.
    pub gated: bool,
    /// Whether values are corrected by what the state holds.
    pub corrected: bool,
}

impl Operator for LinearAttention {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let rule = match (self.gated, self.corrected) {
            (false, false) => "linear",
            (true, false) => "gated",
            (false, true) => "delta",
            (true, true) => "gated_delta",
        };
        let found = Attributes::new()
            .with("q_num_heads", Attribute::Int(self.heads as i64))
            .with("kv_num_heads", Attribute::Int(self.key_heads as i64))
            .with("update_rule", Attribute::Text(rule.to_owned()));
        match self.scale {
            Some(scale) => found.with("scale", Attribute::Float(scale)),
            None => found,
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let q = split_heads(b, needed(0)?, self.heads)?;
        let k = split_heads(b, needed(1)?, self.key_heads)?;
        let v = split_heads(b, needed(2)?, self.key_heads)?;
        let (&[batch, _, time, size], &[_, _, keys, key_size]) = (b.shape(q), b.shape(k)) else {
            refuse!("its inputs have not three dimensions")
        };
        if keys != time || b.shape(v)[2] != time || key_size != size {
            refuse!("{time} queries of size {size} do not fit {keys} keys of size {key_size}");
        }
        if time == 0 || time > MOST_STEPS {
            refuse!("it has {time} positions, expected 1 to {MOST_STEPS}");
        }
        // Numbers for each head, or for each of its sizes: [batch, heads or 1, positions, size or 1].
        let by_head = |b: &mut Builder, x: ValueId| match *b.shape(x) {
            [_, _, n] if n == self.key_heads || n == 1 => {
                let each = b.reshape(x, &[batch, time, n, 1])?;
                b.transpose(each, &[0, 2, 1, 3])
            }
            _ => split_heads(b, x, self.key_heads),
        };
        let steps =
            |b: &mut Builder, x: ValueId| b.node(Arc::new(Split { axis: 2, parts: Some(time) }), &[Some(x)]);
        let decay = match given(4) {
            Some(decay) => {
                let each = by_head(b, decay)?;
                let factor = b.exp(each)?;
                Some(steps(b, factor)?)
            }
            None => None,
        };
        let beta = match given(5) {
            Some(beta) => {
                let each = by_head(b, beta)?;
                Some(steps(b, each)?)
            }
            None => None,
        };
        let (q, k, v) = (steps(b, q)?, steps(b, k)?, steps(b, v)?);
        let scale = self.scale.map_or_else(|| 1.0 / (size as f64).sqrt(), f64::from);
        let mut state = given(3);
        let mut outputs = Vec::with_capacity(time);
        for t in 0..time {
            if let (Some(before), Some(decay)) = (state, &decay) {
                let factor = b.transpose_matrix(decay[t])?;
                state = Some(b.mul(before, factor)?);
            }
            let mut value = v[t];
            if let Some(beta) = &beta {
                if let Some(before) = state {
                    let there = b.matmul(k[t], before)?;
                    value = b.sub(value, there)?;
                }
                value = b.mul(value, beta[t])?;
            }
            let column = b.transpose_matrix(k[t])?;
            let added = b.matmul(column, value)?;
            let new = match state {
                Some(before) => b.add(before, added)?,
                None => added,
            };
            state = Some(new);
            let shared = repeat_heads(b, new, self.key_heads, self.heads)?;
            let read = b.matmul(q[t], shared)?;
            outputs.push(b.scale(read, scale)?);
        }
        let joined = b.concat(&outputs, 2)?;
        let Some(state) = state else { refuse!("it has no positions") };
        Ok(Some(vec![join_heads(b, joined)?, state]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::LinearAttention;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let plain =
            LinearAttention { heads: 1, key_heads: 1, scale: Some(1.0), gated: false, corrected: false };
        let grouped = LinearAttention { heads: 4, key_heads: 2, scale: None, ..plain };
        let full = LinearAttention { gated: true, corrected: true, ..grouped };
        vec![
            // The state is 2 · 3, then 6 + 5 · 7; it is read by 10 and 100.
            Case::new(plain)
                .input(f64s(&[1, 2, 1], &[10.0, 100.0]))
                .input(f64s(&[1, 2, 1], &[2.0, 5.0]))
                .input(f64s(&[1, 2, 1], &[3.0, 7.0]))
                .expect(f64s(&[1, 2, 1], &[60.0, 4100.0]))
                .expect(f64s(&[1, 1, 1, 1], &[41.0])),
            Case::new(grouped).random(&[2, 3, 8]).random(&[2, 3, 4]).random(&[2, 3, 6]).rows(&[0, 1, 2]),
            Case::new(full)
                .random(&[2, 3, 8])
                .random(&[2, 3, 4])
                .random(&[2, 3, 6])
                .random(&[2, 2, 2, 3])
                .random(&[2, 3, 4])
                .random(&[2, 3, 2])
                .rows(&[0, 1, 2, 3, 4, 5]),
        ]
    }
}
