//! CSV: what is found out, what is read, and one test for each kind of broken file.

use std::io::Write;

use pellucid_data::ErrorKind;
use pellucid_data::table::{Batch, Cell, ColumnType, CsvOptions, CsvReader, ReadOptions, Rows, open};

fn with(csv: CsvOptions) -> ReadOptions {
    ReadOptions { csv, ..ReadOptions::default() }
}

fn read_bytes(bytes: &[u8], options: &ReadOptions) -> pellucid_data::Result<Batch> {
    CsvReader::new("t.csv", std::io::Cursor::new(bytes.to_vec()), options)?.read_all()
}

fn read(text: &str) -> pellucid_data::Result<Batch> {
    read_bytes(text.as_bytes(), &ReadOptions::default())
}

fn types(batch: &Batch) -> Vec<ColumnType> {
    batch.columns().iter().map(|c| c.column_type()).collect()
}

#[track_caller]
fn fails(result: pellucid_data::Result<Batch>, message: &str) -> pellucid_data::Error {
    let error = result.map(|b| b.rows()).unwrap_err();
    assert_eq!(error.to_string(), message);
    error
}

#[test]
fn types_delimiters_and_header_are_found_out() {
    use ColumnType::{Bool, Float, Integer, Text};
    for d in [",", ";", "\t", "|"] {
        let text =
            "i;f;b;t;m\n1;1.5;true;a;\n-2;NA;FALSE;\"b;,|c\";\n".replace(';', d).replace("\"b;", "\"b");
        let batch = read(&text).unwrap();
        assert_eq!(batch.schema().names(), ["i", "f", "b", "t", "m"]);
        assert_eq!(types(&batch), [Integer, Float, Bool, Text, Float], "{d:?}");
        assert_eq!(batch.column("f").unwrap().cell(1), Cell::Missing);
        assert_eq!(batch.column("b").unwrap().cell(1), Cell::Bool(false));
        assert_eq!(batch.column("m").unwrap().missing_count(), 2);
    }
    let batch = read("1,x\n2,y\n").unwrap();
    assert_eq!((batch.rows(), batch.schema().names()), (2, vec!["column1".into(), "column2".into()]));
    let batch = read("name\nx\n\"a, \"\"b\"\"\"\n").unwrap();
    assert_eq!(batch.column("name").unwrap().text(1), Some("a, \"b\""));
    let batch = read(",a\n0,x\n1,y\n").unwrap();
    assert_eq!(batch.schema().names(), ["column1", "a"]);
}

#[test]
fn what_is_found_out_can_be_set() {
    let csv =
        CsvOptions { delimiter: Some(b'.'), has_header: Some(false), quote: b'\'', ..Default::default() };
    let mut options = with(csv);
    options.types.insert("column2".into(), ColumnType::Text);
    let batch = read_bytes(b"'1'.007\n'2'.8\n", &options).unwrap();
    assert_eq!(types(&batch), [ColumnType::Integer, ColumnType::Text]);
    assert_eq!(batch.columns()[1].text(0), Some("007"));

    let csv =
        CsvOptions { missing: vec!["?".into()], decimal: b',', thousands: Some(b'.'), ..Default::default() };
    let batch = read_bytes(b"a;b\n1.234,5;?\n-2;NA\n", &with(csv)).unwrap();
    assert_eq!(batch.columns()[0].cell(0), Cell::Number(1234.5));
    assert_eq!(
        (batch.columns()[1].cell(0), batch.columns()[1].cell(1)),
        (Cell::Missing, Cell::Text("NA".into()))
    );
}

#[test]
fn columns_are_chosen_in_order() {
    let options = ReadOptions { columns: Some(vec!["c".into(), "a".into()]), ..Default::default() };
    let batch = read_bytes(b"a,b,c\n1,x,3\n", &options).unwrap();
    assert_eq!(batch.schema().names(), ["c", "a"]);
    assert_eq!(batch.columns()[0].number(0), Some(3.0));
}

#[test]
fn rows_stream_and_lines_are_counted() {
    for end in ["\n", "\r\n"] {
        let text = ["a,b", "1,x", "", "2,\"y", "z\"", "3,w", ""].join(end);
        let mut reader =
            CsvReader::new("t.csv", std::io::Cursor::new(text.into_bytes()), &ReadOptions::default())
                .unwrap();
        let batches = reader.batches(2).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(batches.iter().map(Batch::rows).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(batches[1].first_row(), 2);
        let lines = [batches[0].line(0), batches[0].line(1), batches[1].line(0)];
        assert_eq!(lines, [Some(2), Some(4), Some(6)], "{end:?}");
    }
    let batch = read("a,b\n1,2").unwrap();
    assert_eq!((batch.rows(), batch.line(0)), (1, Some(2)));
}

#[test]
fn a_batch_is_reused_after_it_was_widened() {
    let options = with(CsvOptions { sample_rows: 1, ..Default::default() });
    let mut reader = CsvReader::new("t", std::io::Cursor::new(b"a,b\n1,1\n2.5,1\n3,1\n"), &options).unwrap();
    let mut batch = Batch::new(reader.schema().clone());
    assert_eq!(reader.fill(&mut batch, 2).unwrap(), 2);
    assert_eq!(batch.columns()[0].values(), &pellucid_data::table::Values::Float(vec![1.0, 2.5]));
    assert_eq!(reader.fill(&mut batch, 2).unwrap(), 1);
    assert_eq!(batch.columns()[0].cell(0), Cell::Integer(3));
    assert_eq!(reader.fill(&mut batch, 2).unwrap(), 0);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() {
    let batch = read_bytes(b"\xef\xbb\xbf\"a\",b\n1,2\n", &ReadOptions::default()).unwrap();
    assert_eq!(batch.schema().names(), ["a", "b"]);
}

#[test]
fn gzip_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv.gz");
    let mut writer = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), Default::default());
    writer.write_all(b"a;b\n1;x\n2;y\n").unwrap();
    writer.finish().unwrap();
    let batch = open(&path, &ReadOptions::default()).unwrap().read_all().unwrap();
    assert_eq!((batch.rows(), batch.columns()[0].number(1)), (2, Some(2.0)));
}

