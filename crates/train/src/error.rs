//! The crate's one error type: what went wrong, where, what was expected and what was found.

use std::fmt;
use std::path::PathBuf;

/// What every function of the crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a network could not be trained or saved.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The kinds of failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option of the recipe is out of its range or does not go with another.
    #[error("{option}: expected {expected}, got {got}")]
    Recipe {
        /// The option's name, as it stands in the recipe.
        option: &'static str,
        /// What the option accepts.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// The rows do not fit together or do not fit the loss.
    #[error("the {split} rows: expected {expected}, got {got}")]
    Samples {
        /// `training`, `validation` or `given`.
        split: &'static str,
        /// What was expected.
        expected: String,
        /// What was found, and where.
        got: String,
    },
    /// The file of initial weights could not be read.
    #[error("cannot read the initial weights {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file of initial weights is malformed, or is of another network.
    #[error("the initial weights {}: expected {expected}, got {got}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        got: String,
    },
    /// The loss stopped being a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch}: a smaller learning rate, or features and \
         targets of a smaller scale, may help"
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch in the epoch, from 1; 0 where it is the validation loss.
        batch: usize,
        /// The loss: NaN or an infinity.
        loss: f64,
    },
    /// The trained network could not be made a graph.
    #[error("cannot make a graph of the trained network: {0}")]
    Graph(#[source] pellucid_graph::Error),
    /// Training was cancelled.
    #[error("training was interrupted in epoch {epoch}; nothing was written")]
    Interrupted {
        /// The epoch under way, from 1.
        epoch: usize,
    },
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    pub(crate) fn recipe(option: &'static str, expected: impl Into<String>, got: impl fmt::Display) -> Self {
        ErrorKind::Recipe { option, expected: expected.into(), got: got.to_string() }.into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}
