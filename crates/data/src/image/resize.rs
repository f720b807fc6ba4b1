//! Resizing as PIL does it: two passes of 8-bit fixed-point convolution, antialiased where a picture shrinks.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::pixels::{Pixels, Size};
use crate::error::{ErrorKind, Result};

/// How a picture is sampled when its size changes; named and computed as PIL's filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// The pixel nearest to each new pixel's middle.
    Nearest,
    /// A triangle of one pixel to each side.
    #[default]
    Bilinear,
    /// Keys' cubic with a = −0.5, two pixels to each side.
    Bicubic,
    /// A windowed sinc, three pixels to each side.
    Lanczos,
}

impl Resampling {
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic => {
                const A: f64 = -0.5;
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
            Self::Lanczos => {
                let sinc = |x: f64| {
                    let x = x * std::f64::consts::PI;
                    if x == 0.0 { 1.0 } else { x.sin() / x }
                };
                if x < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
            }
        }
    }
}

/// The bits behind the point of a weight: 8 of the value, 2 for sums that overshoot, the rest of 32.
const BITS: u32 = 32 - 8 - 2;

/// The input pixels that one output pixel is made of.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// A picture in another size. Values are those of Pillow 13 bit for bit (`Image.resize`, `reducing_gap=None`).
///
/// Pillow before 13 always resizes rows first: where a picture loses more than twice as many rows as columns, it differs by a level or, with
/// filters that overshoot, by many.
pub fn resize(picture: &Pixels, to: Size, how: Resampling) -> Result<Pixels> {
    let from = picture.size();
    let pixels = to.width.checked_mul(to.height);
    if pixels.is_none_or(|n| n == 0 || n > super::steps::MAX_PIXELS) {
        return Err(ErrorKind::InvalidOption(format!(
            "a picture of {from} cannot be resized to {to}: expected 1 to {} pixels",
            super::steps::MAX_PIXELS
        ))
        .into());
    }
    if from == to {
        return Ok(picture.clone());
    }
    if how == Resampling::Nearest {
        return nearest(picture, to);
    }
    let turned = if downward_first(from, to) {
        Size { width: from.width, height: to.height }
    } else {
        Size { width: to.width, height: from.height }
    };
    Ok(pass(pass(Cow::Borrowed(picture), turned, how)?, to, how)?.into_owned())
}

/// Whether Pillow 13 resizes columns before rows: the picture loses more than twice as many rows as columns.
///
/// Each pass rounds and clips, so the order shows.
fn downward_first(from: Size, to: Size) -> bool {
    let lost = |from: usize, to: usize| from as i128 - to as i128;
    let rows = lost(from.height, to.height);
    rows > 0 && rows > 2 * lost(from.width, to.width)
}

/// A picture with one side in another size.
fn pass(picture: Cow<'_, Pixels>, to: Size, how: Resampling) -> Result<Cow<'_, Pixels>> {
    let (from, channels) = (picture.size(), picture.channels());
    let data = if from.width != to.width {
        across(picture.data(), from, channels, &windows(from.width, to.width, how))
    } else if from.height != to.height {
        down(picture.data(), to.width * channels, &windows(from.height, to.height, how))
    } else {
        return Ok(picture);
    };
    Ok(Cow::Owned(Pixels::new(to, channels, data)?))
}

fn nearest(picture: &Pixels, to: Size) -> Result<Pixels> {
    let from = picture.size();
    let place = |i: usize, from: usize, to: usize| {
        let at = (i as f64 + 0.5) * (from as f64 / to as f64);
        (at as usize).min(from - 1)
    };
    let columns: Vec<usize> = (0..to.width).map(|x| place(x, from.width, to.width)).collect();
    let mut data = Vec::with_capacity(to.width * to.height * picture.channels());
    for y in 0..to.height {
        let row = place(y, from.height, to.height);
        columns.iter().for_each(|&x| data.extend_from_slice(picture.pixel(x, row)));
    }
    Pixels::new(to, picture.channels(), data)
}

fn windows(from: usize, to: usize, how: Resampling) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = how.support() * stretch;
    let window = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        // Both ends are cut towards zero, as C does.
        let first = (centre - support + 0.5).max(0.0) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> =
            (first..last).map(|x| how.weight((x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |w: &f64| {
            let w = if sum == 0.0 { *w } else { w / sum };
            (w * f64::from(1u32 << BITS) + if w < 0.0 { -0.5 } else { 0.5 }) as i32
        };
        Window { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

fn clipped(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (BITS - 1);

/// Rows made of other widths.
fn across(data: &[u8], from: Size, channels: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(windows.len() * from.height * channels);
    for row in data.chunks_exact(from.width * channels) {
        for window in windows {
            let start = window.first * channels;
            for channel in 0..channels {
                let values = row[start + channel..].iter().step_by(channels);
                let sum =
                    values.zip(&window.weights).fold(HALF, |s, (&v, &w)| s.wrapping_add(i32::from(v) * w));
                out.push(clipped(sum));
            }
        }
    }
    out
}

/// Another number of rows of `stride` values.
fn down(data: &[u8], stride: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(windows.len() * stride);
    let mut sums = vec![0i32; stride];
    for window in windows {
        sums.fill(HALF);
        let rows = data[window.first * stride..].chunks_exact(stride);
        for (row, &w) in rows.zip(&window.weights) {
            for (sum, &v) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(v) * w);
            }
        }
        out.extend(sums.iter().map(|&s| clipped(s)));
    }
    out
}
