//! Results out: files that are whole or not there, and tables as CSV, JSON lines and Parquet.

mod atomic;

pub use self::atomic::{AtomicFile, atomically};
