//! The document that travels inside a model file, as versioned JSON: preprocessing, target and split of a table, or how pictures are prepared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::image::ImageRecord;
use crate::split::{Part, Split, SplitOptions};
use crate::steps::Preprocessing;
use crate::target::Target;

/// The key under which a model file holds the document.
pub const KEY: &str = "pellucid.preprocessing";

/// The most bytes of a document that are read.
pub const MAX_BYTES: usize = 256 << 20;

/// The version of documents on tables, and of those on pictures.
const TABLE_VERSION: u32 = 1;
const IMAGE_VERSION: u32 = 2;
/// Splits of more rows are kept by recipe and hash only.
const MAX_SPLIT_ROWS: usize = 4 << 20;

/// What a model needs to know about the table or the pictures that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    version: u32,
    /// From the table's columns to the network's, where it is a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// From pictures to the network's input, where they are pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageRecord>,
    /// What is predicted, with class names.
    pub target: Option<Target>,
    /// Which rows trained, validated and tested.
    pub split: Option<SplitRecord>,
}

/// A split as it is kept in a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecord {
    /// The options it was made by, where it was not read from a file.
    pub options: Option<SplitOptions>,
    /// The number of rows.
    pub rows: u64,
    /// Rows that train, validate and test.
    pub counts: [u64; 3],
    /// SHA-256 of the assignment, in hexadecimal: one byte per row, 0, 1 or 2.
    pub sha256: String,
    /// Two bits per row, from the low end of each byte, in base64; left out of very long tables.
    assignment: Option<String>,
}

impl SplitRecord {
    /// Keeps a split and the options it was made by.
    pub fn new(split: &Split, options: Option<SplitOptions>) -> Self {
        let codes: Vec<u8> = split.parts().iter().map(|p| code(*p)).collect();
        let assignment = (codes.len() <= MAX_SPLIT_ROWS).then(|| {
            let packed = |four: &[u8]| four.iter().rev().fold(0, |byte, c| byte << 2 | c);
            STANDARD.encode(codes.chunks(4).map(packed).collect::<Vec<u8>>())
        });
        Self {
            options,
            rows: codes.len() as u64,
            counts: Part::ALL.map(|p| split.count(p) as u64),
            sha256: hash(&codes),
            assignment,
        }
    }

    /// The split itself; `None` where only its recipe was kept.
    pub fn split(&self) -> Result<Option<Split>> {
        let Some(text) = &self.assignment else { return Ok(None) };
        let wrong = |what: &str| malformed(format!("split: {what}"));
        let bytes = STANDARD.decode(text).map_err(|_| wrong("the assignment is not base64"))?;
        let rows = usize::try_from(self.rows).map_err(|_| wrong("too many rows"))?;
        if rows.div_ceil(4) != bytes.len() {
            return Err(wrong("the assignment does not have as many rows as it says"));
        }
        let codes: Vec<u8> = (0..rows).map(|r| bytes[r / 4] >> (2 * (r % 4)) & 3).collect();
        let parts: Option<Vec<Part>> =
            codes.iter().map(|c| Part::ALL.get(usize::from(*c)).copied()).collect();
        let split = Split::from_parts(parts.ok_or_else(|| wrong("a part that there is not"))?);
        if Part::ALL.map(|p| split.count(p) as u64) != self.counts || hash(&codes) != self.sha256 {
            return Err(wrong("the assignment does not match its counts or its hash"));
        }
        Ok(Some(split))
    }

    /// Whether a split is the one that is kept.
    pub fn matches(&self, split: &Split) -> bool {
        hash(&split.parts().iter().map(|p| code(*p)).collect::<Vec<_>>()) == self.sha256
    }
}

fn code(part: Part) -> u8 {
    match part {
        Part::Train => 0,
        Part::Validation => 1,
        Part::Test => 2,
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn malformed(what: String) -> Error {
    ErrorKind::Malformed { format: "metadata document", what }.into()
}

impl Metadata {
    /// A document on a table.
    pub fn new(preprocessing: Preprocessing, target: Option<Target>, split: Option<SplitRecord>) -> Self {
        Self { version: TABLE_VERSION, preprocessing: Some(preprocessing), images: None, target, split }
    }

    /// A document on pictures.
    pub fn of_images(images: ImageRecord) -> Self {
        Self { version: IMAGE_VERSION, preprocessing: None, images: Some(images), target: None, split: None }
    }

    /// The same without the way from the table's columns to the network's, for a model that takes the columns themselves.
    #[must_use]
    pub fn without_preprocessing(&self) -> Self {
        Self { preprocessing: None, ..self.clone() }
    }

    /// The document as JSON, on one line.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| malformed(e.to_string()))
    }

    /// Reads and checks a document.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if text.len() > MAX_BYTES {
            return Err(malformed(format!("{} bytes, more than {MAX_BYTES}", text.len())));
        }
        let Version { version } = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
        if !(TABLE_VERSION..=IMAGE_VERSION).contains(&version) {
            let what = format!(
                "version {version} is not {TABLE_VERSION} or {IMAGE_VERSION}, which this program knows"
            );
            return Err(ErrorKind::Unsupported { format: "metadata document", what }.into());
        }
        let this: Self = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
        match (version, &this.preprocessing, &this.images) {
            (TABLE_VERSION, Some(_), None) => {}
            // The model takes the columns themselves.
            (TABLE_VERSION, None, None) if this.target.is_some() => {}
            (IMAGE_VERSION, None, Some(images)) => {
                images.steps.check().map_err(|e| malformed(format!("images: {}", e.kind())))?;
            }
            _ => {
                let what = "version 1 is on a table and has `preprocessing` or `target`, version 2 on pictures and has `images`";
                return Err(malformed(what.to_owned()));
            }
        }
        if let (Some(target), Some(steps)) = (&this.target, &this.preprocessing)
            && steps.sources().iter().any(|c| c.name == target.column())
        {
            return Err(malformed(format!("{:?} is a feature and the target", target.column())));
        }
        if let Some(split) = &this.split {
            split.split()?;
        }
        Ok(this)
    }
}
