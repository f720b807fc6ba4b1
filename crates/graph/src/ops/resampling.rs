//! Where each element of a resized axis comes from: the positions and weights of Resize, as ONNX defines them.

use crate::error::OpResult;
use crate::refuse;

/// Which position of the input a position of the output stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNearest,
    TfCropAndResize,
}

/// Which element the nearest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// How elements are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub(super) enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// Names of the values of an attribute.
pub(super) trait Named: Copy + PartialEq + 'static {
    const ALL: &'static [(Self, &'static str)];

    fn parse(attribute: &str, name: &str) -> OpResult<Self> {
        match Self::ALL.iter().find(|(_, n)| *n == name) {
            Some((found, _)) => Ok(*found),
            None => {
                let names: Vec<&str> = Self::ALL.iter().map(|(_, n)| *n).collect();
                refuse!("attribute {attribute} is {name:?}, expected one of {}", names.join(", "))
            }
        }
    }

    fn name(self) -> String {
        Self::ALL.iter().find(|(v, _)| *v == self).map_or_else(String::new, |(_, n)| (*n).to_owned())
    }
}

impl Named for Coordinates {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::HalfPixel, "half_pixel"),
        (Self::HalfPixelSymmetric, "half_pixel_symmetric"),
        (Self::PytorchHalfPixel, "pytorch_half_pixel"),
        (Self::AlignCorners, "align_corners"),
        (Self::Asymmetric, "asymmetric"),
        (Self::TfHalfPixelForNearest, "tf_half_pixel_for_nn"),
        (Self::TfCropAndResize, "tf_crop_and_resize"),
    ];
}

impl Named for Nearest {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::RoundPreferFloor, "round_prefer_floor"),
        (Self::RoundPreferCeil, "round_prefer_ceil"),
        (Self::Floor, "floor"),
        (Self::Ceil, "ceil"),
    ];
}

impl Named for Mode {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Nearest, "nearest"), (Self::Linear, "linear"), (Self::Cubic, "cubic")];
}

/// How one axis is resized.
#[derive(Clone, Copy, Debug)]
pub(super) struct Along {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) scale: f64,
    /// The part of the axis that is taken, as fractions, for [`Coordinates::TfCropAndResize`].
    pub(super) part: (f64, f64),
}

/// How all axes are resized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) mode: Mode,
    pub(super) coordinates: Coordinates,
    pub(super) nearest: Nearest,
    pub(super) antialias: bool,
    pub(super) exclude_outside: bool,
    pub(super) cubic: f64,
}

/// The positions and weights of one output position; `None` for one outside the input, which gets the extrapolation value.
pub(super) type Sources = Option<Vec<(usize, f64)>>;

impl Along {
    /// The position of the input that output position `i` stands for.
    fn position(&self, i: usize, coordinates: Coordinates) -> f64 {
        let (x, from) = (i as f64, self.from as f64);
        let wanted = self.scale * from;
        match coordinates {
            Coordinates::HalfPixel => (x + 0.5) / self.scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = self.to as f64 / wanted;
                from / 2.0 * (1.0 - adjustment) + (x + 0.5) / self.scale - 0.5
            }
            Coordinates::PytorchHalfPixel if self.to == 1 => 0.0,
            Coordinates::PytorchHalfPixel => (x + 0.5) / self.scale - 0.5,
            Coordinates::AlignCorners if wanted == 1.0 || self.to == 1 => 0.0,
            Coordinates::AlignCorners => x * (from - 1.0) / (wanted - 1.0),
            Coordinates::Asymmetric => x / self.scale,
            Coordinates::TfHalfPixelForNearest => (x + 0.5) / self.scale,
            Coordinates::TfCropAndResize => {
                let (start, end) = self.part;
                if self.to == 1 {
                    0.5 * (start + end) * (from - 1.0)
                } else {
                    start * (from - 1.0) + x * (end - start) * (from - 1.0) / (wanted - 1.0)
                }
            }
        }
    }

    /// Where every output position comes from.
    pub(super) fn sources(&self, rule: &Rule) -> Vec<Sources> {
        (0..self.to)
            .map(|i| {
                let x = self.position(i, rule.coordinates);
                let outside = rule.coordinates == Coordinates::TfCropAndResize
                    && !(0.0..=self.from as f64 - 1.0).contains(&x);
                if outside { None } else { Some(self.weigh(x, rule)) }
            })
            .collect()
    }

    fn weigh(&self, x: f64, rule: &Rule) -> Vec<(usize, f64)> {
        let last = self.from as i64 - 1;
        let floor = x.floor();
        let ratio = x - floor;
        let at = floor.clamp(-1e9, 1e9) as i64;
        if rule.mode == Mode::Nearest {
            let up = match rule.nearest {
                Nearest::RoundPreferFloor => ratio > 0.5,
                Nearest::RoundPreferCeil => ratio >= 0.5,
                Nearest::Floor => false,
                Nearest::Ceil => ratio > 0.0,
            };
            return vec![((at + i64::from(up)).clamp(0, last) as usize, 1.0)];
        }
        // An antialiased kernel is as much wider as the output is smaller.
        let narrowed = if rule.antialias { self.scale.min(1.0) } else { 1.0 };
        let radius = if rule.mode == Mode::Linear { 1.0 } else { 2.0 };
        let reach = f64::min(radius / narrowed, 2.0 * self.from as f64 + 4.0);
        let start = (-reach).floor() as i64 + 1;
        let end = reach.ceil() as i64 + 1;
        let mut found: Vec<(i64, f64)> = (start..end)
            .map(|k| (at + k, kernel((k as f64 - ratio) * narrowed, rule)))
            .filter(|(p, _)| !rule.exclude_outside || (0..=last).contains(p))
            .collect();
        if rule.antialias || rule.exclude_outside {
            let total: f64 = found.iter().map(|(_, w)| w).sum();
            found.iter_mut().for_each(|(_, w)| *w /= total);
        }
        // Positions beyond an end are its last element again.
        let mut merged: Vec<(usize, f64)> = Vec::with_capacity(found.len());
        for (p, w) in found.into_iter().filter(|(_, w)| *w != 0.0) {
            let p = p.clamp(0, last) as usize;
            match merged.last_mut() {
                Some((before, sum)) if *before == p => *sum += w,
                _ => merged.push((p, w)),
            }
        }
        merged
    }
}

/// The weight of an element at a distance.
fn kernel(distance: f64, rule: &Rule) -> f64 {
    let d = distance.abs();
    match rule.mode {
        Mode::Nearest => 0.0,
        Mode::Linear => (1.0 - d).max(0.0),
        Mode::Cubic => {
            let a = rule.cubic;
            if d <= 1.0 {
                ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
            } else if d < 2.0 {
                ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
            } else {
                0.0
            }
        }
    }
}
