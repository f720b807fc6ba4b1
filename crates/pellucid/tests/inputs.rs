//! Every method on every kind of input: several inputs with roles, ids with an embedding, ranks, fixed batches, rows of different length.

mod common;

use std::path::Path;

use common::{control, every_method, explain, method, pool, spec};
use pellucid::graph::{Buffer, DType, Dim, Network, Tensor, ops, random::Stream};
use pellucid::{
    Baseline, Batch, Explanation, InputBaseline, InputSpec, METHODS, Model, Precision, Role, Spec, Target,
};

/// The small BERT-like classifier of `encoder/make.py`.
fn encoder() -> Model {
    Model::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoder/encoder.onnx")).unwrap()
}

fn captum() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoder/captum.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn flat(value: &serde_json::Value) -> Vec<f64> {
    match value {
        serde_json::Value::Array(list) => list.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn integers(value: &serde_json::Value) -> Tensor {
    let rows = value.as_array().unwrap().len();
    let all: Vec<i64> = flat(value).iter().map(|&v| v as i64).collect();
    Tensor::new(&[rows, all.len() / rows], all).unwrap()
}

/// The inputs of the fixture.
fn texts() -> Vec<Tensor> {
    let c = captum();
    [&c["ids"], &c["mask"], &c["types"]].map(integers).to_vec()
}

fn floats(shape: &[usize], seed: u64) -> Tensor {
    let mut stream = Stream::new(seed, [5, 0, 0]);
    Tensor::new(shape, (0..shape.iter().product()).map(|_| stream.normal() as f32).collect()).unwrap()
}

fn ids(shape: &[usize], below: usize, seed: u64) -> Tensor {
    let mut stream = Stream::new(seed, [6, 0, 0]);
    let draw = |_| (stream.uniform() * below as f64) as i64;
    Tensor::new(shape, (0..shape.iter().product()).map(draw).collect()).unwrap()
}

/// Dense layers behind a value [batch, width]: `hidden`, then `score`.
fn head(n: &mut Network, x: usize, width: usize, batch: Dim) {
    let gemm = |n: &mut Network, name: &str, x: usize, from: usize, to: usize, seed: u64| {
        let w = n.add_constant(&format!("{name}.weight"), floats(&[to, from], seed)).unwrap();
        let b = n.add_constant(&format!("{name}.bias"), floats(&[to], seed + 1)).unwrap();
        n.add_node(name, ops::Gemm { transpose_b: true, ..ops::Gemm::default() }, &[x, w, b], name).unwrap()
    };
    let hidden = gemm(n, "linear", x, width, 5, 11);
    let bent = n.add_node("hidden", ops::Tanh, &[hidden], "hidden").unwrap();
    let score = gemm(n, "score", bent, 5, 1, 13);
    n.add_output(score, DType::F32, &[batch, Dim::Fixed(1)]);
}

fn symbol(name: &str) -> Dim {
    Dim::Symbol(name.into())
}

/// One input of a shape behind the rows, flattened.
fn one_input(shape: &[usize], batch: Dim) -> Model {
    let mut n = Network::new();
    let mut dims = vec![batch.clone()];
    dims.extend(shape.iter().map(|&d| Dim::Fixed(d)));
    let x = n.add_input("x", DType::F32, &dims).unwrap();
    let width: usize = shape.iter().product();
    let to = n.add_constant("to", Tensor::vector(vec![-1i64, width as i64])).unwrap();
    let wide = n.add_node("flat", ops::Reshape { allow_zero: false }, &[x, to], "flat").unwrap();
    head(&mut n, wide, width, batch);
    Model::from_network(n).unwrap()
}

/// x [batch, 4] beside y [batch, 3]; y of integers is cast.
fn two_inputs(second: DType) -> Model {
    let mut n = Network::new();
    let x = n.add_input("x", DType::F32, &[symbol("batch"), Dim::Fixed(4)]).unwrap();
    let mut y = n.add_input("y", second, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
    if !second.is_float() {
        y = n.add_node("counted", ops::Cast { to: DType::F32 }, &[y], "counted").unwrap();
    }
    let both = n.add_node("both", ops::Concat { axis: 1 }, &[x, y], "both").unwrap();
    head(&mut n, both, 7, symbol("batch"));
    Model::from_network(n).unwrap()
}

/// Ids [batch, tokens] whose vectors from two tables are added up over the tokens: one by the ids, one by the ids as int32 turned around.
fn two_tables() -> Model {
    let mut n = Network::new();
    let x = n.add_input("ids", DType::I64, &[symbol("batch"), symbol("tokens")]).unwrap();
    let first = n.add_constant("first", floats(&[9, 4], 1)).unwrap();
    let second = n.add_constant("second", floats(&[9, 2, 3], 2)).unwrap();
    let a = n.add_node("words", ops::Gather { axis: 0 }, &[first, x], "words").unwrap();
    let small = n.add_node("small", ops::Cast { to: DType::I32 }, &[x], "small").unwrap();
    let b = n.add_node("more", ops::Gather { axis: 0 }, &[second, small], "more").unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64])).unwrap();
    let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
    let a = n.add_node("a", sum, &[a, axes], "a").unwrap();
    let b = n.add_node("b", sum, &[b, axes], "b").unwrap();
    let to = n.add_constant("to", Tensor::vector(vec![-1i64, 6])).unwrap();
    let b = n.add_node("flat", ops::Reshape { allow_zero: false }, &[b, to], "flat").unwrap();
    let both = n.add_node("both", ops::Concat { axis: 1 }, &[a, b], "both").unwrap();
    head(&mut n, both, 10, symbol("batch"));
    Model::from_network(n).unwrap()
}

