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
    /// What a sweep is given does not fit its plans.
    #[error("{0}")]
    Mismatch(String),
    /// The work was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
