//! The selection language: what it selects, and where its errors point.

use pellucid_data::ErrorKind;
use pellucid_data::select::Selection;
use pellucid_data::split::{Part, Split};
use pellucid_data::table::{Batch, CsvReader, ReadOptions, Rows};

const TEXT: &str = "age,job,ok,capital gain\n25,student,true,0\n35,admin.,false,1\n45,student,true,2\n55,,false,\n\
                    65,retired,true,4\n";

fn reader() -> CsvReader {
    CsvReader::new("t.csv", std::io::Cursor::new(TEXT), &ReadOptions::default()).unwrap()
}

fn split() -> Split {
    use Part::{Test, Train, Validation};
    Split::from_parts(vec![Train, Test, Test, Validation, Test])
}

#[track_caller]
fn selects(text: &str, expected: &[usize]) {
    let selection = Selection::parse(text).unwrap();
    assert_eq!(selection.rows(&reader().read_all().unwrap(), Some(&split())).unwrap(), expected, "{text}");
    // In batches of two rows the same rows come out.
    let mut reader = reader();
    let filter = selection.bind(reader.schema(), Some(&split())).unwrap();
    let (mut batch, mut rows, mut all) = (Batch::new(reader.schema().clone()), Vec::new(), Vec::new());
    while reader.fill(&mut batch, 2).unwrap() > 0 {
        rows.clear();
        filter.select(&batch, &mut rows);
        all.extend(rows.iter().map(|r| r + batch.first_row() as usize));
    }
    assert_eq!(all, expected, "{text}");
    if let Some(end) = filter.end() {
        assert!(expected.iter().all(|&r| (r as u64) < end));
    }
}

#[test]
fn rows_ranges_and_parts() {
    selects("3", &[3]);
    selects("4, 0..2, 1", &[0, 1, 4]);
    selects("2..=3", &[2, 3]);
    selects("test", &[1, 2, 4]);
    selects("test[0, 2]", &[1, 4]);
    selects("test[1..3]", &[2, 4]);
    selects("validation || train", &[0, 3]);
    selects("all", &[0, 1, 2, 3, 4]);
    selects("!test && !0", &[3]);
}

#[test]
fn conditions() {
    selects("age > 30 && job == \"student\"", &[2]);
    selects("age >= 35 && age <= 45", &[1, 2]);
    selects("age<35||age>55", &[0, 4]);
    selects("job in ['student', 'retired']", &[0, 2, 4]);
    selects("age in [25, 6.5e1]", &[0, 4]);
    selects("ok == false", &[1, 3]);
    selects("ok != false", &[0, 2, 4]);
    selects("`capital gain` >= 1", &[1, 2, 4]);
    selects("test && (job == 'student' || age == 65)", &[2, 4]);
    selects("age > -1", &[0, 1, 2, 3, 4]);
    selects("job < \"b\"", &[1]);
}

#[test]
fn a_missing_value_is_compared_with_nothing() {
    selects("job != \"student\"", &[1, 4]);
    selects("job is missing", &[3]);
    selects("!(`capital gain` is missing)", &[0, 1, 2, 4]);
    selects("!(job == \"student\")", &[1, 3, 4]);
}

#[test]
fn columns_that_are_looked_at() {
    let selection = Selection::parse("age > 1 && (job == \"a\" || age < 3) && test").unwrap();
    assert_eq!(selection.columns(), ["age", "job"]);
}

#[track_caller]
fn fails(text: &str, at: usize, message: &str) {
    let table = reader().read_all().unwrap();
    let error = Selection::parse(text).and_then(|s| s.rows(&table, Some(&split()))).unwrap_err();
    let ErrorKind::Selection { position, message: got, expression } = error.kind() else { panic!("{error}") };
    assert_eq!((*position, expression.as_str()), (at, text), "{error}");
    assert!(got.contains(message), "{got}");
}

#[test]
fn errors_point_at_the_character() {
    fails("", 0, "expected rows, a part of the split or a condition");
    fails("age > 30 and ok", 9, "expected &&");
    fails("age > 30 & ok == true", 9, "\"and\" is written &&");
    fails("age = 30", 4, "equality is written ==");
    fails("job == student", 7, "text is written \"student\"");
    fails("job == \"student", 7, "not closed");
    fails("job == 3", 7, "\"job\" holds text, this is a number");
    fails("age == \"3\"", 7, "\"age\" holds a whole number, this is text");
    fails("ok < true", 5, "no order");
    fails("salary > 3", 0, "no column named \"salary\"; the columns are \"age\", \"job\"");
    fails("tset", 0, "\"tset\" is no part of the split");
    fails("test[3]", 0, "test has 3 rows");
    fails("test[0", 6, "expected ]");
    fails("5..5", 0, "a range without rows");
    fails("1.5", 0, "1.5 is no row");
    fails("-1", 0, "-1 is no row");
    fails("99", 0, "none of the 5 rows is selected");
    fails("(age > 3", 8, "expected a closing bracket");
    fails("age >", 5, "expected a number");
    fails("age > 1e999", 6, "is no number");
    fails("age § 3", 4, "does not belong here");
    fails("\"age\" > 3", 0, "a column's name is written without quotation marks");
    fails("age in 3", 7, "expected a list");
    fails("age is here", 7, "expected \"missing\"");
    let deep = "(".repeat(100_000);
    fails(&deep, 64, "too many brackets");
    let error = Selection::parse("test").unwrap().bind(reader().schema(), None).unwrap_err();
    assert_eq!(error.to_string(), "there is no split to take rows from\n  test\n  ^");
}
