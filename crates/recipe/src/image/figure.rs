//! Explained pictures as a plot: the original at the left, then each method and target.

use pellucid_data::image::{Pixels, Region, Resampling, Size, resize};
use pellucid_report::{
    AttributionMap, ImageAttributions, ImagePanel, ImageRow, ImageView, Interpolation, Picture,
    PictureRegion, Sign, format_percent, format_signed, format_significant,
};

use super::{ExplainedMap, ExplainedPicture};
use crate::error::{Error, Result};

/// How maps are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapStyle {
    /// What is drawn.
    pub view: ImageView,
    /// Which attributions.
    pub sign: Sign,
    /// The share of outliers, in percent.
    pub outlier_percent: f64,
    /// How a map is enlarged.
    pub interpolation: Interpolation,
    /// Attributions are summed over squares of so many pixels that the network sees.
    pub patch: usize,
}

/// What one method found.
#[derive(Clone, Debug)]
pub struct Run {
    /// The method in full.
    pub title: String,
    /// Whether its attributions have no sign, so that they are shown as magnitudes.
    pub unsigned: bool,
    /// The pictures, the same in every run.
    pub pictures: Vec<ExplainedPicture>,
}

/// The most pixels of all panels of a plot together. Pictures are drawn at their own resolution within it, else in equal shares of it.
/// Three panels of a photograph that fill it take 29 MB of SVG, with the maps in light and dark, and 8 s of one core.
const MOST_PIXELS: usize = 16 << 20;
/// The smallest share of a panel, however many there are.
const SHARE: usize = 1 << 20;

/// The plot of some runs over the same pictures.
pub fn figure(title: &str, runs: &[Run], style: &MapStyle) -> Result<ImageAttributions> {
    let first = runs.first().ok_or_else(|| Error::request("there is nothing to plot"))?;
    let share = (MOST_PIXELS / panel_count(runs).max(1)).max(SHARE);
    let mut rows = Vec::new();
    let mut cut = Vec::new();
    for (i, picture) in first.pictures.iter().enumerate() {
        let (pixels, region) = reduced(&picture.picture, picture.region, share)?;
        if pixels.size() != picture.picture.size() {
            cut.push(format!("{} at {} of {}", picture.name, pixels.size(), picture.picture.size()));
        }
        let mut panels = vec![original(picture, &region)];
        for run in runs {
            let Some(same) = run.pictures.get(i).filter(|p| p.row == picture.row) else { continue };
            for map in &same.maps {
                panels.push(panel(run, same, map, region, style)?);
            }
        }
        let Size { width, height } = pixels.size();
        let picture = Picture::new(width, height, pixels.to_rgb().data().to_vec());
        rows.push(ImageRow {
            picture: picture.ok_or_else(|| Error::input("a picture without pixels"))?,
            panels,
        });
    }
    let scale = first.pictures.first().and_then(|p| p.maps.first()).map_or("output", |m| m.scale.as_str());
    let has_baseline = first.pictures.iter().flat_map(|p| &p.maps).any(|m| m.baseline_output.is_some());
    let towards = if has_baseline { ", against the baseline" } else { "" };
    let what = match style.patch {
        0 | 1 => "a pixel's attribution".to_owned(),
        n => format!("the attribution of a patch of {n} × {n} pixels"),
    };
    let what = format!("{what} to the {scale}{towards}, summed over its channels");
    let mut note = match style.view {
        ImageView::Original => String::new(),
        ImageView::HeatMap | ImageView::Overlay | ImageView::Blended => {
            format!("Numbers beside the colours: {what}.")
        }
        ImageView::Masked => format!("The brighter, the larger: {what}."),
        ImageView::AlphaScaling => format!("The more opaque, the larger: {what}."),
    };
    if !cut.is_empty() {
        let space = if note.is_empty() { "" } else { " " };
        note = format!("{note}{space}Drawn smaller, to keep the file small: {} pixels.", cut.join(", "));
    }
    Ok(ImageAttributions { title: title.to_owned(), note, rows, ..ImageAttributions::default() })
}

/// How many panels a plot of these runs has: the original of each picture, and its maps.
fn panel_count(runs: &[Run]) -> usize {
    let originals = runs.first().map_or(0, |run| run.pictures.len());
    let maps: usize = runs.iter().flat_map(|run| &run.pictures).map(|picture| picture.maps.len()).sum();
    originals + maps
}

fn original(picture: &ExplainedPicture, region: &PictureRegion) -> ImagePanel {
    let Size { width, height } = picture.picture.size();
    let mut lines = vec![format!("{width} × {height}, seen as {}", picture.size)];
    let score = |s: f64| {
        if picture.has_probabilities { format_percent(s, 1) } else { format_significant(s, 3) }
    };
    lines.extend(picture.classes.iter().take(3).map(|(name, s)| format!("{name} {}", score(*s))));
    lines.extend(picture.truth.iter().map(|t| format!("in truth {t}")));
    ImagePanel {
        title: picture.name.clone(),
        lines,
        view: ImageView::Original,
        map: AttributionMap::new(1, 1, vec![0.0], *region),
        ..ImagePanel::default()
    }
}

