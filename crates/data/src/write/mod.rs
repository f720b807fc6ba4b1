//! Results out: files that are whole or not there, and tables as CSV, JSON lines and Parquet.

mod atomic;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod spool;
mod table;

pub use self::atomic::{AtomicFile, atomically};
pub use self::table::{TableFormat, TableWriter};
