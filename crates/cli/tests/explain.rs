//! `pellucid explain` on a small table and a small model.

mod common;

use common::{Place, ROWS, column, fields, table};

#[test]
fn rows_with_what_stands_beside_them() {
    let place = Place::new();
    let text =
        place.explain(&["--rows", "test", "--format", "csv", "--keep", "id", "--precision", "float64"]);
    let rows = fields(&text);
    let head = "row,target,predicted,probability,truth,output,baseline_output,delta,id,attribution.age,attribution.job,\
                attribution.balance,attribution.loan";
    assert_eq!(rows[0].join(","), head);
    assert_eq!(rows.len(), 1 + ROWS / 4);
    let (output, base) = (column(&text, "output"), column(&text, "baseline_output"));
    let (delta, probability) = (column(&text, "delta"), column(&text, "probability"));
    for (i, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[8], format!("c{:02}", row[0].parse::<usize>().unwrap()));
        assert_eq!(row[1], "yes");
        let p = 1.0 / (1.0 + (-output[i]).exp());
        assert!((probability[i] - p).abs() < 1e-12);
        assert_eq!(row[2], if p > 0.5 { "yes" } else { "no" });
        assert!(row[4] == "yes" || row[4] == "no");
        let sum: f64 = row[9..].iter().map(|a| a.parse::<f64>().unwrap()).sum();
        assert!((sum - (output[i] - base[i]) - delta[i]).abs() < 1e-12);
        assert!(delta[i].abs() < 0.05, "{}", delta[i]);
    }
}

#[test]
fn folding_sums_the_columns_of_a_category() {
    let place = Place::new();
    let folded = place.explain(&["--format", "csv", "--precision", "float64"]);
    let wide = place.explain(&["--format", "csv", "--precision", "float64", "--no-fold"]);
    let jobs = ["admin", "retired", "student"].map(|j| column(&wide, &format!("attribution.job_{j}")));
    for (i, sum) in column(&folded, "attribution.job").iter().enumerate() {
        assert!((jobs.iter().map(|j| j[i]).sum::<f64>() - sum).abs() < 1e-12);
    }
    assert_eq!(column(&folded, "attribution.age"), column(&wide, "attribution.age"));
}

#[test]
fn threads_and_tiles_do_not_change_a_bit() {
    let place = Place::new();
    let one = place.explain(&["--format", "csv", "--threads", "1"]);
    assert_eq!(one, place.explain(&["--format", "csv", "--threads", "3"]));
    assert_eq!(one, place.explain(&["--format", "csv", "--threads", "2", "--tile", "8"]));
}

#[test]
fn every_format_holds_the_same_numbers() {
    let place = Place::new();
    let text = place.explain(&["--rows", "0..20", "--format", "csv", "--no-fold"]);
    for name in ["out.csv", "out.parquet"] {
        place.explain(&["--rows", "0..20", "--no-fold", "--output", name]);
        let batch = table(&place.path(name));
        assert_eq!(batch.rows(), 20);
        let age = batch.column("attribution.age").unwrap();
        for (i, expected) in column(&text, "attribution.age").iter().enumerate() {
            // What was written in single precision is read in single precision from Parquet.
            assert_eq!(age.number(i).unwrap() as f32, *expected as f32, "{name}, row {i}");
        }
    }
    place.explain(&["--rows", "0..20", "--no-fold", "--output", "out.jsonl"]);
    let lines = place.read("out.jsonl");
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((first["row"].as_u64(), first["target"].as_str()), (Some(0), Some("yes")));
    assert_eq!(first["attribution.age"].as_f64().unwrap() as f32, column(&text, "attribution.age")[0] as f32);
    place.explain(&["--rows", "0..20", "--no-fold", "--output", "out.npy"]);
    let array = pellucid_data::arrays::load_one(place.path("out.npy"), None).unwrap();
    assert_eq!(array.shape(), [20, 7]);
    assert_eq!(array.as_slice::<f32>().unwrap()[7], column(&text, "attribution.age")[1] as f32);
    place.explain(&["--rows", "0..20", "--no-fold", "--output", "out.safetensors"]);
    let rows = pellucid_data::arrays::load_one(place.path("out.safetensors"), Some("row")).unwrap();
    assert_eq!(rows.to_i64().unwrap(), (0..20).collect::<Vec<_>>());
    place.refuses(&["--output", "out.xlsx"], 2, &["out.xlsx", "parquet"]);
    place.refuses(&["--output", "-"], 2, &["--format"]);
}

