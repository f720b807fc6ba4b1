//! Attributions to pixels, brought to a scale.

/// A rectangle of a picture in the picture's own pixels; its edges may lie between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureRegion {
    /// The left edge.
    pub left: f64,
    /// The top edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// One number for each pixel that the network sees, and where these pixels lie in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributionMap {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f64>,
    pub(super) region: PictureRegion,
}

impl AttributionMap {
    /// A map from rows of numbers, from the top; `None` where they are not `width` × `height`, or the region has no size.
    ///
    /// What is no finite number counts as zero.
    pub fn new(width: usize, height: usize, values: Vec<f64>, region: PictureRegion) -> Option<Self> {
        let sides = [region.left, region.top, region.width, region.height];
        let fits = width > 0 && height > 0 && width.checked_mul(height) == Some(values.len());
        let has_size = sides.iter().all(|v| v.is_finite()) && region.width > 0.0 && region.height > 0.0;
        let values = values.into_iter().map(|v| if v.is_finite() { v } else { 0.0 }).collect();
        (fits && has_size).then_some(Self { width, height, values, region })
    }

    /// The sum of the numbers.
    pub fn sum(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// Which attributions of a map are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// All, with their sign, in two colours. For a mask, their magnitude.
    #[default]
    All,
    /// Those above zero.
    Positive,
    /// Those below zero.
    Negative,
    /// All, without their sign.
    AbsoluteValue,
}

/// A map from −1 to 1, or from 0 to 1 where there is no sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Levels {
    pub(super) values: Vec<f32>,
    /// The attribution that is 1; zero where the map has none of the sign.
    pub(super) scale: f64,
}

/// Captum's normalisation: what is of the sign, divided by the value at which the magnitudes, summed from the smallest,
/// reach all but `outlier_percent` of their sum; what is beyond is cut to one.
pub(super) fn levels(values: &[f64], sign: Sign, outlier_percent: f64) -> Levels {
    let chosen = |v: f64| match sign {
        Sign::All => v,
        Sign::Positive => v.max(0.0),
        Sign::Negative => (-v).max(0.0),
        Sign::AbsoluteValue => v.abs(),
    };
    let scale = threshold(values.iter().map(|&v| chosen(v).abs()).collect(), 100.0 - outlier_percent);
    let level = |v: &f64| {
        if scale > 0.0 { (chosen(*v) / scale).clamp(-1.0, 1.0) as f32 } else { 0.0 }
    };
    Levels { values: values.iter().map(level).collect(), scale }
}

/// The first of the sorted magnitudes at which their running sum reaches a share of the whole.
fn threshold(mut magnitudes: Vec<f64>, percent: f64) -> f64 {
    magnitudes.sort_by(f64::total_cmp);
    let running: Vec<f64> = magnitudes
        .iter()
        .scan(0.0, |sum, v| {
            *sum += v;
            Some(*sum)
        })
        .collect();
    let percent = if percent.is_finite() { percent.clamp(0.0, 100.0) } else { 98.0 };
    let enough = running.last().copied().unwrap_or(0.0) * 0.01 * percent;
    let place = running.iter().position(|&sum| sum >= enough);
    place.or(magnitudes.len().checked_sub(1)).map_or(0.0, |i| magnitudes[i])
}

/// How a map is enlarged to the picture's pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// Every pixel of the map keeps its edges.
    Nearest,
    /// Evenly from the middle of one pixel to that of the next.
    #[default]
    Bilinear,
}