struct Situation {
    name: &'static str,
    model: Model,
    inputs: Vec<Tensor>,
    layer: &'static str,
    target: Target,
    /// Said of single inputs.
    said: Vec<(&'static str, InputSpec)>,
    /// Methods that refuse, and what they say.
    refuse: Vec<(&'static str, &'static str)>,
}

fn situation(name: &'static str, model: Model, inputs: Vec<Tensor>) -> Situation {
    let (layer, target) = ("linear", Target::Output);
    Situation { name, model, inputs, layer, target, said: vec![], refuse: vec![] }
}

fn situations() -> Vec<Situation> {
    let batch = || symbol("batch");
    let mut all = vec![
        situation("one float input", one_input(&[6], batch()), vec![floats(&[7, 6], 3)]),
        situation("two float inputs", two_inputs(DType::F32), vec![floats(&[7, 4], 3), floats(&[7, 3], 4)]),
        Situation {
            said: vec![("y", InputSpec::fixed())],
            ..situation(
                "two float inputs, one held fixed",
                two_inputs(DType::F32),
                vec![floats(&[7, 4], 3), floats(&[7, 3], 4)],
            )
        },
        Situation {
            said: vec![("y", InputSpec::fixed())],
            ..situation(
                "a float input and integers held fixed",
                two_inputs(DType::I64),
                vec![floats(&[7, 4], 3), ids(&[7, 3], 3, 4)],
            )
        },
        situation("two tables by the same ids", two_tables(), vec![ids(&[7, 5], 9, 5)]),
        Situation {
            layer: "/block/norm2/LayerNormalization_output_0",
            target: Target::Class(1),
            ..situation("ids with an embedding, a mask and types", encoder(), texts())
        },
        situation("a fixed batch of 1", one_input(&[6], Dim::Fixed(1)), vec![floats(&[7, 6], 3)]),
        situation("a fixed batch of 3", one_input(&[6], Dim::Fixed(3)), vec![floats(&[7, 6], 3)]),
    ];
    let shapes: [(&str, &[usize]); 5] = [
        ("rank 1", &[]),
        ("rank 2", &[3]),
        ("rank 3", &[3, 2]),
        ("rank 4", &[2, 3, 2]),
        ("rank 5", &[2, 1, 3, 2]),
    ];
    for (name, shape) in shapes {
        let full = [&[5], shape].concat();
        all.push(situation(name, one_input(shape, batch()), vec![floats(&full, 8)]));
    }
    all
}

fn bits(t: &Tensor) -> Vec<u64> {
    match t.data() {
        Buffer::F32(v) => v.iter().map(|v| u64::from(v.to_bits())).collect(),
        Buffer::F64(v) => v.iter().map(|v| v.to_bits()).collect(),
        other => panic!("attributions of {:?}", other.dtype()),
    }
}

fn row(t: &Tensor, r: usize) -> Tensor {
    let mut shape = t.shape().to_vec();
    let each: usize = shape[1..].iter().product();
    shape[0] = 1;
    match t.data() {
        Buffer::F32(v) => Tensor::new(&shape, v[r * each..(r + 1) * each].to_vec()),
        Buffer::F64(v) => Tensor::new(&shape, v[r * each..(r + 1) * each].to_vec()),
        Buffer::I64(v) => Tensor::new(&shape, v[r * each..(r + 1) * each].to_vec()),
        other => panic!("{:?}", other.dtype()),
    }
    .unwrap()
}

fn complete(found: &Explanation, most: f64, place: &str) {
    let (check, base) = (found.check.as_ref().unwrap(), found.baseline_output.as_ref().unwrap());
    for (r, delta) in check.delta[0].iter().enumerate() {
        let moved = (found.output[0][r] - base[0][r]).abs();
        assert!(delta.abs() <= most * moved.max(0.1), "{place}, row {r}: {delta} of {moved}");
        let sum: f64 = found.attributions.iter().flat_map(|a| row(a, r).to_f64().unwrap()).sum();
        assert!((sum - delta - (found.output[0][r] - base[0][r])).abs() < 1e-5, "{place}, row {r}");
    }
}

#[test]
fn every_method_on_every_kind_of_input() {
    for s in situations() {
        for m in every_method() {
            let info = m.info();
            let place = format!("{}, {m:?}", s.name);
            let many = || method(r#"{"name": "layer_conductance", "n_steps": 400}"#);
            let asked = Spec {
                layer: info.has_layer.then(|| s.layer.to_owned()),
                targets: vec![s.target.clone()],
                inputs: s.said.iter().map(|(n, i)| ((*n).to_owned(), i.clone())).collect(),
                ..spec(if info.name == "layer_conductance" { many() } else { m })
            };
            let batch = Batch::new(s.inputs.clone());
            let pool = pool(2);
            let found = s.model.explain(&asked, &batch, &control(&pool));
            if let Some((_, part)) = s.refuse.iter().find(|r| r.0 == info.name) {
                let error = found.map(|_| ()).unwrap_err().to_string();
                assert!(error.contains(part), "{place}: {error}");
                continue;
            }
            let found = found.unwrap_or_else(|e| panic!("{place}: {e}"));
            if found.check.is_some() {
                let most = if info.name == "layer_conductance" { 0.1 } else { 1e-6 };
                complete(&found, most, &place);
            }
            let rows = batch.rows();
            for a in &found.attributions {
                assert_eq!(a.shape()[..2], [rows, 1], "{place}");
                assert!(
                    info.name == "layer_activation" || a.to_f64().unwrap().iter().any(|v| *v != 0.0),
                    "{place}"
                );
            }
            for r in 0..rows {
                let alone = Batch::new(s.inputs.iter().map(|t| row(t, r)).collect());
                let alone = explain(&s.model, &asked, &alone);
                for (a, b) in found.attributions.iter().zip(&alone.attributions) {
                    assert!(bits(&row(a, r)) == bits(b), "{place}: row {r} alone");
                }
            }
        }
    }
}

/// Rows of different length: the first of each text.
fn ragged() -> Vec<Batch> {
    let whole = texts();
    [6, 3, 5, 3, 1, 6]
        .iter()
        .enumerate()
        .map(|(i, &length)| {
            let cut = |t: &Tensor| {
                let values = row(t, i % 3).to_i64().unwrap();
                Tensor::new(&[1, length], values[..length].to_vec()).unwrap()
            };
            Batch::new(whole.iter().map(cut).collect())
        })
        .collect()
}

#[test]
fn rows_of_different_length_come_back_in_order_with_the_bits_that_they_have_alone() {
    let model = encoder();
    let items = ragged();
    let pool = pool(2);
    for m in every_method() {
        let info = m.info();
        let asked = Spec {
            layer: info.has_layer.then(|| "/words/Gather_output_0".to_owned()),
            targets: vec![Target::PerRow((0..6).map(|i| vec![i % 3]).collect())],
            ..Spec::new(m)
        };
        let found = model
            .explain_ragged(&asked, &items, &control(&pool))
            .unwrap_or_else(|e| panic!("{}: {e}", info.name));
        assert_eq!(found.len(), 6);
        for (i, (item, found)) in items.iter().zip(&found).enumerate() {
            let alone = Spec { targets: vec![Target::PerRow(vec![vec![i as i64 % 3]])], ..asked.clone() };
            let alone = explain(&model, &alone, item);
            assert_eq!(alone.output, found.output);
            assert_eq!(
                alone.record.spec.targets,
                if info.has_target { found.record.spec.targets.clone() } else { vec![] }
            );
            for (a, b) in alone.attributions.iter().zip(&found.attributions) {
                assert!(bits(a) == bits(b) && a.shape() == b.shape(), "{}: item {i}", info.name);
            }
        }
    }
    let inputs: Vec<Vec<Tensor>> = items.iter().map(|b| b.inputs.clone()).collect();
    let found = model.run_ragged(&inputs, Precision::Float32, None, &control(&pool)).unwrap();
    for (item, found) in inputs.iter().zip(&found) {
        assert_eq!(&model.run(item, Precision::Float32, None, &control(&pool)).unwrap(), found);
    }
    let mut bad = inputs;
    bad[4].pop();
    let error = model.run_ragged(&bad, Precision::Float32, None, &control(&pool)).unwrap_err().to_string();
    assert!(error.starts_with("item 4: the model has 3 inputs"), "{error}");
}

fn near(found: &Tensor, want: &serde_json::Value, place: &str) {
    let (found, want) = (found.to_f64().unwrap(), flat(want));
    assert_eq!(found.len(), want.len(), "{place}");
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (a, b) in found.iter().zip(&want) {
        assert!((a - b).abs() <= 1e-6 * largest, "{place}: {a}, Captum has {b}");
    }
}

#[test]
fn token_ids_start_at_their_embedding_with_captums_numbers() {
    let (model, want) = (encoder(), captum());
    let batch = Batch::new(texts());
    let words = "/words/Gather_output_0";
    let of = |json: &str, baseline: Baseline| {
        let m = method(json);
        let layer = m.info().has_layer.then(|| words.to_owned());
        let asked = Spec { layer, baseline, targets: vec![Target::Index(vec![1])], ..spec(m) };
        explain(&model, &asked, &batch)
    };
    let ig = r#"{"name": "integrated_gradients", "n_steps": 40}"#;
    let layer_ig = r#"{"name": "layer_integrated_gradients", "n_steps": 40}"#;
    for json in [ig, layer_ig] {
        for (id, name) in [(0.0, "pad"), (9.0, "other")] {
            let found = of(json, Baseline::Scalar(id));
            near(&found.attributions[0], &want[&format!("layer_integrated_gradients_{name}")], json);
            let delta = found.check.as_ref().unwrap().delta[0].clone();
            for (a, b) in delta.iter().zip(flat(&want[&format!("delta_{name}")])) {
                assert!((a - b).abs() < 1e-7, "{json}: delta {a}, Captum has {b}");
            }
        }
        near(&of(json, Baseline::Zero).attributions[0], &want["integrated_gradients"], json);
    }
    for (json, name) in [
        (r#"{"name": "saliency"}"#, "saliency"),
        (r#"{"name": "input_x_gradient"}"#, "input_x_gradient"),
        (r#"{"name": "layer_gradient_x_activation"}"#, "layer_gradient_x_activation"),
        (r#"{"name": "feature_ablation"}"#, "feature_ablation"),
    ] {
        near(&of(json, Baseline::Scalar(0.0)).attributions[0], &want[name], name);
    }
    let found = of(ig, Baseline::Zero);
    assert_eq!(found.sources.len(), 1);
    assert_eq!(
        (&*found.sources[0].name, found.sources[0].embedding.as_deref()),
        ("input_ids", Some("words"))
    );
    assert_eq!(found.attributions[0].shape(), [3, 1, 6, 8]);
    let uses = &found.record.inputs;
    assert_eq!(
        uses.iter().map(|u| (&*u.name, u.explained)).collect::<Vec<_>>(),
        [("input_ids", true), ("attention_mask", false), ("token_type_ids", false)]
    );
    assert_eq!(uses[0].embeddings, ["words"]);
    // One number for each token: the embedding's elements added up.
    let tokens = found.per_token(0).unwrap();
    assert_eq!(tokens.shape(), [3, 1, 6]);
    let (all, sums) = (found.attributions[0].to_f64().unwrap(), tokens.to_f64().unwrap());
    for (vector, sum) in all.chunks(8).zip(sums) {
        assert!((vector.iter().sum::<f64>() - sum).abs() < 1e-12);
    }
    let mask = Tensor::new(&[1, 6], vec![0i64, 0, 1, 1, 2, 2]).unwrap();
    let unused = Tensor::zeros(DType::I64, &[1, 1]).unwrap();
    let grouped = Batch { feature_mask: Some(vec![mask, unused.clone(), unused]), ..batch.clone() };
    let asked = Spec {
        baseline: Baseline::Scalar(0.0),
        targets: vec![Target::Index(vec![1])],
        ..spec(method(r#"{"name": "feature_ablation"}"#))
    };
    near(&explain(&model, &asked, &grouped).attributions[0], &want["feature_ablation_groups"], "groups");
}

#[test]
fn each_input_has_its_own_role_and_baseline() {
    let model = two_inputs(DType::F32);
    let (x, y) = (floats(&[5, 4], 1), floats(&[5, 3], 2));
    let inputs = vec![x, y.clone()];
    let asked = |said: &[(&str, InputSpec)]| Spec {
        inputs: said.iter().map(|(n, i)| ((*n).to_owned(), i.clone())).collect(),
        ..spec(method(r#"{"name": "integrated_gradients"}"#))
    };
    let of = |said: &[(&str, InputSpec)]| explain(&model, &asked(said), &Batch::new(inputs.clone()));
    // An input whose baseline is itself explains nothing, and leaves to the other what it has where this one is held fixed.
    let fixed =
        of(&[("y", InputSpec::fixed()), ("x", InputSpec::explained().against(InputBaseline::Scalar(0.3)))]);
    assert_eq!(fixed.sources.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["x"]);
    let each = [
        ("x", InputSpec::default().against(InputBaseline::Row(vec![0.3; 4]))),
        ("y", InputSpec::explained().against(InputBaseline::Each)),
    ];
    let batch = Batch {
        baselines: Some(vec![Tensor::zeros(DType::F32, &[0]).unwrap(), y]),
        ..Batch::new(inputs.clone())
    };
    let itself = explain(&model, &asked(&each), &batch);
    assert!(itself.attributions[1].to_f64().unwrap().iter().all(|v| *v == 0.0));
    for (a, b) in itself.attributions[0].to_f64().unwrap().iter().zip(fixed.attributions[0].to_f64().unwrap())
    {
        assert!((a - b).abs() < 1e-12);
    }
    assert_eq!(itself.baseline_output, fixed.baseline_output);
    let error = |said: &[(&str, InputSpec)], batch: &Batch| {
        model.explain(&asked(said), batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string()
    };
    let batch = Batch::new(inputs);
    let wrong = error(&[("z", InputSpec::fixed())], &batch);
    assert!(wrong.contains("\"z\"") && wrong.contains("x, y"), "{wrong}");
    let wrong = error(&[("x", InputSpec::fixed()), ("y", InputSpec::fixed())], &batch);
    assert!(wrong.contains("\"x\", \"y\" are held fixed; hold fewer of them"), "{wrong}");
    let wrong = error(&[("x", InputSpec::explained().against(InputBaseline::Row(vec![1.0])))], &batch);
    assert!(wrong.contains("1 elements, expected 4"), "{wrong}");
    let wrong = error(&each, &batch);
    assert!(wrong.contains("none came with the data"), "{wrong}");
}

#[test]
fn feature_groups_reach_across_inputs() {
    let model = two_inputs(DType::F32);
    let inputs = vec![floats(&[4, 4], 1), floats(&[4, 3], 2)];
    let masks = vec![
        Tensor::new(&[1, 4], vec![0i64, 1, 1, 0]).unwrap(),
        Tensor::new(&[1, 3], vec![1i64, 2, 0]).unwrap(),
    ];
    let asked = spec(method(r#"{"name": "feature_ablation"}"#));
    let batch = Batch { feature_mask: Some(masks.clone()), ..Batch::new(inputs.clone()) };
    let found = explain(&model, &asked, &batch);
    let (a, b) = (found.attributions[0].to_f64().unwrap(), found.attributions[1].to_f64().unwrap());
    let run = |inputs: &[Tensor]| {
        model.run(inputs, Precision::Float64, None, &control(&pool(1))).unwrap()[0].to_f64().unwrap()
    };
    let whole = run(&inputs);
    for group in 0..3i64 {
        let without: Vec<Tensor> = inputs
            .iter()
            .zip(&masks)
            .map(|(x, m)| {
                let mask = m.to_i64().unwrap();
                let keep = |(i, v): (usize, f64)| if mask[i % mask.len()] == group { 0.0 } else { v };
                Tensor::new(x.shape(), x.to_f64().unwrap().into_iter().enumerate().map(keep).collect())
                    .unwrap()
            })
            .collect();
        let rest = run(&without);
        for r in 0..4 {
            let want = whole[r] - rest[r];
            for (i, &g) in masks[0].to_i64().unwrap().iter().enumerate().filter(|g| *g.1 == group) {
                assert!((a[r * 4 + i] - want).abs() < 1e-12, "group {g}");
            }
            for (i, &g) in masks[1].to_i64().unwrap().iter().enumerate().filter(|g| *g.1 == group) {
                assert!((b[r * 3 + i] - want).abs() < 1e-12, "group {g}");
            }
        }
    }
    // Another mask on the same explainer is another plan.
    let explainer = pellucid::Explainer::new(&model, &asked, &batch).unwrap();
    let alone = Batch::new(inputs);
    let pool = pool(1);
    assert_eq!(
        explainer.explain(&alone, &control(&pool)).unwrap().attributions,
        explain(&model, &asked, &alone).attributions
    );
}

/// Sums of weights of the categories of two columns, "a" and "b" or 1 and 2; any other category is refused.
fn weighted_categories(dtype: DType, encoder: ops::OneHotEncoder) -> Model {
    let mut n = Network::new();
    let x = n.add_input("x", dtype, &[symbol("batch"), Dim::Fixed(2)]).unwrap();
    let hot = n.add_node("hot", encoder, &[x], "hot").unwrap();
    let weights = Tensor::new(&[2, 2, 1], vec![1.0f32, 3.0, 10.0, 40.0]).unwrap();
    let weights = n.add_constant("weights", weights.reshaped(&[1, 2, 2]).unwrap()).unwrap();
    let product = n.add_node("product", ops::Mul, &[hot, weights], "product").unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64, 2])).unwrap();
    let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
    let y = n.add_node("sum", sum, &[product, axes], "y").unwrap();
    n.add_output(y, DType::F32, &[symbol("batch")]);
    Model::from_network(n).unwrap()
}

/// A tile has room for more points than one row has, and no empty text and no zero is a category by itself.
#[test]
fn a_category_for_each_row_is_replaced_where_nothing_else_may_stand() {
    let ablation = || spec(method(r#"{"name": "feature_ablation"}"#));
    let first = InputSpec { baseline: Some(InputBaseline::Text("a".into())), ..InputSpec::explained() };
    let of_texts = Spec { inputs: [("x".to_owned(), first)].into(), ..ablation() };
    let of_numbers = Spec { baseline: Baseline::Scalar(1.0), ..ablation() };
    let texts = ops::OneHotEncoder::of_texts(vec!["a".to_owned(), "b".to_owned()], false);
    let texts = weighted_categories(DType::String, texts);
    let numbers = weighted_categories(DType::F32, ops::OneHotEncoder::of_numbers(vec![1, 2], false));
    for (rows, want) in [(vec![2, 2], vec![2.0, 30.0]), (vec![2, 1, 1, 2], vec![2.0, 0.0, 0.0, 30.0])] {
        let shape = [rows.len() / 2, 2];
        let names = rows.iter().map(|&r| if r == 1 { "a".to_owned() } else { "b".to_owned() }).collect();
        let floats = rows.iter().map(|&r| r as f32).collect::<Vec<f32>>();
        for (model, asked, x) in [
            (&texts, &of_texts, Tensor::new::<String>(&shape, names).unwrap()),
            (&numbers, &of_numbers, Tensor::new(&shape, floats).unwrap()),
        ] {
            let found = explain(model, asked, &Batch::new(vec![x]));
            assert_eq!(found.attributions[0].to_f64().unwrap(), want, "{rows:?}");
        }
    }
}

fn as_floats(integers: &Tensor) -> Tensor {
    let values = integers.to_f64().unwrap().iter().map(|&v| v as f32).collect();
    Tensor::new(integers.shape(), values).unwrap()
}

/// x [batch, 3] of integers, of which only the signs are read.
fn signs() -> Model {
    let mut n = Network::new();
    let x = n.add_input("x", DType::I64, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
    let zero = n.add_constant("zero", Tensor::vector(vec![0i64])).unwrap();
    let above = n.add_node("above", ops::Greater, &[x, zero], "above").unwrap();
    let signs = n.add_node("counted", ops::Cast { to: DType::F32 }, &[above], "counted").unwrap();
    head(&mut n, signs, 3, symbol("batch"));
    Model::from_network(n).unwrap()
}

#[test]
fn ids_that_nothing_opens_are_refused_with_what_to_do() {
    let model = signs();
    let batch = Batch::new(vec![ids(&[2, 3], 3, 1)]);
    for info in METHODS.iter().filter(|m| !m.has_layer && m.name != "feature_ablation") {
        for role in [InputSpec::default(), InputSpec::explained()] {
            let asked = Spec {
                inputs: [("x".to_owned(), role)].into(),
                ..spec(method(&format!("{{\"name\": \"{}\"}}", info.name)))
            };
            let error =
                model.explain(&asked, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
            for part in [info.title, "\"x\" is of int64", "Cast (node \"counted\")", "feature_ablation"] {
                assert!(error.contains(part), "{error:?} does not say {part:?}");
            }
        }
    }
}

/// Whole numbers that become floats are explained from these on, where that is asked for or nothing else can be.
#[test]
fn whole_numbers_are_explained_from_the_floats_that_they_become() {
    let (model, of_floats) = (two_inputs(DType::I64), two_inputs(DType::F32));
    let (x, y) = (floats(&[2, 4], 1), ids(&[2, 3], 3, 1));
    let wide = as_floats(&y);
    let (batch, same) = (Batch::new(vec![x.clone(), y]), Batch::new(vec![x, wide]));
    for info in METHODS.iter().filter(|m| !m.has_layer && m.name != "feature_ablation") {
        for (name, role, sources) in
            [("y", InputSpec::explained(), &["x", "y"][..]), ("x", InputSpec::fixed(), &["y"])]
        {
            let asked = Spec {
                inputs: [(name.to_owned(), role)].into(),
                ..spec(method(&format!("{{\"name\": \"{}\"}}", info.name)))
            };
            let (found, want) = (explain(&model, &asked, &batch), explain(&of_floats, &asked, &same));
            assert_eq!(found.sources.iter().map(|s| &*s.name).collect::<Vec<_>>(), sources, "{}", info.name);
            assert_eq!(found.record.inputs[1].embeddings, ["counted"], "{}", info.name);
            for (found, want) in found.attributions.iter().zip(&want.attributions) {
                assert_eq!((found.shape(), bits(found)), (want.shape(), bits(want)), "{}", info.name);
            }
        }
        let alone = explain(&model, &spec(method(&format!("{{\"name\": \"{}\"}}", info.name))), &batch);
        assert_eq!(alone.sources.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["x"], "{}", info.name);
    }
}

#[test]
fn methods_that_replace_values_explain_integers() {
    let model = two_inputs(DType::I64);
    let batch = Batch::new(vec![floats(&[2, 4], 1), ids(&[2, 3], 3, 1)]);
    let asked = Spec {
        inputs: [("y".to_owned(), InputSpec::explained())].into(),
        ..spec(method(r#"{"name": "feature_ablation"}"#))
    };
    let found = explain(&model, &asked, &batch);
    assert_eq!(found.sources.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["x", "y"]);
    let asked = Spec { baseline: Baseline::Scalar(0.5), ..asked };
    let error = model.explain(&asked, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("\"y\" is of int64, 0.5 is none"), "{error}");
}

/// As dynamic quantisation leaves an embedding: rows of bytes, which become floats behind the table.
#[test]
fn an_embedding_that_is_quantised_is_named() {
    let mut n = Network::new();
    let inputs =
        ["ids", "mask"].map(|name| n.add_input(name, DType::I64, &[symbol("batch"), Dim::Fixed(3)]).unwrap());
    let bytes = (0..20u8).collect::<Vec<u8>>();
    let table = n.add_constant("table", Tensor::new(&[5, 4], bytes).unwrap()).unwrap();
    let scale = n.add_constant("scale", Tensor::scalar(0.1f32)).unwrap();
    let rows = n.add_node("words", ops::Gather { axis: 0 }, &[table, inputs[0]], "rows").unwrap();
    let widened = ops::DequantizeLinear { axis: 1, block: 0 };
    let words = n.add_node("widened", widened, &[rows, scale], "embedded").unwrap();
    let along = n.add_constant("along", Tensor::vector(vec![1i64])).unwrap();
    let sum = |keep| ops::ReduceSum { keep, noop_with_empty_axes: false };
    let sentence = n.add_node("sentence", sum(false), &[words, along], "sentence").unwrap();
    let count = n.add_node("count", sum(true), &[inputs[1], along], "count").unwrap();
    let count = n.add_node("float", ops::Cast { to: DType::F32 }, &[count], "float").unwrap();
    let mean = n.add_node("mean", ops::Div, &[sentence, count], "mean").unwrap();
    head(&mut n, mean, 4, symbol("batch"));
    let model = Model::from_network(n).unwrap();
    let batch = Batch::new(vec![ids(&[2, 3], 5, 1), Tensor::new(&[2, 3], vec![1i64; 6]).unwrap()]);
    let asked = |name: &str| spec(method(&format!("{{\"name\": \"{name}\"}}")));
    let explained = Spec { inputs: [("ids".to_owned(), InputSpec::explained())].into(), ..asked("saliency") };
    for (asked, last) in [(asked("saliency"), "before it was quantised"), (explained, "use feature_ablation")]
    {
        let error = model.explain(&asked, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
        for part in ["\"ids\"", "Gather (node \"words\")", "DequantizeLinear (node \"widened\")", last] {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }
    explain(&model, &asked("feature_ablation"), &batch);
}

#[test]
fn a_layer_starts_from_the_baselines_of_inputs_without_gradients() {
    let model = two_inputs(DType::I64);
    let (x, y) = (floats(&[2, 4], 1), ids(&[2, 3], 9, 1));
    let batch = Batch::new(vec![x, y]);
    let line = method(r#"{"name": "layer_integrated_gradients", "n_steps": 400}"#);
    let asked = |role: Role, y: Option<Vec<f64>>| Spec {
        layer: Some("both".to_owned()),
        inputs: [("y".to_owned(), InputSpec { role, baseline: y.map(InputBaseline::Row) })].into(),
        ..spec(line.clone())
    };
    let row = vec![4.0, 0.0, 1.0];
    let found = explain(&model, &asked(Role::Automatic, Some(row.clone())), &batch);
    complete(&found, 1e-6, "both");
    assert!(found.record.inputs.iter().all(|u| u.explained));
    let same = explain(&model, &asked(Role::Explained, Some(row.clone())), &batch);
    assert_eq!(found.attributions, same.attributions);
    let base = Batch::new(vec![
        Tensor::zeros(DType::F32, &[2, 4]).unwrap(),
        Tensor::new(&[2, 3], [4i64, 0, 1].repeat(2)).unwrap(),
    ]);
    let at_base = explain(&model, &spec(method(r#"{"name": "saliency"}"#)), &base);
    assert_eq!(found.baseline_output, Some(at_base.output));
    // Without a baseline of its own, or held fixed, it stays as it is.
    let alone = explain(&model, &asked(Role::Automatic, None), &batch);
    assert_eq!(alone.attributions, explain(&model, &asked(Role::Fixed, Some(row)), &batch).attributions);
    assert!(alone.attributions != found.attributions && !alone.record.inputs[1].explained);
    // Conductance walks a line between inputs: of integers, that of the floats that they become.
    let conductance =
        Spec { method: method(r#"{"name": "layer_conductance"}"#), ..asked(Role::Explained, None) };
    let of_floats = Batch::new(vec![batch.inputs[0].clone(), as_floats(&batch.inputs[1])]);
    let want = explain(&two_inputs(DType::F32), &conductance, &of_floats);
    assert_eq!(explain(&model, &conductance, &batch).attributions, want.attributions);
}

#[test]
fn sizes_of_one_name_are_one_size() {
    let mut inputs = texts();
    inputs[1] = ids(&[3, 5], 2, 1);
    let error = encoder().run(&inputs, Precision::Float32, None, &control(&pool(1))).unwrap_err().to_string();
    assert!(error.contains("\"attention_mask\"") && error.contains("\"tokens\" is 5"), "{error}");
}

#[test]
fn plans_are_kept_within_bounds_and_change_no_bit() {
    let model = one_input(&[6], symbol("batch"));
    let asked = spec(method(r#"{"name": "integrated_gradients"}"#));
    let x = floats(&[7, 6], 3);
    let batch = Batch::new(vec![x.clone()]);
    let first = explain(&model, &asked, &batch);
    assert_eq!(model.kept_plans(), 1);
    let clone = model.clone();
    assert_eq!(bits(&explain(&clone, &asked, &batch).attributions[0]), bits(&first.attributions[0]));
    assert_eq!((model.kept_plans(), clone.kept_plans()), (1, 1));
    for seed in 0..40 {
        explain(&model, &Spec { baseline: Baseline::Scalar(f64::from(seed)), ..asked.clone() }, &batch);
        assert!(model.kept_plans() <= 16);
    }
    let fresh = Model::from_network(model.network().clone()).unwrap();
    assert_eq!(
        bits(&explain(&model, &asked, &batch).attributions[0]),
        bits(&explain(&fresh, &asked, &batch).attributions[0])
    );
    let pool = pool(2);
    let run = || model.run(std::slice::from_ref(&x), Precision::Float64, None, &control(&pool)).unwrap();
    let want = run();
    std::thread::scope(|s| {
        let all: Vec<_> = (0..4)
            .map(|k| {
                let (model, asked, batch, want, first, run) = (&model, &asked, &batch, &want, &first, &run);
                s.spawn(move || {
                    for _ in 0..20 {
                        if k == 3 {
                            model.forget_plans();
                        }
                        assert_eq!(&run(), want);
                        assert_eq!(
                            bits(&explain(model, asked, batch).attributions[0]),
                            bits(&first.attributions[0])
                        );
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|t| t.join().unwrap());
    });
    model.forget_plans();
    assert_eq!(model.kept_plans(), 0);
}

/// How ids reach the table of [`moved`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// By EmbedLayerNormalization, beside positions and kinds of tokens.
    Fused,
    /// Turned around, tokens first.
    TimeMajor,
    /// Two columns of three, as int32.
    Columns,
    /// Counted from the end where they are negative, as Keras does, and each column behind the one before it; another lookup gives only its size.
    Computed,
}

/// Ids [batch, 3] that reach a table in one of several ways; the vectors are bent, added up and scored.
fn moved(way: Way) -> Model {
    let mut n = Network::new();
    let ids = n.add_input("ids", DType::I64, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
    let rows = if way == Way::Computed { 27 } else { 9 };
    let table = n.add_constant("table", floats(&[rows, 4], 1)).unwrap();
    let axes = |n: &mut Network, name: &str, v: Vec<i64>| n.add_constant(name, Tensor::vector(v)).unwrap();
    let (vectors, tokens) = match way {
        Way::Fused => {
            let small = n.add_node("small", ops::Cast { to: DType::I32 }, &[ids], "small").unwrap();
            let places = n.add_constant("places", floats(&[3, 4], 2)).unwrap();
            let kinds = n.add_constant("kinds", floats(&[9, 4], 3)).unwrap();
            let (gamma, beta) = (floats(&[4], 4), floats(&[4], 5));
            let gamma = n.add_constant("gamma", gamma).unwrap();
            let beta = n.add_constant("beta", beta).unwrap();
            let types = n.add_input("segment_ids", DType::I32, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
            let op = ops::EmbedLayerNormalization { epsilon: 1e-5 };
            let inputs = [small, types, table, places, kinds, gamma, beta];
            (n.add_node("embed", op, &inputs, "embed").unwrap(), 1)
        }
        Way::TimeMajor => {
            let turn = ops::Transpose { order: Some(vec![1, 0]) };
            let turned = n.add_node("turned", turn, &[ids], "turned").unwrap();
            (n.add_node("words", ops::Gather { axis: 0 }, &[table, turned], "words").unwrap(), 0)
        }
        Way::Columns => {
            let places = axes(&mut n, "places", vec![2, 0]);
            let two = n.add_node("two", ops::Gather { axis: 1 }, &[ids, places], "two").unwrap();
            let small = n.add_node("small", ops::Cast { to: DType::I32 }, &[two], "small").unwrap();
            (n.add_node("words", ops::Gather { axis: 0 }, &[table, small], "words").unwrap(), 1)
        }
        Way::Computed => {
            let zero = n.add_constant("zero", Tensor::vector(vec![0i64])).unwrap();
            let less = n.add_node("less", ops::Less, &[ids, zero], "less").unwrap();
            let less = n.add_node("counted", ops::Cast { to: DType::I64 }, &[less], "counted").unwrap();
            let nine = n.add_constant("nine", Tensor::vector(vec![9i64])).unwrap();
            let back = n.add_node("back", ops::Mul, &[less, nine], "back").unwrap();
            let own = n.add_node("own", ops::Add, &[ids, back], "own").unwrap();
            let behind = Tensor::new(&[1, 3], vec![0i64, 9, 18]).unwrap();
            let behind = n.add_constant("behind", behind).unwrap();
            let at = n.add_node("at", ops::Add, &[own, behind], "at").unwrap();
            (n.add_node("words", ops::Gather { axis: 0 }, &[table, at], "words").unwrap(), 1)
        }
    };
    let vectors = if way == Way::Computed {
        let other = n.add_node("other", ops::Gather { axis: 0 }, &[table, ids], "other").unwrap();
        let size = n.add_node("size", ops::Shape { start: 0, end: None }, &[other], "size").unwrap();
        let zeros = ops::ConstantOfShape { value: Tensor::vector(vec![0.0f32]) };
        let zeros = n.add_node("zeros", zeros, &[size], "zeros").unwrap();
        n.add_node("vectors", ops::Add, &[vectors, zeros], "vectors").unwrap()
    } else {
        vectors
    };
    let bent = n.add_node("bent", ops::Tanh, &[vectors], "bent").unwrap();
    let along = axes(&mut n, "along", vec![tokens]);
    let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
    let sum = n.add_node("sum", sum, &[bent, along], "sum").unwrap();
    head(&mut n, sum, 4, symbol("batch"));
    Model::from_network(n).unwrap()
}

#[test]
fn embeddings_are_found_however_ids_reach_them() {
    for way in [Way::Fused, Way::TimeMajor, Way::Columns, Way::Computed] {
        let model = moved(way);
        let mut inputs = vec![ids(&[5, 3], 9, 1)];
        if way == Way::Fused {
            inputs.push(Tensor::new(&[5, 3], ids(&[5, 3], 9, 2).to_i64().unwrap()).unwrap());
        }
        let batch = Batch::new(inputs.clone());
        let asked = |json: &str, id: f64| Spec {
            baseline: Baseline::Scalar(id),
            inputs: [("ids".to_owned(), InputSpec::explained())].into(),
            ..spec(method(json))
        };
        let ig = asked(r#"{"name": "integrated_gradients", "n_steps": 300}"#, 4.0);
        let found = explain(&model, &ig, &batch);
        complete(&found, 1e-6, &format!("{way:?}"));
        assert_eq!(found.sources.len(), 1, "{way:?}");
        let tokens = found.per_token(0).unwrap();
        assert_eq!(tokens.shape()[2..], [if way == Way::Columns { 2 } else { 3 }], "{way:?}");
        for r in 0..5 {
            let alone = Batch::new(inputs.iter().map(|t| row(t, r)).collect());
            let alone = explain(&model, &ig, &alone);
            assert!(
                bits(&row(&found.attributions[0], r)) == bits(&alone.attributions[0]),
                "{way:?}, row {r}"
            );
        }
        // The model itself with every id replaced is the baseline, and with one id replaced the ablation.
        let run = |ids: &Tensor| {
            let inputs: Vec<Tensor> = [std::slice::from_ref(ids), &inputs[1..]].concat();
            model.run(&inputs, Precision::Float64, None, &control(&pool(1))).unwrap()[0].to_f64().unwrap()
        };
        let base = run(&Tensor::new(&[5, 3], vec![4i64; 15]).unwrap());
        for (a, b) in found.baseline_output.unwrap()[0].iter().zip(&base) {
            assert!((a - b).abs() < 1e-12, "{way:?}");
        }
        let ablated = explain(&model, &asked(r#"{"name": "feature_ablation"}"#, 4.0), &batch);
        let (whole, changes) = (run(&inputs[0]), ablated.attributions[0].to_f64().unwrap());
        for token in 0..3 {
            let mut other = inputs[0].to_i64().unwrap();
            other.iter_mut().skip(token).step_by(3).for_each(|id| *id = 4);
            let rest = run(&Tensor::new(&[5, 3], other).unwrap());
            for r in 0..5 {
                let want = whole[r] - rest[r];
                assert!((changes[r * 3 + token] - want).abs() < 1e-12, "{way:?}, row {r}, token {token}");
            }
        }
    }
}

/// A lookup by two inputs together belongs to neither, and positions counted from a mask say nothing of the mask's elements one by one.
#[test]
fn lookups_by_more_than_each_id_are_no_embeddings() {
    let lookup = |counted: bool| {
        let mut n = Network::new();
        let a = n.add_input("a", DType::I64, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
        let b = n.add_input("b", DType::I64, &[symbol("batch"), Dim::Fixed(3)]).unwrap();
        let table = n.add_constant("table", floats(&[9, 4], 1)).unwrap();
        let one = if counted {
            let axis = n.add_constant("axis", Tensor::scalar(1i64)).unwrap();
            let sum = ops::CumSum { exclusive: false, reverse: false };
            n.add_node("count", sum, &[b, axis], "count").unwrap()
        } else {
            let three = n.add_constant("three", Tensor::vector(vec![3i64])).unwrap();
            n.add_node("rows", ops::Mul, &[a, three], "rows").unwrap()
        };
        let joint = if counted {
            n.add_node("joint", ops::Mul, &[one, b], "joint").unwrap()
        } else {
            n.add_node("joint", ops::Add, &[one, b], "joint").unwrap()
        };
        let vectors = n.add_node("words", ops::Gather { axis: 0 }, &[table, joint], "words").unwrap();
        let along = n.add_constant("along", Tensor::vector(vec![1i64])).unwrap();
        let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
        let sum = n.add_node("sum", sum, &[vectors, along], "sum").unwrap();
        head(&mut n, sum, 4, symbol("batch"));
        Model::from_network(n).unwrap()
    };
    let (a, b) = (ids(&[4, 3], 3, 1), ids(&[4, 3], 2, 2));
    for counted in [false, true] {
        let model = lookup(counted);
        let batch = Batch::new(vec![a.clone(), b.clone()]);
        let ig = spec(method(r#"{"name": "integrated_gradients"}"#));
        let error = model.explain(&ig, &batch, &control(&pool(1))).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("read by no embedding"), "{counted}: {error}");
        // Replacing ids needs no embedding.
        let found = explain(&model, &spec(method(r#"{"name": "feature_ablation"}"#)), &batch);
        let run = |inputs: &[Tensor]| {
            model.run(inputs, Precision::Float64, None, &control(&pool(1))).unwrap()[0].to_f64().unwrap()
        };
        let whole = run(&[a.clone(), b.clone()]);
        for (input, found) in found.attributions.iter().enumerate() {
            let found = found.to_f64().unwrap();
            for token in 0..3 {
                let mut inputs = [a.clone(), b.clone()];
                let mut other = inputs[input].to_i64().unwrap();
                other.iter_mut().skip(token).step_by(3).for_each(|id| *id = 0);
                inputs[input] = Tensor::new(&[4, 3], other).unwrap();
                for (r, rest) in run(&inputs).iter().enumerate() {
                    assert!((found[r * 3 + token] - (whole[r] - rest)).abs() < 1e-12, "{counted}, {input}");
                }
            }
        }
    }
}

#[test]
fn an_input_without_dimensions_is_one_value_for_all_rows() {
    let mut n = Network::new();
    let x = n.add_input("x", DType::F32, &[symbol("batch"), Dim::Fixed(4)]).unwrap();
    let scale = n.add_input("scale", DType::F32, &[]).unwrap();
    let scaled = n.add_node("scaled", ops::Mul, &[x, scale], "scaled").unwrap();
    head(&mut n, scaled, 4, symbol("batch"));
    let model = Model::from_network(n).unwrap();
    let x = floats(&[6, 4], 3);
    let at = |scale: f32| vec![x.clone(), Tensor::scalar(scale)];
    let doubled: Vec<f32> = x.as_slice::<f32>().unwrap().iter().map(|v| 2.0 * v).collect();
    let doubled = Tensor::new(&[6, 4], doubled).unwrap();
    let pool = pool(2);
    let run = |inputs: &[Tensor]| model.run(inputs, Precision::Float64, None, &control(&pool)).unwrap();
    assert_eq!(run(&at(2.0)), run(&[doubled, Tensor::scalar(1.0f32)]));
    assert_ne!(run(&at(2.0)), run(&at(3.0)));
    for info in METHODS {
        let asked = Spec {
            layer: info.has_layer.then(|| "linear".to_owned()),
            ..spec(method(&format!("{{\"name\": \"{}\"}}", info.name)))
        };
        let found = explain(&model, &asked, &Batch::new(at(2.0)));
        assert_eq!(found.sources.len(), 1);
        let items: Vec<Batch> =
            (0..6).map(|r| Batch::new(vec![row(&x, r), Tensor::scalar(2.0f32)])).collect();
        for (r, one) in model.explain_ragged(&asked, &items, &control(&pool)).unwrap().iter().enumerate() {
            assert!(bits(&one.attributions[0]) == bits(&row(&found.attributions[0], r)), "{}", info.name);
        }
    }
    let asked = Spec {
        inputs: [("scale".to_owned(), InputSpec::explained())].into(),
        ..spec(method(r#"{"name": "saliency"}"#))
    };
    let error =
        model.explain(&asked, &Batch::new(at(2.0)), &control(&pool)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("\"scale\" is one value for all rows"), "{error}");
}

/// A pipeline of scikit-learn's that imputes: what a method needs numbers for is refused where there is none, the rest runs.
#[test]
fn missing_elements_are_refused_where_numbers_are_needed() {
    let file = "../graph/tests/data/sklearn/columns-mlp.onnx";
    let model = Model::load(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let texts = |list: [&str; 3]| Tensor::new(&[3, 1], list.map(str::to_owned).to_vec()).unwrap();
    let batch = |age: f32| {
        Batch::new(vec![
            Tensor::new(&[3, 1], vec![31.0, 64.0, age]).unwrap(),
            Tensor::new(&[3, 1], vec![100.0f32, -50.0, 2000.0]).unwrap(),
            texts(["student", "retired", "astronaut"]),
            texts(["cellular", "telephone", "cellular"]),
        ])
    };
    assert_eq!(model.input_names(), ["age", "balance", "job", "contact"]);
    let run = |name: &str, age: f32| {
        let mut spec = spec(method(&format!("{{\"name\": \"{name}\"}}")));
        spec.targets = vec![Target::Index(vec![1])];
        spec.output = model.network().outputs().last().map(|&v| model.network().symbols()[v].name.clone());
        model.explain(&spec, &batch(age), &control(&pool(1)))
    };
    for name in ["integrated_gradients", "input_x_gradient"] {
        let error = run(name, f32::NAN).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("input \"age\", row 2, element [0] is NaN") && text.contains(name), "{text}");
        assert!(run(name, f32::INFINITY).is_err());
        let found = run(name, 40.0).unwrap();
        assert!(found.attributions.iter().all(|a| a.to_f64().unwrap().iter().all(|v| v.is_finite())));
    }
    let found = run("saliency", f32::NAN).unwrap();
    let of_age = found.attributions[0].to_f64().unwrap();
    assert!(of_age[..2].iter().all(|v| *v != 0.0) && of_age[2] == 0.0, "{of_age:?}");
}
