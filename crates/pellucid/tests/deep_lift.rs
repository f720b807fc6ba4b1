//! DeepLIFT inside recurrent layers and attention, against the same rules written out number by number.

mod common;

use common::{explain, method, spec};
use pellucid::graph::ops::activation::Activation;
use pellucid::graph::ops::recurrent::{Direction, Recurrent};
use pellucid::graph::random::Stream;
use pellucid::graph::{DType, Dim, Network, Tensor, ops};
use pellucid::{Baseline, Batch, Model};

const ROWS: usize = 3;
const STEPS: usize = 4;
const WIDTH: usize = 3;
const HIDDEN: usize = 2;
const REFERENCE: f64 = -0.5;

/// A number at the input and at the reference, and what its difference takes of those it was made from.
struct Cell {
    value: f64,
    reference: f64,
    from: Vec<(usize, f64)>,
}

/// Numbers, each after those that it is made from.
#[derive(Default)]
struct Tape(Vec<Cell>);

impl Tape {
    fn push(&mut self, value: f64, reference: f64, from: Vec<(usize, f64)>) -> usize {
        self.0.push(Cell { value, reference, from });
        self.0.len() - 1
    }

    fn sum(&mut self, terms: &[(usize, f64)], constant: f64) -> usize {
        let at = |of: fn(&Cell) -> f64, t: &Self| {
            constant + terms.iter().map(|&(i, w)| w * of(&t.0[i])).sum::<f64>()
        };
        let (value, reference) = (at(|c| c.value, self), at(|c| c.reference, self));
        self.push(value, reference, terms.to_vec())
    }

    /// The rescale rule.
    fn bend(&mut self, x: usize, f: impl Fn(f64) -> f64) -> usize {
        let (a, b) = (self.0[x].value, self.0[x].reference);
        assert!((a - b).abs() > 1e-6, "a difference is too small for its ratio");
        self.push(f(a), f(b), vec![(x, (f(a) - f(b)) / (a - b))])
    }

    /// Each factor times the mean of the other.
    fn product(&mut self, x: usize, y: usize) -> usize {
        let (a, b) = (&self.0[x], &self.0[y]);
        let from = vec![(x, (b.value + b.reference) / 2.0), (y, (a.value + a.reference) / 2.0)];
        self.push(a.value * b.value, a.reference * b.reference, from)
    }

    fn quotient(&mut self, x: usize, y: usize) -> usize {
        let (a, b) = (&self.0[x], &self.0[y]);
        let over = (1.0 / b.value + 1.0 / b.reference) / 2.0;
        let under = -(a.value + a.reference) / (2.0 * b.value * b.reference);
        self.push(a.value / b.value, a.reference / b.reference, vec![(x, over), (y, under)])
    }

    fn sigmoid(&mut self, x: usize) -> usize {
        self.bend(x, |v| 1.0 / (1.0 + (-v).exp()))
    }

    fn tanh(&mut self, x: usize) -> usize {
        self.bend(x, f64::tanh)
    }

    /// What each of the first `count` numbers contributes to the last.
    fn attributions(&self, count: usize) -> Vec<f64> {
        let mut multipliers = vec![0.0; self.0.len()];
        multipliers[self.0.len() - 1] = 1.0;
        for i in (0..self.0.len()).rev() {
            for &(j, m) in &self.0[i].from {
                multipliers[j] += m * multipliers[i];
            }
        }
        (0..count).map(|i| multipliers[i] * (self.0[i].value - self.0[i].reference)).collect()
    }
}

fn drawn(shape: &[usize], key: u64) -> Tensor {
    let mut stream = Stream::new(key, [3, 0, 0]);
    Tensor::new(shape, (0..shape.iter().product()).map(|_| 0.7 * stream.normal() as f32).collect()).unwrap()
}

fn numbers(key: u64, shape: &[usize]) -> Vec<f64> {
    drawn(shape, key).to_f64().unwrap()
}

/// A layer over [batch, steps, width], then a weighted sum of all that comes out.
fn network(outputs: usize, layer: impl Fn(&mut Network, usize) -> usize) -> Model {
    let mut n = Network::new();
    let batch = Dim::Symbol("batch".into());
    let x = n.add_input("x", DType::F32, &[batch.clone(), Dim::Fixed(STEPS), Dim::Fixed(WIDTH)]).unwrap();
    let y = layer(&mut n, x);
    let flat = n.add_node("flat", ops::Flatten { axis: 1 }, &[y], "flat").unwrap();
    let out = n.add_constant("out", drawn(&[outputs, 1], 9)).unwrap();
    let sum = n.add_node("sum", ops::MatMul, &[flat, out], "y").unwrap();
    n.add_output(sum, DType::F32, &[batch, Dim::Fixed(1)]);
    Model::from_network(n).unwrap()
}

