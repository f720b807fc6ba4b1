//! A file that appears under its name only when it is complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file being written beside its final place. Dropped before [`finish`](Self::finish), it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Starts a file; errors name the path.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let folder = folder_of(&path);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Of the temporary file nobody has to know.
        let file = builder.tempfile_in(folder).map_err(|e| named(e.kind().into(), &path))?;
        Ok(Self { path, writer: BufWriter::with_capacity(1 << 16, file) })
    }

    /// The folder in which it will be.
    #[cfg(feature = "parquet")]
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Puts the file in its place, over one that is there.
    pub fn finish(self) -> Result<()> {
        let Self { path, writer } = self;
        let file = writer.into_inner().map_err(|e| named(e.into_error(), &path))?;
        file.persist(&path).map_err(|e| named(e.error, &path))?;
        Ok(())
    }

    /// The file itself, for a library that writes to files; unwritten bytes go first.
    pub fn file(&mut self) -> std::io::Result<&mut File> {
        self.writer.flush()?;
        Ok(self.writer.get_mut().as_file_mut())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a whole file, or nothing.
pub fn atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(&path)?;
    file.write_all(bytes).map_err(|e| named(e, path.as_ref()))?;
    file.finish()
}

pub(crate) fn named(error: std::io::Error, path: &Path) -> Error {
    Error::from(error).in_file(&Arc::from(path.to_string_lossy()))
}
