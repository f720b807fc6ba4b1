//! What the recurrent operators share: attributes, one product of all time steps' inputs with the weights, and the unrolled steps.
//!
//! X is [time, batch, input] (or [batch, time, input], by `layout`); W is [directions, gates · hidden, input], R [directions, gates ·
//! hidden, hidden], B [directions, 2 · gates · hidden]. Y is [time, directions, batch, hidden], the last states are [directions, batch,
//! hidden], both with the batch first by `layout`. Where a row's sequence is shorter, its states stay as they were at its end and its
//! outputs behind it are zero.

use super::activation::Activation;
use super::support::said;
use super::{Clip, Gemm, Split};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::refuse;
use crate::tensor::Tensor;

/// The most time steps, counted in each direction, that are unrolled: each is a dozen nodes of the graph.
pub const MOST_STEPS: usize = 4096;

/// In which order time is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first step on.
    Forward,
    /// From the last step back.
    Reverse,
    /// Both, one beside the other.
    Bidirectional,
}

impl Direction {
    fn reversed(self) -> &'static [bool] {
        match self {
            Self::Forward => &[false],
            Self::Reverse => &[true],
            Self::Bidirectional => &[false, true],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
            Self::Bidirectional => "bidirectional",
        }
    }
}

/// The attributes that all recurrent operators have.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// The size of a state.
    pub hidden_size: usize,
    /// The order of time.
    pub direction: Direction,
    /// Whether the batch is the first axis.
    pub batch_first: bool,
    /// Between which bounds, −clip and clip, what goes into a gate's activation is kept.
    pub clip: Option<f32>,
    /// The activation functions of each direction, one behind the other.
    pub activations: Vec<Activation>,
}

/// The weights of one direction.
pub(crate) struct Weights {
    /// [gates · hidden, hidden].
    pub(crate) recurrent: ValueId,
    /// What the cell keeps apart of the biases: [gates · hidden].
    pub(crate) recurrent_bias: Option<ValueId>,
    /// The weights from the cell's memory to its gates: [3 · hidden].
    pub(crate) peepholes: Option<ValueId>,
    /// The activation functions.
    pub(crate) activations: Vec<Activation>,
}

/// What differs from one recurrent operator to another.
pub(crate) trait Cell {
    /// How many gates it has.
    const GATES: usize;
    /// How many states it carries.
    const STATES: usize;
    /// Its activation functions where none are named.
    const DEFAULTS: &'static [Activation];

    /// The bias that is added to the input's product, and the one that is kept apart, from both halves of B.
    fn biases(
        &self,
        b: &mut Builder,
        input: ValueId,
        recurrent: ValueId,
    ) -> OpResult<(ValueId, Option<ValueId>)> {
        Ok((b.add(input, recurrent)?, None))
    }

    /// The states after a step, the hidden one first; `None` stands for a state of zeros.
    fn step(
        &self,
        b: &mut Builder,
        form: &Recurrent,
        weights: &Weights,
        input: ValueId,
        states: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>>;
}

impl Recurrent {
    /// Reads the attributes of a node.
    pub(crate) fn import<C: Cell>(node: &Import<'_>) -> OpResult<Self> {
        node.expect_inputs(3, 8)?;
        let direction = match node.text("direction")?.as_deref() {
            None | Some("forward") => Direction::Forward,
            Some("reverse") => Direction::Reverse,
            Some("bidirectional") => Direction::Bidirectional,
            Some(other) => {
                refuse!("attribute direction is {other:?}, expected forward, reverse or bidirectional")
            }
        };
        let count = direction.reversed().len();
        let activations = match node.texts("activations")? {
            Some(names) if !names.is_empty() => {
                let alphas = node.floats("activation_alpha")?.unwrap_or_default();
                let betas = node.floats("activation_beta")?.unwrap_or_default();
                Activation::read(&names, &alphas, &betas)?
            }
            _ => C::DEFAULTS.repeat(count),
        };
        if activations.len() != count * C::DEFAULTS.len() {
            refuse!("it names {} activations, expected {}", activations.len(), count * C::DEFAULTS.len());
        }
        let size = node.int("hidden_size")?;
        let Some(hidden_size) = size.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0) else {
            refuse!("attribute hidden_size is {}, expected a positive number", said(size))
        };
        let clip = node.float("clip")?.filter(|&c| c > 0.0);
        Ok(Self { hidden_size, direction, batch_first: node.flag("layout", false)?, clip, activations })
    }

