//! What can go wrong on the way from a table to an explanation, and what kind of failure it is.

use std::fmt;
use std::path::{Path, PathBuf};

use pellucid::graph;

/// The error of this crate, boxed to stay small.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A table, an array file, a split or the record inside a model is wrong.
    #[error(transparent)]
    Data(#[from] pellucid_data::Error),
    /// The model, or what is asked of it.
    #[error(transparent)]
    Model(#[from] pellucid::Error),
    /// A model file.
    #[error("{}: {source}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pellucid::Error,
    },
    /// Training failed.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Train(#[from] pellucid_train::Error),
    /// A picture could not be made.
    #[error(transparent)]
    Report(#[from] pellucid_report::Error),
    /// A recipe or a specification cannot be read.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in it, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Something is asked for that does not exist or does not fit together.
    #[error("{0}")]
    Request(String),
    /// Something in the data does not fit the model or the request.
    #[error("{0}")]
    Input(String),
    /// No such target.
    #[error("there is no target {asked:?}; {available}")]
    Target {
        /// What was asked for.
        asked: String,
        /// What there is.
        available: String,
    },
    /// The baseline does not fit, or cannot be.
    #[error("the baseline {asked}: {message}")]
    Baseline {
        /// The baseline as it was asked for.
        asked: String,
        /// What is wrong.
        message: String,
    },
    /// A file could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Whoever read the output has gone.
    #[error("the output is no longer read")]
    Closed,
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A check did not hold.
    #[error("{0}")]
    Check(String),
    /// The work was cancelled.
    #[error("interrupted; nothing was written half")]
    Interrupted,
}

/// What kind of failure an error is; a program's exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Anything else: the system refused, a file could not be written.
    Failure,
    /// What was asked for does not exist or contradicts itself.
    Usage,
    /// A file from outside is wrong.
    Data,
    /// The model needs something that Pellucid does not do.
    Unsupported,
    /// A check did not hold.
    Check,
    /// The work was cancelled.
    Interrupted,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 6] =
        [Self::Failure, Self::Usage, Self::Data, Self::Unsupported, Self::Check, Self::Interrupted];

    /// The exit code of a program that ends so.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Unsupported => 4,
            Self::Check => 5,
            Self::Interrupted => 130,
        }
    }

    /// Its name in errors written as JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::Data => "bad_data",
            Self::Unsupported => "unsupported",
            Self::Check => "check_failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, for help.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Failure => "a failure of the system, such as a file that cannot be written",
            Self::Usage => "wrong usage: an option, a target, a layer or a recipe that does not exist or fit",
            Self::Data => {
                "bad input: a model, table or array file that is missing, malformed or does not fit"
            }
            Self::Unsupported => "the model needs an operator or a derivative that is not there",
            Self::Check => "a check failed, such as --max-delta",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// A request that cannot be met.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        ErrorKind::Request(message.into()).into()
    }

    /// Data that does not fit.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        ErrorKind::Input(message.into()).into()
    }

    /// A file that cannot be written.
    pub(crate) fn write(path: &Path, reason: impl fmt::Display) -> Self {
        ErrorKind::Write { path: path.to_path_buf(), reason: reason.to_string() }.into()
    }

    /// A file that cannot be read.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        ErrorKind::Read { path: path.to_path_buf(), source }.into()
    }

    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        match self.kind() {
            ErrorKind::Data(e) => of_data(e),
            ErrorKind::Model(e) | ErrorKind::ModelFile { source: e, .. } => of_model(e),
            #[cfg(feature = "train")]
            ErrorKind::Train(e) => of_train(e),
            ErrorKind::Recipe { .. }
            | ErrorKind::Request(_)
            | ErrorKind::Target { .. }
            | ErrorKind::Baseline { .. } => Category::Usage,
            ErrorKind::Input(_) | ErrorKind::Read { .. } => Category::Data,
            ErrorKind::Check(_) => Category::Check,
            ErrorKind::Interrupted => Category::Interrupted,
            ErrorKind::Report(_) | ErrorKind::Write { .. } | ErrorKind::Closed => Category::Failure,
        }
    }
}

fn of_data(error: &pellucid_data::Error) -> Category {
    match error.kind() {
        pellucid_data::ErrorKind::InvalidOption(_) | pellucid_data::ErrorKind::Selection { .. } => {
            Category::Usage
        }
        _ => Category::Data,
    }
}

fn of_model(error: &pellucid::Error) -> Category {
    use pellucid::Error as E;
    match error {
        E::Graph(e) => of_graph(e),
        E::Engine(pellucid::engine::Error::Interrupted) => Category::Interrupted,
        E::Engine(pellucid::engine::Error::Graph(e)) => of_graph(e),
        E::Input { .. } | E::NotFinite { .. } | E::Engine(_) => Category::Data,
        E::Refused { .. } => Category::Unsupported,
        E::Item { source, .. } => of_model(source),
        _ => Category::Usage,
    }
}

/// The error with the row's number in the data, rather than in what is explained at a time.
pub(crate) fn of_own_row(mut error: pellucid::Error, numbers: &[u64]) -> pellucid::Error {
    if let pellucid::Error::NotFinite { row, .. } = &mut error {
        *row = usize::try_from(*row).ok().and_then(|r| numbers.get(r)).copied().unwrap_or(*row);
    }
    error
}

fn of_graph(error: &graph::Error) -> Category {
    use graph::ErrorKind as K;
    match error.kind() {
        K::Unsupported { .. } | K::NotDifferentiable { .. } | K::RowsMix { .. } => Category::Unsupported,
        K::UnknownName { .. } => Category::Usage,
        _ => Category::Data,
    }
}

#[cfg(feature = "train")]
fn of_train(error: &pellucid_train::Error) -> Category {
    match error.kind() {
        pellucid_train::ErrorKind::Recipe { .. } => Category::Usage,
        pellucid_train::ErrorKind::Interrupted { .. } => Category::Interrupted,
        pellucid_train::ErrorKind::Diverged { .. } => Category::Failure,
        _ => Category::Data,
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

impl<T: Into<ErrorKind>> From<T> for Error {
    fn from(kind: T) -> Self {
        Self(Box::new(kind.into()))
    }
}

impl From<graph::Error> for ErrorKind {
    fn from(error: graph::Error) -> Self {
        Self::Model(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_differ_and_are_not_zero() {
        let mut codes: Vec<u8> = Category::ALL.iter().map(|c| c.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes, [1, 2, 3, 4, 5, 130]);
    }
}
