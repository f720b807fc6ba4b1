//! A decoded picture: 8 bits a channel, channels interleaved, rows from the top.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

/// A width and a height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// The same number of pixels in both directions.
    pub fn square(side: usize) -> Self {
        Self { width: side, height: side }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}", self.width, self.height)
    }
}

/// A picture of one channel (grey) or three (red, green, blue).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    size: Size,
    channels: usize,
    data: Vec<u8>,
}

impl Pixels {
    /// A picture of one or three channels from rows of interleaved values; refused where the sizes do not fit.
    pub fn new(size: Size, channels: usize, data: Vec<u8>) -> Result<Self> {
        let expected = size.width.checked_mul(size.height).and_then(|n| n.checked_mul(channels));
        if size.width == 0 || size.height == 0 || !matches!(channels, 1 | 3) {
            let what = format!("a picture of {size} pixels and {channels} channels");
            return Err(ErrorKind::Malformed { format: "picture", what }.into());
        }
        match expected {
            Some(n) if n == data.len() => Ok(Self { size, channels, data }),
            _ => {
                let expected = expected.unwrap_or(usize::MAX);
                Err(ErrorKind::Size { what: "values of a picture", expected, got: data.len() }.into())
            }
        }
    }

    /// Its width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// One, or three.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The values: rows from the top, pixels from the left, the channels of each together.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The values of a pixel, one for each channel; it must be inside.
    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let start = (y * self.size.width + x) * self.channels;
        &self.data[start..start + self.channels]
    }

    /// Luma by ITU-R 601 in the fixed-point form of PIL's `convert("L")`.
    pub fn to_grey(&self) -> Self {
        if self.channels == 1 {
            return self.clone();
        }
        let luma = |p: &[u8]| {
            let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
            ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
        };
        let data = self.data.chunks_exact(3).map(luma).collect();
        Self { size: self.size, channels: 1, data }
    }

    /// Three channels, whatever it has.
    pub fn to_rgb(&self) -> Self {
        if self.channels == 3 {
            return self.clone();
        }
        Self { size: self.size, channels: 3, data: self.data.iter().flat_map(|&v| [v; 3]).collect() }
    }

    /// A rectangle of it that may reach beyond its edges, where all values are zero.
    pub fn crop_or_pad(&self, left: isize, top: isize, size: Size) -> Result<Self> {
        // For each axis: the first place inside, where it lies in the rectangle, and how many there are.
        let inside = |start: isize, length: usize, whole: usize| {
            let (first, gap) = (start.max(0) as usize, start.min(0).unsigned_abs());
            (first, gap, whole.saturating_sub(first).min(length.saturating_sub(gap)))
        };
        let (x, gap_x, columns) = inside(left, size.width, self.size.width);
        let (y, gap_y, rows) = inside(top, size.height, self.size.height);
        if gap_x == 0 && gap_y == 0 && columns == size.width && rows == size.height {
            return self.crop(x, y, size);
        }
        let elements = size.width.checked_mul(size.height).and_then(|n| n.checked_mul(self.channels));
        let Some(elements) = elements.filter(|&n| n <= self.channels * super::steps::MAX_PIXELS) else {
            return Err(ErrorKind::InvalidOption(format!("a crop of {size} pixels")).into());
        };
        let mut data = vec![0; elements];
        for row in 0..rows {
            let from = ((y + row) * self.size.width + x) * self.channels;
            let to = ((gap_y + row) * size.width + gap_x) * self.channels;
            let length = columns * self.channels;
            data[to..to + length].copy_from_slice(&self.data[from..from + length]);
        }
        Self::new(size, self.channels, data)
    }

    /// A rectangle of it; refused where it is not inside.
    pub fn crop(&self, left: usize, top: usize, size: Size) -> Result<Self> {
        let fits = |start: usize, length: usize, whole: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        if !fits(left, size.width, self.size.width) || !fits(top, size.height, self.size.height) {
            let what = format!("a crop of {size} pixels at ({left}, {top}) of a picture of {}", self.size);
            return Err(ErrorKind::InvalidOption(what).into());
        }
        let mut data = Vec::with_capacity(size.width * size.height * self.channels);
        for y in top..top + size.height {
            let start = (y * self.size.width + left) * self.channels;
            data.extend_from_slice(&self.data[start..start + size.width * self.channels]);
        }
        Ok(Self { size, channels: self.channels, data })
    }
}
