//! One TOML file: data, train, evaluate, explain, report; and each of these on its own.
//!
//! Everything the `pellucid` command does is here, without printing: open a model with the preprocessing it carries,
//! stream the rows of a table through it, explain them, fold one-hot columns back to the columns a person knows, sum
//! over rows, and write results that can be repeated.

pub mod activity;
pub mod baseline;
pub mod error;
pub mod evaluate;
pub mod explain;
mod feature_mask;
pub mod global;
pub mod hash;
pub mod image;
pub mod inspect;
pub mod model;
#[cfg(feature = "train")]
pub mod page;
pub mod predict;
pub mod raw;
pub mod recipe;
pub mod record;
pub mod request;
pub mod result;
pub mod rows;
#[cfg(feature = "train")]
pub mod run;
pub mod schema;
pub mod single;
pub mod target;
pub mod texts;
#[cfg(feature = "train")]
pub mod train;
pub mod write;

pub use error::{Category, Error, ErrorKind, Result};
pub use model::OpenModel;
pub use pellucid;
pub use pellucid_data as data;
pub use pellucid_report as report;
pub use request::Request;
