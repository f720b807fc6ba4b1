//! The recipe from a picture to a network's input.

use pellucid_graph::Tensor;
use serde::{Deserialize, Serialize};

use super::pixels::{Pixels, Size};
use super::resize::{Resampling, resize};
use crate::error::{ErrorKind, Result};
use crate::steps::Real;

/// The most pixels of a picture that steps make.
pub(super) const MAX_PIXELS: usize = 1 << 26;

/// How a picture becomes a network's input. The order: alpha, grey, resize, crop, scale, mean and deviation, layout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSteps {
    /// What becomes of transparency.
    pub alpha: Alpha,
    /// The channels of the input and their order.
    pub channels: ChannelOrder,
    /// The size before the crop.
    pub resize: Resize,
    /// How the picture is sampled where its size changes.
    pub resampling: Resampling,
    /// The rectangle that is cut from the middle, as torchvision's `CenterCrop`: where the picture is smaller, zeros (black) lie
    /// around it.
    pub crop: Option<Size>,
    /// The range of the numbers.
    pub scale: PixelScale,
    /// Subtracted from the scaled values: nothing, one number, or one for each channel in the input's order.
    pub mean: Vec<f64>,
    /// Divides the difference: nothing, one number, or one for each channel in the input's order.
    pub deviation: Vec<f64>,
    /// The order of the axes.
    pub layout: Layout,
}

/// What becomes of transparency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// The picture is laid on white.
    #[default]
    White,
    /// The colours count as they are stored, as with PIL's `convert("RGB")`.
    Drop,
}

/// The channels of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ChannelOrder {
    #[default]
    Rgb,
    Bgr,
    /// One channel, as PIL's `convert("L")`.
    Grey,
}

/// The size that a picture is brought to before it is cropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Its own.
    #[default]
    Keep,
    /// The shorter side gets this length and the other keeps its proportion, rounded down, as torchvision's `Resize`.
    ShorterSide(usize),
    /// This size, whatever its proportions.
    Exact(Size),
}

/// The range that values from 0 to 255 are brought to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelScale {
    /// 0 to 1.
    #[default]
    Unit,
    /// −1 to 1: `value / 127.5 − 1`.
    Symmetric,
    /// 0 to 255, as they are.
    Raw,
}

/// The order of an input's axes behind the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Channels, height, width.
    #[default]
    Nchw,
    /// Height, width, channels.
    Nhwc,
}

/// A rectangle of a picture in the picture's own pixels; its edges may lie between two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The left edge.
    pub left: f64,
    /// The top edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// What a network sees of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Resized and cropped, still 8 bits: red, green, blue, or grey.
    pub pixels: Pixels,
    /// Where it lies in the picture.
    pub region: Region,
}

impl ImageSteps {
    /// ImageNet's means of red, green and blue on the scale from 0 to 1.
    pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
    /// ImageNet's deviations of red, green and blue.
    pub const IMAGENET_DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

    /// A square input of `side` that is `share` of the resized shorter side: `timm`'s `crop_pct`, rounded down.
    pub fn cropped(side: usize, share: f64) -> Result<Self> {
        let shorter = (side as f64 / share).floor();
        let is_share = share > 0.0 && share <= 1.0;
        if !is_share || !(1.0..=1e6).contains(&shorter) {
            let what =
                format!("a crop of {share} of a side for {side} pixels: expected a share above 0, at most 1");
            return Err(ErrorKind::InvalidOption(what).into());
        }
        Ok(Self {
            resize: Resize::ShorterSide(shorter as usize),
            crop: Some(Size::square(side)),
            ..Self::default()
        })
    }

    /// How many channels the input has.
    pub fn channel_count(&self) -> usize {
        if self.channels == ChannelOrder::Grey { 1 } else { 3 }
    }

