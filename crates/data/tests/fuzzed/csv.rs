//! What must hold of any bytes that are taken for CSV: they are read or refused, in batches as at once, and written text is read again.

use arbitrary::{Result, Unstructured};
use pellucid_data::table::{Batch, Cell, ColumnType, CsvReader, ReadOptions, Rows};

/// Takes options from the last bytes, and reads the others with them.
pub(crate) fn table(data: &[u8]) {
    // The options stand at the end, so that files are seeds as they are.
    let (text, options) = data.split_at(data.len() - data.len().min(8));
    let Ok(options) = options_of(&mut Unstructured::new(options)) else { return };
    let open = || CsvReader::new("t.csv", std::io::Cursor::new(text.to_vec()), &options);
    let Ok(mut reader) = open() else { return };
    let dialect = reader.dialect();
    let mut first = Batch::new(std::sync::Arc::clone(reader.schema()));
    let mut rows: Vec<Vec<Comparable>> = Vec::new();
    let error = loop {
        match reader.fill(&mut first, 3) {
            Ok(0) => break None,
            Ok(n) => {
                assert_eq!(n, first.rows());
                assert!(n <= 3);
                rows.extend((0..n).map(|r| row(&first, r)));
            }
            Err(e) => break Some(e.to_string()),
        }
    };
    match (open().and_then(|mut r| r.read_all()), error) {
        (Ok(all), None) => {
            assert_eq!(all.rows(), rows.len(), "in batches and at once");
            for (r, batched) in rows.iter().enumerate() {
                let whole = row(&all, r);
                assert_eq!(*batched, whole, "row {r}: in batches and at once");
            }
        }
        (Err(at_once), Some(in_batches)) => assert_eq!(at_once.to_string(), in_batches),
        (Ok(_), Some(e)) => panic!("read at once, refused in batches: {e}"),
        (Err(e), None) => panic!("read in batches, refused at once: {e}"),
    }
    // What was found out can be said, and changes nothing.
    let mut said = options.clone();
    said.csv.delimiter = Some(dialect.delimiter);
    said.csv.has_header = Some(dialect.has_header);
    let Ok(again) = CsvReader::new("t.csv", std::io::Cursor::new(text.to_vec()), &said) else {
        // A delimiter that is set is held against a likelier one.
        return;
    };
    assert_eq!(again.schema(), reader.schema());
}

/// A cell that can be compared: numbers by their bits.
#[derive(Debug, PartialEq)]
enum Comparable {
    Missing,
    Number(u64),
    Bool(bool),
    Text(String),
}

fn row(batch: &Batch, r: usize) -> Vec<Comparable> {
    let cell = |c: Cell| match c {
        Cell::Missing => Comparable::Missing,
        // A column that is widened later has its first batches as whole numbers.
        Cell::Integer(n) => Comparable::Number((n as f64).to_bits()),
        Cell::Number(x) => Comparable::Number(x.to_bits()),
        Cell::Bool(b) => Comparable::Bool(b),
        Cell::Text(t) => Comparable::Text(t),
    };
    batch.columns().iter().map(|c| cell(c.cell(r))).collect()
}

fn options_of(u: &mut Unstructured<'_>) -> Result<ReadOptions> {
    let mut options = ReadOptions::default();
    if u.ratio(1, 2)? {
        return Ok(options);
    }
    let csv = &mut options.csv;
    if u.ratio(1, 4)? {
        csv.delimiter = Some(*u.choose(b",;\t| x\"\n\xe9")?);
    }
    if u.ratio(1, 4)? {
        csv.has_header = Some(u.arbitrary()?);
    }
    if u.ratio(1, 4)? {
        csv.quote = *u.choose(b"\"',\n1")?;
    }
    if u.ratio(1, 4)? {
        csv.decimal = b',';
    }
    if u.ratio(1, 4)? {
        csv.thousands = Some(*u.choose(b".,' _")?);
    }
    if u.ratio(1, 4)? {
        csv.sample_bytes = *u.choose(&[0, 1, 7, 64])?;
        csv.sample_rows = *u.choose(&[0, 1, 2, 100])?;
    }
    if u.ratio(1, 4)? {
        csv.max_record_bytes = *u.choose(&[0, 1, 16, 1000])?;
    }
    if u.ratio(1, 4)? {
        csv.allow_infinite = true;
        csv.missing = vec!["?".to_owned(), String::new()];
    }
    if u.ratio(1, 4)? {
        let all =
            [ColumnType::Integer, ColumnType::Float, ColumnType::Float32, ColumnType::Bool, ColumnType::Text];
        options.types.insert((*u.choose(&["column1", "a", "id"])?).to_owned(), *u.choose(&all)?);
    }
    Ok(options)
}
