//! What the fuzz targets `csv` and `images` hold the code to; the tests replay what they found.

pub(crate) mod csv;
#[cfg(feature = "images")]
pub(crate) mod images;
