//! Attention: scaled dot-product attention of opset 23 and later (Vaswani et al. 2017), with masks, shared heads and cached keys.
//!
//! Q, K and V are [batch, heads, positions, size], or [batch, positions, heads · size] with the numbers of heads as attributes. The type
//! that ONNX names for the softmax is left aside: it is computed in the type of Q.

use std::sync::Arc;

use super::attend::{Mask, attend, join_heads, split_heads, window};
use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// Attention's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Attention",
    domain: "",
    since: 23,
    summary: "softmax(scale · Q·Kᵀ + mask) · V, by heads",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 7)?;
        let heads = |node: &Import<'_>, name: &str| match node.int(name)? {
            None => Ok(None),
            Some(n) if n > 0 => Ok(Some(n as usize)),
            Some(n) => Err(OpError(format!("attribute {name} is {n}, expected a positive number"))),
        };
        let side = |node: &Import<'_>, name: &str| Ok(node.int(name)?.filter(|&n| n >= 0));
        let shown = node.int("qk_matmul_output_mode")?.unwrap_or(0);
        if !(0..=3).contains(&shown) {
            refuse!("attribute qk_matmul_output_mode is {shown}, expected 0 to 3");
        }
        Ok(Arc::new(Attention {
            causal: node.flag("is_causal", false)?,
            heads: heads(node, "q_num_heads")?,
            key_heads: heads(node, "kv_num_heads")?,
            scale: node.float("scale")?,
            cap: node.float("softcap")?.unwrap_or(0.0),
            left: side(node, "left_window_size")?,
            right: side(node, "right_window_size")?,
            shown,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Scaled dot-product attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attention {
    /// Whether a position attends to none behind it.
    pub causal: bool,
    /// The number of the queries' heads, where Q has three dimensions.
    pub heads: Option<usize>,
    /// The number of the keys' and values' heads, where they have three dimensions.
    pub key_heads: Option<usize>,
    /// The factor of the scores; one over the root of a head's size where it is `None`.
    pub scale: Option<f32>,
    /// The bound that scores are bent to by tanh; none where it is 0.
    pub cap: f32,
    /// How many positions before its own a query attends to.
    pub left: Option<i64>,
    /// How many positions behind its own a query attends to.
    pub right: Option<i64>,
    /// Which scores the fourth output holds: 0 plain, 1 capped, 2 with the mask, 3 after the softmax.
    pub shown: i64,
}

impl Attention {
    /// Forbids what lies outside the window of positions.
    fn restrict(
        &self,
        b: &mut Builder,
        mask: &mut Mask,
        sizes: (usize, usize),
        past: usize,
        filled: Option<ValueId>,
    ) -> OpResult<()> {
        let right = if self.causal { Some(self.right.map_or(0, |r| r.min(0))) } else { self.right };
        if self.left.is_none() && right.is_none() {
            return Ok(());
        }
        let Some(filled) = filled else {
            let allowed = window(b, sizes, past as i64, self.left, right)?;
            return mask.allow(b, allowed);
        };
        // The first query stands where as many keys as there are queries are left: filled − queries, for each row.
        let (queries, keys) = sizes;
        let count = |n: usize| (0..n as i64).collect::<Vec<i64>>();
        let column = Tensor::new(&[queries, 1], count(queries));
        let (Some(column), line) = (column, Tensor::vector(count(keys))) else {
            refuse!("too many positions")
        };
        let (column, line) = (b.constant_value(column), b.constant_value(line));
        let start = b.shift(filled, -(queries as f64))?;
        let own = b.add(start, column)?;
        let ahead = b.sub(line, own)?;
        if let Some(right) = right {
            let most = b.scalar_like(ahead, right as f64 + 1.0)?;
            let allowed = b.less(ahead, most)?;
            mask.allow(b, allowed)?;
        }
        if let Some(left) = self.left {
            let least = b.scalar_like(ahead, -(left as f64) - 1.0)?;
            let allowed = b.greater(ahead, least)?;
            mask.allow(b, allowed)?;
        }
        Ok(())
    }
}

impl Operator for Attention {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = Attributes::new()
            .with("is_causal", Attribute::Int(i64::from(self.causal)))
            .with("softcap", Attribute::Float(self.cap))
            .with("qk_matmul_output_mode", Attribute::Int(self.shown));
        let ints = [
            ("q_num_heads", self.heads.map(|n| n as i64)),
            ("kv_num_heads", self.key_heads.map(|n| n as i64)),
            ("left_window_size", self.left),
            ("right_window_size", self.right),
        ];
        for (name, value) in ints {
            if let Some(value) = value {
                found.set(name, Attribute::Int(value));
            }
        }
        if let Some(scale) = self.scale {
            found.set("scale", Attribute::Float(scale));
        }
        found
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let flat = b.shape(needed(0)?).len() == 3;
        let mut parts = Vec::with_capacity(3);
        for (i, heads) in [(0, self.heads), (1, self.key_heads), (2, self.key_heads)] {
            let x = needed(i)?;
            parts.push(match (b.shape(x).len(), heads) {
                (4, _) => x,
                (3, Some(heads)) => split_heads(b, x, heads)?,
                (3, None) => {
                    refuse!("q_num_heads and kv_num_heads are needed where inputs have three dimensions")
                }
                _ => refuse!("input {i} is of shape {:?}, expected three or four dimensions", b.shape(x)),
            });
        }
        let mut past = 0;
        for (i, cached) in [(1, given(4)), (2, given(5))] {
            if let Some(cached) = cached {
                past = b.shape(cached).get(2).copied().unwrap_or(0);
                parts[i] = b.concat(&[cached, parts[i]], 2)?;
            }
        }
        let &[q, k, v] = parts.as_slice() else { refuse!("it has not three inputs") };
        let (queries, keys, size) = (b.shape(q)[2], b.shape(k)[2], b.shape(q)[3]);
        let mut mask = Mask::default();
        if let Some(given) = given(3) {
            mask.apply(b, given, keys)?;
        }
        let batch = b.shape(q)[0];
        let filled = match given(6) {
            Some(filled) if b.shape(filled) == [batch] => Some(b.reshape(filled, &[batch, 1, 1, 1])?),
            Some(filled) => refuse!("its counts of keys (input 6) are of shape {:?}, expected [{batch}]", b.shape(filled)),
            None => None,
        };
        self.restrict(b, &mut mask, (queries, keys), past, filled.filter(|_| given(4).is_none()))?;
        if let Some(filled) = filled {
            let line = b.constant_value(Tensor::vector((0..keys as i64).collect::<Vec<i64>>()));
            let allowed = b.less(line, filled)?;
            mask.allow(b, allowed)?;
        }
        let scale = self.scale.map_or_else(|| 1.0 / (size as f64).sqrt(), f64::from);
        let found = attend(b, (q, k, v), scale, f64::from(self.cap), mask)?;
        let output = if flat { join_heads(b, found.output)? } else { found.output };
        let shown = match self.shown {
            1 => found.capped,
            2 => found.masked,
            3 => found.weights,
            _ => found.scores,
        };
        Ok(Some(vec![output, k, v, shown]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Attention;
    use crate::Builder;
    use crate::cases::{Case, bools, f64s, i64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let plain = Attention::default();
        let flat = Attention { heads: Some(2), key_heads: Some(2), ..plain };
        let causal = Attention { causal: true, ..plain };
        let of = |op: Attention, q: &[usize], k: &[usize], v: &[usize]| {
            Case::new(op).random(q).random(k).random(v).rows(&[0, 1, 2])
        };
        let inf = f64::NEG_INFINITY;
        vec![
            // Scores ln 3 and 0: weights 3/4 and 1/4.
            Case::new(Attention { scale: Some(1.0), shown: 3, ..plain })
                .input(f64s(&[1, 1, 1, 1], &[3f64.ln()]))
                .input(f64s(&[1, 1, 2, 1], &[1.0, 0.0]))
                .input(f64s(&[1, 1, 2, 1], &[4.0, 8.0]))
                .expect(f64s(&[1, 1, 1, 1], &[5.0]))
                .expect(f64s(&[1, 1, 2, 1], &[1.0, 0.0]))
                .expect(f64s(&[1, 1, 2, 1], &[4.0, 8.0]))
                .expect(f64s(&[1, 1, 1, 2], &[0.75, 0.25])),
            // Nothing is allowed for the second query, one key for the first.
            Case::new(Attention { shown: 3, ..plain })
                .random(&[1, 1, 2, 2])
                .random(&[1, 1, 3, 2])
                .input(f64s(&[1, 1, 3, 1], &[4.0, 8.0, 1.0]))
                .input(bools(&[2, 3], &[false, true, false, false, false, false]))
                .expect(f64s(&[1, 1, 2, 1], &[8.0, 0.0])),
            of(flat, &[2, 3, 6], &[2, 4, 6], &[2, 4, 8]),
            of(causal, &[2, 2, 3, 4], &[2, 2, 3, 4], &[2, 2, 3, 5]),
            of(Attention { cap: 0.7, left: Some(1), ..plain }, &[2, 4, 3, 4], &[2, 2, 3, 4], &[2, 2, 3, 4]),
            of(plain, &[2, 1, 2, 3], &[2, 1, 3, 3], &[2, 1, 3, 3])
                .input(f64s(&[2, 3], &[0.5, inf, 0.0, inf, inf, inf]))
                .fixed(&[3]),
            of(plain, &[2, 1, 2, 3], &[2, 1, 3, 3], &[2, 1, 3, 3]).random(&[1, 2, 3]),
            of(causal, &[2, 1, 2, 3], &[2, 1, 1, 3], &[2, 1, 1, 3])
                .missing()
                .random(&[2, 1, 2, 3])
                .random(&[2, 1, 2, 3])
                .rows(&[0, 1, 2, 4, 5]),
            of(causal, &[2, 1, 2, 3], &[2, 1, 4, 3], &[2, 1, 4, 3])
                .missing()
                .missing()
                .missing()
                .input(i64s(&[2, 3]))
                .rows(&[0, 1, 2, 6]),
        ]
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let zeros = |shape: &[usize]| Tensor::zeros(crate::DType::F64, shape).unwrap();
        let three = || zeros(&[1, 2, 6]);
        let message = refusal(Attention::default(), &[three(), three(), three()]);
        assert!(message.contains("q_num_heads"), "{message}");
        let op = Attention { heads: Some(4), key_heads: Some(4), ..Attention::default() };
        assert!(refusal(op, &[three(), three(), three()]).contains("cannot be cut into 4 heads"));
        let four = |heads| zeros(&[1, heads, 2, 3]);
        assert!(refusal(Attention::default(), &[four(3), four(2), four(2)]).contains("cannot share 2 heads"));
    }

    #[test]
    fn counts_of_keys_that_are_not_one_for_each_row_are_refused() {
        for op in [Attention::default(), Attention { causal: true, ..Attention::default() }] {
            for counts in [Tensor::scalar(2i64), i64s(&[2, 2])] {
                let mut b = Builder::new(1);
                let x = b.constant_value(Tensor::zeros(crate::DType::F64, &[1, 1, 2, 3]).unwrap());
                let counts = b.constant_value(counts);
                let inputs = [Some(x), Some(x), Some(x), None, None, None, Some(counts)];
                let message = b.node(Arc::new(op), &inputs).unwrap_err().0;
                assert!(message.contains("(input 6) are of shape") && message.contains("expected [1]"), "{message}");
            }
        }
    }
}
