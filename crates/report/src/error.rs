//! The error of this crate.

use std::fmt;

/// What went wrong while a picture was made.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text given as SVG could not be parsed.
    #[error("not a drawable SVG: {0}")]
    InvalidSvg(String),
    /// The scale is not a positive, finite number.
    #[error("scale of a picture: expected a positive, finite number, got {0}")]
    InvalidScale(f32),
    /// The picture would have more pixels than is allowed.
    #[error("picture of {width} x {height} pixels: expected at most {limit} pixels in all")]
    TooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// The most pixels that a picture may have.
        limit: u64,
    },
    /// The picture could not be encoded.
    #[error("PNG encoding failed: {0}")]
    Encode(String),
}

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
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

impl std::error::Error for Error {}
