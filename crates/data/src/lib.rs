//! Tables, arrays and pictures in and out, fitted preprocessing with lineage, splits and evaluation metrics.

pub mod arrays;
pub mod error;
pub mod image;
pub mod metadata;
pub mod metrics;
pub mod select;
pub mod split;
pub mod steps;
pub mod table;
pub mod target;
pub mod write;

pub use error::{Error, ErrorKind, Place, Result};