fn panel(
    run: &Run,
    picture: &ExplainedPicture,
    map: &ExplainedMap,
    region: PictureRegion,
    style: &MapStyle,
) -> Result<ImagePanel> {
    let Some(values) = map.values.clone() else {
        return Err(Error::request(format!("{} does not attribute to pixels, so it has no plot", run.title)));
    };
    let Size { width, height } = picture.size;
    let (width, height, values, region) = patched((width, height), values, region, style.patch);
    let values = AttributionMap::new(width, height, values, region);
    let mut lines = vec![format!("{}, {} {}", map.target, map.scale, format_significant(map.output, 4))];
    if let Some(base) = map.baseline_output {
        lines.push(format!("at the baseline {}", format_significant(base, 3)));
    }
    if let Some(delta) = map.delta {
        lines.push(format!("delta {}", format_signed(delta, 4)));
    }
    Ok(ImagePanel {
        title: run.title.clone(),
        lines,
        view: style.view,
        map: Some(values.ok_or_else(|| Error::input("attributions do not fill the picture"))?),
        sign: if run.unsigned && style.sign == Sign::All { Sign::AbsoluteValue } else { style.sign },
        outlier_percent: style.outlier_percent,
        interpolation: style.interpolation,
    })
}

/// Sums over squares of pixels; those at the right and lower edge may reach beyond the picture. No attribution is lost.
fn patched(
    (width, height): (usize, usize),
    values: Vec<f64>,
    region: PictureRegion,
    patch: usize,
) -> (usize, usize, Vec<f64>, PictureRegion) {
    if patch <= 1 || width * height != values.len() {
        return (width, height, values, region);
    }
    let (columns, rows) = (width.div_ceil(patch), height.div_ceil(patch));
    let mut sums = vec![0.0; columns * rows];
    for (i, value) in values.iter().enumerate() {
        sums[(i / width / patch) * columns + i % width / patch] += value;
    }
    let beyond = |count: usize, whole: usize| (count as f64 * patch as f64) / whole as f64;
    let region = PictureRegion {
        width: region.width * beyond(columns, width),
        height: region.height * beyond(rows, height),
        ..region
    };
    (columns, rows, sums, region)
}

/// A picture of so many pixels at most, a strip of a single pixel apart, and the region in them.
fn reduced(picture: &Pixels, region: Region, most: usize) -> Result<(Pixels, PictureRegion)> {
    let Size { width, height } = picture.size();
    let share = (most as f64 / (width as f64 * height as f64)).sqrt().min(1.0);
    let side = |n: usize| ((n as f64 * share).round() as usize).max(1);
    let to = Size { width: side(width), height: side(height) };
    let (across, down) = (to.width as f64 / width as f64, to.height as f64 / height as f64);
    let region = PictureRegion {
        left: region.left * across,
        top: region.top * down,
        width: region.width * across,
        height: region.height * down,
    };
    Ok((resize(picture, to, Resampling::Bilinear)?, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_resolution_up_to_a_share() {
        let of = |width, height| Pixels::new(Size { width, height }, 1, vec![9; width * height]).unwrap();
        let region = Region { left: 100.0, top: 0.0, width: 1600.0, height: 1200.0 };
        let (same, place) = reduced(&of(1804, 1200), region, 1804 * 1200).unwrap();
        assert_eq!(
            (same.size(), place.left, place.width),
            (Size { width: 1804, height: 1200 }, 100.0, 1600.0)
        );
        let (less, place) = reduced(&of(1804, 1200), region, 902 * 600).unwrap();
        assert_eq!((less.size(), place.left, place.width), (Size { width: 902, height: 600 }, 50.0, 800.0));
        let strip = Region { left: 0.0, top: 0.0, width: 5000.0, height: 1.0 };
        assert_eq!(reduced(&of(5000, 1), strip, 10).unwrap().0.size().height, 1);
    }

    #[test]
    fn patches_keep_sums_and_places() {
        let region = PictureRegion { left: 1.0, top: 2.0, width: 10.0, height: 4.0 };
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let (columns, rows, sums, wider) = patched((5, 2), values.clone(), region, 2);
        assert_eq!((columns, rows), (3, 1));
        assert_eq!(sums, [1.0 + 2.0 + 6.0 + 7.0, 3.0 + 4.0 + 8.0 + 9.0, 5.0 + 10.0]);
        assert_eq!((wider.left, wider.width, wider.height), (1.0, 12.0, 4.0));
        assert_eq!(patched((5, 2), values.clone(), region, 1), (5, 2, values, region));
        assert_eq!(patched((2, 1), vec![1.0, 2.0], region, usize::MAX).2, [3.0]);
    }
}
