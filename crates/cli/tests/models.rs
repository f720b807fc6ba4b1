//! Models that are no models, and those that cannot be explained; `inspect`, `methods` and errors as JSON.

mod common;

use std::process::Stdio;

use common::{Place, Ran, network};
use pellucid_graph::{DType, Dim, Network, Tensor, ops};

#[test]
fn other_kinds_of_files_are_told_what_converts_them() {
    let place = Place::new();
    place.write("net.pt", b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl");
    place.run(&["explain", "net.pt", "clients.csv"]).refused(3, &["net.pt", "torch.onnx.export"]);
    std::fs::create_dir(place.path("saved")).unwrap();
    place.write("saved/saved_model.pb", b"\x08\x01");
    place.run(&["inspect", "saved"]).refused(3, &["saved", "tf2onnx"]);
    place.run(&["inspect", "nothing.onnx"]).refused(3, &["nothing.onnx"]);
    place.write("text.onnx", "hello");
    place.run(&["inspect", "text.onnx"]).refused(3, &["text.onnx"]);
    let whole = std::fs::read(place.path("model.onnx")).unwrap();
    place.write("half.onnx", &whole[..whole.len() / 2]);
    place.run(&["explain", "half.onnx", "clients.csv"]).refused(3, &["half.onnx"]);
}

/// The file with the first occurrence of some bytes exchanged for as many others.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn an_unknown_operator_loads_is_listed_and_stops_only_what_reaches_it() {
    let place = Place::new();
    let whole = std::fs::read(place.path("model.onnx")).unwrap();
    place.write("odd.onnx", patched(&whole, b"Relu", b"Rilu"));
    let ran = place.run(&["inspect", "odd.onnx"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("Cannot be run") && ran.stdout.contains("Rilu"),
        "{}",
        ran.stdout
    );
    place.run(&["explain", "odd.onnx", "clients.csv"]).refused(4, &["Rilu", "opset"]);
}

#[test]
fn rows_that_interact_are_refused() {
    let place = Place::new();
    let mut network = Network::new();
    let shape = [Dim::Symbol("batch".to_owned()), Dim::Fixed(2)];
    let input = network.add_input("input", DType::F32, &shape).unwrap();
    let mixed = network.add_node("mix", ops::Softmax { axis: 0, flatten: false }, &[input], "mixed").unwrap();
    network.add_output(mixed, DType::F32, &shape);
    network.save(place.path("mixing.onnx")).unwrap();
    let ran =
        place.run(&["explain", "mixing.onnx", "clients.csv", "--features", "age,balance", "--target", "0"]);
    ran.refused(4, &["mix", "Softmax", "one row at a time"]);
    // One row on its own interacts with none.
    let arguments = [
        "explain",
        "mixing.onnx",
        "clients.csv",
        "--features",
        "age,balance",
        "--target",
        "0",
        "--rows",
        "3",
    ];
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn models_without_a_record() {
    let place = Place::new();
    network(&[2, 4, 3]).save(place.path("plain.onnx")).unwrap();
    let plain = |more: &[&str]| {
        place.run(&[&["explain", "plain.onnx", "clients.csv", "--format", "csv"], more].concat())
    };
    let ran = plain(&["--features", "balance,age"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let first = ran.stdout.lines().next().unwrap();
    assert!(first.ends_with("attribution.balance,attribution.age"), "{first}");
    // Several classes without names: the predicted one is explained.
    assert!(
        common::fields(&ran.stdout)[1..].iter().all(|r| r[1] == r[2] && r[1].parse::<usize>().unwrap() < 3)
    );
    // Numbers alone are taken in their order.
    assert_eq!(plain(&[]).code, 0);
    plain(&["--features", "age"]).refused(3, &["takes 2 numbers", "1 columns"]);
    plain(&["--features", "age,job"]).refused(3, &["job", "line"]);
    plain(&["--baseline", "mean"]).refused(2, &["no record"]);
    plain(&["--rows", "test"]).refused(2, &["no split"]);
    let array = Tensor::new(&[5, 2], (0..10).map(|i| i as f32).collect()).unwrap();
    pellucid_data::arrays::save(place.path("rows.npy"), &[(String::new(), array)]).unwrap();
    let ran = place.run(&["explain", "plain.onnx", "rows.npy", "--rows", "1..4", "--format", "csv"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 4), "{}", ran.stderr);
    assert!(ran.stdout.contains("attribution.input[1]"));
    let array = Tensor::new(&[5, 3], vec![0.0f32; 15]).unwrap();
    pellucid_data::arrays::save(place.path("wide.npy"), &[(String::new(), array)]).unwrap();
    place.run(&["explain", "plain.onnx", "wide.npy"]).refused(3, &["[batch, 2]", "[5, 3]"]);
}

#[test]
fn inspect_as_text_and_json() {
    let place = Place::new();
    let text = place.run(&["inspect", "model.onnx"]).stdout;
    for word in
        ["layer0", "Gemm", "Affine", "[N, 6]", "classes: no, yes", "45 train", "age, job, balance, loan"]
    {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", "model.onnx", "--json"]).stdout).unwrap();
    assert_eq!(json["parameters"], 7 * 6 + 6 + 6 * 5 + 5 + 5 + 1);
    assert_eq!(json["layers"][1]["operator"], "Relu");
    assert_eq!(json["layers"][0]["shape"], serde_json::json!(["N", "6"]));
    // Operators of scikit-learn's files have theirs in lists: a scale and an offset for four columns, four coefficients and one more for two classes.
    let linear = shared("graph/tests/data/sklearn/logistic.onnx");
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", &linear, "--json"]).stdout).unwrap();
    assert_eq!(json["parameters"], 2 * 4 + 2 * (4 + 1));
}

/// A file of another crate's tests.
fn shared(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn inspect_lists_all_that_no_gradient_passes() {
    let place = Place::new();
    let forest = shared("graph/tests/data/sklearn/columns-forest.onnx");
    let text = place.run(&["inspect", &forest]).stdout;
    for word in ["No gradient passes", "ai.onnx.ml.TreeEnsembleClassifier of opset", "use feature_ablation"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", &forest, "--json"]).stdout).unwrap();
    assert_eq!(json["gaps"][0]["lacks"], "gradient", "{}", json["gaps"]);
    let reach = |name: &str| {
        let methods = json["methods"].as_array().unwrap();
        methods.iter().find(|m| m["method"] == name).unwrap().clone()
    };
    assert!(reach("saliency")["reason"].is_string() && reach("feature_ablation")["reason"].is_null());
    assert!(reach("layer_activation")["layers"].as_u64() > Some(0));
}

/// What lies before an operator that is missing is listed with it, and so is what lies behind, as far as no size need be known for that.
#[test]
fn inspect_lists_what_no_gradient_passes_beside_what_is_missing() {
    let place = Place::new();
    let save = |dims: &[Dim]| {
        let mut network = Network::new();
        let x = network.add_input("x", DType::F32, dims).unwrap();
        let scale = network.add_constant("scale", Tensor::scalar(0.1f32)).unwrap();
        let weight = network.add_constant("weight", Tensor::new(&[3, 3], vec![1.0f32; 9]).unwrap()).unwrap();
        let quantize = || ops::QuantizeLinear { axis: 1, block: 0, to: None };
        let dequantize = || ops::DequantizeLinear { axis: 1, block: 0 };
        let q = network.add_node("quantized", quantize(), &[x, scale], "q").unwrap();
        let d = network.add_node("widened", dequantize(), &[q, scale], "d").unwrap();
        let m = network.add_node("product", ops::MatMul, &[d, weight], "m").unwrap();
        let a = network.add_node("area", ops::Det, &[m], "a").unwrap();
        let o = network.add_node("odd", ops::Celu { alpha: 1.0 }, &[a], "o").unwrap();
        let w = network.add_node("later", quantize(), &[o, scale], "w").unwrap();
        let y = network.add_node("last", dequantize(), &[w, scale], "y").unwrap();
        network.add_output(y, DType::F32, &dims[..1]);
        network.save(place.path("odd.onnx")).unwrap();
        let whole = std::fs::read(place.path("odd.onnx")).unwrap();
        place.write("odd.onnx", patched(&whole, b"Celu", b"Cilu"));
    };
    // At sizes that the second leaves open the product refuses its inputs too.
    let batch = Dim::Symbol("batch".to_owned());
    for dims in [vec![batch.clone(), Dim::Fixed(3), Dim::Fixed(3)], vec![batch, Dim::Unknown, Dim::Unknown]] {
        save(&dims);
        let json: serde_json::Value =
            serde_json::from_str(&place.run(&["inspect", "odd.onnx", "--json"]).stdout).unwrap();
        let listed = json["gaps"].as_array().unwrap().iter().map(|g| (&g["lacks"], &g["node"]));
        let gaps: Vec<_> = listed.filter(|(lacks, _)| *lacks != "inputs").collect();
        let gradients = ["quantized", "widened", "area", "later", "last"].map(|name| ("gradient", name));
        let want: Vec<_> = std::iter::once(("operator", "odd")).chain(gradients).collect();
        assert_eq!(serde_json::json!(gaps), serde_json::json!(want), "{dims:?}");
    }
}

#[test]
fn classes_have_the_labels_of_the_classifier_in_the_file() {
    let place = Place::new();
    let words = shared("graph/tests/data/sklearn/logistic-words-zipmap.onnx");
    place.write(
        "rows.csv",
        "a,b,c,d,class,number\n3,1,0.5,2,high,1\n-3,1,-2,0,low,0\n0.1,0,0.2,0,nothing,0\n",
    );
    let columns = ["--features", "a,b,c,d"];
    let run = |rest: &[&str]| place.run(&[rest, &columns].concat());
    let judged = run(&["evaluate", &words, "rows.csv", "--label", "class", "--rows", "0,1"]);
    for word in ["high", "low", "middle"] {
        assert!(judged.code == 0 && judged.stdout.contains(word), "{} {}", judged.stdout, judged.stderr);
    }
    let explained = run(&[
        "explain", &words, "rows.csv", "--rows", "0", "--target", "middle", "--format", "jsonl", "-o", "-",
    ]);
    let row: serde_json::Value = serde_json::from_str(&explained.stdout).unwrap();
    assert_eq!(row["target"], "middle");
    // The file calls its output so.
    assert!(row["probability"].is_number() && row["probability"] == row["output"], "{row}");

    // Scores that a file calls so too, although nothing makes probabilities of them.
    let scores = shared("graph/tests/data/sklearn/linear-svc.onnx");
    let ran = run(&["explain", &scores, "rows.csv", "--rows", "0", "--format", "jsonl", "-o", "-"]);
    let plain: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(plain["output"].as_f64() > Some(1.0) && plain["probability"].is_null(), "{plain}");

    // With an output for each class, each is a number of its own.
    let each = shared("graph/tests/data/sklearn/logistic-columns-zipmap.onnx");
    let explain = ["explain", &each, "rows.csv", "--rows", "0", "--format", "jsonl", "-o", "-"];
    let outputs: Vec<f64> = ["shigh", "slow", "smiddle"]
        .iter()
        .map(|name| {
            let ran = run(&[&explain[..], &["--output-name", name]].concat());
            let row: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!((&row["target"], &row["probability"]), (&"output".into(), &serde_json::Value::Null));
            row["output"].as_f64().unwrap()
        })
        .collect();
    assert!((outputs.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{outputs:?}");
    run(&[&explain[..], &["--target", "high"]].concat()).refused(2, &["high"]);
    assert!(["high", "low", "middle"].contains(&row["predicted"].as_str().unwrap()), "{row}");
    run(&["explain", &words, "rows.csv", "--target", "1.5"]).refused(2, &["high", "low", "middle"]);
    run(&["evaluate", &words, "rows.csv", "--label", "class"]).refused(3, &["nothing", "high, low, middle"]);
    run(&["evaluate", &words, "rows.csv", "--label", "number"]).refused(3, &["\"1\"", "high, low, middle"]);
}

#[test]
fn a_number_that_is_no_class_is_no_position_either_where_classes_are_numbers() {
    let place = Place::new();
    let forest = std::fs::read(shared("graph/tests/data/sklearn/forest.onnx")).unwrap();
    place.write("forest.onnx", patched(&forest, b"int64s@\x00@\x01", b"int64s@\x01@\x02"));
    place.write("rows.csv", "a,b,c,d,class\n1,3,3,4,1\n2,3,4,5,2\n");
    let run = |rest: &[&str]| place.run(&[&["explain", "forest.onnx", "rows.csv"], rest].concat());
    let some =
        ["--features", "a,b,c,d", "-m", "feature_ablation", "--format", "jsonl", "-o", "-", "--target"];
    let target = |name: &str| run(&[&some[..], &[name]].concat());
    for (asked, class) in [("1", "1"), ("2", "2"), ("[0]", "1")] {
        let line = target(asked).stdout;
        let row: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        assert_eq!(row["target"], class, "{asked}");
    }
    target("0").refused(2, &["\"1\", \"2\" (by position [0] to [1])"]);
}

#[test]
fn a_table_gives_missing_and_whole_numbers_as_the_model_takes_them() {
    let place = Place::new();
    let sklearn = |name: &str| shared(&format!("graph/tests/data/sklearn/{name}.onnx"));
    place.write("rows.csv", "a,b,c,d\n1,,3,4\n2,3,4,5\n");
    let ablation = ["rows.csv", "-m", "feature_ablation"];
    let imputes = place.run(&[&["explain", &sklearn("mlp-missing")], &ablation[..]].concat());
    assert_eq!(imputes.code, 0, "{}", imputes.stderr);
    let refused = place.run(&[&["explain", &sklearn("logistic")], &ablation[..]].concat());
    refused.refused(3, &["line 2", "\"b\"", "found no value", "Imputer"]);
    let forest = place.run(&["explain", &sklearn("forest"), "rows.csv", "--rows", "1", "-m", "saliency"]);
    forest.refused(4, &["TreeEnsembleClassifier of opset", "has no derivative", "feature_ablation"]);

    let mut network = Network::new();
    let batch = Dim::Symbol("batch".to_owned());
    let ids = network.add_input("ids", DType::I64, &[batch.clone(), Dim::Fixed(3)]).unwrap();
    let table: Vec<f32> = (0..12).map(|i| (i as f32).sin()).collect();
    let words = network.add_constant("words", Tensor::new(&[6, 2], table).unwrap()).unwrap();
    let vectors = network.add_node("look", ops::Gather { axis: 0 }, &[words, ids], "vectors").unwrap();
    let axes = network.add_constant("axes", Tensor::vector(vec![1i64, 2])).unwrap();
    let sum = ops::ReduceSum { keep: false, noop_with_empty_axes: false };
    let y = network.add_node("sum", sum, &[vectors, axes], "y").unwrap();
    network.add_output(y, DType::F32, &[batch]);
    network.save(place.path("ids.onnx")).unwrap();
    place.write("ids.csv", "a,b,c\n0,3,5\n");
    let found = place.run(&["explain", "ids.onnx", "ids.csv", "--format", "jsonl", "-o", "-"]);
    let row: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let vector = |id: usize| f64::from((2 * id) as f32).sin() + f64::from((2 * id + 1) as f32).sin();
    for (token, id) in [(0, 0), (1, 3), (2, 5)] {
        let got = row[format!("attribution.ids[{token}]")].as_f64().unwrap();
        assert!((got - vector(id)).abs() < 1e-5, "{row}");
    }
    place.write("ids.csv", "a,b,c\n0,3.5,5\n");
    place.run(&["explain", "ids.onnx", "ids.csv"]).refused(3, &["line 2", "\"b\"", "whole number", "3.5"]);
}

#[test]
fn rows_that_mix_are_run_one_at_a_time_with_a_tile_of_1() {
    let place = Place::new();
    let mut network = Network::new();
    let shape = |n| [Dim::Symbol("batch".to_owned()), Dim::Fixed(n)];
    let x = network.add_input("x", DType::F32, &shape(2)).unwrap();
    let axes = network.add_constant("axes", Tensor::vector(vec![0i64])).unwrap();
    let sum = ops::ReduceSum { keep: true, noop_with_empty_axes: false };
    let total = network.add_node("over_rows", sum, &[x, axes], "total").unwrap();
    let product = network.add_node("product", ops::Mul, &[x, total], "squares").unwrap();
    let weight = network.add_constant("weight", Tensor::new(&[2, 1], vec![1.0f32; 2]).unwrap()).unwrap();
    let y = network.add_node("y", ops::MatMul, &[product, weight], "y").unwrap();
    network.add_output(y, DType::F32, &shape(1));
    network.save(place.path("mix.onnx")).unwrap();
    place.write("rows.csv", "a,b\n1,2\n3,4\n");
    let explain =
        ["explain", "mix.onnx", "rows.csv", "-m", "feature_ablation", "--format", "jsonl", "-o", "-"];
    place.run(&explain).refused(4, &["over_rows", "ReduceSum", "a tile of 1"]);
    let ran = place.run(&[&explain[..], &["--tile", "1"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let rows = ran.stdout.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    for (row, [a, b]) in rows.zip([[1.0, 2.0], [3.0, 4.0]]) {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
        let found = [number("output"), number("attribution.a"), number("attribution.b")];
        assert_eq!(found, [a * a + b * b, a * a, b * b]);
        assert_eq!(row["predicted"], (a * a + b * b).to_string());
    }
    place.write("judged.csv", "a,b,c\n1,2,5\n3,4,26\n");
    let evaluate = ["evaluate", "mix.onnx", "judged.csv", "--label", "c", "--features", "a,b", "--json"];
    place.run(&evaluate).refused(4, &["over_rows", "a tile of 1"]);
    let ran = place.run(&[&evaluate[..], &["--tile", "1"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found[0]["metrics"]["regression"]["mae"], 0.5, "{found}");
}

#[test]
fn scores_of_pairs_of_classes_are_taken_for_none() {
    let place = Place::new();
    let svc = shared("graph/tests/data/sklearn/svc.onnx");
    place.write("rows.csv", "a,b,c,d,class\n1,3,3,4,1\n2,3,4,5,0\n");
    let columns = ["--features", "a,b,c,d"];
    let run = |rest: &[&str]| place.run(&[rest, &columns].concat());
    run(&["evaluate", &svc, "rows.csv", "--label", "class"])
        .refused(3, &["pairs of classes", "probability=True"]);
    let explain = ["explain", &svc, "rows.csv", "-m", "feature_ablation", "--format", "jsonl", "-o", "-"];
    run(&explain).refused(2, &["pairs of classes", "[0] to [1]"]);
    let ran = run(&[&explain[..], &["--target", "[1]"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(row["predicted"].is_null() && row["probability"].is_null() && row["output"].is_number(), "{row}");
}

#[test]
fn truth_values_may_be_0_and_1() {
    let place = Place::new();
    let mut network = Network::new();
    let shape = [Dim::Symbol("batch".to_owned()), Dim::Fixed(1)];
    let flag = network.add_input("flag", DType::Bool, &shape).unwrap();
    let amount = network.add_input("amount", DType::F32, &shape).unwrap();
    let number = network.add_node("number", ops::Cast { to: DType::F32 }, &[flag], "number").unwrap();
    let y = network.add_node("product", ops::Mul, &[number, amount], "y").unwrap();
    network.add_output(y, DType::F32, &shape);
    network.save(place.path("flags.onnx")).unwrap();
    for flags in ["0 1", "false true", "False True", "0 2", "no yes"] {
        let (first, second) = flags.split_once(' ').unwrap();
        place.write("rows.csv", format!("flag,amount\n{first},3\n{second},4\n"));
        let ran = place.run(&[
            "explain",
            "flags.onnx",
            "rows.csv",
            "-m",
            "feature_ablation",
            "--format",
            "jsonl",
            "-o",
            "-",
        ]);
        if ["0 2", "no yes"].contains(&flags) {
            ran.refused(3, &["rows.csv", "\"flag\"", "true or false"]);
            continue;
        }
        assert_eq!(ran.code, 0, "{flags}: {}", ran.stderr);
        let rows = ran.stdout.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        let found: Vec<f64> = rows.filter_map(|r| r["attribution.flag"].as_f64()).collect();
        assert_eq!(found, [0.0, 4.0], "{flags}");
    }
}

#[test]
fn features_of_a_mask_are_replaced_together() {
    let place = Place::new();
    let logistic = shared("graph/tests/data/sklearn/logistic.onnx");
    place.write("rows.csv", "a,b,c,d\n1,3,3,4\n2,3,4,5\n");
    let mask = Tensor::vector(vec![0i64, 0, 1, 2]);
    let file = std::fs::File::create(place.path("mask.npy")).unwrap();
    pellucid_recipe::data::arrays::write_npy(&mask, file).unwrap();
    let run = |more: &[&str]| {
        place.run(&[&["explain", &logistic, "rows.csv", "--format", "jsonl", "-o", "-"], more].concat())
    };
    let row = |more: &[&str]| {
        let ran = run(more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str::<serde_json::Value>(ran.stdout.lines().next().unwrap()).unwrap()
    };
    let alone = row(&["-m", "feature_ablation"]);
    let together = row(&["-m", "feature_ablation", "--feature-mask", "mask.npy"]);
    let of = |row: &serde_json::Value, name: &str| row[format!("attribution.{name}")].as_f64().unwrap();
    assert_eq!(of(&together, "a"), of(&together, "b"));
    assert!(of(&together, "a") > of(&alone, "a") + of(&alone, "b"));
    assert_eq!((of(&together, "c"), of(&together, "d")), (of(&alone, "c"), of(&alone, "d")));
    run(&["--feature-mask", "mask.npy"]).refused(2, &["Integrated Gradients", "no feature mask"]);
}

#[test]
fn rows_without_finite_numbers_are_told() {
    let place = Place::new();
    let mut network = Network::new();
    let shape = |n| [Dim::Symbol("batch".to_owned()), Dim::Fixed(n)];
    let x = network.add_input("x", DType::F32, &shape(2)).unwrap();
    let bent = network.add_node("log", ops::Log, &[x], "bent").unwrap();
    let weight = network.add_constant("weight", Tensor::new(&[2, 1], vec![1.0f32; 2]).unwrap()).unwrap();
    let y = network.add_node("product", ops::MatMul, &[bent, weight], "y").unwrap();
    network.add_output(y, DType::F32, &shape(1));
    network.save(place.path("log.onnx")).unwrap();
    place.write("rows.csv", "a,b\n1,2\n3,-4\n5,6\n");
    let ran = place.run(&["explain", "log.onnx", "rows.csv", "--baseline", "1", "-o", "out.csv"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("1 of 3 rows, the first is row 1, cannot be trusted"), "{}", ran.stderr);
    let record: serde_json::Value = serde_json::from_str(&place.read("out.record.json")).unwrap();
    assert_eq!(record["not_finite"], serde_json::json!({"rows": 1, "first_row": 1}));
    let ran = place.run(&["explain", "log.onnx", "rows.csv", "-m", "saliency"]);
    assert!(ran.stderr.contains("1 of 3 rows, the first is row 1"), "{}", ran.stderr);
    let ran = place.run(&["explain", "log.onnx", "rows.csv", "-m", "layer_activation", "--layer", "y"]);
    assert!(ran.stderr.contains("1 of 3 rows"), "{}", ran.stderr);
    let ran = place.run(&[
        "explain",
        "log.onnx",
        "rows.csv",
        "--rows",
        "0,2",
        "-m",
        "layer_activation",
        "--layer",
        "y",
    ]);
    assert!(!ran.stderr.contains("trusted"), "{}", ran.stderr);
    let ran = place.run(&["explain", "log.onnx", "rows.csv", "--baseline", "1", "--rows", "0,2"]);
    assert!(!ran.stderr.contains("trusted"), "{}", ran.stderr);
}

#[test]
fn inspect_lists_every_node_that_refuses_its_inputs() {
    let place = Place::new();
    let mut network = Network::new();
    let shape = |n| [Dim::Symbol("batch".to_owned()), Dim::Fixed(n)];
    let x = network.add_input("x", DType::F32, &shape(3)).unwrap();
    let weight = network.add_constant("weight", Tensor::new(&[4, 2], vec![1.0f32; 8]).unwrap()).unwrap();
    let good = network.add_node("good", ops::Relu, &[x], "fine").unwrap();
    let first = network.add_node("first", ops::MatMul, &[good, weight], "one").unwrap();
    let second = network.add_node("second", ops::Add, &[x, weight], "two").unwrap();
    // What lies behind a refusal is not another one.
    let behind = network.add_node("behind", ops::MatMul, &[first, weight], "three").unwrap();
    for output in [behind, second] {
        network.add_output(output, DType::F32, &shape(2));
    }
    network.save(place.path("bad.onnx")).unwrap();
    let ran = place.run(&["inspect", "bad.onnx"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for word in ["Refuses its inputs", "first: MatMul of opset", "second: Add of opset", "[N, 3]"] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", "bad.onnx", "--json"]).stdout).unwrap();
    let gaps: Vec<_> = json["gaps"].as_array().unwrap().iter().map(|g| (&g["lacks"], &g["node"])).collect();
    assert_eq!(serde_json::json!(gaps), serde_json::json!([["inputs", "first"], ["inputs", "second"]]));
}

#[test]
fn inspect_shows_units_and_embeddings() {
    let place = Place::new();
    let encoder = shared("pellucid/tests/networks/encoder.onnx");
    let text = place.run(&["inspect", &encoder]).stdout;
    for word in [
        "recognised units: 2 Attention, 2 Gelu, 4 LayerNormalization",
        "from ids, at the output of words",
        "at any layer",
        "LayerNormalization (9 nodes)",
        "[N, 10, 16]",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert!(!text.contains("Constant") && !text.contains("no: "), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", &encoder, "--json"]).stdout).unwrap();
    let layers = json["layers"].as_array().unwrap();
    let norm = layers.iter().find(|l| l["name"] == "layers.layers.0.norm2").unwrap();
    assert_eq!(norm["unit"]["operator"], "LayerNormalization");
    let parts = layers.iter().filter(|l| l["part_of"] == "layers.layers.0.norm2");
    assert_eq!(parts.count(), 8);
}

#[test]
fn methods_are_the_librarys() {
    let place = Place::new();
    let json: serde_json::Value = serde_json::from_str(&place.run(&["methods", "--json"]).stdout).unwrap();
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, pellucid::METHODS.iter().map(|m| m.name).collect::<Vec<_>>());
    assert!(place.run(&["methods", "deep_lift"]).stdout.contains("Shrikumar"));
    place.run(&["methods", "lime"]).refused(2, &["lime", "saliency"]);
}

#[test]
fn errors_as_json() {
    let place = Place::new();
    let error = |arguments: &[&str]| {
        let ran = place.run(arguments);
        let json: serde_json::Value =
            serde_json::from_str(&ran.stderr).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr));
        assert_eq!(json["error"]["exit_code"], ran.code);
        json["error"].clone()
    };
    let found = error(&["explain", "model.onnx", "clients.csv", "--target", "maybe", "--json-errors"]);
    assert!(found["code"] == "usage" && found["message"].as_str().unwrap().contains("maybe"), "{found}");
    assert_eq!(error(&["explain", "--json-errors", "--no-such-option"])["code"], "usage");
    assert_eq!(error(&["inspect", "none.onnx", "--json-errors"])["code"], "bad_data");
}

#[test]
fn files_that_cannot_be_written() {
    let place = Place::new();
    // The kernel's own folder takes no files, whoever asks.
    if cfg!(target_os = "linux") {
        place.refuses(&["--output", "/proc/out.csv"], 1, &["cannot write /proc/out.csv"]);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place
            .command(&["explain", "model.onnx", "clients.csv", "--format", "csv"])
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        Ran::new(&output).refused(1, &["standard output", "space"]);
    }
    place.refuses(&["--output", "no/such/folder/out.csv"], 1, &["cannot write"]);
    let left: Vec<String> = std::fs::read_dir(place.path("."))
        .unwrap()
        .map(|f| f.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| n != "clients.csv" && n != "model.onnx")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child = place
        .command(&["explain", "model.onnx", "clients.csv", "--format", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let ran = Ran::new(&output);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn help_completions_and_manual() {
    let place = Place::new();
    let help = place.run(&["--help"]);
    assert!(help.code == 0 && help.stdout.contains("130") && help.stdout.contains("explain"));
    assert!(place.run(&["completions", "bash"]).stdout.contains("--max-delta"));
    std::fs::create_dir(place.path("man")).unwrap();
    assert_eq!(place.run(&["man", "man"]).code, 0);
    assert!(place.read("man/pellucid-explain.1").contains("baseline"));
    assert_eq!(place.run(&["explain"]).code, 2);
}
