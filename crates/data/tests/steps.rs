//! Steps: missing values, categories, lineage, and one test for each refusal.

use std::collections::BTreeMap;

use pellucid_data::ErrorKind;
use pellucid_data::steps::{
    CategoryMissing, ColumnOptions, Decoded, NumericMissing, Order, Preprocessing, Role, Scale, StepsOptions,
    TwoValued, Unknown, fit,
};
use pellucid_data::table::{Batch, Cell, CsvReader, ReadOptions, Rows};

fn table(text: &str) -> Batch {
    let input = std::io::Cursor::new(text.as_bytes().to_vec());
    CsvReader::new("t.csv", input, &ReadOptions::default()).unwrap().read_all().unwrap()
}

fn fitted(text: &str, options: &StepsOptions) -> pellucid_data::Result<Preprocessing> {
    let table = table(text);
    fit(&table, &table.schema().names(), None, options)
}

fn names(steps: &Preprocessing) -> Vec<&str> {
    steps.tensor_columns().iter().map(|c| c.name.as_str()).collect()
}

const GAPS: &str = "a,k,c\n1,5,x\nNA,5,y\n4,5,\n10,5,x\nNA,5,y\n";

#[test]
fn missing_values_by_mean_and_as_a_category() {
    let mut options = StepsOptions::default();
    options.numeric.indicator = true;
    let steps = fitted(GAPS, &options).unwrap();
    assert_eq!(names(&steps), ["a", "k", "a_missing", "c_x", "c_y", "c_nan"]);
    let deviation = 14f64.sqrt();
    let expected = [
        [-4.0 / deviation, 0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        [-1.0 / deviation, 0.0, 0.0, 0.0, 0.0, 1.0],
        [5.0 / deviation, 0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
    ];
    let encoded: Vec<f64> = steps.encode_to_vec(&table(GAPS)).unwrap();
    assert!(encoded.iter().zip(expected.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-15), "{encoded:?}");
    let decoded = steps.decode(&encoded[6..12]).unwrap();
    assert_eq!(decoded[0], Decoded::Imputed(5.0));
    assert_eq!(steps.decode(&encoded[12..18]).unwrap()[2], Decoded::Value(Cell::Missing));
}

#[test]
fn missing_values_by_median_and_most_frequent() {
    let mut options = StepsOptions { order: Order::Table, ..Default::default() };
    options.numeric.missing = NumericMissing::Median;
    options.numeric.scale = Scale::None;
    options.categorical.missing = CategoryMissing::MostFrequent;
    let steps = fitted(GAPS, &options).unwrap();
    let encoded: Vec<f64> = steps.encode_to_vec(&table(GAPS)).unwrap();
    let expected =
        [[1., 5., 1., 0.], [4., 5., 0., 1.], [4., 5., 1., 0.], [10., 5., 1., 0.], [4., 5., 0., 1.]];
    assert_eq!(encoded, expected.as_flattened());
    let means: Vec<f64> = (0..4).map(|c| expected.iter().map(|r| r[c]).sum::<f64>() / 5.0).collect();
    assert!(steps.training_mean().iter().zip(&means).all(|(a, b)| (a - b).abs() < 1e-15));
}

#[test]
fn missing_values_refused() {
    let mut options = StepsOptions::default();
    options.numeric.missing = NumericMissing::Refuse;
    let error = fitted(GAPS, &options).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, line 3, column \"a\": a missing value, which the options refuse");
    let steps = fitted("a\n1\n2\n", &options).unwrap();
    let error = steps.encode_to_vec::<f64>(&table("a,b\n1,1\nNA,2\n")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingValue) && error.place().line == Some(3));
    options.numeric.missing = NumericMissing::Mean;
    options.categorical.missing = CategoryMissing::Refuse;
    let error = fitted(GAPS, &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingValue) && error.place().line == Some(4));
}

#[test]
fn an_unknown_category() {
    let text = "c,n\nb,1\na,2\n";
    let steps = fitted(text, &StepsOptions::default()).unwrap();
    let error = steps.encode_to_vec::<f32>(&table("c,n\na,1\nz,2\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv, line 3, column \"c\": unknown category \"z\"; the training rows have \"a\", \"b\""
    );
    let error = steps.encode_to_vec::<f32>(&table("c,n\na,1\n,2\n")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownCategory { value, .. } if value == "missing"));
    let mut options = StepsOptions::default();
    options.categorical.unknown = Unknown::Ignore;
    let steps = fitted(text, &options).unwrap();
    let encoded: Vec<f64> = steps.encode_to_vec(&table("c,n\nz,1\n")).unwrap();
    assert_eq!(encoded[1..], [0.0, 0.0]);
}

#[test]
fn two_values_in_one_column() {
    let mut options = StepsOptions::default();
    options.categorical.two_valued = TwoValued::OneColumn;
    let text = "c,d,b\nno,x,true\nyes,y,false\nno,z,true\n";
    let steps = fitted(text, &options).unwrap();
    assert_eq!(names(&steps), ["c_yes", "d_x", "d_y", "d_z", "b_true"]);
    let encoded: Vec<f64> = steps.encode_to_vec(&table(text)).unwrap();
    assert_eq!(encoded[..10], [0., 1., 0., 0., 1., 1., 0., 1., 0., 0.]);
    assert_eq!(steps.decode(&encoded[..5]).unwrap()[0], Decoded::Value(Cell::Text("no".into())));
    assert_eq!(steps.decode(&encoded[5..10]).unwrap()[2], Decoded::Value(Cell::Bool(false)));
}

