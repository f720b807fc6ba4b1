//! `pellucid run`, `train` and `evaluate` on a small recipe.
#![cfg(feature = "train")]

mod common;

use common::{Place, column, fields};

const RECIPE: &str = r#"
[data]
path = "clients.csv"
target = "y"
positive = "yes"
drop = ["id"]

[split]
method = "stratified"
test = 0.25
seed = 3

[model]
layers = [8, 4]

[train]
loss = { kind = "binary_cross_entropy", pos_weight = "balanced" }
learning_rate = 0.01
epochs = 5
batch_size = 10
seed = 1

[evaluate]
thresholds = [{ scale = "probability", value = 0.5 }, { scale = "logit", value = 0.5 }]

[[explain]]
name = "test-rows"
rows = "test"
n_steps = 20
write = ["csv", "parquet", "jsonl"]

[report]
title = "Clients & <loans>"
rows_are = "clients"
single = ["test[3]"]
counts = ["job"]
"#;

#[test]
fn a_recipe_from_end_to_end_and_again() {
    let place = Place::new();
    place.write("recipe.toml", RECIPE);
    let ran = place.run(&["run", "recipe.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("test: ROC AUC") && ran.stdout.contains("index.html"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("training on 45 rows") && ran.stderr.contains("epoch 5: loss"),
        "{}",
        ran.stderr
    );
    let rows = place.read("out/test-rows.csv");
    assert_eq!(fields(&rows).len(), 16);
    for name in
        ["test-rows.parquet", "test-rows.jsonl", "test-rows.record.json", "test-rows-global-encoded.csv"]
    {
        assert!(place.path("out").join(name).exists(), "{name}");
    }
    let sum: f64 = column(&rows, "attribution.age").iter().sum();
    let global = place.read("out/test-rows-global.csv");
    assert!((column(&global, "sum")[0] - sum).abs() < 1e-9);
    let split = fields(&place.read("out/split.csv"));
    assert_eq!(split.iter().filter(|r| r[1] == "test").count(), 15);
    let metrics: serde_json::Value = serde_json::from_str(&place.read("out/metrics.json")).unwrap();
    assert_eq!(metrics["evaluations"][1]["rows"], "test");
    let page = place.read("out/index.html");
    for word in [
        "Clients &amp; &lt;loans&gt;",
        "ROC curve",
        "Loss by epoch",
        "logit 0.5",
        "One row: test[3]",
        "completeness",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("NaN") && !page.contains("http://") || page.contains("www.w3.org"));
    let png = std::fs::read(place.path("out/plots/roc-dark.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));

    // Again: nothing is trained or explained.
    let model = std::fs::read(place.path("out/model.onnx")).unwrap();
    let again = place.run(&["run", "recipe.toml"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again.stderr.contains("is there and is used") && again.stderr.contains("used again"),
        "{}",
        again.stderr
    );
    assert!(!again.stderr.contains("training on"), "{}", again.stderr);
    assert_eq!((again.stdout, page), (ran.stdout, place.read("out/index.html")));

    // A result that was touched is made again.
    place.write("out/test-rows.csv", "spoiled");
    place.run(&["run", "recipe.toml"]);
    assert_eq!(place.read("out/test-rows.csv"), rows);

    // A changed recipe is noticed and said; the model stays until it is forced.
    place.write("recipe.toml", RECIPE.replace("epochs = 5", "epochs = 6"));
    let changed = place.run(&["run", "recipe.toml"]);
    assert!(changed.stderr.contains("train.epochs: 5 then, 6 now"), "{}", changed.stderr);
    assert_eq!(std::fs::read(place.path("out/model.onnx")).unwrap(), model);
    assert_eq!(place.run(&["run", "recipe.toml", "--force"]).code, 0);
    assert_ne!(std::fs::read(place.path("out/model.onnx")).unwrap(), model);

    // The same recipe gives the same bits.
    place.write("recipe.toml", RECIPE);
    assert_eq!(place.run(&["train", "recipe.toml", "--out", "other"]).code, 0);
    assert_eq!(std::fs::read(place.path("other/model.onnx")).unwrap(), model);

    // What was trained is explained and judged on its own, too.
    let alone = place.run(&[
        "explain",
        "out/model.onnx",
        "clients.csv",
        "--spec",
        "out/test-rows.record.json",
        "--format",
        "csv",
    ]);
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let judged = place.run(&[
        "evaluate",
        "other/model.onnx",
        "clients.csv",
        "--threshold",
        "0.5",
        "--threshold",
        "logit:0.5",
    ]);
    assert!(
        judged.stdout.contains("train: 45 rows") && judged.stdout.contains("logit 0.5"),
        "{}",
        judged.stdout
    );
    let json = place.run(&["evaluate", "other/model.onnx", "clients.csv", "--rows", "test", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let report = &metrics["evaluations"][1]["metrics"]["binary"]["report"];
    assert_eq!(json[0]["metrics"]["binary"]["report"]["roc_auc"], report["roc_auc"]);
}

#[test]
fn several_classes_and_numbers() {
    let place = Place::new();
    let classes = RECIPE
        .replace("target = \"y\"\npositive = \"yes\"", "target = \"job\"")
        .replace("{ kind = \"binary_cross_entropy\", pos_weight = \"balanced\" }", "\"cross_entropy\"")
        .replace("counts = [\"job\"]", "counts = [\"loan\"]");
    place.write("classes.toml", classes);
    let ran = place.run(&["run", "classes.toml", "--out", "classes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("test: accuracy"), "{}", ran.stdout);
    let rows = fields(&place.read("classes/test-rows.csv"));
    assert!(
        rows[1..].iter().all(|r| r[1] == r[2] && ["admin", "student", "retired"].contains(&r[1].as_str()))
    );
    let numbers = RECIPE
        .replace("target = \"y\"\npositive = \"yes\"", "target = \"balance\"")
        .replace(
            "{ kind = \"binary_cross_entropy\", pos_weight = \"balanced\" }",
            "\"squared_error\"\nstandardise_target = true",
        )
        .replace("\"stratified\"", "\"random\"");
    place.write("numbers.toml", numbers);
    let ran = place.run(&["run", "numbers.toml", "--out", "numbers"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("test: RMSE"), "{}", ran.stdout);
    // Attributions are in the target's own units.
    let rows = place.read("numbers/test-rows.csv");
    assert_eq!(column(&rows, "predicted"), column(&rows, "output"));
    assert!(column(&rows, "truth").iter().any(|t| t.abs() > 100.0));
}

#[test]
fn recipes_that_are_wrong_say_where() {
    let place = Place::new();
    let run = |text: String, code, says: &[&str]| {
        place.write("recipe.toml", text);
        place.run(&["run", "recipe.toml"]).refused(code, says);
    };
    run(RECIPE.replace("epochs = 5", "epoch = 5"), 2, &["recipe.toml:19:", "epoch"]);
    run(RECIPE.replace("[split]", "[splits]"), 2, &["recipe.toml:8:", "splits"]);
    run(RECIPE.replace("rows = \"test\"", "rows = \"tset ==\""), 2, &["recipe.toml:28:1", "tset"]);
    run(RECIPE.replace("clients.csv", "nowhere.csv"), 3, &["nowhere.csv"]);
    run(RECIPE.replace("drop = [\"id\"]", "drop = [\"ib\"]"), 3, &["\"ib\"", "\"id\""]);
    run(RECIPE.replace("target = \"y\"", "target = \"z\""), 3, &["\"z\""]);
    run(RECIPE.replace("positive = \"yes\"", "positive = \"si\""), 3, &["si", "yes"]);
    place.run(&["run", "none.toml"]).refused(3, &["none.toml"]);
    // Nothing is left half written.
    assert!(!place.path("out/model.onnx").exists());
    place.write("recipe.toml", RECIPE);
    if cfg!(target_os = "linux") {
        place.run(&["run", "recipe.toml", "--out", "/proc/out"]).refused(1, &["cannot write", "/proc/out"]);
    }
}

#[test]
fn a_model_that_is_there_is_taken_as_it_is() {
    let place = Place::new();
    let start = RECIPE.find("[model]").unwrap();
    let end = RECIPE.find("[evaluate]").unwrap();
    let text = format!("{}[model]\nfile = \"model.onnx\"\n\n{}", &RECIPE[..start], &RECIPE[end..]);
    place.write("recipe.toml", text);
    let ran = place.run(&["run", "recipe.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!place.path("out/model.onnx").exists() && place.path("out/index.html").exists());
}
