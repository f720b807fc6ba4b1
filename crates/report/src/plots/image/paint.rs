//! The pixels of a panel: a picture, a map over it, or both, in the colours of a theme.

use super::map::{AttributionMap, Levels, Sign, level_at};
use super::{ImagePanel, ImageView, Picture};

type Rgb = [u8; 3];

/// Rows of red, green, blue and opacity.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgba: Vec<u8>,
}

/// A picture is drawn in its own pixels; one with fewer than its map is enlarged, up to so many times and pixels.
const MOST_TIMES: usize = 16;
const MOST_PIXELS: usize = 4 << 20;
/// How far a grey picture under colours goes towards the background.
const FADED: f32 = 0.45;
/// The same for what the network does not see.
const OUTSIDE: f32 = 0.7;

/// From nothing to one: four colours, evenly spaced.
type Ramp = [Rgb; 4];

/// Blue and orange, told apart with every common form of colour blindness; both become steadily darker, or lighter on dark.
const POSITIVE: (Ramp, Ramp) = (
    [[0xf7, 0xf7, 0xf7], [0x9c, 0xc4, 0xec], [0x1f, 0x70, 0xc1], [0x08, 0x2f, 0x63]],
    [[0x16, 0x1b, 0x22], [0x1c, 0x4a, 0x85], [0x58, 0xa6, 0xff], [0xd2, 0xe8, 0xff]],
);
const NEGATIVE: (Ramp, Ramp) = (
    [[0xf7, 0xf7, 0xf7], [0xf7, 0xbc, 0x8c], [0xd4, 0x62, 0x10], [0x6b, 0x2c, 0x02]],
    [[0x16, 0x1b, 0x22], [0x84, 0x41, 0x12], [0xf0, 0x88, 0x3e], [0xff, 0xe3, 0xc6]],
);
const MAGNITUDE: (Ramp, Ramp) = (
    [[0xf7, 0xf7, 0xf7], [0xc9, 0xb5, 0xe0], [0x7f, 0x4f, 0xb0], [0x35, 0x12, 0x5c]],
    [[0x16, 0x1b, 0x22], [0x51, 0x35, 0x7d], [0xab, 0x84, 0xe0], [0xf0, 0xe4, 0xff]],
);
const BACKGROUND: (Rgb, Rgb) = ([0xff, 0xff, 0xff], [0x0d, 0x11, 0x17]);

fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    std::array::from_fn(|i| (f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * t).round() as u8)
}

/// The colour of a level.
fn colour(level: f32, sign: Sign, dark: bool) -> Rgb {
    let ramps = match sign {
        Sign::All if level < 0.0 => &NEGATIVE,
        Sign::All | Sign::Positive => &POSITIVE,
        Sign::Negative => &NEGATIVE,
        Sign::AbsoluteValue => &MAGNITUDE,
    };
    let ramp = if dark { &ramps.1 } else { &ramps.0 };
    let place = level.abs().min(1.0) * (ramp.len() - 1) as f32;
    let first = (place as usize).min(ramp.len() - 2);
    mix(ramp[first], ramp[first + 1], place - first as f32)
}

/// Colours over a grey picture: what is near zero is clear, and the colour is never a pale one.
fn overlaid(grey: Rgb, level: f32, sign: Sign, dark: bool) -> Rgb {
    let size = level.abs().min(1.0);
    let strong = colour(level.signum() * (0.5 + 0.4 * size), sign, dark);
    mix(grey, strong, 0.95 * size.powf(0.7))
}

/// Paints a panel.
pub(super) fn paint(
    picture: &Picture,
    panel: &ImagePanel,
    map: Option<(&AttributionMap, &Levels)>,
    dark: bool,
) -> Canvas {
    let times = map.map_or(1, |(map, _)| enlarged(picture, map));
    let (width, height) = (picture.width * times, picture.height * times);
    let background = if dark { BACKGROUND.1 } else { BACKGROUND.0 };
    let mut rgba = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            let pixel = picture.pixel(x / times, y / times);
            let at = ((x as f64 + 0.5) / times as f64, (y as f64 + 0.5) / times as f64);
            let level = map.and_then(|(map, levels)| level_at(map, levels, at, panel.interpolation));
            let (rgb, opacity) = shown(panel, pixel, level, map.is_some(), (dark, background));
            rgba.extend_from_slice(&[rgb[0], rgb[1], rgb[2], opacity]);
        }
    }
    Canvas { width, height, rgba }
}