#[test]
fn numbers_that_code_categories() {
    let mut options = StepsOptions::default();
    let own = ColumnOptions { role: Some(Role::Categorical), ..Default::default() };
    options.columns.insert("k".into(), own);
    let steps = fitted("k,x\n10,1\n-2,2\n2,3\n10,4\n", &options).unwrap();
    assert_eq!(names(&steps), ["x", "k_-2", "k_2", "k_10"]);
    let encoded: Vec<f64> = steps.encode_to_vec(&table("k,x\n2.0,2.5\n")).unwrap();
    assert_eq!(encoded, [0.0, 0.0, 1.0, 0.0]);
    let error = steps.encode_to_vec::<f64>(&table("k,x\n2.5,2.5\n")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownCategory { .. }));
    let error = fitted("k,x\n9007199254740993,1\n1,2\n", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ColumnType { .. }), "{error}");
}

#[test]
fn columns_of_another_type_or_missing() {
    let steps = fitted("c,n\nb,1\na,2\n", &StepsOptions::default()).unwrap();
    let error = steps.encode_to_vec::<f64>(&table("c,n\na,x\n")).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, line 2, column \"n\": expected a number, found \"x\"");
    let error = steps.encode_to_vec::<f64>(&table("c,n\n1,1\n")).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, line 2, column \"c\": expected text, found 1 (a whole number)");
    let error = steps.encode_to_vec::<f64>(&table("c,m\na,1\n")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingColumn { name, .. } if name == "n"));
    let error = fit(&table("a\n1\n"), &["b".into()], None, &StepsOptions::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingColumn { .. }));
    let mut options = StepsOptions::default();
    let own = ColumnOptions { role: Some(Role::Numeric), ..Default::default() };
    options.columns.insert("c".into(), own);
    assert!(matches!(fitted("c\nx\ny\n", &options).unwrap_err().kind(), ErrorKind::ColumnType { .. }));
}

#[test]
fn what_cannot_be_fitted() {
    let error = fitted("a,b\nNA,1\nNA,2\n", &StepsOptions::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooFewRows(_)) && error.place().column.as_deref() == Some("a"));
    let mut options = StepsOptions::default();
    options.categorical.max_categories = 2;
    let error = fitted("c\nx\ny\nz\n", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooManyCategories { limit: 2 }));
    assert_eq!(error.place().line, Some(4));
}

#[test]
fn attributions_fold_to_their_source() {
    let mut options = StepsOptions::default();
    options.numeric.indicator = true;
    let steps = fitted(GAPS, &options).unwrap();
    let mut folded = [0.0; 6];
    let values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, -1.0, 0.0, 0.5, 0.0, 0.0, 0.25];
    steps.fold(&values, &mut folded).unwrap();
    assert_eq!(folded, [5.0, 2.0, 56.0, -0.5, 0.0, 0.25]);
    assert!(steps.fold(&values[1..], &mut folded).is_err());
    assert!(steps.fold(&values, &mut folded[1..]).is_err());
}

#[test]
fn a_baseline_that_no_row_has() {
    let steps = fitted("n,c\n1,a\n3,b\n2,c\n", &StepsOptions::default()).unwrap();
    let decoded = steps.decode(&[0.0f32; 4]).unwrap();
    assert_eq!(decoded[0], Decoded::Value(Cell::Number(2.0)));
    assert_eq!(decoded[1].to_string(), "impossible: its 3 one-hot columns sum to 0, which is no category");
    let decoded = steps.decode(&steps.training_mean()).unwrap();
    assert_eq!(decoded[1].to_string(), "impossible: a mixture of categories (a 0.333, b 0.333, c 0.333)");
    assert_eq!(
        steps.decode(&[0.0, 1.0, 1.0, 0.0]).unwrap()[1].to_string(),
        "impossible: its 3 one-hot columns sum to 2"
    );
    assert!(matches!(steps.decode(&[0.0]).unwrap_err().kind(), ErrorKind::Size { .. }));
    let cells =
        BTreeMap::from([("n".to_owned(), Cell::Integer(3)), ("c".to_owned(), Cell::Text("b".into()))]);
    assert_eq!(steps.encode_cells("baseline", &cells).unwrap()[1..], [0.0, 1.0, 0.0]);
    let cells = BTreeMap::from([("n".to_owned(), Cell::Integer(3))]);
    let error = steps.encode_cells("baseline", &cells).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingColumn { name, .. } if name == "c"));
    let cells = BTreeMap::from([("n".to_owned(), Cell::Text("3".into())), ("c".to_owned(), Cell::Missing)]);
    let error = steps.encode_cells("baseline", &cells).unwrap_err();
    assert_eq!(error.to_string(), "baseline, column \"n\": expected a number, found \"3\"");
}

#[test]
fn a_record_is_checked_when_it_is_read() {
    let mut options = StepsOptions::default();
    options.numeric.indicator = true;
    let steps = fitted(GAPS, &options).unwrap();
    let json = serde_json::to_string(&steps).unwrap();
    assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), steps);
    let broken = [
        ("\"version\":1", "\"version\":2"),
        ("\"scale\":1.0", "\"scale\":0.0"),
        ("[\"x\",\"y\",null]", "[\"y\",\"x\",null]"),
        ("[\"x\",\"y\",null]", "[\"x\",\"x\",null]"),
        ("[\"x\",\"y\",null]", "[\"x\",\"y\"]"),
        ("[\"x\",\"y\",null]", "[\"x\",\"y\",1]"),
        ("\"name\":\"k\"", "\"name\":\"a\""),
        ("\"drop_first\":false", "\"drop_first\":true"),
        ("\"rows\":5", "\"row\":5"),
    ];
    for (from, to) in broken {
        assert!(json.contains(from), "{from} is not in {json}");
        assert!(serde_json::from_str::<Preprocessing>(&json.replace(from, to)).is_err(), "{to}");
    }
}
