//! The bytes of a CSV file on their way to the parser: encoding, record length, lines and quotation marks.

use std::collections::VecDeque;
use std::io::Read;

use crate::error::{Error, ErrorKind, Result};

/// Limits the length of a record, and counts lines and quotation marks.
pub(super) struct Guard {
    input: Box<dyn Read + Send>,
    /// Bytes read so far, line ends among them that are counted, and the places of those that are not.
    read: u64,
    lines: u64,
    line_ends: VecDeque<u64>,
    quote: u8,
    quotes: u64,
    since_record: u64,
    limit: u64,
}

/// Bytes that the CSV reader takes at once.
pub(super) const BUFFER: usize = 64 << 10;

impl Guard {
    /// Reads `input`, and gives up in a record of more than `limit` bytes.
    pub(super) fn new(input: Box<dyn Read + Send>, quote: u8, limit: u64) -> Self {
        Self {
            input,
            read: 0,
            lines: 0,
            line_ends: VecDeque::new(),
            quote,
            quotes: 0,
            since_record: 0,
            limit,
        }
    }

    /// Says that a record starts.
    pub(super) fn start_record(&mut self) {
        self.since_record = 0;
    }

    /// The line ends before a byte; the byte must not go back.
    pub(super) fn lines_before(&mut self, byte: u64) -> u64 {
        while self.line_ends.front().is_some_and(|&end| end < byte) {
            self.line_ends.pop_front();
            self.lines += 1;
        }
        self.lines
    }

    /// Whether the marks read so far are odd in number.
    pub(super) fn open_quote(&self) -> bool {
        self.quotes % 2 == 1
    }
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since_record > self.limit {
            return Err(std::io::Error::other(TooLong(self.limit)));
        }
        let read = self.input.read(buffer)?;
        self.quotes += memchr::memchr_iter(self.quote, &buffer[..read]).count() as u64;
        let start = self.read;
        self.line_ends.extend(memchr::memchr_iter(b'\n', &buffer[..read]).map(|i| start + i as u64));
        self.read += read as u64;
        self.since_record += read as u64;
        Ok(read)
    }
}

#[derive(Debug)]
struct TooLong(u64);

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a record of more than {} bytes", self.0)
    }
}

impl std::error::Error for TooLong {}

pub(super) fn csv_error(error: ::csv::Error) -> Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => match error.get_ref().and_then(|e| e.downcast_ref::<TooLong>()) {
            Some(&TooLong(limit)) => ErrorKind::RecordTooLong { limit }.into(),
            None => error.into(),
        },
        kind => ErrorKind::Malformed { format: "CSV file", what: format!("{kind:?}") }.into(),
    }
}

/// Refuses UTF-16 and removes the mark that some programs write before UTF-8.
pub(super) fn check_encoding(sample: &mut Vec<u8>) -> Result<()> {
    match sample.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => {
            sample.drain(..3);
        }
        [byte @ 0xff, 0xfe, ..] | [byte @ 0xfe, 0xff, ..] => {
            let hint = "; the file is in UTF-16";
            return Err(Error::new(ErrorKind::NotUtf8 { byte: *byte, offset: 0, hint }).at_line(1));
        }
        _ => {}
    }
    Ok(())
}