/// The level at a place of the picture; nothing outside the region.
pub(super) fn level_at(
    map: &AttributionMap,
    levels: &Levels,
    (x, y): (f64, f64),
    how: Interpolation,
) -> Option<f32> {
    let r = &map.region;
    let (u, v) = ((x - r.left) / r.width, (y - r.top) / r.height);
    if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
        return None;
    }
    let (u, v) = (u * map.width as f64, v * map.height as f64);
    let at = |column: usize, row: usize| levels.values[row * map.width + column];
    match how {
        Interpolation::Nearest => Some(at((u as usize).min(map.width - 1), (v as usize).min(map.height - 1))),
        Interpolation::Bilinear => {
            let between = |place: f64, count: usize| {
                let place = (place - 0.5).clamp(0.0, (count - 1) as f64);
                let first = place as usize;
                (first, (first + 1).min(count - 1), (place - first as f64) as f32)
            };
            let (left, right, across) = between(u, map.width);
            let (top, bottom, down) = between(v, map.height);
            let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
            let upper = mix(at(left, top), at(right, top), across);
            let lower = mix(at(left, bottom), at(right, bottom), across);
            Some(mix(upper, lower, down))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captum 0.9's `_normalize_attr` of `((7 i) mod 23 − 9) / 4 · 1.3^(i mod 5)` for i from 0 to 59.
    #[test]
    fn scales_are_those_of_captum() {
        let values: Vec<f64> =
            (0..60).map(|i| (f64::from(i * 7 % 23) - 9.0) / 4.0 * 1.3f64.powi(i % 5)).collect();
        for (sign, outliers, expected) in CAPTUM {
            let found = levels(&values, sign, outliers);
            assert!((found.scale - expected).abs() < 1e-12, "{sign:?} {outliers}: {}", found.scale);
        }
    }

    const CAPTUM: [(Sign, f64, f64); 8] = [
        (Sign::All, 2.0, 9.282325000000002),
        (Sign::All, 10.0, 8.5683),
        (Sign::Positive, 2.0, 9.282325000000002),
        (Sign::Positive, 10.0, 8.5683),
        (Sign::Negative, 2.0, 4.94325),
        (Sign::Negative, 10.0, 4.94325),
        (Sign::AbsoluteValue, 2.0, 9.282325000000002),
        (Sign::AbsoluteValue, 0.0, 9.282325000000002),
    ];

    #[test]
    fn signs_choose_and_outliers_are_cut() {
        let values = [-4.0, 1.0, 2.0, 0.0];
        assert_eq!(levels(&values, Sign::Positive, 0.0).values, [0.0, 0.5, 1.0, 0.0]);
        assert_eq!(levels(&values, Sign::Negative, 0.0).values, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(levels(&values, Sign::All, 0.0).values, [-1.0, 0.25, 0.5, 0.0]);
        assert_eq!(levels(&values, Sign::AbsoluteValue, 60.0).values, [1.0, 0.5, 1.0, 0.0]);
        assert_eq!(levels(&[0.0, 0.0], Sign::All, 2.0), Levels { values: vec![0.0, 0.0], scale: 0.0 });
        assert_eq!(levels(&[], Sign::All, f64::NAN).scale, 0.0);
    }

    #[test]
    fn enlarging_keeps_edges_or_blends_them() {
        let region = PictureRegion { left: 2.0, top: 0.0, width: 4.0, height: 1.0 };
        let map = AttributionMap::new(2, 1, vec![0.0, 1.0], region).unwrap();
        let levels = levels(&map.values, Sign::All, 0.0);
        let at = |x: f64, how| level_at(&map, &levels, (x, 0.5), how);
        let nearest: Vec<_> = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5].map(|x| at(x, Interpolation::Nearest)).into();
        assert_eq!(nearest, [None, Some(0.0), Some(0.0), Some(1.0), Some(1.0), None]);
        let bilinear: Vec<_> = [2.5, 3.5, 4.5, 5.5].map(|x| at(x, Interpolation::Bilinear).unwrap()).into();
        assert_eq!(bilinear, [0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn maps_that_do_not_fit_are_none() {
        let region = PictureRegion { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
        assert!(AttributionMap::new(2, 2, vec![0.0; 3], region).is_none());
        assert!(AttributionMap::new(0, 0, vec![], region).is_none());
        assert!(AttributionMap::new(1, 1, vec![0.0], PictureRegion { width: 0.0, ..region }).is_none());
        assert!(AttributionMap::new(1, 1, vec![0.0], PictureRegion { left: f64::NAN, ..region }).is_none());
        assert_eq!(AttributionMap::new(1, 2, vec![f64::NAN, 2.0], region).unwrap().sum(), 2.0);
    }
}
