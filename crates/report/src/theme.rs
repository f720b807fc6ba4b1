//! Colours: one table of inks, each with a light and a dark value.

/// The colours a drawing is made in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on near-black.
    Dark,
    /// Light, and dark where the viewer's screen prefers a dark scheme.
    Auto,
}

/// What a colour is for. Blue and orange are told apart with every common form of colour blindness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ink {
    Background,
    Text,
    Muted,
    Axis,
    Grid,
    Positive,
    Negative,
    Magnitude,
    /// A line or class, by its index.
    Series(usize),
    /// The background of a cell, from 0 to [`RAMP_STEPS`].
    Ramp(u8),
    /// The text on such a cell.
    OnRamp,
}

/// The last step of the ramp of cell colours.
pub(crate) const RAMP_STEPS: u8 = 20;

type Rgb = [u8; 3];

const SERIES: [(Rgb, Rgb); 6] = [
    ([0x0a, 0x62, 0xb5], [0x58, 0xa6, 0xff]),
    ([0xb8, 0x50, 0x0b], [0xf0, 0x88, 0x3e]),
    ([0x0b, 0x7a, 0x5a], [0x3f, 0xb6, 0x8b]),
    ([0x9c, 0x3f, 0x88], [0xe2, 0x86, 0xc8]),
    ([0x7d, 0x62, 0x00], [0xd6, 0xb1, 0x3a]),
    ([0x57, 0x60, 0x6a], [0xa5, 0xb4, 0xc8]),
];

/// The ramps stay light, or dark, enough that one colour of text reads well on every step.
const RAMP_LIGHT: (Rgb, Rgb) = ([0xf1, 0xf6, 0xfc], [0x74, 0xae, 0xea]);
const RAMP_DARK: (Rgb, Rgb) = ([0x16, 0x1e, 0x2a], [0x1d, 0x60, 0xab]);

impl Ink {
    /// The colour in the light or the dark theme, as `#rrggbb`.
    pub(crate) fn hex(self, dark: bool) -> String {
        let [r, g, b] = self.rgb(dark);
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// A name for the ink, unique, for use in class names.
    pub(crate) fn name(self) -> String {
        match self {
            Ink::Background => "background".to_owned(),
            Ink::Text => "text".to_owned(),
            Ink::Muted => "muted".to_owned(),
            Ink::Axis => "axis".to_owned(),
            Ink::Grid => "grid".to_owned(),
            Ink::Positive => "positive".to_owned(),
            Ink::Negative => "negative".to_owned(),
            Ink::Magnitude => "magnitude".to_owned(),
            Ink::Series(i) => format!("series{}", i % SERIES.len()),
            Ink::Ramp(step) => format!("ramp{}", step.min(RAMP_STEPS)),
            Ink::OnRamp => "onramp".to_owned(),
        }
    }

    fn rgb(self, dark: bool) -> Rgb {
        let (light_value, dark_value) = match self {
            Ink::Background => ([0xff, 0xff, 0xff], [0x0d, 0x11, 0x17]),
            Ink::Text => ([0x1b, 0x1f, 0x24], [0xe6, 0xed, 0xf3]),
            Ink::Muted => ([0x57, 0x60, 0x6a], [0xa3, 0xad, 0xb9]),
            Ink::Axis => ([0x6e, 0x77, 0x81], [0x7d, 0x85, 0x90]),
            Ink::Grid => ([0xe4, 0xe8, 0xec], [0x26, 0x2c, 0x36]),
            Ink::Positive => ([0x1f, 0x70, 0xc1], [0x58, 0xa6, 0xff]),
            Ink::Negative => ([0xd4, 0x62, 0x10], [0xf0, 0x88, 0x3e]),
            Ink::Magnitude => ([0x5a, 0x6f, 0x88], [0xa0, 0xb2, 0xc8]),
            Ink::Series(i) => SERIES[i % SERIES.len()],
            Ink::Ramp(step) => (mix(RAMP_LIGHT, step), mix(RAMP_DARK, step)),
            Ink::OnRamp => ([0x0b, 0x0f, 0x14], [0xff, 0xff, 0xff]),
        };
        if dark { dark_value } else { light_value }
    }
}

fn mix((from, to): (Rgb, Rgb), step: u8) -> Rgb {
    let t = f64::from(step.min(RAMP_STEPS)) / f64::from(RAMP_STEPS);
    std::array::from_fn(|i| {
        let (a, b) = (f64::from(from[i]), f64::from(to[i]));
        (a + (b - a) * t).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast ratio of two colours as WCAG 2 defines it, from 1 to 21.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(rgb: Rgb) -> f64 {
        let linear = rgb.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[track_caller]
    fn check(ink: Ink, on: Ink, least: f64) {
        for dark in [false, true] {
            let got = contrast(ink.rgb(dark), on.rgb(dark));
            assert!(got >= least, "{ink:?} on {on:?}, dark {dark}: {got:.2} < {least}");
        }
    }

    #[test]
    fn text_is_readable() {
        for ink in [Ink::Text, Ink::Muted].into_iter().chain((0..SERIES.len()).map(Ink::Series)) {
            check(ink, Ink::Background, 4.5);
        }
        for step in 0..=RAMP_STEPS {
            check(Ink::OnRamp, Ink::Ramp(step), 6.0);
        }
    }

    #[test]
    fn graphics_stand_out() {
        for ink in [Ink::Positive, Ink::Negative, Ink::Magnitude, Ink::Axis] {
            check(ink, Ink::Background, 3.0);
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        assert!((contrast([0x77; 3], [255; 3]) - 4.48).abs() < 0.01);
    }
}
