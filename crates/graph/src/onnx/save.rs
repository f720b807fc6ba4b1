//! Files that are written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result};

/// How many names for a temporary file are tried.
const ATTEMPTS: u32 = 100;

/// Writes a file: to a temporary one in the same folder first, which then takes its name. Where that fails, what was there
/// before stays as it was. A path that is not a plain file, such as a pipe, is written to directly.
pub fn write_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let failed = |source| ErrorKind::Io { path: path.display().to_string(), source }.into();
    // A link keeps its place, and what it points to is exchanged.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if target.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut file = OpenOptions::new().write(true).open(&target).map_err(failed)?;
        return file.write_all(bytes).map_err(failed);
    }
    let (temporary, file) = create_beside(&target).map_err(failed)?;
    let written = fill(file, bytes).and_then(|()| std::fs::rename(&temporary, &target));
    if written.is_err() {
        // What went wrong first is what matters.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

fn fill(mut file: File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_beside(path: &Path) -> std::io::Result<(PathBuf, File)> {
    let Some(name) = path.file_name() else {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it names no file"));
    };
    let mut attempt = 0;
    loop {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{attempt}.part", std::process::id()));
        let temporary = path.with_file_name(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => attempt += 1,
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write_whole;
    use crate::error::ErrorKind;

    #[test]
    fn a_file_is_exchanged_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        write_whole(&path, b"first").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::create_dir(&path).unwrap();
        let error = write_whole(&path, b"bytes").unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Io { path, .. } if path.ends_with("model.onnx")),
            "{error}"
        );
        assert!(path.is_dir());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(folder.path().join("none").join("model.onnx"), b"bytes").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io { .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let error = write_whole("/dev/full", b"bytes").unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }
}