#[test]
fn a_ragged_line() {
    let error = fails(read("a,b\n1,2\n3\n"), "t.csv, line 3: 1 fields where the first line has 2");
    assert!(matches!(error.kind(), ErrorKind::RaggedLine { expected: 2, found: 1 }));
    assert_eq!((error.place().line, error.place().row), (Some(3), Some(1)));
    fails(read("a,b\n1,2\n3,4,5\n"), "t.csv, line 3: 3 fields where the first line has 2");
}

#[test]
fn a_wrong_delimiter() {
    let options = with(CsvOptions { delimiter: Some(b','), ..Default::default() });
    let message =
        "t.csv: one column only with the delimiter ','; the delimiter looks like ';', which gives 3 columns";
    let error = fails(read_bytes(b"a;b;c\n1;2;3\n", &options), message);
    assert!(matches!(error.kind(), ErrorKind::WrongDelimiter { .. }));
}

#[test]
fn a_missing_column() {
    let options = ReadOptions { columns: Some(vec!["age".into()]), ..Default::default() };
    let error = fails(
        read_bytes(b"a,b\n1,2\n", &options),
        "t.csv: no column named \"age\"; the columns are \"a\", \"b\"",
    );
    assert!(matches!(error.kind(), ErrorKind::MissingColumn { .. }));
}

#[test]
fn a_column_of_another_type() {
    let mut options = ReadOptions::default();
    options.types.insert("a".into(), ColumnType::Integer);
    let error = fails(
        read_bytes(b"a,b\n1,2\nx,3\n", &options),
        "t.csv, line 3, column \"a\": expected a whole number, found \"x\"",
    );
    assert!(matches!(error.kind(), ErrorKind::ColumnType { .. }));
    fails(
        read_bytes(b"a,b\n1,2\n1.5,3\n", &options),
        "t.csv, line 3, column \"a\": expected a whole number, found \"1.5\"",
    );
    options.types.insert("a".into(), ColumnType::Bool);
    fails(
        read_bytes(b"a,b\ntrue,2\n1,3\n", &options),
        "t.csv, line 3, column \"a\": expected true or false, found \"1\"",
    );
    let options = with(CsvOptions { sample_rows: 1, ..Default::default() });
    fails(
        read_bytes(b"a,b\n1,2\nx,3\n", &options),
        "t.csv, line 3, column \"a\": expected a whole number, found \"x\"; the type was found out from the \
         first rows: declare the column as text, or list the value as missing",
    );
}

#[test]
fn an_empty_file_and_a_header_only() {
    assert!(matches!(fails(read(""), "t.csv: the file is empty").kind(), ErrorKind::EmptyFile));
    assert!(matches!(read("\n\n\n").unwrap_err().kind(), ErrorKind::EmptyFile));
    let error = fails(read("a,b\n"), "t.csv: the file has a header and no rows");
    assert!(matches!(error.kind(), ErrorKind::HeaderOnly));
}

#[test]
fn text_that_is_not_utf8() {
    let error = fails(
        read_bytes(b"a,b\n1,x\n2,caf\xe9\n", &ReadOptions::default()),
        "t.csv, line 3, column \"b\": not UTF-8: byte 0xe9 at position 3; the file may be in Latin-1 or Windows-1252",
    );
    assert!(matches!(error.kind(), ErrorKind::NotUtf8 { byte: 0xe9, .. }));
    let error = read_bytes(b"n\xe4me,b\n1,x\n", &ReadOptions::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotUtf8 { byte: 0xe4, offset: 1, .. }));
    fails(
        read_bytes(b"\xff\xfea\0,\0", &ReadOptions::default()),
        "t.csv, line 1: not UTF-8: byte 0xff at position 0; the file is in UTF-16",
    );
}

