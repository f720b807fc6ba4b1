//! What can go wrong while a plan is made or run.

use thiserror::Error as ThisError;

/// The error of this crate.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The graph could not be prepared, or an operator refused its inputs.
    #[error(transparent)]
    Graph(#[from] pellucid_graph::Error),
    /// An operator failed while it ran.
    #[error("node {node} ({operator}): {message}")]
    Run {
        /// The node's name.
        node: String,
        /// The operator.
        operator: &'static str,
        /// What it said.
        message: String,
    },
    /// A plan takes more memory than is allowed.
    #[error(
        "a batch of {rows} rows takes {bytes} bytes at a time, more than {most}; the largest value is {shape:?} of node {node}"
    )]
    TooLarge {
        /// The number of rows.
        rows: usize,
        /// The bytes that the plan takes.
        bytes: usize,
        /// The most that are allowed.
        most: usize,
        /// The node whose output is the largest.
        node: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// What a sweep is given does not fit its plans.
    #[error("{0}")]
    Mismatch(String),
    /// The work was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