#[test]
fn a_result_can_be_repeated_from_its_record() {
    let place = Place::new();
    place.explain(&[
        "--rows",
        "age > 30 && job == \"student\"",
        "--baseline",
        "mean",
        "--nodes",
        "7",
        "--quadrature",
        "riemann_middle",
        "--target",
        "no",
        "--keep",
        "id,loan",
        "--output",
        "first.csv",
    ]);
    place.explain(&["--spec", "first.record.json", "--output", "second.csv"]);
    assert_eq!(place.read("first.csv"), place.read("second.csv"));
    let record: serde_json::Value = serde_json::from_str(&place.read("first.record.json")).unwrap();
    assert_eq!(record["request"]["n_steps"], 7);
    assert_eq!(record["schema_version"], 1);
    assert_eq!(record["computed"]["model_sha256"].as_str().unwrap().len(), 64);
    assert!(record["baseline_raw"]["job"].as_str().unwrap().contains("mixture"), "{record:#}");
    // Options override the file.
    place.explain(&["--spec", "first.record.json", "--nodes", "9", "--output", "third.csv"]);
    assert_ne!(place.read("first.csv"), place.read("third.csv"));
}

#[test]
fn targets() {
    let place = Place::new();
    let yes = place.explain(&["--format", "csv"]);
    let no = place.explain(&["--format", "csv", "--target", "no"]);
    for (a, b) in column(&yes, "attribution.age").iter().zip(column(&no, "attribution.age")) {
        assert_eq!(*a, -b);
    }
    assert_eq!(yes, place.explain(&["--format", "csv", "--target", "yes"]));
    assert_eq!(yes, place.explain(&["--format", "csv", "--target", "1"]));
    let predicted = fields(&place.explain(&["--format", "csv", "--target", "predicted"]));
    assert!(predicted[1..].iter().all(|r| r[1] == r[2]));
    let truth = fields(&place.explain(&["--format", "csv", "--target", "true"]));
    assert!(truth[1..].iter().all(|r| r[1] == r[4]));
    let both = fields(&place.explain(&["--format", "csv", "--target", "yes", "--target", "no"]));
    assert_eq!(both.len(), 1 + 2 * ROWS);
    place.refuses(&["--target", "maybe"], 2, &["maybe", "\"no\", \"yes\"", "predicted"]);
    place.refuses(&["--target", "2"], 2, &["0 to 1"]);
}

#[test]
fn scales() {
    let place = Place::new();
    let logit = place.explain(&["--format", "csv", "--precision", "float64"]);
    let p = place.explain(&["--format", "csv", "--precision", "float64", "--scale", "probability"]);
    for (a, b) in column(&logit, "output").iter().zip(column(&p, "output")) {
        assert!((1.0 / (1.0 + (-a).exp()) - b).abs() < 1e-12);
    }
    assert_eq!(column(&p, "output"), column(&p, "probability"));
    place.refuses(&["--scale", "decibel"], 2, &["--scale", "decibel", "log_odds"]);
}

#[test]
fn baselines() {
    let place = Place::new();
    let base = |b: &[&str]| {
        place.explain(&[&["--format", "csv", "--precision", "float64", "--rows", "3"], b].concat())
    };
    // A row compared with itself has nothing to explain.
    let same = base(&["--baseline", "row:3"]);
    assert_eq!(
        (column(&same, "output"), column(&same, "attribution.age")),
        (column(&same, "baseline_output"), vec![0.0])
    );
    // Zero in the table's units is not zero in the network's, and there is no category of zero.
    place.refuses(&["--baseline", "zero", "--baseline-space", "raw"], 2, &["\"job\"", "categories"]);
    assert_ne!(
        column(&base(&["--baseline", "mean"]), "baseline_output"),
        column(&base(&[]), "baseline_output")
    );
    // Columns by name are in the table's units; the row itself, given so, is the row.
    let row = fields(&place.read("clients.csv"))[4].clone();
    let given = format!("age={},job={},balance={},loan={}", row[1], row[2], row[3], row[4]);
    assert_eq!(column(&base(&["--baseline", &given]), "baseline_output"), column(&same, "output"));
    place.refuses(&["--baseline", "age=old"], 2, &["age", "\"old\""]);
    place.refuses(&["--baseline", "job=pilot"], 3, &["pilot", "student"]);
    place.refuses(&["--baseline", "height=3"], 2, &["height", "balance"]);
    place.refuses(&["--baseline", "no-such-file.csv"], 2, &["no-such-file.csv", "sample:N"]);
    place.refuses(&["--baseline", "row:1000"], 2, &["1000"]);
    place.refuses(&["--method", "saliency", "--baseline", "mean"], 2, &["does not compare with a baseline"]);
}

