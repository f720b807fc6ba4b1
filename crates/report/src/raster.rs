//! Pixels that a drawing carries, as PNG.

use std::fmt;
use std::sync::Arc;

/// A picture inside a drawing, as the bytes of a PNG file.
#[derive(Clone, PartialEq)]
pub(crate) struct Raster {
    png: Arc<[u8]>,
}

impl Raster {
    /// Encodes rows of red, green, blue and opacity; nothing where the sizes do not fit.
    pub(crate) fn new(width: usize, height: usize, rgba: &[u8]) -> Option<Self> {
        let (w, h) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        if w == 0 || h == 0 || width.checked_mul(height)?.checked_mul(4)? != rgba.len() {
            return None;
        }
        let opaque = rgba.chunks_exact(4).all(|p| p[3] == 255);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, w, h);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_color(if opaque { png::ColorType::Rgb } else { png::ColorType::Rgba });
        let mut writer = encoder.write_header().ok()?;
        if opaque {
            let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
            writer.write_image_data(&rgb).ok()?;
        } else {
            writer.write_image_data(rgba).ok()?;
        }
        writer.finish().ok()?;
        Some(Self { png: bytes.into() })
    }

    /// The PNG as an address that holds it.
    pub(crate) fn data_uri(&self) -> String {
        use base64::Engine as _;
        format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(&self.png))
    }
}

/// Only what tells pictures apart, since they are long.
impl fmt::Debug for Raster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.png.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        write!(f, "Raster({}, {hash:016x})", self.png.len())
    }
}
