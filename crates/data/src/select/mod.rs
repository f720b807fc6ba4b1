//! Which rows of a table: by index, range, condition or part of the split.
//!
//! ```text
//! 100                       one row, counted from 0
//! 0, 5, 10..20, 30..=40     several rows, ranges without and with their end
//! test                      the rows of a part: train, validation or test; also: all
//! test[100]                 the row that is the hundred-and-first of the part
//! age > 30 && job == "student"
//! job in ["student", "retired"] || !(balance >= 0)
//! duration is missing
//! `capital gain` < 10       a name with other characters than letters, digits and _
//! test && y == "yes"
//! ```
//!
//! Comparisons are `==`, `!=`, `<`, `<=`, `>`, `>=`; `!` binds closest, then `&&`, then `||`. A comparison
//! with a missing value is false, `!=` too.

mod filter;
mod parse;

pub use self::filter::Filter;
pub use self::parse::Selection;
