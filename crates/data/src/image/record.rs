//! What a model says about its pictures: how they are prepared, and the names of its classes.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::steps::ImageSteps;
use crate::error::{Error, ErrorKind, Result};

/// The part of a model's document that is about pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// From a picture to the network's input.
    pub steps: ImageSteps,
    /// The names of the classes by number; may be empty.
    #[serde(default)]
    pub classes: Vec<String>,
}

const MAX_BYTES: u64 = 16 << 20;

/// Reads names of classes, one a line, the first of them number 0.
pub fn read_classes(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let file = Arc::from(path.to_string_lossy());
    let read = || -> Result<Vec<String>> {
        if std::fs::metadata(path)?.len() > MAX_BYTES {
            let what = format!("more than {MAX_BYTES} bytes");
            return Err(ErrorKind::Unsupported { format: "list of classes", what }.into());
        }
        names(&std::fs::read(path)?)
    };
    read().map_err(|e| e.in_file(&file))
}

fn names(bytes: &[u8]) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let offset = e.valid_up_to();
        ErrorKind::NotUtf8 { byte: bytes.get(offset).copied().unwrap_or(0), offset: offset as u64, hint: "" }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end();
    if text.is_empty() {
        return Err(ErrorKind::EmptyFile.into());
    }
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .map(|(i, line)| {
            if line.is_empty() {
                let what = "a line without a name".to_owned();
                return Err(Error::from(ErrorKind::Malformed { format: "list of classes", what })
                    .at_line(i as u64 + 1));
            }
            Ok(line.to_owned())
        })
        .collect()
}
