//! `pellucid export`: the preprocessing of a model as ONNX nodes, and what can be done with a model that takes columns.

mod common;

use std::path::Path;

use common::{Place, column, fields, network};
use pellucid_data::metadata::{KEY, Metadata};
use pellucid_data::steps::{
    self, CategoryMissing, ColumnOptions, NumericMissing, Role, StepsOptions, TwoValued, Unknown,
};
use pellucid_data::table::{self, ReadOptions};
use pellucid_data::target::{Target, TargetOptions};

/// Clients with missing numbers and texts, categories in numbers, and truth values.
fn clients() -> String {
    let jobs = ["admin", "student", "retired", ""];
    let mut text = "age,balance,job,loan,campaign,member,y\n".to_owned();
    for i in 0..40usize {
        let age = if i % 9 == 4 { String::new() } else { (20 + (i * 7) % 50).to_string() };
        let (job, loan) = (jobs[(i * i + i / 4) % 4], if i % 4 == 1 { "yes" } else { "no" });
        let (balance, campaign, member) = ((i as i64 * 97) % 1000 - 200, 1 + i % 3, i % 5 < 2);
        text.push_str(&format!("{age},{balance},{job},{loan},{campaign},{member},{}\n", i % 7 % 2));
    }
    text
}

/// A model with every kind of step that can be written, beside its table.
fn rich(place: &Place) -> StepsOptions {
    let mut options = StepsOptions::default();
    options.numeric.indicator = true;
    options.numeric.missing = NumericMissing::Median;
    options.categorical.missing = CategoryMissing::MostFrequent;
    options.categorical.unknown = Unknown::Ignore;
    options.categorical.two_valued = TwoValued::OneColumn;
    options.columns.insert(
        "campaign".to_owned(),
        ColumnOptions { role: Some(Role::Categorical), ..ColumnOptions::default() },
    );
    save(place, &options);
    options
}

fn save(place: &Place, options: &StepsOptions) {
    let path = place.write("rich.csv", clients());
    let table = table::read(&path, &ReadOptions::default()).unwrap();
    let features = ["age", "balance", "job", "loan", "campaign", "member"].map(str::to_owned);
    let steps = steps::fit(&table, &features, None, options).unwrap();
    let target = Target::fit(&table, "y", None, &TargetOptions::default()).unwrap();
    let mut network = network(&[steps.width(), 6, 1]);
    network.metadata.insert(KEY.to_owned(), Metadata::new(steps, Some(target), None).to_json().unwrap());
    network.save(place.path("rich.onnx")).unwrap();
}

/// Rows with what training had and what it had not.
const ROWS: &str = "age,balance,job,loan,campaign,member\n\
    30,500,student,yes,2,true\n,,,,,\n61,-150.5,astronaut,no,99,false\n44,1e4,retired,no,1,true\n,0,admin,yes,3,\n";

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export")
}

