//! Weights that a model keeps in files beside it: never outside its folder, never more than the files have.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::proto::StringStringEntryProto;
use crate::error::{ErrorKind, Result};

/// How often, on average, the bytes of the files beside a model may be read: weights may be shared, not repeated at will.
const MOST_READS: u64 = 8;

/// The most bytes that sparse tensors of a model may have when they are made dense.
const MOST_DENSE: usize = 1 << 28;

/// The folder of a model, with those of its files that are open, and how much of what the model asks for is left.
#[derive(Debug)]
pub(super) struct Folder {
    path: Option<PathBuf>,
    open: HashMap<String, (File, u64)>,
    /// Bytes that may still be read: each file brings some when it is opened.
    readable: u64,
    dense: usize,
}

impl Folder {
    /// The folder `path`; without one, external data is an error.
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), open: HashMap::new(), readable: 0, dense: MOST_DENSE }
    }

    /// No folder.
    pub(super) fn none() -> Self {
        Self::new(None)
    }

    /// Takes the bytes that a sparse tensor has when it is made dense; an error where the model's have too many.
    pub(super) fn take_dense(&mut self, bytes: usize, place: &str) -> Result<()> {
        match self.dense.checked_sub(bytes) {
            Some(left) => {
                self.dense = left;
                Ok(())
            }
            None => Err(ErrorKind::TooLarge(format!(
                "{place}: the model's sparse tensors have more than {MOST_DENSE} bytes when they are made dense"
            ))
            .into()),
        }
    }

    /// The `needed` bytes of a tensor, which `place` names in messages.
    pub(super) fn read(
        &mut self,
        entries: &[StringStringEntryProto],
        needed: usize,
        place: &str,
    ) -> Result<Vec<u8>> {
        let fail = |message: String| ErrorKind::ExternalData(format!("{place}: {message}"));
        let entry = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| -> Result<Option<u64>> {
            entry(key)
                .map(|text| text.trim().parse().map_err(|_| fail(format!("its {key} is {text:?}")).into()))
                .transpose()
        };
        let location = entry("location").ok_or_else(|| fail("no location is given".to_owned()))?;
        let offset = number("offset")?.unwrap_or(0);
        let needed_bytes = needed as u64;
        if let Some(length) = number("length")?
            && length != needed_bytes
        {
            return Err(fail(format!("its shape needs {needed} bytes, its length is {length}")).into());
        }
        if !self.open.contains_key(location) {
            let opened = self.open(location).map_err(fail)?;
            self.readable = self.readable.saturating_add(opened.1.saturating_mul(MOST_READS));
            self.open.insert(location.to_owned(), opened);
        }
        let Some((file, size)) = self.open.get_mut(location) else {
            return Err(fail(format!("{location:?} is not open")).into());
        };
        if offset.checked_add(needed_bytes).is_none_or(|end| end > *size) {
            return Err(fail(format!(
                "it takes {needed} bytes from {offset} of {location:?}, which has {size}"
            ))
            .into());
        }
        self.readable = self.readable.checked_sub(needed_bytes).ok_or_else(|| {
            fail(format!("the model reads the bytes of its files more than {MOST_READS} times on average"))
        })?;
        let mut bytes = vec![0; needed];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| fail(format!("{location:?}: {e}")))?;
        Ok(bytes)
    }

    fn open(&self, location: &str) -> std::result::Result<(File, u64), String> {
        let Some(folder) = &self.path else {
            return Err(format!(
                "it is in the file {location:?}, and the model was read from memory, beside no file"
            ));
        };
        let outside = || format!("{location:?} lies outside the model's folder, which is not allowed");
        let relative = Path::new(location);
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !plain || location.contains('\\') || location.contains('\0') {
            return Err(outside());
        }
        let real_folder = folder.canonicalize().map_err(|e| format!("{}: {e}", folder.display()))?;
        let real = folder
            .join(relative)
            .canonicalize()
            .map_err(|e| format!("{location:?} must lie beside the model, in {}: {e}", folder.display()))?;
        if !real.starts_with(&real_folder) {
            return Err(format!("{}, through a symbolic link; copy the file there", outside()));
        }
        let describe = |e: std::io::Error| format!("{location:?}: {e}");
        let metadata = real.metadata().map_err(describe)?;
        if !metadata.is_file() {
            return Err(format!("{location:?} is not a file"));
        }
        let file = File::open(&real).map_err(describe)?;
        Ok((file, metadata.len()))
    }
}