    /// The attributes, as ONNX writes them.
    pub(crate) fn attributes(&self) -> Attributes {
        let numbers = || self.activations.iter().map(|a| a.numbers());
        let alphas = numbers().filter_map(|(alpha, _)| alpha).collect();
        let betas = numbers().filter_map(|(_, beta)| beta).collect();
        let names = self.activations.iter().map(|a| a.name().to_owned()).collect();
        let found = Attributes::new()
            .with("hidden_size", Attribute::Int(self.hidden_size as i64))
            .with("direction", Attribute::Text(self.direction.name().to_owned()))
            .with("layout", Attribute::Int(i64::from(self.batch_first)))
            .with("activations", Attribute::Texts(names))
            .with("activation_alpha", Attribute::Floats(alphas))
            .with("activation_beta", Attribute::Floats(betas));
        match self.clip {
            Some(clip) => found.with("clip", Attribute::Float(clip)),
            None => found,
        }
    }

    /// What goes into a gate's activation, kept between the bounds, and the activation of it.
    pub(crate) fn activate(&self, b: &mut Builder, x: ValueId, f: Activation) -> OpResult<ValueId> {
        let x = match self.clip {
            Some(clip) => {
                let (low, high) = (b.scalar_like(x, f64::from(-clip))?, b.scalar_like(x, f64::from(clip))?);
                b.push(Clip, &[x, low, high])?
            }
            None => x,
        };
        f.apply(b, x)
    }

    /// The part of all gates, [batch, gates · hidden], that comes from the hidden state, added to that of the input.
    pub(crate) fn recur(
        &self,
        b: &mut Builder,
        hidden: Option<ValueId>,
        weights: ValueId,
        input: ValueId,
    ) -> OpResult<ValueId> {
        match hidden {
            Some(h) => b.push(Gemm { transpose_b: true, ..Gemm::default() }, &[h, weights, input]),
            None => Ok(input),
        }
    }

    /// The parts of a value of gates, each [batch, hidden].
    pub(crate) fn gates(&self, b: &mut Builder, x: ValueId, count: usize) -> OpResult<Vec<ValueId>> {
        if count == 1 {
            return Ok(vec![x]);
        }
        b.node(std::sync::Arc::new(Split { axis: 1, parts: Some(count) }), &[Some(x)])
    }

    /// Emits all steps: Y, and each state after the last one.
    ///
    /// Inputs are X, W, R, B, the lengths, the states at the start and, for cells with a memory, the peepholes.
    pub(crate) fn unroll<C: Cell>(
        &self,
        cell: &C,
        b: &mut Builder,
        inputs: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let (hidden, directions) = (self.hidden_size, self.direction.reversed());
        let wide =
            hidden.checked_mul(C::GATES).ok_or_else(|| OpError("hidden_size is too large".to_owned()))?;
        let (mut x, w, r) = (needed(0)?, needed(1)?, needed(2)?);
        if b.shape(x).len() != 3 {
            refuse!("X is of shape {:?}, expected three dimensions", b.shape(x));
        }
        if self.batch_first {
            x = b.transpose(x, &[1, 0, 2])?;
        }
        let [time, batch, size] = *b.shape(x) else { refuse!("X has not three dimensions") };
        let steps = time.saturating_mul(directions.len());
        if steps > MOST_STEPS {
            refuse!(
                "it has {steps} time steps to unroll, at most {MOST_STEPS} are; shorten or cut the sequence"
            );
        }
        if time == 0 {
            refuse!("its sequence has no time steps");
        }
        let expect = |b: &Builder, v: ValueId, what: &str, shape: &[usize]| -> OpResult<()> {
            if b.shape(v) != shape {
                refuse!("{what} is of shape {:?}, expected {shape:?}", b.shape(v));
            }
            Ok(())
        };
        let count = directions.len();
        expect(b, w, "W", &[count, wide, size])?;
        expect(b, r, "R", &[count, wide, hidden])?;
        let masks = match given(4) {
            Some(lengths) => {
                expect(b, lengths, "sequence_lens", &[batch])?;
                self.masks(b, lengths, time)?
            }
            None => None,
        };
        let flat = b.reshape(x, &[time * batch, size])?;
        let mut y: Vec<Vec<ValueId>> = Vec::with_capacity(count);
        let mut last: Vec<Vec<ValueId>> = vec![Vec::with_capacity(count); C::STATES];
        for (d, &reversed) in directions.iter().enumerate() {
            let matrix = |b: &mut Builder, v: ValueId, shape: &[usize]| -> OpResult<ValueId> {
                let one = b.narrow(v, 0, d, 1)?;
                b.reshape(one, shape)
            };
            let input_weights = matrix(b, w, &[wide, size])?;
            let recurrent = matrix(b, r, &[wide, hidden])?;
            let (mut factors, mut recurrent_bias) = (vec![flat, input_weights], None);
            if let Some(bias) = given(3) {
                expect(b, bias, "B", &[count, 2 * wide])?;
                let both = matrix(b, bias, &[2 * wide])?;
                let (wb, rb) = (b.narrow(both, 0, 0, wide)?, b.narrow(both, 0, wide, wide)?);
                let (input_bias, kept) = cell.biases(b, wb, rb)?;
                factors.push(input_bias);
                recurrent_bias = kept;
            }
            let product = b.push(Gemm { transpose_b: true, ..Gemm::default() }, &factors)?;
            let split = Split { axis: 0, parts: Some(time) };
            let parts = b.node(std::sync::Arc::new(split), &[Some(product)])?;
            let peepholes = match given(7) {
                Some(p) if C::STATES > 1 => {
                    expect(b, p, "P", &[count, 3 * hidden])?;
                    Some(matrix(b, p, &[3 * hidden])?)
                }
                _ => None,
            };
            let own = self.activations.len() / count;
            let activations = self.activations[d * own..(d + 1) * own].to_vec();
            let weights = Weights { recurrent, recurrent_bias, peepholes, activations };
            let mut states = Vec::with_capacity(C::STATES);
            for s in 0..C::STATES {
                states.push(self.start(b, given(5 + s), d, batch)?);
            }
            let mut outputs = vec![None; time];
            for k in 0..time {
                let t = if reversed { time - 1 - k } else { k };
                let new = cell.step(b, self, &weights, parts[t], &states)?;
                let Some(masks) = &masks else {
                    outputs[t] = new.first().copied();
                    states = new.into_iter().map(Some).collect();
                    continue;
                };
                outputs[t] = Some(b.masked(masks[t], new[0])?);
                for (state, new) in states.iter_mut().zip(new) {
                    *state = Some(match *state {
                        Some(old) => b.select(masks[t], new, old)?,
                        None => b.masked(masks[t], new)?,
                    });
                }
            }
            let outputs: Vec<ValueId> = outputs.into_iter().flatten().collect();
            y.push(outputs);
            for (all, state) in last.iter_mut().zip(states) {
                all.extend(state);
            }
        }
        let mut results = vec![self.all_steps(b, &y, batch)?];
        for states in last {
            results.push(self.beside(b, &states, batch)?);
        }
        Ok(results)
    }