#[test]
fn a_sample_of_training_rows_is_the_mean_over_its_rows() {
    let place = Place::new();
    let all = &["--format", "csv", "--precision", "float64", "--rows", "test[2]", "--nodes", "20"];
    let sample = place.explain(&[all, &["--baseline", "sample:45"][..]].concat());
    // All 45 training rows are drawn, in whatever order, so that their mean is known.
    let split = fields(&place.explain(&["--rows", "train", "--format", "csv", "--method", "saliency"]));
    let mut mean = 0.0;
    for row in &split[1..] {
        let one = place.explain(&[all, &["--baseline", &format!("row:{}", row[0])][..]].concat());
        mean += column(&one, "attribution.balance")[0] / 45.0;
    }
    let found = column(&sample, "attribution.balance")[0];
    assert!((found - mean).abs() < 1e-9, "{found} {mean}");
    let few = |seed: &str| place.explain(&[all, &["--baseline", "sample:5", "--seed", seed][..]].concat());
    assert_eq!(few("1"), few("1"));
    assert_ne!(few("1"), few("2"));
    place.refuses(&["--baseline", "sample:46"], 2, &["only 45 rows"]);
}

#[test]
fn baselines_from_files() {
    let place = Place::new();
    let lines: Vec<String> = place.read("clients.csv").lines().map(str::to_owned).collect();
    place.write("one.csv", [lines[0].as_str(), lines[4].as_str()].join("\n"));
    let row = place.explain(&["--format", "csv", "--baseline", "row:3"]);
    assert_eq!(row, place.explain(&["--format", "csv", "--baseline", "one.csv"]));
    // A row each: every row compared with itself.
    let each = place.explain(&["--format", "csv", "--baseline", "clients.csv"]);
    assert!(column(&each, "attribution.balance").iter().all(|&a| a == 0.0));
    place.refuses(&["--rows", "0..5", "--baseline", "clients.csv"], 2, &["60 rows"]);
    place.write("short.csv", "age,job\n3,student\n");
    place.refuses(&["--baseline", "short.csv"], 3, &["short.csv", "balance"]);
    let narrow = pellucid_graph::Tensor::new(&[1, 6], vec![0.0f32; 6]).unwrap();
    pellucid_data::arrays::save(place.path("narrow.npy"), &[(String::new(), narrow)]).unwrap();
    place.refuses(&["--baseline", "narrow.npy"], 2, &["6 numbers", "takes 7"]);
}

