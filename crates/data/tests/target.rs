//! Targets, and the document that holds them with the preprocessing and the split.

use pellucid_data::ErrorKind;
use pellucid_data::metadata::{Metadata, SplitRecord};
use pellucid_data::split::{Part, Split, SplitOptions};
use pellucid_data::steps::{StepsOptions, fit};
use pellucid_data::table::{Batch, Cell, CsvReader, ReadOptions, Rows};
use pellucid_data::target::{Target, TargetKind, TargetOptions, Task};

fn table(text: &str) -> Batch {
    CsvReader::new("t.csv", std::io::Cursor::new(text.to_owned()), &ReadOptions::default())
        .unwrap()
        .read_all()
        .unwrap()
}

fn target(text: &str, options: &TargetOptions) -> pellucid_data::Result<Target> {
    Target::fit(&table(text), "y", None, options)
}

#[test]
fn two_classes() {
    let text = "y,a\nyes,1\nno,2\nno,3\nno,4\nyes,5\n";
    let found = target(text, &TargetOptions::default()).unwrap();
    assert_eq!(found.class_names(), ["no", "yes"]);
    assert_eq!(found.positive_weight(), Some(1.5));
    assert_eq!(found.class_weights(), [5.0 / 6.0, 5.0 / 4.0]);
    let labels = found.encode(&table("y,a\nno,1\nyes,1\n,3\n")).unwrap();
    assert_eq!(labels, [Some(0.0), Some(1.0), None]);
    assert_eq!(found.class("yes").unwrap(), 1);
    let error = found.class("maybe").unwrap_err();
    assert_eq!(error.to_string(), "unknown class \"maybe\"; the classes are \"no\", \"yes\"");
    let options = TargetOptions { positive: Some("no".into()), ..Default::default() };
    let turned = target(text, &options).unwrap();
    assert_eq!(
        (turned.class_names(), turned.positive_weight()),
        (vec!["yes".into(), "no".into()], Some(2.0 / 3.0))
    );
    let error = found.encode(&table("y,a\nno,1\nmaybe,2\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv, line 3, column \"y\": unknown class \"maybe\"; the classes are \"no\", \"yes\""
    );
}

#[test]
fn codes_several_classes_and_numbers() {
    let codes = target("y,a\n1,1\n0,2\n1,3\n", &TargetOptions::default()).unwrap();
    assert_eq!(codes.class_names(), ["0", "1"]);
    assert_eq!(codes.encode(&table("y,a\n1,1\n0.0,2\n")).unwrap(), [Some(1.0), Some(0.0)]);
    let several = target("y,a\nc,1\na,2\nb,3\na,4\n", &TargetOptions::default()).unwrap();
    assert!(matches!(several.task(), Task::Multiclass { counts, .. } if *counts == [2, 1, 1]));
    assert_eq!(several.positive_weight(), None);
    let options = TargetOptions { kind: Some(TargetKind::Classes), ..Default::default() };
    let coded = target("y,a\n10,1\n2,2\n1,3\n", &options).unwrap();
    assert_eq!(coded.class_names(), ["1", "2", "10"]);

    let options = TargetOptions { standardise: true, ..Default::default() };
    let number = target("y,a\n1,1\n2,2\n6,3\n", &options).unwrap();
    let scaled = number.encode(&table("y,a\n3,1\n1,1\n")).unwrap();
    let deviation = (14.0f64 / 3.0).sqrt();
    assert_eq!(scaled[0], Some(0.0));
    assert!((scaled[1].unwrap() + 2.0 / deviation).abs() < 1e-15);
    assert!((number.decode(scaled[1].unwrap()) - 1.0).abs() < 1e-15);
    assert_eq!(target("y,a\n1,1\n2,2\n6,3\n", &TargetOptions::default()).unwrap().decode(2.5), 2.5);
}

#[test]
fn statistics_are_those_of_training_rows() {
    let all = table("y,a\nyes,1\nno,2\nno,3\nyes,4\nyes,5\n");
    use Part::{Test, Train};
    let split = Split::from_parts(vec![Train, Train, Train, Test, Test]);
    let found = Target::fit(&all, "y", Some(&split), &TargetOptions::default()).unwrap();
    assert_eq!(found.positive_weight(), Some(2.0));
}

#[test]
fn what_cannot_be_a_target() {
    let none = TargetOptions::default();
    assert!(matches!(target("y,a\nno,1\nno,2\n", &none).unwrap_err().kind(), ErrorKind::TooFewRows(_)));
    let error = target("y,a\nno,1\n,2\nyes,3\n", &none).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingValue) && error.place().line == Some(3));
    assert!(matches!(target("a,b\nno,1\n", &none).unwrap_err().kind(), ErrorKind::MissingColumn { .. }));
    let options = TargetOptions { positive: Some("maybe".into()), ..Default::default() };
    let error = target("y,a\nno,1\nyes,2\n", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownClass { .. }));
    let options = TargetOptions { positive: Some("a".into()), ..Default::default() };
    let error = target("y,a\na,1\nb,2\nc,2\n", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidOption(_)));
    let options = TargetOptions { kind: Some(TargetKind::Number), ..Default::default() };
    let error = target("y,a\na,1\nb,2\n", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ColumnType { .. }));
}

