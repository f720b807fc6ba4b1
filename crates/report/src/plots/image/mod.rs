//! Attributions to the pixels of pictures, several methods side by side.

mod layout;
mod map;
mod paint;

pub use self::map::{AttributionMap, Interpolation, PictureRegion, Sign};

/// A picture: rows from the top, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of red, green and blue bytes; `None` where they are not `width` × `height` pixels, or there is none.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let bytes = width.checked_mul(height)?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len()).then_some(Self { width, height, rgb })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let start = (y * self.width + x) * 3;
        [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
    }
}

/// How a panel shows a picture and a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageView {
    /// The picture as it is; of a map only its region is outlined.
    Original,
    /// The map alone.
    HeatMap,
    /// The map over the faded picture in grey, clear where it is near zero.
    #[default]
    Overlay,
    /// The map, half transparent everywhere, over the picture in grey: Captum's `blended_heat_map`.
    Blended,
    /// The picture times the map's magnitude, black where that is zero: Captum's `masked_image`.
    Masked,
    /// The picture, as opaque as the map's magnitude: Captum's `alpha_scaling`.
    AlphaScaling,
}

/// One picture in a row: as it is, or with a map.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePanel {
    /// The heading, such as the method.
    pub title: String,
    /// Lines below, such as target and check.
    pub lines: Vec<String>,
    /// How it is shown.
    pub view: ImageView,
    /// The attributions; without them the picture is shown as it is.
    pub map: Option<AttributionMap>,
    /// Which attributions are shown.
    pub sign: Sign,
    /// The share of the largest magnitudes, in percent of the sum of all, that get the strongest colour; Captum's `outlier_perc`.
    pub outlier_percent: f64,
    /// How the map is enlarged to the picture's pixels.
    pub interpolation: Interpolation,
}

impl Default for ImagePanel {
    /// An overlay of both signs with 2 % of outliers, as Captum has it.
    fn default() -> Self {
        Self {
            title: String::new(),
            lines: Vec::new(),
            view: ImageView::default(),
            map: None,
            sign: Sign::default(),
            outlier_percent: 2.0,
            interpolation: Interpolation::default(),
        }
    }
}

/// A picture and its panels, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRow {
    /// The picture that every panel of the row shows.
    pub picture: Picture,
    /// The panels from left to right; those that do not fit go below.
    pub panels: Vec<ImagePanel>,
}

/// Attributions to the pixels of one picture or several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageAttributions {
    /// The heading.
    pub title: String,
    /// What was computed, on what; may be empty.
    pub subtitle: String,
    /// What the picture shows in words, for those who cannot see it; made from the data where empty.
    pub description: String,
    /// What the numbers beside the colours are, at the bottom; may be empty.
    pub note: String,
    /// The pictures.
    pub rows: Vec<ImageRow>,
}
