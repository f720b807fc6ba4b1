//! Integrals to a tolerance: against integrals by hand, and where there is nothing to reach.

mod common;

use common::{Layer, dense, explain, method, seeded, seeded_rows, spec};
use pellucid::graph::{DType, Dim, Network, Tensor, ops};
use pellucid::{Baseline, Batch, Model, QuadratureRule, Spec, Target};

fn asked(tolerance: f64) -> Spec {
    spec(method(&format!("{{\"name\": \"integrated_gradients\", \"tolerance\": {tolerance:e}}}")))
}

/// A hidden layer of Relu units with two outputs.
struct OneLayer {
    inputs: usize,
    units: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    out: Vec<f32>,
}

impl OneLayer {
    fn drawn(inputs: usize, units: usize, seed: u64) -> Self {
        let draw =
            |count: usize, key| seeded_rows(1, count, 100 * seed + key).as_slice::<f32>().unwrap().to_vec();
        Self { inputs, units, weight: draw(inputs * units, 1), bias: draw(units, 2), out: draw(2 * units, 3) }
    }

    fn model(&self) -> Model {
        let first = Layer { weight: self.weight.clone(), bias: self.bias.clone(), activation: Some("relu") };
        let last = Layer { weight: self.out.clone(), bias: vec![0.5, -0.5], activation: None };
        dense(self.inputs, &[first, last])
    }

    /// The integral, unit by unit: a unit's gradient stands for the part of the line on which it is above zero.
    fn integral(&self, x: &[f64], base: &[f64], target: usize) -> Vec<f64> {
        let mut found = vec![0.0; self.inputs];
        for u in 0..self.units {
            let w: Vec<f64> = (0..self.inputs).map(|i| f64::from(self.weight[u * self.inputs + i])).collect();
            let at = |p: &[f64]| f64::from(self.bias[u]) + w.iter().zip(p).map(|(w, p)| w * p).sum::<f64>();
            let (a, b) = (at(base), at(x));
            let above = if a > 0.0 && b > 0.0 { 1.0 } else { (a.max(0.0) + b.max(0.0)) / (b - a).abs() };
            let factor = above * f64::from(self.out[target * self.units + u]);
            found.iter_mut().enumerate().for_each(|(i, f)| *f += factor * w[i] * (x[i] - base[i]));
        }
        found
    }
}

