//! PNG, JPEG and WebP files as pixels.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::jpeg;
use super::pixels::{Pixels, Size};
use super::steps::Alpha;
use super::webp;
use crate::error::{Error, ErrorKind, Result};

/// What is read, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// What becomes of transparency.
    pub alpha: Alpha,
    /// The most pixels that a picture may have by its header; a larger one is refused before any is decoded.
    pub max_pixels: u64,
    /// The most bytes of a file.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    /// A hundred million pixels, 256 MiB of file.
    fn default() -> Self {
        Self { alpha: Alpha::White, max_pixels: 100_000_000, max_bytes: 256 << 20 }
    }
}

/// Reads a picture from a file; errors name it. The format is found by its first bytes, not by the file's name.
pub fn read(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Pixels> {
    let path = path.as_ref();
    let named = |e: Error| e.in_file(&Arc::from(path.to_string_lossy()));
    let read = || -> Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::new();
        file.take(options.max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().and_then(|bytes| decode(&bytes, options)).map_err(named)
}

/// Decodes a picture: three channels of 8 bits, or one where the file is grey; turned as its EXIF orientation says.
///
/// Values of 16 bits are rounded to 8, palettes are resolved, CMYK is converted without colour profiles, and an animation gives its first
/// picture. A file that ends early is an error.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Pixels> {
    if bytes.is_empty() {
        return Err(ErrorKind::EmptyFile.into());
    }
    if bytes.len() as u64 > options.max_bytes {
        let what = format!("a picture of more than {} bytes", options.max_bytes);
        return Err(ErrorKind::Unsupported { format: "picture", what }.into());
    }
    let unknown =
        || Error::from(malformed("picture", "its first bytes are not those of PNG, JPEG or WebP".to_owned()));
    let format = image::guess_format(bytes).map_err(|_| unknown())?;
    let name = match format {
        ImageFormat::Png => "PNG picture",
        ImageFormat::Jpeg => "JPEG picture",
        ImageFormat::WebP => "WebP picture",
        _ => return Err(unknown()),
    };
    let wrong = |e: ImageError| Error::from(of_library(name, e));
    if format == ImageFormat::Jpeg {
        jpeg::check_complete(bytes).map_err(|what| malformed(name, what))?;
    }
    if format == ImageFormat::WebP {
        webp::check_chunks(bytes).map_err(|what| malformed(name, what))?;
    }
    if let Some(size) = declared_size(bytes, format) {
        check_size(size.0, size.1, options)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(SIDE_BYTES.saturating_add(options.max_pixels.saturating_mul(8)));
    if format == ImageFormat::Png {
        limits.max_alloc = Some(SIDE_BYTES);
    }
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, options)?;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(decoder.total_bytes().saturating_mul(3).saturating_add(SIDE_BYTES));
    decoder.set_limits(limits).map_err(wrong)?;
    let orientation = decoder.orientation().map_err(wrong)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    picture.apply_orientation(orientation);
    pixels(picture, options.alpha)
}

/// Memory for what a file holds beside its pixels, such as texts and colour profiles.
const SIDE_BYTES: u64 = 64 << 20;

fn check_size(width: u32, height: u32, options: &DecodeOptions) -> Result<()> {
    if u64::from(width) * u64::from(height) > options.max_pixels {
        let kind = ErrorKind::PictureTooLarge {
            width: u64::from(width),
            height: u64::from(height),
            limit: options.max_pixels,
        };
        return Err(kind.into());
    }
    Ok(())
}

/// The size in a PNG's first chunk, so that nothing of a picture that is too large is looked at.
fn declared_size(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    if format != ImageFormat::Png || bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

/// Eight bits, without transparency.
fn pixels(picture: DynamicImage, alpha: Alpha) -> Result<Pixels> {
    let size = Size { width: picture.width() as usize, height: picture.height() as usize };
    let color = picture.color();
    if !color.has_alpha() {
        return match color.has_color() {
            true => Pixels::new(size, 3, picture.into_rgb8().into_raw()),
            false => Pixels::new(size, 1, picture.into_luma8().into_raw()),
        };
    }
    let on_white = |value: u8, opacity: u8| {
        let (v, a) = (u32::from(value), u32::from(opacity));
        ((v * a + 255 * (255 - a) + 127) / 255) as u8
    };
    let mixed = |value: u8, opacity: u8| if alpha == Alpha::Drop { value } else { on_white(value, opacity) };
    if color.has_color() {
        let data = picture.into_rgba8().into_raw();
        let data = data.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|i| mixed(p[i], p[3]))).collect();
        return Pixels::new(size, 3, data);
    }
    let data = picture.into_luma_alpha8().into_raw();
    Pixels::new(size, 1, data.chunks_exact(2).map(|p| mixed(p[0], p[1])).collect())
}

fn malformed(format: &'static str, what: String) -> ErrorKind {
    ErrorKind::Malformed { format, what }
}

fn of_library(format: &'static str, error: ImageError) -> ErrorKind {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            malformed(format, "the file ends early".to_owned())
        }
        ImageError::Unsupported(e) => ErrorKind::Unsupported { format, what: e.to_string() },
        ImageError::Limits(e) => ErrorKind::Unsupported {
            format,
            what: format!("it needs more memory than a picture of its size: {e}"),
        },
        other => malformed(format, other.to_string()),
    }
}
