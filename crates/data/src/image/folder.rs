//! A folder of pictures as a data set: sorted names, one picture at a time, sub-folders as classes where asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The endings of the files of a folder that are taken for pictures, in lower case.
pub const ENDINGS: [&str; 4] = ["jpeg", "jpg", "png", "webp"];

/// More files than a folder is read with.
const MAX_FILES: usize = 10_000_000;

/// A picture that is not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// The file.
    pub path: PathBuf,
    /// Its name, with its sub-folder's before a `/` where sub-folders are classes.
    pub name: String,
    /// The number of its class.
    pub class: Option<usize>,
}

/// The pictures of a folder in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFolder {
    files: Vec<ImageFile>,
    classes: Vec<String>,
}

impl ImageFolder {
    /// One picture, or those directly in a folder. Other files, by their names' endings, are left out.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !std::fs::metadata(path).map_err(|e| at(e.into(), path))?.is_dir() {
            let file = ImageFile { path: path.to_path_buf(), name: name(path), class: None };
            return Ok(Self { files: vec![file], classes: Vec::new() });
        }
        let files: Vec<ImageFile> = listed(path)?
            .into_iter()
            .filter(|p| is_image(p) && p.is_file())
            .map(|path| ImageFile { name: name(&path), path, class: None })
            .collect();
        not_empty(Self { files, classes: Vec::new() }, path, "")
    }

    /// The pictures of a folder's sub-folders, whose names are the classes: sorted, the first of them number 0.
    pub fn open_labelled(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut this = Self::default();
        for folder in listed(path)?.into_iter().filter(|p| p.is_dir()) {
            let class = name(&folder);
            for picture in listed(&folder)?.into_iter().filter(|p| is_image(p) && p.is_file()) {
                let name = format!("{class}/{}", name(&picture));
                this.files.push(ImageFile { path: picture, name, class: Some(this.classes.len()) });
            }
            this.classes.push(class);
        }
        not_empty(this, path, " in sub-folders")
    }

    /// The pictures.
    pub fn files(&self) -> &[ImageFile] {
        &self.files
    }

    /// The names of the classes by number; empty where sub-folders are none.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
}

/// Whether a file's name ends as a picture's does.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
    ENDINGS.contains(&ending.as_str()) && !hidden
}

/// What is in a folder, by name.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| at(e.into(), folder))? {
        paths.push(entry.map_err(|e| at(e.into(), folder))?.path());
        if paths.len() > MAX_FILES {
            let what = format!("more than {MAX_FILES} files");
            return Err(at(ErrorKind::Unsupported { format: "folder of pictures", what }.into(), folder));
        }
    }
    paths.sort();
    Ok(paths)
}

fn not_empty(this: ImageFolder, path: &Path, where_: &str) -> Result<ImageFolder> {
    if this.files.is_empty() {
        let folders = where_.is_empty() && listed(path)?.iter().any(|p| p.is_dir());
        let hint = if folders {
            "; sub-folders are read where they are the classes, with the label \"folder\""
        } else {
            ""
        };
        let what = format!("no picture{where_}: expected files ending in {}{hint}", ENDINGS.join(", "));
        return Err(at(ErrorKind::TooFewRows(what).into(), path));
    }
    Ok(this)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn at(error: Error, path: &Path) -> Error {
    error.in_file(&Arc::from(path.to_string_lossy()))
}
