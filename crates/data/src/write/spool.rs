//! Columns of batches laid by in a file without a name, to be read again column by column.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

use crate::table::{Batch, Column, ColumnType, TextValues, Values};

/// What lies in the file: for each batch, its columns one behind the other, each as its type, its number of values, and these.
pub(super) struct Spool {
    file: BufWriter<File>,
    end: u64,
    /// For each batch, where its columns start.
    starts: Vec<Vec<u64>>,
    bytes: Vec<u8>,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), end: 0, starts: Vec::new(), bytes: Vec::new() }
    }

    pub(super) fn batches(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn push(&mut self, batch: &Batch) -> std::io::Result<()> {
        let mut starts = Vec::with_capacity(batch.columns().len());
        for column in batch.columns() {
            starts.push(self.end);
            self.bytes.clear();
            encode(column, &mut self.bytes);
            self.file.write_all(&self.bytes)?;
            self.end += self.bytes.len() as u64;
        }
        self.starts.push(starts);
        Ok(())
    }

    /// A column of a batch.
    pub(super) fn column(&mut self, batch: usize, column: usize) -> std::io::Result<Column> {
        let starts = &self.starts[batch];
        let next = self.starts.get(batch + 1).and_then(|s| s.first());
        let end = starts.get(column + 1).or(next).copied().unwrap_or(self.end);
        // A buffered writer writes what it holds before it goes elsewhere.
        self.file.seek(SeekFrom::Start(starts[column]))?;
        self.bytes.resize((end - starts[column]) as usize, 0);
        self.file.get_mut().read_exact(&mut self.bytes)?;
        decode(&self.bytes).ok_or_else(|| std::io::Error::other("what was laid by came back otherwise"))
    }

    /// Forgets what there is; the next batches lie in its place.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        self.starts.clear();
        self.end = 0;
        self.file.seek(SeekFrom::Start(0)).map(|_| ())
    }
}

fn encode(column: &Column, bytes: &mut Vec<u8>) {
    let missing = column.missing_count() > 0;
    bytes.push(match column.column_type() {
        ColumnType::Integer => 0,
        ColumnType::Float => 1,
        ColumnType::Float32 => 2,
        ColumnType::Bool => 3,
        ColumnType::Text => 4,
    });
    bytes.push(u8::from(missing));
    bytes.extend((column.len() as u64).to_le_bytes());
    if missing {
        bytes.extend((0..column.len()).map(|i| u8::from(column.is_missing(i))));
    }
    match column.values() {
        Values::Integer(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        Values::Float(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        Values::Float32(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        Values::Bool(v) => bytes.extend(v.iter().map(|&x| u8::from(x))),
        Values::Text(v) => {
            v.iter().for_each(|text| bytes.extend((text.len() as u64).to_le_bytes()));
            v.iter().for_each(|text| bytes.extend(text.as_bytes()));
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Column> {
    let ([kind, missing], rest) = bytes.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (flags, rest) = rest.split_at_checked(if *missing == 1 { count } else { 0 })?;
    fn numbers<T, const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(of).collect()
    }
    let values = match kind {
        0 => Values::Integer(numbers(rest, i64::from_le_bytes)),
        1 => Values::Float(numbers(rest, f64::from_le_bytes)),
        2 => Values::Float32(numbers(rest, f32::from_le_bytes)),
        3 => Values::Bool(rest.iter().map(|b| *b == 1).collect()),
        _ => {
            let (lengths, texts) = rest.split_at_checked(count.checked_mul(8)?)?;
            let mut texts = std::str::from_utf8(texts).ok()?;
            let mut values = TextValues::default();
            for length in numbers(lengths, u64::from_le_bytes) {
                let (text, rest) = texts.split_at_checked(usize::try_from(length).ok()?)?;
                values.push(text);
                texts = rest;
            }
            Values::Text(values)
        }
    };
    Some(Column::of(values, flags.iter().map(|f| *f == 1).collect()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::{Cell, Field, Schema};

    #[test]
    fn what_is_laid_by_comes_back() {
        let types =
            [ColumnType::Integer, ColumnType::Float, ColumnType::Float32, ColumnType::Bool, ColumnType::Text];
        let fields = types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), *t)).collect();
        let schema = Arc::new(Schema::new("t", fields).unwrap());
        let batch = |rows: usize, first: usize| {
            let columns = types.iter().enumerate().map(|(c, column_type)| {
                let mut column = Column::new(*column_type);
                for r in first..first + rows {
                    let cell = match column_type {
                        _ if (r + c) % 3 == 0 && first > 0 => Cell::Missing,
                        ColumnType::Integer => Cell::Integer(r as i64 - 5),
                        ColumnType::Bool => Cell::Bool(r % 2 == 0),
                        ColumnType::Text => Cell::Text("ä".repeat(r % 4)),
                        _ => Cell::Number(r as f64 / 7.0),
                    };
                    assert!(column.push(&cell));
                }
                column
            });
            Batch::from_columns(Arc::clone(&schema), columns.collect()).unwrap()
        };
        let mut spool = Spool::new(tempfile::tempfile().unwrap());
        for round in 0..2 {
            let batches = [batch(7, 0), batch(0, 1), batch(300, 10 + round)];
            for batch in &batches {
                spool.push(batch).unwrap();
            }
            assert_eq!(spool.batches(), 3);
            for column in (0..types.len()).rev() {
                for (b, batch) in batches.iter().enumerate() {
                    let (found, want) = (spool.column(b, column).unwrap(), &batch.columns()[column]);
                    // NaN stands where a number is missing.
                    assert_eq!(format!("{found:?}"), format!("{want:?}"));
                }
            }
            spool.clear().unwrap();
        }
    }
}