#[test]
fn a_number_in_another_locales_form() {
    let error = fails(
        read("a;b\r\n\r\n0;\"\"\r\n1;1,5\r\n2;2\r\n"),
        "t.csv, line 4, column \"b\": \"1,5\" is a number in another locale's form; set the decimal mark to ','",
    );
    assert!(matches!(error.kind(), ErrorKind::LocaleNumber { .. }));
    let options = with(CsvOptions { sample_rows: 1, ..Default::default() });
    fails(
        read_bytes(b"a;b\n1;15\n2;1.234,56\n", &options),
        "t.csv, line 3, column \"b\": \"1.234,56\" is a number in another locale's form; set the decimal mark \
         to ',' and the thousands separator to '.'",
    );
}

#[test]
fn nan_and_infinity() {
    for value in ["inf", "-Infinity", "1e999"] {
        let error = read(&format!("a,b\n1,2\n{value},3\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("t.csv, line 3, column \"a\": {value} where a finite number is expected")
        );
        assert!(matches!(error.kind(), ErrorKind::NotFinite { .. }));
    }
    let strict = with(CsvOptions { missing: vec![], ..Default::default() });
    assert!(matches!(
        read_bytes(b"a,b\n1,2\nnan,3\n", &strict).unwrap_err().kind(),
        ErrorKind::NotFinite { .. }
    ));
    let lax = with(CsvOptions { allow_infinite: true, ..Default::default() });
    assert_eq!(
        read_bytes(b"a,b\n1,2\n-inf,3\n", &lax).unwrap().columns()[0].number(1),
        Some(f64::NEG_INFINITY)
    );
    assert_eq!(read("a,b\n1,2\nNaN,3\n").unwrap().columns()[0].cell(1), Cell::Missing);
}

#[test]
fn two_columns_of_one_name() {
    let error = fails(read("a,a\n1,2\n"), "t.csv: two columns are named \"a\"");
    assert!(matches!(error.kind(), ErrorKind::DuplicateColumn(_)));
}

#[test]
fn a_quotation_mark_that_is_never_closed() {
    let message = "t.csv, line 3: a quotation mark that is opened here is never closed";
    fails(read("a,b\n1,2\n\"3,4\n5,6\n7,8\n"), message);
    fails(read("a,b\n1,2\n3,\"4\n5,6\n7,8\n"), message);
}

#[test]
fn a_record_without_end() {
    let options = with(CsvOptions { max_record_bytes: 1000, sample_bytes: 100, ..Default::default() });
    let text = format!("a,b\n1,2\n3,\"{}", "x\n".repeat(200_000));
    let error = fails(
        read_bytes(text.as_bytes(), &options),
        "t.csv, line 3: a record of more than 1000 bytes; a quotation mark may be unclosed",
    );
    assert!(matches!(error.kind(), ErrorKind::RecordTooLong { limit: 1000 }));
}

/// A line of a terabyte, of which no more is read than a record may have.
#[test]
fn a_line_without_end() {
    use std::io::Read;
    for (byte, quoted) in [(b'a', false), (b',', false), (b'"', false), (0, false), (b'1', true)] {
        let head: &[u8] = if quoted { b"a,b\n1,2\n3,\"" } else { b"a,b\n1,2\n" };
        let options =
            with(CsvOptions { max_record_bytes: 1 << 16, sample_bytes: 1 << 12, ..Default::default() });
        let endless = std::io::Cursor::new(head).chain(std::io::repeat(byte).take(1 << 40));
        let error =
            CsvReader::new("t.csv", endless, &options).and_then(|mut r| r.read_all()).map(|b| b.rows());
        let error = error.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::RecordTooLong { .. } | ErrorKind::RaggedLine { .. }),
            "{byte}: {error}"
        );
        assert!(error.to_string().starts_with("t.csv, line 3: "), "{error}");
    }
    // From the first line on.
    let error = CsvReader::new("t.csv", std::io::repeat(b'a').take(1 << 40), &ReadOptions::default());
    let error = error.and_then(|mut r| r.read_all()).map(|b| b.rows()).unwrap_err();
    assert!(error.to_string().starts_with("t.csv"), "{error}");
}

#[test]
fn bytes_of_zero_are_text() {
    let batch = read("a,b\n\0,1\nx\0y,2\n").unwrap();
    assert_eq!(types(&batch), [ColumnType::Text, ColumnType::Integer]);
    assert_eq!((batch.columns()[0].text(0), batch.columns()[0].text(1)), (Some("\0"), Some("x\0y")));
    let error = read("a,b\n1,2\n\0,3\n").map(|b| types(&b));
    assert_eq!(error.unwrap(), [ColumnType::Text, ColumnType::Integer]);
    // Where numbers were found first, the line and the column are named.
    let few = with(CsvOptions { sample_rows: 1, ..Default::default() });
    let error = read_bytes(b"a,b\n1,2\n\0,3\n", &few).map(|b| b.rows()).unwrap_err();
    assert!(error.to_string().starts_with("t.csv, line 3, column \"a\": expected a whole number"), "{error}");
}

#[test]
fn files_that_are_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path().join("none.csv"), &ReadOptions::default()).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Io(_)) && error.to_string().contains("none.csv"));
    assert!(open(folder.path(), &ReadOptions::default()).is_err());
    let path = folder.path().join("t.xlsx");
    std::fs::write(&path, b"PK\x03\x04rest").unwrap();
    let error = open(&path, &ReadOptions::default()).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }));
}