    /// An error where a number makes no sense.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(ErrorKind::InvalidOption(what).into());
        for (name, values) in [("mean", &self.mean), ("deviation", &self.deviation)] {
            if !(values.len() <= 1 || values.len() == self.channel_count()) {
                return wrong(format!(
                    "{name}: expected one number or {}, got {}",
                    self.channel_count(),
                    values.len()
                ));
            }
            if let Some(bad) = values.iter().find(|v| !v.is_finite() || (name == "deviation" && **v <= 0.0)) {
                return wrong(format!(
                    "{name}: expected a finite number, above zero for a deviation, got {bad}"
                ));
            }
        }
        let exact = match self.resize {
            Resize::Exact(size) => Some(size),
            Resize::ShorterSide(side) => Some(Size::square(side)),
            Resize::Keep => None,
        };
        for size in [exact, self.crop].into_iter().flatten() {
            if size.width.checked_mul(size.height).is_none_or(|n| n == 0 || n > MAX_PIXELS) {
                return wrong(format!("a size of {size}: expected 1 to {MAX_PIXELS} pixels"));
            }
        }
        Ok(())
    }

    /// The size that a picture has after resizing, before the crop.
    pub fn resized(&self, picture: Size) -> Result<Size> {
        self.check()?;
        let size = match self.resize {
            Resize::Keep => picture,
            Resize::Exact(size) => size,
            Resize::ShorterSide(side) => {
                let (short, long) = (picture.width.min(picture.height), picture.width.max(picture.height));
                let other = ((side as f64 * long as f64) / short.max(1) as f64) as usize;
                if picture.width <= picture.height {
                    Size { width: side, height: other }
                } else {
                    Size { width: other, height: side }
                }
            }
        };
        if size.width.checked_mul(size.height).is_none_or(|n| n == 0 || n > MAX_PIXELS) {
            let what = format!(
                "a picture of {picture} would be resized to {size}: expected at most {MAX_PIXELS} pixels"
            );
            return Err(ErrorKind::InvalidOption(what).into());
        }
        Ok(size)
    }

    /// Resizes and crops a picture.
    pub fn view(&self, picture: &Pixels) -> Result<View> {
        let from = picture.size();
        let resized = self.resized(from)?;
        let crop = self.crop.unwrap_or(resized);
        let pixels = match self.channels {
            ChannelOrder::Grey => resize(&picture.to_grey(), resized, self.resampling)?,
            _ => resize(&picture.to_rgb(), resized, self.resampling)?,
        };
        let (left, top) = (middle(resized.width, crop.width), middle(resized.height, crop.height));
        let pixels = if crop == resized { pixels } else { pixels.crop_or_pad(left, top, crop)? };
        let across = from.width as f64 / resized.width as f64;
        let down = from.height as f64 / resized.height as f64;
        let region = Region {
            left: left as f64 * across,
            top: top as f64 * down,
            width: crop.width as f64 * across,
            height: crop.height as f64 * down,
        };
        Ok(View { pixels, region })
    }

    /// The shape of an input of this size, the rows left out.
    pub fn shape(&self, size: Size) -> [usize; 3] {
        match self.layout {
            Layout::Nchw => [self.channel_count(), size.height, size.width],
            Layout::Nhwc => [size.height, size.width, self.channel_count()],
        }
    }

    /// The numbers of a view in the network's order.
    pub fn encode<T: Real>(&self, view: &Pixels) -> Result<Vec<T>> {
        self.check()?;
        let channels = self.channel_count();
        if view.channels() != channels {
            return Err(ErrorKind::Size { what: "channels", expected: channels, got: view.channels() }.into());
        }
        let source = |c: usize| if self.channels == ChannelOrder::Bgr { 2 - c } else { c };
        let tables: Vec<Vec<T>> = (0..channels).map(|c| self.table(c)).collect();
        let data = view.data();
        Ok(match self.layout {
            Layout::Nchw => (0..channels)
                .flat_map(|c| data.iter().skip(source(c)).step_by(channels).map(move |&v| (c, v)))
                .map(|(c, v)| tables[c][usize::from(v)])
                .collect(),
            Layout::Nhwc => data
                .chunks_exact(channels)
                .flat_map(|pixel| (0..channels).map(|c| (c, pixel[source(c)])))
                .map(|(c, v)| tables[c][usize::from(v)])
                .collect(),
        })
    }

    /// What each of the 256 values becomes in a channel.
    fn table<T: Real>(&self, channel: usize) -> Vec<T> {
        (0..=255u8).map(|v| T::from_f64(self.number(f64::from(v), channel))).collect()
    }

    /// What a value from 0 to 255 becomes in a channel.
    fn number(&self, value: f64, channel: usize) -> f64 {
        let of = |list: &[f64], other: f64| list.get(channel).or(list.first()).copied().unwrap_or(other);
        (self.scale.of(value) - of(&self.mean, 0.0)) / of(&self.deviation, 1.0)
    }

    /// The numbers of a view whose pixels all have one value from 0 to 255: 0 is black, 255 white.
    pub fn even(&self, value: f64, size: Size) -> Vec<f64> {
        let (channels, pixels) = (self.channel_count(), size.width.saturating_mul(size.height));
        let each: Vec<f64> = (0..channels).map(|c| self.number(value, c)).collect();
        match self.layout {
            Layout::Nchw => each.iter().flat_map(|&v| std::iter::repeat_n(v, pixels)).collect(),
            Layout::Nhwc => each.repeat(pixels),
        }
    }

    /// A picture as one row of a network's input, and which part of it the network sees.
    pub fn apply(&self, picture: &Pixels) -> Result<(Tensor, Region)> {
        let view = self.view(picture)?;
        let [a, b, c] = self.shape(view.pixels.size());
        let values = self.encode::<f32>(&view.pixels)?;
        let got = values.len();
        let tensor = Tensor::new(&[1, a, b, c], values);
        let tensor =
            tensor.ok_or(ErrorKind::Size { what: "values of a picture", expected: a * b * c, got })?;
        Ok((tensor, view.region))
    }

    /// One number for each pixel: values in the network's order, such as attributions, summed over the channels.
    pub fn fold_channels(&self, values: &[f64], size: Size) -> Result<Vec<f64>> {
        let (channels, pixels) = (self.channel_count(), size.width.saturating_mul(size.height));
        if pixels == 0 || pixels.checked_mul(channels) != Some(values.len()) {
            let expected = pixels.saturating_mul(channels);
            return Err(ErrorKind::Size { what: "values of a picture", expected, got: values.len() }.into());
        }
        Ok(match self.layout {
            Layout::Nchw => {
                let mut sums = vec![0.0; pixels];
                for plane in values.chunks_exact(pixels) {
                    sums.iter_mut().zip(plane).for_each(|(s, v)| *s += v);
                }
                sums
            }
            Layout::Nhwc => values.chunks_exact(channels).map(|p| p.iter().sum()).collect(),
        })
    }
}

impl PixelScale {
    /// A value from 0 to 255 on this scale.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Unit => value / 255.0,
            Self::Symmetric => value / 127.5 - 1.0,
            Self::Raw => value,
        }
    }
}

/// Where a crop begins: half of what is left over, a half rounded to the even number as Python does. Where the crop is larger, before the
/// picture by half of what is missing, rounded down, as torchvision pads.
fn middle(whole: usize, part: usize) -> isize {
    let Some(rest) = whole.checked_sub(part) else { return -(((part - whole) / 2) as isize) };
    let half = rest / 2;
    (if rest % 2 == 1 { half + half % 2 } else { half }) as isize
}
