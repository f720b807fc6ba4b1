//! What must hold of every explanation: completeness, the same bits however the work is cut, and refusals that say what there is.

mod common;

use std::sync::Arc;

use common::{control, every_method, explain, method, pool, seeded, seeded_rows, spec};
use pellucid::graph::attributes::Branch;
use pellucid::graph::{DType, Dim, Network, Operator, Tensor, ops};
use pellucid::{Baseline, Batch, METHODS, Method, Model, Precision, Scale, Spec, Target};

fn methods() -> Vec<Spec> {
    let asked = |m: Method| Spec { layer: m.info().has_layer.then(|| "linear1".to_owned()), ..Spec::new(m) };
    every_method().into_iter().map(asked).collect()
}

fn bits(t: &Tensor) -> Vec<u32> {
    t.as_slice::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()
}

#[test]
fn complete_methods_sum_to_the_difference_of_outputs() {
    let smooth = seeded(&[7, 12, 9, 1], "tanh", None, 5);
    let batch = Batch::new(vec![seeded_rows(11, 7, 6)]);
    for json in [
        r#"{"name": "integrated_gradients", "n_steps": 80}"#,
        r#"{"name": "deep_lift"}"#,
        r#"{"name": "layer_integrated_gradients", "n_steps": 80}"#,
    ] {
        let m = method(json);
        let layer = m.info().has_layer.then(|| "linear1".to_owned());
        for baseline in [
            Baseline::Zero,
            Baseline::Scalar(0.7),
            Baseline::Row(vec![vec![0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7]]),
        ] {
            let found = explain(&smooth, &Spec { layer: layer.clone(), baseline, ..spec(m.clone()) }, &batch);
            let delta = &found.check.as_ref().unwrap().delta[0];
            assert_eq!(delta.len(), 11);
            assert!(delta.iter().all(|d| d.abs() < 1e-9), "{json}: {delta:?}");
            let base = found.baseline_output.as_ref().unwrap();
            assert!(found.output[0].iter().zip(&base[0]).any(|(a, b)| (a - b).abs() > 0.01));
        }
    }
}

