//! `pellucid explain` on ids: arrays of one length, and JSON lines of any.

mod common;

use common::{Place, column, fields};
use pellucid_graph::{DType, Dim, Network, Tensor, ops};

/// Ids [batch, tokens] and a mask of the same shape: the vectors of the ids, masked and added up, through a tanh to one score.
fn model(place: &Place) {
    let mut n = Network::new();
    let symbol = |name: &str| Dim::Symbol(name.into());
    let dims = [symbol("batch"), symbol("tokens")];
    let ids = n.add_input("ids", DType::I64, &dims).unwrap();
    let mask = n.add_input("mask", DType::I64, &dims).unwrap();
    let numbers = |k: usize, n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 7 + k) as f32).sin()).collect() };
    let table = n.add_constant("table", Tensor::new(&[9, 2], numbers(1, 18)).unwrap()).unwrap();
    let vectors = n.add_node("words", ops::Gather { axis: 0 }, &[table, ids], "words").unwrap();
    let mask = n.add_node("float", ops::Cast { to: DType::F32 }, &[mask], "float").unwrap();
    let last = n.add_constant("last", Tensor::vector(vec![-1i64])).unwrap();
    let mask = n.add_node("column", ops::Unsqueeze, &[mask, last], "column").unwrap();
    let kept = n.add_node("kept", ops::Mul, &[vectors, mask], "kept").unwrap();
    let axes = n.add_constant("axes", Tensor::vector(vec![1i64])).unwrap();
    let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
    let sum = n.add_node("sum", sum, &[kept, axes], "sum").unwrap();
    let bent = n.add_node("bent", ops::Tanh, &[sum], "bent").unwrap();
    let weight = n.add_constant("weight", Tensor::new(&[2, 1], vec![1.0f32, -2.0]).unwrap()).unwrap();
    let score = n.add_node("score", ops::MatMul, &[bent, weight], "score").unwrap();
    n.add_output(score, DType::F32, &[symbol("batch"), Dim::Fixed(1)]);
    n.save(place.path("text.onnx")).unwrap();
}

const LINES: &str = r#"{"ids": [1, 4, 2], "mask": [1, 1, 1]}
{"mask": [1], "ids": [8]}

{"ids": [3, 3, 5], "mask": [1, 1, 0]}
"#;