#[test]
fn what_the_table_lacks() {
    let place = Place::new();
    let whole = place.read("clients.csv");
    let run = |text: &str, code, says: &[&str]| {
        place.write("other.csv", text);
        place.run(&["explain", "model.onnx", "other.csv"]).refused(code, says);
    };
    run(&whole.replace("balance", "wealth"), 3, &["balance", "wealth"]);
    run(&whole.replacen("student", "astronaut", 1), 3, &["astronaut", "line", "\"job\"", "student"]);
    run(&whole.replacen(",no,", ",no,maybe,", 1), 3, &["line"]);
    run("", 3, &["empty"]);
    run("id,age,job,balance,loan,y\n", 3, &["no rows"]);
    place.run(&["explain", "model.onnx", "nowhere.csv"]).refused(3, &["nowhere.csv"]);
    // The truth need not be there.
    let without: String = whole.lines().map(|l| format!("{}\n", &l[..l.rfind(',').unwrap()])).collect();
    place.write("other.csv", without);
    let ran = place.run(&["explain", "model.onnx", "other.csv", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fields(&ran.stdout)[1..].iter().all(|r| r[4].is_empty()));
    place.run(&["explain", "model.onnx", "other.csv", "--target", "true"]).refused(2, &["true"]);
    place.refuses(&["--keep", "height"], 3, &["height"]);
    place.refuses(&["--rows", "100"], 2, &["100", "60 rows"]);
    place.refuses(&["--rows", "age >"], 2, &["age >", "^"]);
    // A split is of one table.
    place.write("other.csv", whole.lines().take(30).collect::<Vec<_>>().join("\n"));
    place.run(&["explain", "model.onnx", "other.csv", "--rows", "test"]).refused(3, &["60 rows", "29"]);
}

#[test]
fn a_delta_above_the_limit_has_its_own_code() {
    let place = Place::new();
    place.explain(&["--nodes", "5000", "--max-delta", "0.02"]);
    let ran = place.run(&[
        "explain",
        "model.onnx",
        "clients.csv",
        "--nodes",
        "2",
        "--max-delta",
        "1e-6",
        "--output",
        "out.csv",
    ]);
    ran.refused(5, &["row", "; more nodes, a tolerance or float64 may bring that down"]);
    // What fails can be looked at.
    assert_eq!(fields(&place.read("out.csv")).len(), 1 + ROWS);
    place.refuses(&["--method", "saliency", "--max-delta", "1"], 2, &["no delta"]);
    // The advice names what the method takes and the request has not.
    for (arguments, advice) in [
        (&["--nodes", "2", "--precision", "float64"][..], "; more nodes or a tolerance may"),
        (&["--tolerance", "0.1"], "; a smaller tolerance or float64 may"),
        (
            &["--method", "layer_conductance", "--layer", "relu0", "--nodes", "2"],
            "; more nodes or float64 may",
        ),
        (&["--method", "deep_lift"], "; float64 may"),
    ] {
        place.refuses(&[arguments, &["--max-delta", "1e-15"]].concat(), 5, &[advice]);
    }
}

#[test]
fn a_tolerance_is_held_row_by_row() {
    let place = Place::new();
    let relative = |more: &[&str]| {
        place.explain(&[&["--output", "out.csv", "--precision", "float64"], more].concat());
        let record: serde_json::Value = serde_json::from_str(&place.read("out.record.json")).unwrap();
        let evaluations = record["computed"]["evaluations_per_row"]["backward"].as_u64().unwrap();
        (record["completeness"]["max_relative"].as_f64().unwrap(), evaluations)
    };
    assert!(relative(&["--nodes", "10"]).0 > 1e-3);
    let (found, evaluations) = relative(&["--nodes", "10", "--tolerance", "1e-5", "--max-delta", "1e-5"]);
    assert!(found <= 1e-5 && evaluations > 32, "{found}, {evaluations} evaluations");
    // Float32 does not come down to this, which is said and written.
    let ran =
        place.run(&["explain", "model.onnx", "clients.csv", "--tolerance", "1e-12", "--output", "out.csv"]);
    assert!(ran.code == 0 && ran.stderr.contains("more than the tolerance"), "{}", ran.stderr);
    assert!(ran.stderr.contains("float64"), "{}", ran.stderr);
    place.refuses(&["--tolerance", "0"], 2, &["between 0 and 1"]);
    place.refuses(&["--method", "saliency", "--tolerance", "0.1"], 2, &["does not take tolerance"]);
}

#[test]
fn the_global_table() {
    let place = Place::new();
    let rows = place.explain(&["--format", "csv", "--precision", "float64"]);
    let global = place.explain(&["--format", "csv", "--precision", "float64", "--global"]);
    let head = "target,feature,rows,sum,share,mean_magnitude,active_rows,mean_where_active,cancelled";
    assert_eq!(fields(&global)[0].join(","), head);
    for (i, name) in ["age", "job", "balance", "loan"].iter().enumerate() {
        let a = column(&rows, &format!("attribution.{name}"));
        let (sum, size): (f64, f64) = (a.iter().sum(), a.iter().map(|x| x.abs()).sum());
        assert!((column(&global, "sum")[i] - sum).abs() < 1e-9);
        assert!((column(&global, "cancelled")[i] - (1.0 - sum.abs() / size)).abs() < 1e-9);
        assert!((column(&global, "mean_magnitude")[i] - size / ROWS as f64).abs() < 1e-9);
    }
    assert!((column(&global, "share").iter().map(|s| s.abs()).sum::<f64>() - 1.0).abs() < 1e-9);
    let wide = place.explain(&["--format", "csv", "--global", "--no-fold"]);
    // A one-hot column is active in the rows of its category.
    let students = place.read("clients.csv").matches("student").count() as f64;
    let place_of = fields(&wide)[1..].iter().position(|r| r[1] == "job_student").unwrap();
    assert_eq!(column(&wide, "active_rows")[place_of], students);
    assert!(place.explain(&["--global"]).contains("mean where active"));
}

#[test]
fn tables_for_people() {
    let place = Place::new();
    let few = place.explain(&["--rows", "test[0..2]"]);
    assert!(
        few.contains("Integrated Gradients, 2 rows") && few.contains("F(baseline)") && few.contains("truth"),
        "{few}"
    );
    let many = place.explain(&[]);
    assert!(many.contains("60 rows") && many.contains("cancelled") && !many.contains('\u{1b}'), "{many}");
    let ran = place.run(&["explain", "model.onnx", "clients.csv", "--profile", "--format", "csv"]);
    assert!(ran.stderr.contains("Gemm") && ran.stderr.contains('%'), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("row,"));
}

#[test]
fn every_method() {
    let place = Place::new();
    for info in pellucid::METHODS {
        let mut arguments = vec!["--method", info.name, "--format", "csv", "--rows", "0..10"];
        if info.has_layer {
            place.refuses(&["--method", info.name], 2, &["layer"]);
            arguments.extend(["--layer", "relu0"]);
        }
        let text = place.explain(&arguments);
        assert_eq!(fields(&text).len(), 11, "{}", info.name);
        assert_eq!(text.contains("attribution.relu0[5]"), info.has_layer, "{}", info.name);
    }
    place.refuses(&["--method", "lime"], 2, &["lime", "integrated_gradients"]);
    place.refuses(&["--method", "saliency", "--nodes", "5"], 2, &["n_steps"]);
    place.refuses(&["--method", "layer_conductance", "--layer", "relu9"], 2, &["relu9", "relu0"]);
}
