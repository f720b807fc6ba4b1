//! SHA-256 of files and texts, in hexadecimal.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pellucid_data::image::ImageFolder;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The hash of a file's bytes, read in pieces.
pub fn file(path: &Path) -> Result<String> {
    let mut reader = File::open(path).map_err(|e| Error::read(path, e))?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => hasher.update(&piece[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::read(path, e)),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// The hash of a data file; of a folder, that of the names and hashes of its pictures and of those in its sub-folders.
pub fn data(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return file(path);
    }
    let mut text = String::new();
    for folder in [ImageFolder::open(path), ImageFolder::open_labelled(path)].into_iter().flatten() {
        for picture in folder.files() {
            text.push_str(&format!("{} {}\n", file(&picture.path)?, picture.name));
        }
    }
    Ok(bytes(text.as_bytes()))
}

/// The hash of some bytes.
pub fn bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    use fmt::Write as _;
    use std::fmt;
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_nothing_and_of_a_file() {
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(super::bytes(b""), nothing);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(super::file(file.path()).unwrap(), nothing);
        assert!(super::file(std::path::Path::new("no such file")).is_err());
    }
}
