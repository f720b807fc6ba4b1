//! Tables out, and Parquet both ways.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pellucid_data::ErrorKind;
use pellucid_data::table::{Batch, Column, ColumnType, Field, ReadOptions, Schema, read};
use pellucid_data::write::{AtomicFile, TableFormat, TableWriter, atomically};

fn schema() -> Arc<Schema> {
    use ColumnType::{Bool, Float, Float32, Integer, Text};
    let fields = [("i", Integer), ("f", Float), ("s, \"t\"", Text), ("b", Bool), ("single", Float32)];
    Arc::new(Schema::new("out", fields.map(|(n, t)| Field::new(n, t)).into()).unwrap())
}

fn batch() -> Batch {
    let mut texts = Column::texts(["a", "x,\"y\"\nz", ""]);
    let mut numbers = Column::floats(vec![0.1, 1e300, -3.0]);
    let mut integers = Column::integers(vec![1, i64::MIN, 7]);
    texts.push_missing();
    numbers.push_missing();
    integers.push_missing();
    let bools = Column::from(pellucid_data::table::Values::Bool(vec![true, false, true, false]));
    let single = Column::floats32(vec![0.1, -2.5e-20, 0.0, 1.0]);
    Batch::from_columns(schema(), vec![integers, numbers, texts, bools, single]).unwrap()
}

/// A stream whose bytes can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn written(format: TableFormat) -> String {
    let stream = Shared::default();
    let mut writer = TableWriter::stream("out", stream.clone(), format, &schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    String::from_utf8(stream.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn csv() {
    let expected = "i,f,\"s, \"\"t\"\"\",b,single\n1,0.1,a,true,0.1\n-9223372036854775808,1e300,\"x,\"\"y\"\"\nz\",false,\
                    -2.5e-20\n7,-3.0,\"\",true,0.0\n,,,false,1.0\n";
    assert_eq!(written(TableFormat::Csv), expected);
}

#[test]
fn json_lines() {
    let lines = written(TableFormat::JsonLines);
    let rows: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1]["s, \"t\""], "x,\"y\"\nz");
    assert_eq!(rows[1]["f"], 1e300);
    assert_eq!(rows[0]["single"].to_string(), "0.1");
    assert!(rows[3]["i"].is_null() && rows[3]["f"].is_null() && rows[3]["b"] == false);
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["i", "f", "s, \"t\"", "b", "single"]);
    let fields = vec![Field::new("x", ColumnType::Float)];
    let schema = Arc::new(Schema::new("out", fields).unwrap());
    let stream = Shared::default();
    let mut writer = TableWriter::stream("out", stream.clone(), TableFormat::JsonLines, &schema).unwrap();
    let column = Column::floats(vec![f64::NAN, f64::NEG_INFINITY]);
    writer.write(&Batch::from_columns(schema, vec![column]).unwrap()).unwrap();
    writer.finish().unwrap();
    assert_eq!(*stream.0.lock().unwrap(), b"{\"x\":null}\n{\"x\":null}\n");
}

#[test]
fn a_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    let mut writer = TableWriter::create(&path, TableFormat::of_path(&path).unwrap(), &schema()).unwrap();
    writer.write(&batch()).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    atomically(&path, b"old").unwrap();
    let writer = TableWriter::create(&path, TableFormat::Csv, &schema()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    writer.finish().unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), b"old");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = folder.path().join("plain");
        std::fs::write(&plain, b"").unwrap();
        let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }
}

