//! What can go wrong with a model, a specification or its data.

use thiserror::Error as ThisError;

/// The error of this crate.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The model could not be read, or an operator refuses.
    #[error(transparent)]
    Graph(#[from] pellucid_graph::Error),
    /// The model could not be run.
    #[error(transparent)]
    Engine(#[from] pellucid_engine::Error),
    /// The target does not exist.
    #[error("there is no target {asked}; {available}")]
    Target {
        /// What was asked for.
        asked: String,
        /// What there is.
        available: String,
    },
    /// The baseline does not fit the model or the data.
    #[error("the baseline does not fit: {0}")]
    Baseline(String),
    /// The data does not fit the model.
    #[error("input {name:?}: {message}")]
    Input {
        /// The input.
        name: String,
        /// What was expected and what was found.
        message: String,
    },
    /// A method that compares numbers meets an element of an input that is none.
    #[error(
        "input {name:?}, row {row}, element {place:?} is {found}, of which {method} cannot take a difference; put a number there, hold the \
         input fixed, or use feature_ablation or a layer method"
    )]
    NotFinite {
        /// The method.
        method: &'static str,
        /// The input.
        name: String,
        /// The row, counted from 0.
        row: u64,
        /// Where in the row.
        place: Vec<usize>,
        /// What stands there: NaN or an infinity.
        found: f64,
    },
    /// One of several items that were given at once.
    #[error("item {item}: {source}")]
    Item {
        /// Its position, counted from 0.
        item: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The specification contradicts itself, or the method does not have what it asks for.
    #[error("{0}")]
    Spec(String),
    /// The method cannot honour its definition on this model.
    #[error("{method} cannot explain this model: {reason}")]
    Refused {
        /// The method.
        method: &'static str,
        /// Why, naming the operator.
        reason: String,
    },
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Of a tile of nothing.
pub(crate) fn empty_tile() -> Error {
    Error::Spec("a tile has at least one point".to_owned())
}