/// The library's attributions of each row are those of the tape, and sum to the difference of the outputs.
#[track_caller]
fn check(name: &str, model: &Model, by_hand: impl Fn(&mut Tape) -> Vec<usize>) {
    let x = drawn(&[ROWS, STEPS, WIDTH], 1);
    let asked =
        pellucid::Spec { baseline: Baseline::Scalar(REFERENCE), ..spec(method(r#"{"name": "deep_lift"}"#)) };
    let found = explain(model, &asked, &Batch::new(vec![x.clone()]));
    let delta = &found.check.as_ref().unwrap().delta[0];
    assert!(delta.iter().all(|d| d.abs() < 1e-12), "{name}: {delta:?}");
    let got = found.attributions[0].to_f64().unwrap();
    let each = STEPS * WIDTH;
    for (r, row) in x.to_f64().unwrap().chunks_exact(each).enumerate() {
        let mut tape = Tape::default();
        for &v in row {
            tape.push(v, REFERENCE, Vec::new());
        }
        let outputs = by_hand(&mut tape);
        let weights = numbers(9, &[outputs.len()]);
        let terms: Vec<(usize, f64)> = outputs.into_iter().zip(weights).collect();
        let last = tape.sum(&terms, 0.0);
        assert!((tape.0[last].value - found.output[0][r]).abs() < 1e-12, "{name}: row {r}'s output");
        let difference = tape.0[last].value - tape.0[last].reference;
        assert!(difference.abs() > 0.01, "{name}: row {r} has nothing to explain: {difference}");
        for (i, want) in tape.attributions(each).into_iter().enumerate() {
            let got = got[r * each + i];
            assert!((got - want).abs() < 1e-10, "{name}: row {r}, input {i}: {got}, expected {want}");
        }
    }
}

fn recurrent(activations: Vec<Activation>) -> Recurrent {
    Recurrent {
        hidden_size: HIDDEN,
        direction: Direction::Forward,
        batch_first: true,
        clip: None,
        activations,
    }
}

/// The weights of a recurrent layer of so many gates: W, R and B.
fn weights(n: &mut Network, gates: usize) -> [usize; 3] {
    let mut of = |name: &str, shape: &[usize], key| n.add_constant(name, drawn(shape, key)).unwrap();
    let rows = gates * HIDDEN;
    [of("w", &[1, rows, WIDTH], 2), of("r", &[1, rows, HIDDEN], 3), of("b", &[1, 2 * rows], 4)]
}

/// Row `row` of W times a step's input plus its bias, and the same of R and the state before.
fn products(tape: &mut Tape, gates: usize, row: usize, step: usize, h: &[Option<usize>]) -> (usize, usize) {
    let rows = gates * HIDDEN;
    let (w, r) = (numbers(2, &[rows * WIDTH]), numbers(3, &[rows * HIDDEN]));
    let b = numbers(4, &[2 * rows]);
    let own: Vec<(usize, f64)> = (0..WIDTH).map(|i| (step * WIDTH + i, w[row * WIDTH + i])).collect();
    let state: Vec<(usize, f64)> =
        h.iter().enumerate().filter_map(|(i, h)| h.map(|h| (h, r[row * HIDDEN + i]))).collect();
    (tape.sum(&own, b[row]), tape.sum(&state, b[rows + row]))
}

#[test]
fn inside_an_lstm() {
    let model = network(STEPS * HIDDEN, |n, x| {
        let [w, r, b] = weights(n, 4);
        let form = recurrent(vec![Activation::Sigmoid, Activation::Tanh, Activation::Tanh]);
        n.add_node("lstm", ops::Lstm { form, input_forget: false }, &[x, w, r, b], "h").unwrap()
    });
    check("lstm", &model, |tape| {
        let (mut h, mut c): (Vec<Option<usize>>, Vec<Option<usize>>) =
            (vec![None; HIDDEN], vec![None; HIDDEN]);
        let mut outputs = Vec::new();
        for step in 0..STEPS {
            let before = h.clone();
            for unit in 0..HIDDEN {
                // Input, output, forget, cell.
                let gate = |tape: &mut Tape, k: usize| {
                    let (own, state) = products(tape, 4, k * HIDDEN + unit, step, &before);
                    tape.sum(&[(own, 1.0), (state, 1.0)], 0.0)
                };
                let [i, o, f, g] = [0, 1, 2, 3].map(|k| gate(tape, k));
                let (i, o, g) = (tape.sigmoid(i), tape.sigmoid(o), tape.tanh(g));
                let written = tape.product(i, g);
                let kept = match c[unit] {
                    Some(c) => {
                        let f = tape.sigmoid(f);
                        tape.product(f, c)
                    }
                    None => tape.sum(&[], 0.0),
                };
                let cell = tape.sum(&[(written, 1.0), (kept, 1.0)], 0.0);
                let shown = tape.tanh(cell);
                c[unit] = Some(cell);
                h[unit] = Some(tape.product(o, shown));
            }
            outputs.extend(h.iter().flatten());
        }
        outputs
    });
}

#[test]
fn inside_a_gru() {
    for reset_after in [true, false] {
        let model = network(STEPS * HIDDEN, |n, x| {
            let [w, r, b] = weights(n, 3);
            let form = recurrent(vec![Activation::Sigmoid, Activation::Tanh]);
            n.add_node("gru", ops::Gru { form, reset_after }, &[x, w, r, b], "h").unwrap()
        });
        check("gru", &model, |tape| {
            let mut h: Vec<Option<usize>> = vec![None; HIDDEN];
            let mut outputs = Vec::new();
            for step in 0..STEPS {
                let before = h.clone();
                // Update and reset of every unit first: the candidate may read all that were reset.
                let mut gates = [Vec::new(), Vec::new()];
                for (k, list) in gates.iter_mut().enumerate() {
                    for unit in 0..HIDDEN {
                        let (own, state) = products(tape, 3, k * HIDDEN + unit, step, &before);
                        let sum = tape.sum(&[(own, 1.0), (state, 1.0)], 0.0);
                        list.push(tape.sigmoid(sum));
                    }
                }
                let [update, reset] = gates;
                let kept: Vec<Option<usize>> = if reset_after {
                    before.clone()
                } else {
                    (0..HIDDEN).map(|u| before[u].map(|h| tape.product(reset[u], h))).collect()
                };
                for unit in 0..HIDDEN {
                    let (own, mut state) = products(tape, 3, 2 * HIDDEN + unit, step, &kept);
                    if reset_after {
                        state = tape.product(reset[unit], state);
                    }
                    let sum = tape.sum(&[(own, 1.0), (state, 1.0)], 0.0);
                    let candidate = tape.tanh(sum);
                    let rest = tape.sum(&[(update[unit], -1.0)], 1.0);
                    let new = tape.product(rest, candidate);
                    h[unit] = Some(match before[unit] {
                        Some(old) => {
                            let old = tape.product(update[unit], old);
                            tape.sum(&[(new, 1.0), (old, 1.0)], 0.0)
                        }
                        None => new,
                    });
                }
                outputs.extend(h.iter().flatten());
            }
            outputs
        });
    }
}

#[test]
fn inside_attention() {
    let model = network(STEPS * WIDTH, |n, x| {
        let projected: Vec<usize> = ["q", "k", "v"]
            .iter()
            .zip(5..)
            .map(|(name, key)| {
                let w = n.add_constant(&format!("w{name}"), drawn(&[WIDTH, WIDTH], key)).unwrap();
                n.add_node(name, ops::MatMul, &[x, w], name).unwrap()
            })
            .collect();
        let one = ops::Attention { heads: Some(1), key_heads: Some(1), ..ops::Attention::default() };
        n.add_node("attention", one, &projected, "h").unwrap()
    });
    check("attention", &model, |tape| {
        let projected = |tape: &mut Tape, key: u64| -> Vec<Vec<usize>> {
            let w = numbers(key, &[WIDTH * WIDTH]);
            (0..STEPS)
                .map(|s| {
                    (0..WIDTH)
                        .map(|o| {
                            let terms: Vec<_> =
                                (0..WIDTH).map(|i| (s * WIDTH + i, w[i * WIDTH + o])).collect();
                            tape.sum(&terms, 0.0)
                        })
                        .collect()
                })
                .collect()
        };
        let [q, k, v] = [5, 6, 7].map(|key| projected(tape, key));
        let mut outputs = Vec::new();
        for query in &q {
            let mut powers = Vec::new();
            for key in &k {
                let terms: Vec<(usize, f64)> =
                    query.iter().zip(key).map(|(a, b)| (tape.product(*a, *b), 1.0)).collect();
                let score = tape.sum(&terms, 0.0);
                let score = tape.sum(&[(score, 1.0 / (WIDTH as f64).sqrt())], 0.0);
                powers.push(tape.bend(score, f64::exp));
            }
            let total = tape.sum(&powers.iter().map(|p| (*p, 1.0)).collect::<Vec<_>>(), 0.0);
            let weights: Vec<usize> = powers.iter().map(|p| tape.quotient(*p, total)).collect();
            for i in 0..WIDTH {
                let terms: Vec<(usize, f64)> =
                    weights.iter().zip(&v).map(|(w, v)| (tape.product(*w, v[i]), 1.0)).collect();
                outputs.push(tape.sum(&terms, 0.0));
            }
        }
        outputs
    });
}