#[test]
fn a_place_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("out.csv");
    let error = AtomicFile::create(&path).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)) && error.to_string().contains("none"), "{error}");
    // A folder cannot be replaced by a file.
    std::fs::create_dir(folder.path().join("out.csv")).unwrap();
    assert!(atomically(folder.path().join("out.csv"), b"x").is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A stream that cannot be written to for a while.
struct Failing(Arc<AtomicBool>);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.load(Ordering::Relaxed) {
            Err(std::io::ErrorKind::StorageFull.into())
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_that_has_lost_rows_is_not_finished() {
    let schema = Arc::new(Schema::new("out", vec![Field::new("x", ColumnType::Float)]).unwrap());
    let rows = |n: usize| {
        let column = Column::floats((0..n).map(|i| i as f64).collect());
        Batch::from_columns(Arc::clone(&schema), vec![column]).unwrap()
    };
    let fails = Arc::new(AtomicBool::new(true));
    let stream = Failing(Arc::clone(&fails));
    let mut writer = TableWriter::stream("results", stream, TableFormat::Parquet, &schema).unwrap();
    let many = rows(1 << 20);
    let first = (0..5).find_map(|_| writer.write(&many).err()).unwrap();
    assert!(
        matches!(first.kind(), ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::StorageFull),
        "{first}"
    );
    // There is space again, but rows are missing.
    fails.store(false, Ordering::Relaxed);
    for error in [writer.write(&rows(1)).unwrap_err(), writer.finish().unwrap_err()] {
        assert_eq!(error.to_string(), "results: rows could not be written before");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    for format in [TableFormat::Csv, TableFormat::JsonLines] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut writer = TableWriter::stream("results", full, format, &schema()).unwrap();
        let result = writer.write(&batch()).and_then(|()| writer.finish());
        let error = result.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::StorageFull),
            "{error}"
        );
        assert!(error.to_string().starts_with("results: "), "{error}");
    }
}

#[test]
fn rows_of_other_columns_are_refused() {
    let mut writer = TableWriter::stream("out", Shared::default(), TableFormat::Csv, &schema()).unwrap();
    let other = batch().select(&["f", "i"]).unwrap();
    assert!(matches!(writer.write(&other).unwrap_err().kind(), ErrorKind::InvalidOption(_)));
    let short = vec![Column::integers(vec![1])];
    assert!(matches!(Batch::from_columns(schema(), short).unwrap_err().kind(), ErrorKind::Size { .. }));
}

