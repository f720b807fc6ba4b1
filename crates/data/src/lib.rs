//! Tables and arrays in and out, fitted preprocessing with lineage, splits and evaluation metrics.

pub mod error;
pub mod metrics;
pub mod split;
pub mod steps;
pub mod table;
pub mod write;

pub use error::{Error, ErrorKind, Place, Result};