fn document() -> Metadata {
    let text: String = (0..103).map(|i| format!("{},{i},c{}\n", ["no", "yes"][i % 2], i % 3)).collect();
    let all = table(&format!("y,a,c\n{text}"));
    let options = SplitOptions::Stratified { validation: 0.1, test: 0.2, seed: 4, column: None };
    let split = Split::make(&all, &options, Some("y")).unwrap();
    let steps = fit(&all, &["a".into(), "c".into()], Some(&split), &StepsOptions::default()).unwrap();
    let target = Target::fit(&all, "y", Some(&split), &TargetOptions::default()).unwrap();
    Metadata::new(steps, Some(target), Some(SplitRecord::new(&split, Some(options))))
}

#[test]
fn a_document_comes_back_as_it_was() {
    let document = document();
    let json = document.to_json().unwrap();
    assert!(json.len() < 2000, "{}", json.len());
    let back = Metadata::from_json(&json).unwrap();
    assert_eq!(back, document);
    let record = back.split.unwrap();
    let split = record.split().unwrap().unwrap();
    assert_eq!(split.len(), 103);
    assert_eq!(record.counts, Part::ALL.map(|p| split.count(p) as u64));
    assert!(record.matches(&split));
    assert!(!record.matches(&Split::from_parts(vec![Part::Train; 103])));
    for row in [0, 7, 102] {
        let Some(Task::Binary { classes, .. }) = back.target.as_ref().map(|t| t.task().clone()) else {
            panic!()
        };
        assert_eq!(classes[1], Cell::Text("yes".into()));
        assert!(split.part(row).is_some());
    }
}

#[test]
fn a_broken_document_is_refused() {
    let json = document().to_json().unwrap();
    let refused = |text: &str| Metadata::from_json(text).is_err();
    assert!(refused("") && refused("{}") && refused("[1]") && refused(&json[..json.len() / 2]));
    let error = Metadata::from_json(&json.replacen("\"version\":1", "\"version\":9", 1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    for (from, to) in [
        ("\"rows\":103", "\"rows\":104"),
        ("\"rows\":103", "\"rows\":18446744073709551615"),
        ("\"counts\":[71,", "\"counts\":[70,"),
        ("\"sha256\":\"", "\"sha256\":\"0"),
        ("\"assignment\":\"", "\"assignment\":\"//"),
        ("\"assignment\":\"", "\"assignment\":\"!"),
        ("[\"no\",\"yes\"]", "[\"no\",\"no\"]"),
        ("[\"no\",\"yes\"]", "[\"no\",1]"),
        ("\"column\":\"y\"", "\"column\":\"a\""),
        ("\"target\":", "\"goal\":"),
    ] {
        assert!(json.contains(from), "{from} is not in {json}");
        assert!(refused(&json.replacen(from, to, 1)), "{to}");
    }
}