#[test]
fn deep_lift_is_complete_through_products_quotients_and_softmax() {
    let classes = seeded(&[6, 10, 4], "tanh", Some("softmax"), 4);
    let batch = Batch::new(vec![seeded_rows(5, 6, 2)]);
    for class in 0..4 {
        let asked = Spec { targets: vec![Target::Class(class)], ..spec(method(r#"{"name": "deep_lift"}"#)) };
        let found = explain(&classes, &asked, &batch);
        let delta = &found.check.unwrap().delta[0];
        assert!(delta.iter().all(|d| d.abs() < 1e-12), "softmax, class {class}: {delta:?}");
    }
    // x / (1 + |x|²) · tanh(x): a product, a quotient and a sum of squares.
    let mut n = Network::new();
    let batch_dim = Dim::Symbol("batch".into());
    let x = n.add_input("x", DType::F32, &[batch_dim.clone(), Dim::Fixed(6)]).unwrap();
    let one = n.add_constant("one", Tensor::scalar(1.0f32)).unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64])).unwrap();
    let square = n.add_node("square", ops::Mul, &[x, x], "square").unwrap();
    let sum = ops::ReduceSum { keep: true, noop_with_empty_axes: false };
    let size = n.add_node("size", sum, &[square, axes], "size").unwrap();
    let shifted = n.add_node("shifted", ops::Add, &[size, one], "shifted").unwrap();
    let ratio = n.add_node("ratio", ops::Div, &[x, shifted], "ratio").unwrap();
    let bent = n.add_node("bent", ops::Tanh, &[x], "bent").unwrap();
    let product = n.add_node("product", ops::Mul, &[ratio, bent], "product").unwrap();
    let total = n.add_node("total", sum, &[product, axes], "total").unwrap();
    n.add_output(total, DType::F32, &[batch_dim, Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let asked = Spec { baseline: Baseline::Scalar(0.3), ..spec(method(r#"{"name": "deep_lift"}"#)) };
    let delta = explain(&model, &asked, &batch).check.unwrap().delta;
    assert!(delta[0].iter().all(|d| d.abs() < 1e-12), "product and quotient: {delta:?}");
}

/// y [batch, 3] of x [batch, 3] and its number of rows.
fn with_count(y: impl Fn(&mut Network, usize, usize) -> usize) -> Model {
    let mut n = Network::new();
    let shape = [Dim::Symbol("batch".into()), Dim::Fixed(3)];
    let x = n.add_input("x", DType::F32, &shape).unwrap();
    let sizes = n.add_node("shape", ops::Shape { start: 0, end: None }, &[x], "shape").unwrap();
    let first = n.add_constant("first", Tensor::vector(vec![0i64])).unwrap();
    let count = n.add_node("pick", ops::Gather { axis: 0 }, &[sizes, first], "count").unwrap();
    let y = y(&mut n, x, count);
    n.add_output(y, DType::F32, &shape);
    Model::from_network(n).unwrap()
}

/// A node beside constants.
fn node(
    n: &mut Network,
    name: &str,
    op: impl Operator + 'static,
    inputs: &[usize],
    constants: &[Tensor],
) -> usize {
    let constant = |(i, t): (usize, &Tensor)| n.add_constant(&format!("{name}.{i}"), t.clone()).unwrap();
    let constants: Vec<usize> = constants.iter().enumerate().map(constant).collect();
    n.add_node(name, op, &[inputs, &constants].concat(), name).unwrap()
}

fn run_and_saliency(model: &Model, rows: usize) -> [Result<Tensor, String>; 2] {
    let x = seeded_rows(rows, 3, 1);
    let run = model.run(std::slice::from_ref(&x), Precision::Float32, None, &control(&pool(1)));
    let asked = Spec { targets: vec![Target::Class(0)], ..spec(method(r#"{"name": "saliency"}"#)) };
    let explained = model.explain(&asked, &Batch::new(vec![x]), &control(&pool(1)));
    [
        run.map(|y| y[0].clone()).map_err(|e| e.to_string()),
        explained.map(|e| e.attributions[0].clone()).map_err(|e| e.to_string()),
    ]
}

#[test]
fn what_depends_on_the_number_of_rows_is_refused_by_name() {
    let divided = with_count(|n, x, count| {
        let count = node(n, "cast", ops::Cast { to: DType::F32 }, &[count], &[]);
        node(n, "depends", ops::Div, &[x, count], &[])
    });
    let looked_up = with_count(|n, x, count| {
        let table = n.add_constant("table", seeded_rows(100, 3, 2)).unwrap();
        let row = n.add_node("gather", ops::Gather { axis: 0 }, &[table, count], "row").unwrap();
        node(n, "depends", ops::Add, &[x, row], &[])
    });
    let cut = with_count(|n, x, count| {
        let wide = node(n, "wide", ops::Tile, &[x], &[Tensor::vector(vec![1i64, 100])]);
        let end = node(n, "end", ops::Add, &[count], &[Tensor::vector(vec![3i64])]);
        let axis = n.add_constant("axis", Tensor::vector(vec![1i64])).unwrap();
        node(n, "depends", ops::Slice, &[wide, count, end, axis], &[])
    });
    let branched = with_count(|n, x, count| {
        let more = node(n, "more", ops::Greater, &[count], &[Tensor::vector(vec![40i64])]);
        let branch = |op: fn(&mut Network, usize) -> usize| {
            let mut b = Network::new();
            let x = b.add_input("x", DType::F32, &[Dim::Unknown, Dim::Fixed(3)]).unwrap();
            let y = op(&mut b, x);
            b.add_output(y, DType::F32, &[]);
            Branch(Arc::new(b))
        };
        let twice = branch(|b, x| node(b, "twice", ops::Add, &[x, x], &[]));
        let below = branch(|b, x| node(b, "below", ops::Neg, &[x], &[]));
        let op = ops::If { branches: [twice, below], precision: None };
        node(n, "depends", op, &[more, x], &[])
    });
    // A shape that is made of it is the same network for any number of rows, and so is a slice of all rows.
    let reshaped = with_count(|n, x, count| {
        let axis = n.add_constant("axis", Tensor::vector(vec![0i64])).unwrap();
        let rest = n.add_constant("rest", Tensor::vector(vec![3i64])).unwrap();
        let whole = n.add_node("slice", ops::Slice, &[x, axis, count, axis], "whole").unwrap();
        let shape = node(n, "join", ops::Concat { axis: 0 }, &[count, rest], &[]);
        node(n, "reshape", ops::Reshape { allow_zero: false }, &[whole, shape], &[])
    });
    for rows in [1, 4, 70] {
        let [y, slopes] = run_and_saliency(&reshaped, rows);
        assert_eq!(bits(&y.unwrap()), bits(&seeded_rows(rows, 3, 1)), "{rows}");
        assert!(slopes.is_ok());
        for (what, model) in
            [("divided", &divided), ("looked up", &looked_up), ("cut", &cut), ("branched", &branched)]
        {
            for found in run_and_saliency(model, rows) {
                let Err(error) = found else {
                    assert_eq!(rows, 1, "{what}");
                    continue;
                };
                assert!(rows > 1, "{what}: {error}");
                assert!(error.contains("depends on the number of rows"), "{what}: {error}");
            }
        }
    }
}

#[test]
fn rows_that_interact_are_refused_by_name_and_run_one_at_a_time() {
    let mut n = Network::new();
    let batch_dim = Dim::Symbol("batch".into());
    let x = n.add_input("x", DType::F32, &[batch_dim.clone(), Dim::Fixed(3)]).unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![0i64])).unwrap();
    let sum = ops::ReduceSum { keep: true, noop_with_empty_axes: false };
    let total = n.add_node("over_rows", sum, &[x, axes], "total").unwrap();
    let centred = n.add_node("centred", ops::Sub, &[x, total], "centred").unwrap();
    let axes = n.add_constant("columns", Tensor::vector(vec![1i64])).unwrap();
    let y = n.add_node("y", sum, &[centred, axes], "y").unwrap();
    n.add_output(y, DType::F32, &[batch_dim, Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    for info in METHODS.iter().filter(|m| !m.has_layer) {
        let asked = Spec::new(method(&format!("{{\"name\": \"{}\"}}", info.name)));
        let many = Batch::new(vec![seeded_rows(4, 3, 1)]);
        let error = model.explain(&asked, &many, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("over_rows") && error.contains("one row at a time"), "{}: {error}", info.name);
        let alone = seeded_rows(4, 3, 1)
            .as_slice::<f32>()
            .unwrap()
            .chunks_exact(3)
            .flat_map(|row| {
                let one = Tensor::new(&[1, 3], row.to_vec()).unwrap();
                bits(&explain(&model, &asked, &Batch::new(vec![one])).attributions[0])
            })
            .collect::<Vec<u32>>();
        let found = explain(&model, &Spec { tile: Some(1), ..asked.clone() }, &many);
        assert!(bits(&found.attributions[0]) == alone, "{}", info.name);
    }
}

#[test]
fn conductance_is_complete_as_steps_grow_and_its_layers_agree() {
    let smooth = seeded(&[7, 12, 9, 1], "tanh", None, 5);
    let batch = Batch::new(vec![seeded_rows(4, 7, 6)]);
    for layer in ["linear0", "tanh0", "linear1", "tanh1"] {
        let m =
            method(r#"{"name": "layer_conductance", "quadrature": "riemann_trapezoid", "n_steps": 4000}"#);
        let found = explain(&smooth, &Spec { layer: Some(layer.to_owned()), ..spec(m) }, &batch);
        let delta = &found.check.unwrap().delta[0];
        assert!(delta.iter().all(|d| d.abs() < 2e-3), "{layer}: {delta:?}");
    }
}

#[test]
fn several_baselines_give_the_mean_of_each() {
    let model = seeded(&[5, 8, 2], "relu", None, 3);
    let inputs = vec![seeded_rows(6, 5, 1)];
    let samples = seeded_rows(3, 5, 2);
    let target = vec![Target::Index(vec![1])];
    let m = || method(r#"{"name": "integrated_gradients", "n_steps": 20}"#);
    let together = explain(
        &model,
        &Spec { baseline: Baseline::Several, targets: target.clone(), ..spec(m()) },
        &Batch { baselines: Some(vec![samples.clone()]), ..Batch::new(inputs.clone()) },
    );
    let values = samples.to_f64().unwrap();
    let mut mean = vec![0.0; 30];
    for row in values.chunks_exact(5) {
        let baseline = Baseline::Row(vec![row.to_vec()]);
        let one = explain(
            &model,
            &Spec { baseline, targets: target.clone(), ..spec(m()) },
            &Batch::new(inputs.clone()),
        );
        mean.iter_mut().zip(one.attributions[0].to_f64().unwrap()).for_each(|(m, v)| *m += v / 3.0);
    }
    for (a, b) in together.attributions[0].to_f64().unwrap().iter().zip(&mean) {
        assert!((a - b).abs() < 1e-12);
    }
    assert_eq!(together.record.evaluations_per_row.backward, 60);
}

#[test]
fn bits_do_not_depend_on_threads_tile_order_or_neighbours() {
    let model = seeded(&[9, 33, 17, 1], "relu", None, 8);
    let all = seeded_rows(150, 9, 9);
    for base in methods() {
        let run = |rows: &Tensor, threads: usize, tile: Option<usize>| {
            let batch = Batch::new(vec![rows.clone()]);
            let pool = pool(threads);
            let found = model.explain(&Spec { tile, ..base.clone() }, &batch, &control(&pool)).unwrap();
            bits(&found.attributions[0])
        };
        let want = run(&all, 1, None);
        for (threads, tile) in [(2, None), (3, None), (1, Some(8)), (2, Some(64)), (3, Some(256))] {
            assert!(
                run(&all, threads, tile) == want,
                "{}: {threads} threads, tile {tile:?}",
                base.method.info().name
            );
        }
        // Each row alone, and the rows in reverse.
        let data = all.as_slice::<f32>().unwrap();
        let width = want.len() / 150;
        for r in [0, 7, 149] {
            let one = Tensor::new(&[1, 9], data[r * 9..][..9].to_vec()).unwrap();
            assert!(
                run(&one, 2, None) == want[r * width..][..width],
                "{}: row {r} alone",
                base.method.info().name
            );
        }
        let reversed: Vec<f32> = data.chunks_exact(9).rev().flatten().copied().collect();
        let back = run(&Tensor::new(&[150, 9], reversed).unwrap(), 2, None);
        let back: Vec<u32> = back.chunks_exact(width).rev().flatten().copied().collect();
        assert!(back == want, "{}: rows reversed", base.method.info().name);
    }
}

#[test]
fn a_batch_of_baselines_too_large_to_be_run_ahead_is_run_with_the_rows() {
    // Values of 4 MB for each row: those of a few rows at the baseline are more than is computed ahead.
    let (wide, deep) = (1 << 20, 40);
    let mut n = Network::new();
    let batch = Dim::Symbol("batch".into());
    let mut x = n.add_input("x", DType::F32, &[batch.clone(), Dim::Fixed(wide)]).unwrap();
    for i in 0..deep {
        let name = format!("tanh{i}");
        x = n.add_node(&name, ops::Tanh, &[x], &name).unwrap();
    }
    let mean = ops::ReduceMean { keep: true, noop_with_empty_axes: false };
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64])).unwrap();
    let y = n.add_node("mean", mean, &[x, axes], "y").unwrap();
    n.add_output(y, DType::F32, &[batch, Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let data: Vec<f32> = (0..3 * wide).map(|i| (i as f32 * 0.37).sin()).collect();
    for json in [r#"{"name": "integrated_gradients", "n_steps": 2}"#, r#"{"name": "deep_lift"}"#] {
        let asked = Spec { baseline: Baseline::Scalar(0.25), ..Spec::new(method(json)) };
        let run = |rows: usize, data: &[f32]| {
            let x = Tensor::new(&[rows, wide], data.to_vec()).unwrap();
            explain(&model, &asked, &Batch::new(vec![x])).attributions.remove(0)
        };
        let all = bits(&run(3, &data));
        for (row, (data, all)) in data.chunks(wide).zip(all.chunks(wide)).enumerate() {
            assert!(bits(&run(1, data)) == all, "{json}: row {row} has other bits alone");
        }
    }
}

#[test]
fn targets_choose_what_their_names_say() {
    let model = seeded(&[6, 10, 4], "tanh", Some("softmax"), 4);
    let batch = Batch { labels: Some(vec![3, 1, 0]), ..Batch::new(vec![seeded_rows(3, 6, 2)]) };
    let saliency = method(r#"{"name": "saliency", "absolute": false}"#);
    let of = |targets: Vec<Target>| explain(&model, &Spec { targets, ..spec(saliency.clone()) }, &batch);
    let each = of((0..4).map(Target::Class).collect());
    let mut order: Vec<Vec<usize>> = Vec::new();
    for r in 0..3 {
        let mut classes: Vec<usize> = (0..4).collect();
        classes.sort_by(|a, b| each.output[*b][r].total_cmp(&each.output[*a][r]));
        order.push(classes);
    }
    let all = each.attributions[0].to_f64().unwrap();
    let expect = |target: Target, class: &dyn Fn(usize) -> usize| {
        let found = of(vec![target.clone()]).attributions[0].to_f64().unwrap();
        for r in 0..3 {
            let want = &all[(r * 4 + class(r)) * 6..][..6];
            assert!(
                found[r * 6..][..6].iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12),
                "{target:?}, row {r}"
            );
        }
    };
    expect(Target::Predicted, &|r| order[r][0]);
    expect(Target::RunnerUp, &|r| order[r][1]);
    expect(Target::True, &|r| [3, 1, 0][r]);
    expect(Target::PerRow(vec![vec![0], vec![-1], vec![2]]), &|r| [0, 3, 2][r]);
    expect(Target::Index(vec![2]), &|_| 2);
    // All four targets in one pass agree with each alone.
    expect(Target::Class(1), &|_| 1);
}

#[test]
fn scales_are_stated_and_related_as_they_should() {
    let model = seeded(&[6, 10, 1], "tanh", Some("sigmoid"), 4);
    let batch = Batch::new(vec![seeded_rows(5, 6, 2)]);
    let m = method(r#"{"name": "integrated_gradients"}"#);
    let of = |scale| explain(&model, &Spec { scale, ..spec(m.clone()) }, &batch);
    let (p, z, odds) = (of(Scale::Probability), of(Scale::Logit), of(Scale::LogOdds));
    assert_eq!(
        [&*of(Scale::Output).record.scale, &*p.record.scale, &*z.record.scale, &*odds.record.scale],
        ["probability", "probability", "logit", "log-odds"]
    );
    for (p, z) in p.output[0].iter().zip(&z.output[0]) {
        assert!((1.0 / (1.0 + (-z).exp()) - p).abs() < 1e-12);
    }
    assert_eq!(z.attributions[0], odds.attributions[0]);
    let negative =
        explain(&model, &Spec { scale: Scale::Logit, targets: vec![Target::Class(0)], ..spec(m) }, &batch);
    for (a, b) in negative.attributions[0].to_f64().unwrap().iter().zip(z.attributions[0].to_f64().unwrap()) {
        assert!((a + b).abs() < 1e-12);
    }
}

#[test]
fn a_scalar_of_one_row_is_a_layer() {
    let mut n = Network::new();
    let x = n.add_input("x", DType::F32, &[Dim::Fixed(1), Dim::Fixed(1)]).unwrap();
    let none = n.add_constant("none", Tensor::vector(Vec::<i64>::new())).unwrap();
    let shape = ops::Reshape { allow_zero: false };
    let scalar = n.add_node("scalar", shape, &[x, none], "scalar").unwrap();
    let three = n.add_constant("three", Tensor::vector(vec![1.0f32, 2.0, 4.0])).unwrap();
    let sum = n.add_node("sum", ops::Add, &[scalar, three], "sum").unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![0i64])).unwrap();
    let least = ops::ReduceMin { keep: true, noop_with_empty_axes: false };
    let least = n.add_node("least", least, &[sum, axes], "least").unwrap();
    let square = n.add_constant("square", Tensor::vector(vec![1i64, 1])).unwrap();
    let y = n.add_node("y", shape, &[least, square], "y").unwrap();
    n.add_output(y, DType::F32, &[Dim::Fixed(1), Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let batch = Batch::new(vec![Tensor::new(&[1, 1], vec![0.5f32]).unwrap()]);
    for (layer, value) in [("scalar", 0.5), ("least", 1.5)] {
        for (name, want) in [
            ("layer_activation", value),
            ("layer_gradient_x_activation", value),
            ("layer_conductance", 0.499455),
        ] {
            let asked = Spec {
                layer: Some(layer.to_owned()),
                ..Spec::new(method(&format!("{{\"name\": \"{name}\"}}")))
            };
            let found = explain(&model, &asked, &batch).attributions[0].to_f64().unwrap();
            assert!(found.len() == 1 && (found[0] - want).abs() < 1e-6, "{name} of {layer}: {found:?}");
        }
    }
}

#[test]
fn an_output_that_is_not_computed_from_each_row_is_refused() {
    let mut n = Network::new();
    let shape = [Dim::Fixed(3), Dim::Fixed(4)];
    let x = n.add_input("x", DType::F32, &shape).unwrap();
    let own = n.add_constant("own", Tensor::new(&[3, 1], vec![1.0f32, 2.0, 3.0]).unwrap()).unwrap();
    n.add_node("read", ops::Relu, &[x], "read").unwrap();
    let y = n.add_node("y", ops::Mul, &[own, own], "y").unwrap();
    n.add_output(y, DType::F32, &[Dim::Fixed(3), Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let batch = Batch::new(vec![Tensor::new(&[3, 4], vec![0.5f32; 12]).unwrap()]);
    for name in ["saliency", "integrated_gradients", "deep_lift"] {
        let asked = Spec::new(method(&format!("{{\"name\": \"{name}\"}}")));
        let error = model.explain(&asked, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("not computed from each"), "{name}: {error}");
    }
}

fn tolerant(base: &Spec, tolerance: &str) -> Spec {
    let method = method(&format!("{{\"name\": \"integrated_gradients\", \"tolerance\": {tolerance}}}"));
    Spec { method, ..base.clone() }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let model: Model = seeded(&[6, 10, 4], "tanh", None, 4);
    let batch = Batch::new(vec![seeded_rows(3, 6, 2)]);
    let base =
        Spec { targets: vec![Target::Class(0)], ..spec(method(r#"{"name": "integrated_gradients"}"#)) };
    let cases: Vec<(Spec, Batch, &str)> = vec![
        (Spec { targets: vec![Target::Output], ..base.clone() }, batch.clone(), "0 to 3"),
        (Spec { targets: vec![Target::Class(4)], ..base.clone() }, batch.clone(), "classes 0 to 3"),
        (Spec { targets: vec![Target::Index(vec![9])], ..base.clone() }, batch.clone(), "[4]"),
        (Spec { targets: vec![], ..base.clone() }, batch.clone(), "no target"),
        (Spec { targets: vec![Target::True], ..base.clone() }, batch.clone(), "class for each row"),
        (
            Spec { baseline: Baseline::Row(vec![vec![0.0; 5]]), ..base.clone() },
            batch.clone(),
            "5 elements, expected 6",
        ),
        (Spec { baseline: Baseline::Each, ..base.clone() }, batch.clone(), "none came"),
        (Spec { layer: Some("linear0".into()), ..base.clone() }, batch.clone(), "does not take a layer"),
        (Spec { output: Some("linear9".into()), ..base.clone() }, batch.clone(), "linear"),
        (base.clone(), Batch::new(vec![seeded_rows(3, 7, 2)]), "expected shape [batch, 6], found [3, 7]"),
        (base.clone(), Batch::new(vec![]), "1 inputs (x), 0 were given"),
        (
            Spec { method: method(r#"{"name": "integrated_gradients", "n_steps": 0}"#), ..base.clone() },
            batch.clone(),
            "nodes",
        ),
        (tolerant(&base, "0"), batch.clone(), "between 0 and 1"),
        (tolerant(&base, "1.5"), batch.clone(), "1.5 is none"),
        (tolerant(&base, "1e-3, \"n_steps\": 0"), batch.clone(), "nodes"),
        (tolerant(&base, "1e-3, \"multiply_by_inputs\": false"), batch.clone(), "multiply_by_inputs"),
        (Spec { method: method(r#"{"name": "layer_activation"}"#), ..base }, batch, "needs a layer"),
    ];
    for (spec, batch, part) in cases {
        let error = model.explain(&spec, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}
