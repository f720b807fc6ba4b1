//! GridSample: elements of an image [records, channels, …] at the points that a grid names, from −1 at one end of an axis to 1 at the
//! other, the last axis first; in one to three dimensions.
//!
//! The derivative is PyTorch's: that in the points is of the piece between two positions, and 0 for the nearest.

use std::sync::Arc;

use super::composite::through_body;
use super::resampling::{Mode, Named};
use super::{And, Clip, Floor, Less, Mod, Or, Round};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, elements};

/// GridSample's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "GridSample",
    domain: "",
    since: 16,
    summary: "elements of an image at the points of a grid: the nearest, or between neighbours, linear or cubic",
    derivative: "everywhere but at the edges of pieces; 0 in the grid for the nearest",
    import: |node| {
        node.expect_inputs(2, 2)?;
        // Before operator set 20 the modes have the names of two dimensions.
        let mode = match node.text("mode")?.as_deref() {
            None | Some("bilinear") => Mode::Linear,
            Some("bicubic") => Mode::Cubic,
            Some(name) => Mode::parse("mode", name)?,
        };
        let outside = match node.text("padding_mode")? {
            Some(name) => Outside::parse("padding_mode", &name)?,
            None => Outside::Zeros,
        };
        Ok(Arc::new(GridSample { mode, outside, align_corners: node.flag("align_corners", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What stands outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    Zeros,
    Border,
    Reflection,
}

impl Named for Outside {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Zeros, "zeros"), (Self::Border, "border"), (Self::Reflection, "reflection")];
}

/// Elements of an image at the points of a grid.
#[derive(Clone, Copy, Debug)]
pub struct GridSample {
    mode: Mode,
    outside: Outside,
    align_corners: bool,
}

/// A neighbour of points along one axis: its position, and its weight where it is not 1.
type Tap = (ValueId, Option<ValueId>);

impl GridSample {
    /// The ends of an axis, where it is reflected.
    fn ends(self, size: usize) -> (f64, f64) {
        let last = size as f64 - 1.0;
        if self.align_corners { (0.0, last) } else { (-0.5, last + 0.5) }
    }

    /// Positions of an axis brought into the image as `padding_mode` says.
    fn inside(self, b: &mut Builder, x: ValueId, size: usize) -> OpResult<ValueId> {
        let (least, most) = self.ends(size);
        let moved = match self.outside {
            Outside::Zeros => return Ok(x),
            Outside::Reflection if most > least => {
                // Twice the length is a period, of which the second half runs back.
                let length = most - least;
                let from_start = b.shift(x, -least)?;
                let period = b.scalar_like(x, 2.0 * length)?;
                let in_period = b.push(Mod { fmod: false }, &[from_start, period])?;
                let from_turn = b.shift(in_period, -length)?;
                let distance = b.abs(from_turn)?;
                let back = b.neg(distance)?;
                b.shift(back, most)?
            }
            Outside::Border | Outside::Reflection => clipped(b, x, size)?,
        };
        let (least, most) = (b.scalar_like(x, least)?, b.scalar_like(x, most)?);
        let (below, above) = (b.push(Less, &[x, least])?, b.greater(x, most)?);
        let out = b.push(Or, &[below, above])?;
        b.select(out, moved, x)
    }

    /// The neighbours of points along an axis, at which they lie in the image's own positions.
    fn taps(self, b: &mut Builder, x: ValueId, size: usize) -> OpResult<Vec<Tap>> {
        let start = if self.mode == Mode::Nearest { b.push(Round, &[x])? } else { x };
        let x = self.inside(b, start, size)?;
        let (base, weights) = match self.mode {
            Mode::Nearest => (x, vec![(0.0, None)]),
            mode => {
                let base = b.push(Floor, &[x])?;
                let way = b.sub(x, base)?;
                let back = b.neg(way)?;
                let rest = b.shift(back, 1.0)?;
                let weights = match mode {
                    Mode::Linear => vec![(0.0, rest), (1.0, way)],
                    _ => vec![
                        (-1.0, far(b, way)?),
                        (0.0, near(b, way)?),
                        (1.0, near(b, rest)?),
                        (2.0, far(b, rest)?),
                    ],
                };
                (base, weights.into_iter().map(|(offset, w)| (offset, Some(w))).collect())
            }
        };
        weights.into_iter().map(|(offset, weight)| self.tap(b, (base, offset), weight, size)).collect()
    }

    fn tap(
        self,
        b: &mut Builder,
        (base, offset): (ValueId, f64),
        weight: Option<ValueId>,
        size: usize,
    ) -> OpResult<Tap> {
        let at = if offset == 0.0 { base } else { b.shift(base, offset)? };
        let (at, weight) = if self.outside == Outside::Zeros {
            let (zero, last) = (b.scalar_like(at, 0.0)?, b.scalar_like(at, size as f64 - 1.0)?);
            let (above, below) = (b.greater_or_equal(at, zero)?, b.greater_or_equal(last, at)?);
            let there = b.push(And, &[above, below])?;
            let weight = match weight {
                Some(weight) => b.masked(there, weight)?,
                None => b.cast(there, b.fact(at).dtype)?,
            };
            (at, Some(weight))
        } else {
            (self.inside(b, at, size)?, weight)
        };
        let at = clipped(b, at, size)?;
        Ok((b.cast(at, DType::I64)?, weight))
    }
}

fn clipped(b: &mut Builder, x: ValueId, size: usize) -> OpResult<ValueId> {
    let (zero, last) = (b.scalar_like(x, 0.0)?, b.scalar_like(x, size as f64 - 1.0)?);
    b.push(Clip, &[x, zero, last])
}

/// The number of Keys' cubic convolution, as PyTorch and ONNX have it.
const KEYS: f64 = -0.75;

/// The weight of a neighbour at a distance up to 1.
fn near(b: &mut Builder, way: ValueId) -> OpResult<ValueId> {
    polynomial(b, way, [KEYS + 2.0, -(KEYS + 3.0), 0.0, 1.0])
}

/// The weight of a neighbour at a distance of 1 more.
fn far(b: &mut Builder, way: ValueId) -> OpResult<ValueId> {
    polynomial(b, way, [KEYS, -2.0 * KEYS, KEYS, 0.0])
}

/// The coefficient of the highest power comes first.
fn polynomial(b: &mut Builder, x: ValueId, coefficients: [f64; 4]) -> OpResult<ValueId> {
    let mut sum = b.scale(x, coefficients[0])?;
    for (i, &c) in coefficients[1..].iter().enumerate() {
        if i > 0 {
            sum = b.mul(sum, x)?;
        }
        sum = b.shift(sum, c)?;
    }
    Ok(sum)
}

impl Operator for GridSample {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("mode", Attribute::Text(self.mode.name()))
            .with("padding_mode", Attribute::Text(self.outside.name()))
            .with("align_corners", Attribute::Int(i64::from(self.align_corners)))
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.get(1) == Some(&true) { Kind::Other } else { Kind::Affine }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(grid)] = inputs else { refuse!("it needs two inputs") };
        let (dtype, shape, points) = (b.fact(x).dtype, b.shape(x).to_vec(), b.shape(grid).to_vec());
        let ([records, channels, spatial @ ..], [of, out @ .., coordinates]) = (shape.as_slice(), points.as_slice())
        else {
            refuse!("it needs an image and a grid, found shapes {shape:?} and {points:?}")
        };
        let rank = spatial.len();
        if !(1..=3).contains(&rank) || of != records || *coordinates != rank || out.len() != rank {
            refuse!("a grid of shape {points:?} does not fit an image of shape {shape:?}");
        }
        if !dtype.is_float() || !b.fact(grid).dtype.is_float() {
            refuse!("its inputs are of types {dtype} and {}, expected floats", b.fact(grid).dtype);
        }
        let (Some(inner), Some(count)) = (elements(spatial), elements(out)) else { refuse!("it is too large") };
        if inner == 0 {
            refuse!("an image of shape {shape:?} has no elements to take");
        }
        let grid = b.cast(grid, dtype)?;
        let grid = b.reshape(grid, &[*records, count, rank])?;
        let mut corners: Vec<(Option<ValueId>, Option<ValueId>)> = vec![(None, None)];
        for (axis, &size) in spatial.iter().enumerate() {
            let part = b.narrow(grid, 2, rank - 1 - axis, 1)?;
            let part = b.reshape(part, &[*records, 1, count])?;
            let from_start = b.shift(part, 1.0)?;
            let at = if self.align_corners {
                b.scale(from_start, (size as f64 - 1.0) / 2.0)?
            } else {
                let wide = b.scale(from_start, size as f64 / 2.0)?;
                b.shift(wide, -0.5)?
            };
            let taps = self.taps(b, at, size)?;
            let before = std::mem::take(&mut corners);
            for (place, weight) in before {
                for &(position, own) in &taps {
                    let place = match place {
                        None => position,
                        Some(outer) => {
                            let line = b.scale(outer, size as f64)?;
                            b.add(line, position)?
                        }
                    };
                    let weight = match (weight, own) {
                        (Some(one), Some(other)) => Some(b.mul(one, other)?),
                        (one, other) => one.or(other),
                    };
                    corners.push((Some(place), weight));
                }
            }
        }
        let flat = b.reshape(x, &[*records, *channels, inner])?;
        let mut sum: Option<ValueId> = None;
        for (place, weight) in corners {
            let place = place.ok_or_else(|| OpError("it has no axes".to_owned()))?;
            let place = b.expand(place, &[*records, *channels, count])?;
            let found = b.gather_elements(flat, place, 2)?;
            let found = weight.map_or(Ok(found), |w| b.mul(found, w))?;
            sum = Some(match sum {
                Some(before) => b.add(before, found)?,
                None => found,
            });
        }
        let sum = sum.ok_or_else(|| OpError("it has no axes".to_owned()))?;
        let shape: Vec<usize> = [*records, *channels].into_iter().chain(out.iter().copied()).collect();
        Ok(Some(vec![b.reshape(sum, &shape)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::{GridSample, Mode, Outside};
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        let of = |mode, outside, align_corners| Case::new(GridSample { mode, outside, align_corners });
        let image = || f64s(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = |points: &[f64]| f64s(&[1, 1, points.len() / 2, 2], points);
        let gives = |list: &[f64]| f64s(&[1, 1, 1, list.len()], list);
        let mut found = vec![
            of(Mode::Linear, Outside::Zeros, true)
                .input(image())
                .input(row(&[-1.0, -1.0, 0.0, 0.0, 0.5, -1.0, -2.0, 0.0, f64::NAN, 0.0]))
                .expect(gives(&[1.0, 2.5, 1.75, 1.0, 0.0]))
                .rows(&[0, 1])
                .fixed(&[0, 1]),
            of(Mode::Linear, Outside::Border, true).input(image()).input(row(&[-2.0, 0.0])).expect(gives(&[2.0])).fixed(&[0, 1]),
            of(Mode::Linear, Outside::Reflection, true).input(image()).input(row(&[-2.0, 0.0])).expect(gives(&[2.5])).fixed(&[0, 1]),
            of(Mode::Nearest, Outside::Zeros, false)
                .input(image())
                .input(row(&[-0.9, 0.9, 0.0, 0.0, 5.0, 0.0]))
                .expect(gives(&[3.0, 1.0, 0.0]))
                .fixed(&[0, 1]),
        ];
        // PyTorch's numbers are those of the ONNX project's cases, which are run whole; here are types, rows and derivatives.
        for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
            for (mode, align_corners) in [(Mode::Linear, false), (Mode::Linear, true), (Mode::Cubic, false)] {
                found.push(
                    of(mode, outside, align_corners)
                        .random(&[2, 3, 3, 4])
                        .between(&[2, 2, 3, 2], -1.7, 1.7)
                        .rows(&[0, 1]),
                );
            }
        }
        found.push(of(Mode::Linear, Outside::Zeros, false).random(&[2, 1, 2, 3, 2]).between(&[2, 1, 2, 2, 3], -1.1, 1.1).rows(&[0, 1]));
        found.push(of(Mode::Cubic, Outside::Zeros, true).random(&[2, 2, 5]).between(&[2, 3, 1], -1.1, 1.1).rows(&[0, 1]));
        found.push(of(Mode::Linear, Outside::Reflection, true).random(&[1, 1, 1, 2]).between(&[1, 2, 1, 2], -3.0, 3.0).rows(&[0, 1]));
        found
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = GridSample { mode: Mode::Linear, outside: Outside::Zeros, align_corners: false };
        let image = |shape: &[usize]| f64s(shape, &vec![0.0; shape.iter().product()]);
        assert!(refusal(op, &[image(&[1, 1, 2, 2]), image(&[2, 1, 1, 2])]).contains("does not fit an image"));
        assert!(refusal(op, &[image(&[1, 1, 2, 2]), image(&[1, 1, 1, 3])]).contains("does not fit an image"));
        assert!(refusal(op, &[image(&[1, 1, 0, 2]), image(&[1, 1, 1, 2])]).contains("no elements to take"));
        assert!(refusal(op, &[image(&[1]), image(&[1])]).contains("an image and a grid"));
    }
}