#[test]
fn networks_with_kinks_come_as_near_to_the_integral_as_is_asked() {
    for (units, seed) in [(1, 1), (3, 2), (40, 3)] {
        let net = OneLayer::drawn(6, units, seed);
        let model = net.model();
        let (rows, base) = (seeded_rows(30, 6, seed), vec![0.1, -0.2, 0.3, -0.4, 0.5, -0.6]);
        let data = rows.to_f64().unwrap();
        for tolerance in [1e-2, 1e-5, 1e-9] {
            let wanted = Spec {
                baseline: Baseline::Row(vec![base.clone()]),
                targets: vec![Target::Index(vec![0]), Target::Index(vec![1])],
                ..asked(tolerance)
            };
            let found = explain(&model, &wanted, &Batch::new(vec![rows.clone()]));
            let attributions = found.attributions[0].to_f64().unwrap();
            let (delta, before) = (found.check.unwrap().delta, found.baseline_output.unwrap());
            for (r, x) in data.chunks(6).enumerate() {
                for t in 0..2 {
                    let difference = (found.output[t][r] - before[t][r]).abs();
                    let place = format!("{units} units, tolerance {tolerance}, row {r}, target {t}");
                    assert!(delta[t][r].abs() <= tolerance * difference + 1e-14, "{place}: {}", delta[t][r]);
                    let exact = net.integral(x, &base, t);
                    let size = exact.iter().map(|a| a.abs()).sum::<f64>();
                    for (a, b) in attributions[(r * 2 + t) * 6..].iter().zip(&exact) {
                        assert!((a - b).abs() <= 3.0 * tolerance * size + 1e-13, "{place}: {a}, by hand {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_rule_and_any_number_of_nodes_reaches_it() {
    let net = OneLayer::drawn(6, 40, 3);
    let (model, batch) = (net.model(), Batch::new(vec![seeded_rows(100, 6, 3)]));
    for rule in QuadratureRule::ALL {
        for n_steps in [2, 50, 5000, 20_000, 1 << 20] {
            let json = format!(
                "{{\"name\": \"integrated_gradients\", \"quadrature\": \"{}\", \"n_steps\": {n_steps}, \"tolerance\": 1e-7}}",
                rule.name()
            );
            let wanted = Spec { targets: vec![Target::Index(vec![1])], ..spec(method(&json)) };
            let few = Batch::new(vec![seeded_rows(4, 6, 3)]);
            let found = explain(&model, &wanted, if n_steps > 5000 { &few } else { &batch });
            let before = &found.baseline_output.unwrap()[0];
            for (r, delta) in found.check.unwrap().delta[0].iter().enumerate() {
                let difference = (found.output[0][r] - before[r]).abs();
                assert!(delta.abs() <= 1e-7 * difference, "{json}, row {r}: {delta} of {difference}");
            }
        }
    }
}

#[test]
fn smooth_networks_take_few_nodes() {
    let model = seeded(&[7, 12, 9, 1], "tanh", None, 5);
    let batch = Batch::new(vec![seeded_rows(11, 7, 6)]);
    let found = explain(&model, &asked(1e-9), &batch);
    let many = method(r#"{"name": "integrated_gradients", "n_steps": 2000}"#);
    let want = explain(&model, &spec(many), &batch).attributions[0].to_f64().unwrap();
    for (a, b) in found.attributions[0].to_f64().unwrap().iter().zip(want) {
        assert!((a - b).abs() < 1e-9, "{a}, with many nodes {b}");
    }
    assert!(found.record.evaluations_per_row.backward < 1000, "{:?}", found.record.evaluations_per_row);
}

/// x ↦ Σ op(x).
fn of_each(op: impl pellucid::graph::Operator + 'static) -> Model {
    let mut n = Network::new();
    let batch = Dim::Symbol("batch".into());
    let x = n.add_input("x", DType::F32, &[batch.clone(), Dim::Fixed(2)]).unwrap();
    let y = n.add_node("op", op, &[x], "op").unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64])).unwrap();
    let sum = ops::ReduceSum { keep: true, noop_with_empty_axes: false };
    let total = n.add_node("sum", sum, &[y, axes], "sum").unwrap();
    n.add_output(total, DType::F32, &[batch, Dim::Fixed(1)]);
    Model::from_network(n).unwrap()
}

#[test]
fn where_there_is_nothing_to_reach_the_search_ends() {
    let x = Batch::new(vec![Tensor::new(&[2, 2], vec![1.0f32, 3.0, 0.0, 0.0]).unwrap()]);
    // |x| from −x: no difference to be a share of, and attributions of zero.
    let back = Spec { baseline: Baseline::Row(vec![vec![-1.0, -3.0]]), ..asked(1e-6) };
    let found = explain(&of_each(ops::Abs), &back, &x);
    let attributions = found.attributions[0].to_f64().unwrap();
    assert!(attributions[..2].iter().all(|a| a.abs() < 1e-9), "{attributions:?}");
    assert!(attributions[2..].iter().zip([1.0, 3.0]).all(|(a, b)| (a + b).abs() < 1e-5), "{attributions:?}");
    // Steps, which no gradient sees: the delta says so.
    let found = explain(&of_each(ops::Floor), &asked(1e-6), &x);
    assert_eq!(found.attributions[0].to_f64().unwrap(), [0.0; 4]);
    assert_eq!(found.check.unwrap().delta, [[-4.0, 0.0]]);
    // What is not a number stays none.
    let x = Batch::new(vec![Tensor::new(&[1, 2], vec![f32::MAX, f32::MAX]).unwrap()]);
    let found = explain(&of_each(ops::Exp), &asked(1e-6), &x);
    assert!(!found.check.unwrap().delta[0][0].is_finite());
}

#[test]
fn each_of_several_baselines_is_reached() {
    let model = seeded(&[5, 20, 8, 2], "relu", None, 3);
    let batch =
        Batch { baselines: Some(vec![seeded_rows(3, 5, 2)]), ..Batch::new(vec![seeded_rows(6, 5, 1)]) };
    let several = Spec { baseline: Baseline::Several, targets: vec![Target::Index(vec![1])], ..asked(1e-6) };
    let found = explain(&model, &several, &batch);
    let before = found.baseline_output.unwrap();
    for (r, delta) in found.check.unwrap().delta[0].iter().enumerate() {
        assert!(delta.abs() < 1e-5 * (found.output[0][r] - before[0][r]).abs().max(0.1), "row {r}: {delta}");
    }
    assert!(found.record.evaluations_per_row.backward > 3 * 64);
}