fn explained(place: &Place, arguments: &[&str]) -> Vec<serde_json::Value> {
    let ran = place.run(&[&["explain", "text.onnx", "texts.jsonl"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("explained: ids from the output of words on; held fixed: mask"),
        "{}",
        ran.stderr
    );
    ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn lines_of_different_length_keep_their_order_and_their_length() {
    let place = Place::new();
    model(&place);
    place.write("texts.jsonl", LINES);
    let rows = explained(&place, &["--precision", "float64"]);
    let tokens: Vec<Vec<f64>> = rows.iter().map(|r| numbers(&r["attributions"]["ids"])).collect();
    assert_eq!(tokens.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 3]);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row["row"], i);
        let of = |name: &str| row[name].as_f64().unwrap();
        let sum: f64 = tokens[i].iter().sum();
        assert!((sum - (of("output") - of("baseline_output")) - of("delta")).abs() < 1e-12);
        assert!(of("delta").abs() < 1e-6);
    }
    // What the mask hides contributes nothing.
    assert_eq!(tokens[2][2], 0.0);
    // Without folding each element of a vector has its own.
    let wide = explained(&place, &["--precision", "float64", "--no-fold"]);
    let vectors = wide[0]["attributions"]["ids"].as_array().unwrap();
    for (vector, token) in vectors.iter().zip(&tokens[0]) {
        assert!((numbers(vector).iter().sum::<f64>() - token).abs() < 1e-12);
    }
    // Another baseline: the vector of an id.
    let other = explained(&place, &["--precision", "float64", "--baseline", "8"]);
    assert_eq!(numbers(&other[1]["attributions"]["ids"]), [0.0]);
    let ran = place.run(&[
        "explain",
        "text.onnx",
        "texts.jsonl",
        "--output",
        "out.jsonl",
        "--precision",
        "float64",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let record: serde_json::Value = serde_json::from_str(&place.read("out.record.json")).unwrap();
    assert_eq!(
        (record["rows"].as_u64(), record["computed"]["inputs"][0]["embeddings"][0].as_str()),
        (Some(3), Some("words"))
    );
    let first: serde_json::Value =
        serde_json::from_str(place.read("out.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(first, rows[0]);
}

#[test]
fn arrays_of_ids_are_folded_to_tokens() {
    let place = Place::new();
    model(&place);
    place.write("texts.jsonl", LINES);
    let want = explained(&place, &["--precision", "float64"]);
    let arrays = [
        ("ids".to_owned(), Tensor::new(&[2, 3], vec![1i64, 4, 2, 3, 3, 5]).unwrap()),
        ("mask".to_owned(), Tensor::new(&[2, 3], vec![1i64, 1, 1, 1, 1, 0]).unwrap()),
    ];
    pellucid_data::arrays::save(place.path("texts.safetensors"), &arrays).unwrap();
    let ran = place.run(&[
        "explain",
        "text.onnx",
        "texts.safetensors",
        "--format",
        "csv",
        "--precision",
        "float64",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        fields(&ran.stdout)[0]
            .ends_with(&["attribution.ids[0]", "attribution.ids[1]", "attribution.ids[2]"].map(String::from))
    );
    for (t, place) in ["attribution.ids[0]", "attribution.ids[1]", "attribution.ids[2]"].iter().enumerate() {
        let found = column(&ran.stdout, place);
        assert_eq!(found, [&want[0], &want[2]].map(|r| numbers(&r["attributions"]["ids"])[t]));
    }
    let ran = place.run(&["explain", "text.onnx", "texts.safetensors"]);
    assert!(
        ran.stdout.contains("explained: ids from the output of words on; held fixed: mask"),
        "{}",
        ran.stdout
    );
}

#[test]
fn lines_that_do_not_fit_are_named() {
    let place = Place::new();
    model(&place);
    for (text, code, says) in [
        ("{\"ids\": [1]}\n", 3, "line 1: nothing for the input \"mask\""),
        ("{\"ids\": [1], \"mask\": [1]}\n[1]\n", 3, "line 2: expected an object"),
        ("{\"ids\": [1.5], \"mask\": [1]}\n", 3, "line 1: ids: expected int64, found 1.5"),
        ("{\"ids\": [1, 2], \"mask\": [1]}\n", 3, "\"tokens\" is 1"),
        ("{\"ids\": [99], \"mask\": [1]}\n", 3, "index 99"),
        ("\n", 3, "there is no row"),
    ] {
        place.write("texts.jsonl", text);
        place.run(&["explain", "text.onnx", "texts.jsonl"]).refused(code, &[says]);
    }
    place.write("texts.jsonl", LINES);
    place.run(&["explain", "text.onnx", "texts.jsonl", "--format", "csv"]).refused(2, &["jsonl"]);
    place
        .run(&["explain", "text.onnx", "texts.jsonl", "--baseline", "mean"])
        .refused(2, &["zero or a number"]);
    place
        .run(&["explain", "text.onnx", "texts.jsonl", "--fixed", "ids"])
        .refused(4, &["\"ids\" is held fixed"]);
    place.run(&["explain", "text.onnx", "texts.jsonl", "--fixed", "idz"]).refused(2, &["idz", "ids, mask"]);
}

#[test]
fn ablation_replaces_one_token_after_another() {
    let place = Place::new();
    model(&place);
    place.write("texts.jsonl", LINES);
    // The model again: the vectors that the mask keeps, added up, through tanh. `None` is no token at all.
    let table: Vec<f64> = (0..18).map(|i| f64::from(((i * 7 + 1) as f32).sin())).collect();
    let score = |ids: &[Option<usize>], mask: &[f64]| {
        let sum = |k: usize| -> f64 {
            ids.iter().zip(mask).map(|(id, m)| id.map_or(0.0, |id| table[2 * id + k] * m)).sum()
        };
        sum(0).tanh() - 2.0 * sum(1).tanh()
    };
    let lines: [(&[usize], &[f64]); 3] =
        [(&[1, 4, 2], &[1.0, 1.0, 1.0]), (&[8], &[1.0]), (&[3, 3, 5], &[1.0, 1.0, 0.0])];
    for (baseline, replaced) in [("zero", None), ("8", Some(8)), ("0", Some(0))] {
        let asked = ["--method", "feature_ablation", "--precision", "float64", "--baseline", baseline];
        let rows = explained(&place, &asked);
        for (row, (ids, mask)) in rows.iter().zip(lines) {
            let whole: Vec<Option<usize>> = ids.iter().copied().map(Some).collect();
            let found = numbers(&row["attributions"]["ids"]);
            assert_eq!(found.len(), ids.len());
            for (t, value) in found.iter().enumerate() {
                let mut without = whole.clone();
                without[t] = replaced;
                let want = score(&whole, mask) - score(&without, mask);
                assert!((value - want).abs() < 1e-9, "baseline {baseline}, {ids:?}, {t}: {value} {want}");
            }
        }
    }
}
