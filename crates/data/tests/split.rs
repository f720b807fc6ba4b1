//! Splits: exact sizes, what is refused, and the assignment's file.

use pellucid_data::ErrorKind;
use pellucid_data::split::{Part, Split, SplitOptions};
use pellucid_data::table::{Batch, CsvReader, ReadOptions, Rows};

fn table(classes: &[(&str, usize)]) -> Batch {
    let mut text = "y,i\n".to_owned();
    for (class, rows) in classes {
        (0..*rows).for_each(|i| text.push_str(&format!("{class},{i}\n")));
    }
    let input = std::io::Cursor::new(text.into_bytes());
    CsvReader::new("t.csv", input, &ReadOptions::default()).unwrap().read_all().unwrap()
}

fn stratified(validation: f64, test: f64, seed: u64) -> SplitOptions {
    SplitOptions::Stratified { validation, test, seed, column: Some("y".into()) }
}

#[test]
fn every_class_has_its_share_to_one_row() {
    let classes = [("a", 501), ("b", 77), ("c", 13), ("d", 4)];
    let table = table(&classes);
    let y = table.column("y").unwrap();
    for (validation, test) in [(0.0, 0.2), (0.1, 0.2), (0.25, 0.25), (0.2, 0.0)] {
        let split = Split::make(&table, &stratified(validation, test, 3), None).unwrap();
        for (part, share) in [(Part::Test, test), (Part::Validation, validation)] {
            assert_eq!(split.count(part), (595.0 * share - 1e-9).ceil() as usize);
            for (class, rows) in classes {
                let got = split.rows(part).into_iter().filter(|&r| y.text(r) == Some(class)).count();
                assert!((got as f64 - rows as f64 * share).abs() <= 1.0 + 1e-9, "{part} {class} {got}");
            }
        }
    }
}

#[test]
fn shares_that_are_whole_but_for_rounding() {
    let table = table(&[("a", 10)]);
    let options = SplitOptions::Random { validation: 0.1, test: 0.3, seed: 0 };
    let split = Split::make(&table, &options, None).unwrap();
    assert_eq!(Part::ALL.map(|p| split.count(p)), [6, 1, 3]);
}

#[test]
fn too_few_rows_or_shares_without_sense() {
    let small = table(&[("a", 10), ("b", 2)]);
    let error = Split::make(&small, &stratified(0.2, 0.2, 0), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv, column \"y\": the value \"b\" has 2 rows, too few for a stratified split into 3 parts"
    );
    let many = table(&[("a", 4), ("b", 4), ("c", 4)]);
    assert!(matches!(
        Split::make(&many, &stratified(0.0, 0.1, 0), None).unwrap_err().kind(),
        ErrorKind::TooFewRows(_)
    ));
    let one = table(&[("a", 1)]);
    let options = SplitOptions::Random { validation: 0.0, test: 0.5, seed: 0 };
    assert!(matches!(Split::make(&one, &options, None).unwrap_err().kind(), ErrorKind::TooFewRows(_)));
    for (validation, test) in [(0.5, 0.5), (-0.1, 0.2), (0.0, 1.0), (f64::NAN, 0.1)] {
        let options = SplitOptions::Random { validation, test, seed: 0 };
        let error = Split::make(&small, &options, None).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidOption(_)), "{error}");
    }
    let options = SplitOptions::Stratified { validation: 0.0, test: 0.2, seed: 0, column: None };
    assert!(matches!(Split::make(&small, &options, None).unwrap_err().kind(), ErrorKind::InvalidOption(_)));
}

#[test]
fn by_the_values_of_a_column() {
    let table = table(&[("a", 3), ("b", 2), ("c", 1)]);
    let by = |validation: &[&str], test: &[&str]| SplitOptions::ByColumn {
        column: "y".into(),
        validation: validation.iter().map(|&v| v.to_owned()).collect(),
        test: test.iter().map(|&v| v.to_owned()).collect(),
    };
    let split = Split::make(&table, &by(&["c"], &["b"]), None).unwrap();
    use Part::{Test, Train, Validation};
    assert_eq!(split.parts(), [Train, Train, Train, Test, Test, Validation]);
    let error = Split::make(&table, &by(&[], &["z"]), None).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, column \"y\": no row has the value \"z\"");
    assert!(Split::make(&table, &by(&["b"], &["b"]), None).is_err());
    assert!(Split::make(&table, &by(&["a", "b"], &["c"]), None).is_err());
    let options = SplitOptions::ByColumn { column: "i".into(), validation: vec![], test: vec!["1".into()] };
    assert_eq!(Split::make(&table, &options, None).unwrap().rows(Test), [1, 4]);
}

#[test]
fn the_assignment_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("split.csv");
    let split = Split::make(&table(&[("a", 50), ("b", 30)]), &stratified(0.1, 0.2, 1), None).unwrap();
    split.write(&path).unwrap();
    assert_eq!(Split::read(&path, 80).unwrap(), split);
    let wrong = [
        ("row,split\n0,train\n", "the assignment has 1 rows, the table 2"),
        ("row,split\n0,train\n0,test\n", "line 3, column \"row\": row 0 is given twice"),
        ("row,split\n0,train\n2,test\n", "line 3, column \"row\": 2 is no row of a table of 2 rows"),
        ("row,split\n-1,train\n1,test\n", "line 2, column \"row\": -1 is no row of a table of 2 rows"),
        ("row,split\n0,train\n1,tests\n", "column \"split\": \"tests\" is not train, validation or test"),
        ("row,part\n0,train\n1,test\n", "no column named \"split\""),
    ];
    for (text, message) in wrong {
        std::fs::write(&path, text).unwrap();
        let error = Split::read(&path, 2).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(split.write(folder.path().join("none").join("split.csv")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