    /// For each time step, which rows' sequences still go on: [batch, 1]; `None` where all do to the end.
    fn masks(&self, b: &mut Builder, lengths: ValueId, time: usize) -> OpResult<Option<Vec<ValueId>>> {
        let all = |t: &Tensor| t.to_i64().is_some_and(|v| v.iter().all(|&n| n >= time as i64));
        if b.constant(lengths).is_some_and(all) {
            return Ok(None);
        }
        let batch = b.shape(lengths)[0];
        let lengths = b.reshape(lengths, &[batch, 1])?;
        let mut masks = Vec::with_capacity(time);
        for t in 0..time {
            let t = b.scalar_like(lengths, t as f64)?;
            masks.push(b.greater(lengths, t)?);
        }
        Ok(Some(masks))
    }

    /// The state [batch, hidden] at the start; `None` for zeros.
    fn start(
        &self,
        b: &mut Builder,
        given: Option<ValueId>,
        direction: usize,
        batch: usize,
    ) -> OpResult<Option<ValueId>> {
        let Some(all) = given else { return Ok(None) };
        let zero = |t: &Tensor| t.to_f64().is_some_and(|v| v.iter().all(|&x| x == 0.0));
        let (count, hidden) = (self.direction.reversed().len(), self.hidden_size);
        let expected = if self.batch_first { [batch, count, hidden] } else { [count, batch, hidden] };
        if b.shape(all) != expected {
            refuse!("a state at the start is of shape {:?}, expected {expected:?}", b.shape(all));
        }
        if b.constant(all).is_some_and(zero) {
            return Ok(None);
        }
        let one = b.narrow(all, usize::from(self.batch_first), direction, 1)?;
        Ok(Some(b.reshape(one, &[batch, hidden])?))
    }

    /// Y from the hidden states of each direction's steps.
    fn all_steps(&self, b: &mut Builder, y: &[Vec<ValueId>], batch: usize) -> OpResult<ValueId> {
        let mut parts = Vec::with_capacity(y.len());
        for steps in y {
            let joined = b.concat(steps, 0)?;
            parts.push(b.reshape(joined, &[steps.len(), 1, batch, self.hidden_size])?);
        }
        let joined = if parts.len() == 1 { parts[0] } else { b.concat(&parts, 1)? };
        if self.batch_first { b.transpose(joined, &[2, 0, 1, 3]) } else { Ok(joined) }
    }

    /// The states of both directions beside each other.
    fn beside(&self, b: &mut Builder, states: &[ValueId], batch: usize) -> OpResult<ValueId> {
        let shape =
            if self.batch_first { [batch, 1, self.hidden_size] } else { [1, batch, self.hidden_size] };
        let parts: Vec<ValueId> = states.iter().map(|&s| b.reshape(s, &shape)).collect::<OpResult<_>>()?;
        if parts.len() == 1 { Ok(parts[0]) } else { b.concat(&parts, usize::from(self.batch_first)) }
    }
}