#[test]
fn csv_that_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    let mut writer = TableWriter::create(&path, TableFormat::Csv, &schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    let back = read(&path, &ReadOptions::default()).unwrap();
    assert_eq!(back.columns()[0], batch().columns()[0]);
    for row in 0..4 {
        assert_eq!(back.columns()[1].number(row), batch().columns()[1].number(row));
    }
    assert_eq!(back.columns()[2].text(1), Some("x,\"y\"\nz"));
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;
    use pellucid_data::table::{Cell, Rows, open};
    use pellucid_graph::random::Stream;

    fn file(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
    }

    #[test]
    fn files_of_pandas() {
        for compression in ["none", "snappy", "zstd", "gzip"] {
            let table =
                read(file(&format!("pandas-{compression}.parquet")), &ReadOptions::default()).unwrap();
            assert_eq!(table.schema().names(), ["i", "f", "s", "b", "c", "small", "single", "maybe"]);
            let row = |r: usize| table.columns().iter().map(|c| c.cell(r)).collect::<Vec<_>>();
            let text = |t: &str| Cell::Text(t.to_owned());
            use Cell::{Bool, Integer, Missing, Number};
            let single = |x: f32| Number(f64::from(x));
            assert_eq!(
                row(0),
                [
                    Integer(1),
                    Number(0.5),
                    text("a"),
                    Bool(true),
                    text("x"),
                    Integer(1),
                    single(0.1),
                    Integer(1)
                ]
            );
            assert_eq!(
                row(1),
                [Integer(-2), Missing, Missing, Bool(false), text("y"), Integer(2), single(0.2), Missing]
            );
            let last = [
                Integer(3),
                Number(-1e300),
                text("ü,\"x"),
                Bool(true),
                text("x"),
                Integer(255),
                single(0.3),
                Integer(3),
            ];
            assert_eq!(row(2), last);
        }
    }

    #[test]
    fn columns_are_chosen_and_rows_stream() {
        let options = ReadOptions {
            columns: Some(vec!["s".into(), "i".into()]),
            types: [("i".to_owned(), ColumnType::Float)].into(),
            ..Default::default()
        };
        let mut reader = open(file("pandas-snappy.parquet"), &options).unwrap();
        let mut batch = Batch::new(reader.schema().clone());
        let mut seen = Vec::new();
        while reader.fill(&mut batch, 1).unwrap() > 0 {
            seen.push((batch.first_row(), batch.columns()[1].cell(0)));
        }
        assert_eq!(seen, [(0, Cell::Number(1.0)), (1, Cell::Number(-2.0)), (2, Cell::Number(3.0))]);
    }

    #[test]
    fn columns_that_are_not_read_or_not_there() {
        let table = open(file("kinds.parquet"), &ReadOptions::default()).unwrap();
        assert_eq!(table.schema().names(), ["i", "big"]);
        let asked = |name: &str, column_type: Option<ColumnType>| {
            let types = column_type.map(|t| (name.to_owned(), t)).into_iter().collect();
            let options = ReadOptions { columns: Some(vec![name.into()]), types, ..Default::default() };
            read(file("kinds.parquet"), &options).unwrap_err()
        };
        let error = asked("d", None);
        assert!(
            matches!(error.kind(), ErrorKind::Unsupported { .. }) && error.to_string().contains("Date"),
            "{error}"
        );
        assert!(matches!(asked("none", None).kind(), ErrorKind::MissingColumn { .. }));
        let error = asked("i", Some(ColumnType::Text));
        assert!(error.to_string().ends_with("expected text, found a column of whole numbers"), "{error}");
        let error = asked("big", None);
        assert!(error.to_string().contains("9223372036854775809, which does not fit"), "{error}");
    }

    fn parquet_bytes(batches: usize) -> Vec<u8> {
        parquet_of(&batch(), batches)
    }

    fn parquet_of(batch: &Batch, times: usize) -> Vec<u8> {
        let stream = Shared::default();
        let mut writer = TableWriter::stream("out", stream.clone(), TableFormat::Parquet, &schema()).unwrap();
        (0..times).for_each(|_| writer.write(batch).unwrap());
        writer.finish().unwrap();

        stream.0.lock().unwrap().clone()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let many = batch().take(&(0..1000).map(|r| r % 4).collect::<Vec<_>>()).unwrap();
        // In memory, in a file, and more values than a row group holds.
        let columns = schema().fields().len();
        for (times, groups) in [(1, 1), (100, 1), ((1 << 22) / (1000 * columns) + 2, 2)] {
            std::fs::write(&path, parquet_of(&many, times)).unwrap();
            let file =
                ::parquet::file::reader::SerializedFileReader::new(std::fs::File::open(&path).unwrap())
                    .unwrap();
            assert_eq!(::parquet::file::reader::FileReader::num_row_groups(&file), groups, "{times} times");
            let back = read(&path, &ReadOptions::default()).unwrap();
            assert_eq!(back.rows(), 1000 * times);
            assert_eq!(back.schema().fields(), schema().fields());
            for (column, written) in back.columns().iter().zip(many.columns()) {
                for row in (0..back.rows()).step_by(97) {
                    assert_eq!(column.cell(row), written.cell(row % 1000), "row {row}");
                }
            }
        }
    }

    #[test]
    fn a_table_without_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        std::fs::write(&path, parquet_bytes(0)).unwrap();
        assert!(matches!(read(&path, &ReadOptions::default()).unwrap_err().kind(), ErrorKind::HeaderOnly));
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_wherever_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        for whole in [parquet_bytes(1), std::fs::read(file("pandas-snappy.parquet")).unwrap()] {
            std::fs::write(&path, &whole).unwrap();
            assert!(read(&path, &ReadOptions::default()).is_ok());
            for length in 0..whole.len() {
                std::fs::write(&path, &whole[..length]).unwrap();
                let error = read(&path, &ReadOptions::default()).map(|b| b.rows()).unwrap_err();
                assert!(error.to_string().contains("out.parquet"), "{length}: {error}");
            }
        }
    }

    #[test]
    fn a_broken_file_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let mut stream = Stream::new(3, [0; 3]);
        let sources = [
            parquet_bytes(2),
            std::fs::read(file("pandas-zstd.parquet")).unwrap(),
            std::fs::read(file("pandas-gzip.parquet")).unwrap(),
        ];
        let mut errors = 0;
        for i in 0..600 {
            let mut bytes = sources[i % 3].clone();
            for _ in 0..=stream.below(3) {
                let at = 4 + stream.below(bytes.len() as u64 - 4) as usize;
                bytes[at] = stream.bits() as u8;
            }
            bytes.truncate(bytes.len() - usize::from(stream.below(5) == 0) * stream.below(60) as usize);
            std::fs::write(&path, &bytes).unwrap();
            errors += usize::from(read(&path, &ReadOptions::default()).is_err());
        }
        assert!(errors > 200, "{errors}");
        std::fs::write(&path, b"PAR1").unwrap();
        let error = read(&path, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Malformed { .. }), "{error}");
    }
}