/// The colour and opacity of a pixel; outside the region there is no level.
fn shown(
    panel: &ImagePanel,
    pixel: Rgb,
    level: Option<f32>,
    has_map: bool,
    (dark, background): (bool, Rgb),
) -> (Rgb, u8) {
    let mean = pixel.iter().map(|&v| u16::from(v)).sum::<u16>() / 3;
    let grey = [mean as u8; 3];
    let outside = || (mix(grey, background, OUTSIDE), 255);
    match (panel.view, level) {
        (ImageView::Original, _) => (pixel, 255),
        _ if !has_map => (pixel, 255),
        (ImageView::HeatMap, None) => (background, 0),
        (ImageView::Overlay | ImageView::Blended, None) => outside(),
        (ImageView::Masked | ImageView::AlphaScaling, None) => (background, 0),
        (ImageView::HeatMap, Some(level)) => (colour(level, panel.sign, dark), 255),
        (ImageView::Overlay, Some(level)) => {
            (overlaid(mix(grey, background, FADED), level, panel.sign, dark), 255)
        }
        (ImageView::Blended, Some(level)) => (mix(grey, colour(level, panel.sign, dark), 0.5), 255),
        (ImageView::Masked, Some(level)) => (mix([0; 3], pixel, level.abs()), 255),
        (ImageView::AlphaScaling, Some(level)) => (pixel, (level.abs() * 255.0).round() as u8),
    }
}

/// How many pixels a picture's pixel is drawn with, so that no pixel of the map is lost.
fn enlarged(picture: &Picture, map: &AttributionMap) -> usize {
    let dense = (map.width as f64 / map.region.width).max(map.height as f64 / map.region.height);
    let mut times = (dense.ceil() as usize).clamp(1, MOST_TIMES);
    while times > 1 && picture.width * picture.height * times * times > MOST_PIXELS {
        times -= 1;
    }
    times
}

/// A bar of the colours from the lowest level to the highest, as the panel shows them.
pub(super) fn bar(panel: &ImagePanel, dark: bool) -> Canvas {
    const WIDTH: usize = 256;
    let background = if dark { BACKGROUND.1 } else { BACKGROUND.0 };
    let grey = mix([128; 3], background, FADED);
    let at = |x: usize| {
        let t = x as f32 / (WIDTH - 1) as f32;
        let level = if panel.sign == Sign::All { 2.0 * t - 1.0 } else { t };
        match panel.view {
            ImageView::Overlay => overlaid(grey, level, panel.sign, dark),
            ImageView::Blended => mix([128; 3], colour(level, panel.sign, dark), 0.5),
            _ => colour(level, panel.sign, dark),
        }
    };
    let rgba = (0..WIDTH).flat_map(|x| {
        let [r, g, b] = at(x);
        [r, g, b, 255]
    });
    Canvas { width: WIDTH, height: 1, rgba: rgba.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightness([r, g, b]: Rgb) -> f64 {
        0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
    }

    #[test]
    fn colours_become_steadily_stronger() {
        for sign in [Sign::All, Sign::Positive, Sign::Negative, Sign::AbsoluteValue] {
            for direction in [1.0, -1.0] {
                for dark in [false, true] {
                    let all: Vec<f64> = (0..=20)
                        .map(|i| lightness(colour(direction * i as f32 / 20.0, sign, dark)))
                        .collect();
                    assert!(
                        all.windows(2).all(|w| if dark { w[1] > w[0] } else { w[1] < w[0] }),
                        "{sign:?} {all:?}"
                    );
                }
            }
        }
    }

    /// Viénot's 1999 simulation of red and green blindness on linear light, near enough for a difference this large.
    #[test]
    fn directions_differ_without_red_or_green() {
        let seen = |rgb: Rgb, deuteranopia: bool| {
            let [r, g, b] = rgb.map(|c| (f64::from(c) / 255.0).powf(2.2));
            let (x, y) = if deuteranopia { (0.29275, 0.70725) } else { (0.11238, 0.88762) };
            let yellow = x * r + y * g;
            [yellow, yellow, (b * 0.97 + 0.03 * yellow).clamp(0.0, 1.0)]
        };
        for dark in [false, true] {
            for blind in [false, true] {
                let [a, b] = [0.66, -0.66].map(|l| seen(colour(l, Sign::All, dark), blind));
                let apart = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
                assert!(apart > 0.3, "dark {dark}: {a:?} {b:?}");
            }
        }
    }
}