fn explained(place: &Place, model: &str, more: &[&str]) -> common::Ran {
    let ran = place.run(&[&["explain", model, "rows.csv", "--format", "csv"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

/// Exports a model to a file that is to be as the committed one of its name; UPDATE_FILES=1 puts it there.
fn exported(place: &Place, model: &str, name: &str) {
    let ran = place.run(&["export", model, name]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written = std::fs::read(place.path(name)).unwrap();
    if std::env::var_os("UPDATE_FILES").is_some() {
        std::fs::write(committed().join(name), &written).unwrap();
    }
    assert!(
        written == std::fs::read(committed().join(name)).unwrap(),
        "another file than tests/export/{name}"
    );
}

/// `tests/export/expected.csv` is what ONNX Runtime gives for the committed file; `make.py` beside it writes it, and is to be run again where that
/// file changes.
#[test]
fn the_written_file_gives_what_onnx_runtime_gives() {
    let place = Place::new();
    rich(&place);
    exported(&place, "rich.onnx", "raw.onnx");
    assert_eq!(ROWS, std::fs::read_to_string(committed().join("rows.csv")).unwrap());
    place.write("rows.csv", ROWS);
    let expected = std::fs::read_to_string(committed().join("expected.csv")).unwrap();
    let want = column(&expected, "logit");
    for model in ["rich.onnx", "raw.onnx"] {
        let got = column(&explained(&place, model, &["--method", "saliency"]).stdout, "output");
        assert_eq!(got.len(), 5);
        for (g, w) in got.iter().zip(&want) {
            assert!((g - w).abs() < 1e-5, "{model}: {got:?}, expected {want:?}");
        }
    }
}

/// A network for the clients of a bank, trained as the recipe of `examples/01-bank` says for a tenth of its epochs, and what is written for it. The
/// Python package's tests hold the latter against ONNX Runtime.
#[test]
fn the_file_written_for_a_bank_scores_its_raw_rows() {
    let place = Place::new();
    place.write("bank.onnx", std::fs::read(committed().join("bank.onnx")).unwrap());
    assert_eq!(place.run(&["export", "bank.onnx", "bank-raw.onnx"]).code, 0);
    let written = std::fs::read(place.path("bank-raw.onnx")).unwrap();
    if std::env::var_os("UPDATE_FILES").is_some() {
        std::fs::write(committed().join("bank-raw.onnx"), &written).unwrap();
    }
    assert!(
        written == std::fs::read(committed().join("bank-raw.onnx")).unwrap(),
        "another file than tests/export/bank-raw.onnx"
    );
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/01-bank/bank.csv");
    let [own, raw] = ["bank.onnx", "bank-raw.onnx"].map(|model| {
        let table = table.to_str().unwrap();
        let ran = place.run(&["explain", model, table, "--method", "saliency", "--format", "csv"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        column(&ran.stdout, "output")
    });
    assert_eq!((own.len(), raw.len()), (4521, 4521));
    assert!(own.iter().zip(&raw).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn columns_of_texts_are_held_fixed_or_replaced() {
    let place = Place::new();
    rich(&place);
    place.write("rows.csv", ROWS);
    assert_eq!(place.run(&["export", "rich.onnx", "raw.onnx"]).code, 0);
    place.run(&["export", "rich.onnx", "./rich.onnx"]).refused(2, &["rich.onnx", "another file"]);
    let some = ["--rows", "0,3"];
    let line = explained(&place, "raw.onnx", &[&some[..], &["--method", "integrated_gradients"]].concat());
    assert!(line.stderr.contains("held fixed: job, loan (texts"), "{}", line.stderr);
    let head = fields(&line.stdout)[0].join(",");
    assert!(
        head.ends_with("attribution.age,attribution.balance,attribution.campaign,attribution.member"),
        "{head}"
    );
    let ablated = |baseline: &str| {
        let more = [&some[..], &["--method", "feature_ablation", "--baseline", baseline]].concat();
        explained(&place, "raw.onnx", &more)
    };
    let job = ablated("job=admin");
    assert!(
        job.stderr.contains("held fixed: age, balance, loan, campaign, member (no baseline"),
        "{}",
        job.stderr
    );
    assert!(
        fields(&job.stdout)[0].join(",").ends_with("delta,attribution.job")
            || job.stdout.contains("attribution.job")
    );
    // Row 3 with the job of row 0 is what ablation compares it with.
    let all = ablated("row:0");
    let (output, moved) = (column(&all.stdout, "output"), column(&all.stdout, "attribution.job"));
    let text = ROWS.replace("44,1e4,retired", "44,1e4,student");
    place.write("rows.csv", text);
    let other =
        column(&explained(&place, "raw.onnx", &["--method", "saliency", "--rows", "3"]).stdout, "output");
    assert!((output[1] - other[0] - moved[1]).abs() < 1e-5, "{output:?} {other:?} {moved:?}");
    assert_eq!(moved[0], 0.0);
    assert!(moved[1] != 0.0);
}

#[test]
fn what_onnx_cannot_say_is_refused_by_name() {
    let place = Place::new();
    let mut options = rich(&place);
    options.columns.clear();
    options.columns.insert("job".to_owned(), {
        let categorical =
            steps::CategoricalOptions { missing: CategoryMissing::Refuse, ..options.categorical };
        ColumnOptions { categorical: Some(categorical), ..ColumnOptions::default() }
    });
    let table = clients().replace(",,no", ",admin,no").replace(",,yes", ",admin,yes");
    let full = place.write("full.csv", &table);
    let batch = table::read(&full, &ReadOptions::default()).unwrap();
    let features = ["balance", "job"].map(str::to_owned);
    let steps = steps::fit(&batch, &features, None, &options).unwrap();
    let mut network = network(&[steps.width(), 1]);
    network.metadata.insert(KEY.to_owned(), Metadata::new(steps, None, None).to_json().unwrap());
    network.save(place.path("strict.onnx")).unwrap();
    place.run(&["export", "strict.onnx", "raw.onnx"]).refused(2, &["\"job\"", "missing category"]);
    assert!(!place.path("raw.onnx").exists());
}

/// A model of codes that 32-bit floats do not tell from others.
fn save_codes(place: &Place, missing: CategoryMissing) {
    let codes = [16_777_216i64, 16_777_218, 8_999_999_999_999_999, -3];
    let mut text = "code,x\n".to_owned();
    (0..24).for_each(|i| text.push_str(&format!("{},{}\n", codes[i % 4], i % 5)));
    let path = place.write("codes.csv", text);
    let table = table::read(&path, &ReadOptions::default()).unwrap();
    let mut options = StepsOptions::default();
    options.categorical.unknown = Unknown::Ignore;
    options.categorical.missing = missing;
    options.columns.insert(
        "code".to_owned(),
        ColumnOptions { role: Some(Role::Categorical), ..ColumnOptions::default() },
    );
    let steps = steps::fit(&table, &["code", "x"].map(str::to_owned), None, &options).unwrap();
    let mut network = network(&[steps.width(), 1]);
    network.metadata.insert(KEY.to_owned(), Metadata::new(steps, None, None).to_json().unwrap());
    network.save(place.path("own.onnx")).unwrap();
}

/// The Python package's tests hold the written file against ONNX Runtime.
#[test]
fn codes_beyond_32_bit_floats_are_told_apart() {
    let place = Place::new();
    save_codes(&place, CategoryMissing::Category);
    exported(&place, "own.onnx", "codes.onnx");
    let codes = "16777216 16777217 16777218 8999999999999999 8999999999999998 -3 -4";
    let rows: String = codes.split(' ').map(|code| format!("{code},1\n")).collect();
    place.write("rows.csv", format!("code,x\n{rows}"));
    let [own, raw] = ["own.onnx", "codes.onnx"]
        .map(|model| column(&explained(&place, model, &["--method", "saliency"]).stdout, "output"));
    assert!(own.iter().zip(&raw).all(|(a, b)| (a - b).abs() < 1e-6), "{own:?} {raw:?}");
    assert_eq!((own.len(), raw.len()), (7, 7));
    let unknown = raw[1];
    assert_eq!((raw[4], raw[6]), (unknown, unknown));
    assert!([0, 2, 3, 5].iter().all(|&i: &usize| raw[i] != unknown), "{raw:?}");
    save_codes(&place, CategoryMissing::MostFrequent);
    place.run(&["export", "own.onnx", "refused.onnx"]).refused(2, &["\"code\"", "16777216", "missing"]);
}
