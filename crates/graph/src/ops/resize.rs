//! Resize: axes made longer or shorter by the nearest element, or by linear or cubic interpolation, with all of ONNX's ways of placing the
//! positions. Upsample, its older form, is read too. Each axis is resized for itself, one after the other.

use std::sync::Arc;

use super::resampling::{Along, Coordinates, Mode, Named, Nearest, Rule, Sources};
use super::support::{axis, data, fact, integers, no_type, optional, out, output, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::{Builder, MOST_ELEMENTS, makeable};
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::import::{Import, ImportInput};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, Tensor, View, ViewMut, span};
use pellucid_kernels::Real;
use pellucid_kernels::layout::{pick, row_major};

/// Resize's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Resize",
    domain: "",
    since: 7,
    summary: "axes made longer or shorter by the nearest element, or by linear or cubic interpolation; Upsample, its older form, too; \
              with align_corners and given scales, positions follow ONNX's reference, which divides by the length before it is rounded, \
              less one, where PyTorch and ONNX Runtime divide by the whole length less one",
    derivative: "everywhere",
    import: |node| {
        let mut found = Resize::import(node)?;
        if node.opset < 11 {
            // Upsample, and Resize as it began: scales are the only other input, positions asymmetric.
            if let Some(scales) = node.floats("scales")? {
                node.set_input(1, Tensor::vector(scales));
            }
            node.expect_inputs(2, 2)?;
            let scales = node.inputs.pop();
            node.inputs.push(ImportInput::Missing);
            node.inputs.extend(scales);
            found.rule.coordinates = Coordinates::Asymmetric;
            found.rule.nearest = Nearest::Floor;
        }
        node.expect_inputs(1, 4)?;
        Ok(Arc::new(found))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Which scale keeps the aspect ratio where sizes are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Aspect {
    Stretch,
    NotLarger,
    NotSmaller,
}

impl Named for Aspect {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Stretch, "stretch"), (Self::NotLarger, "not_larger"), (Self::NotSmaller, "not_smaller")];
}

/// Axes made longer or shorter. Inputs: x, the part that is taken, scales, sizes.
#[derive(Clone, Debug)]
pub struct Resize {
    rule: Rule,
    aspect: Aspect,
    extrapolation: f32,
    axes: Option<Vec<i64>>,
}

impl Resize {
    fn import(node: &Import<'_>) -> OpResult<Self> {
        fn named<T: Named>(node: &Import<'_>, name: &str, default: &str) -> OpResult<T> {
            T::parse(name, node.text(name)?.as_deref().unwrap_or(default))
        }
        // Upsample calls linear interpolation by its name for two axes, too.
        let mode = match node.text("mode")?.as_deref() {
            Some("bilinear") if node.opset < 9 => Mode::Linear,
            other => Mode::parse("mode", other.unwrap_or("nearest"))?,
        };
        Ok(Self {
            rule: Rule {
                mode,
                coordinates: named(node, "coordinate_transformation_mode", "half_pixel")?,
                nearest: named(node, "nearest_mode", "round_prefer_floor")?,
                antialias: node.flag("antialias", false)?,
                exclude_outside: node.flag("exclude_outside", false)?,
                cubic: f64::from(node.float("cubic_coeff_a")?.unwrap_or(-0.75)),
            },
            aspect: named(node, "keep_aspect_ratio_policy", "stretch")?,
            extrapolation: node.float("extrapolation_value")?.unwrap_or(0.0),
            axes: node.ints("axes")?,
        })
    }

    /// How each axis is resized; `None` for axes that stay.
    fn plan(&self, shape: &[usize], constants: [Option<Vec<f64>>; 3]) -> OpResult<Vec<Option<Along>>> {
        let rank = shape.len();
        let axes: Vec<usize> = match &self.axes {
            Some(list) => list.iter().map(|&a| axis(a, rank)).collect::<OpResult<_>>()?,
            None => (0..rank).collect(),
        };
        let [parts, scales, sizes] = constants.map(|c| c.filter(|c| !c.is_empty()));
        let crops = self.rule.coordinates == Coordinates::TfCropAndResize;
        let parts = match parts {
            Some(parts) if crops && parts.len() == 2 * axes.len() => Some(parts),
            Some(parts) if crops => refuse!("its roi has {} numbers, expected {}", parts.len(), 2 * axes.len()),
            _ => None,
        };
        let whole = |n: f64| -> OpResult<usize> {
            if (0.0..=f64::from(1 << 30)).contains(&n) { Ok(n as usize) } else { refuse!("a size of {n} is impossible") }
        };
        let all: Vec<(usize, f64)> = match (scales, sizes) {
            (Some(scales), None) if scales.len() == axes.len() => {
                if let Some(bad) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
                    refuse!("a scale of {bad} is impossible");
                }
                let to = |(&a, &s): (&usize, &f64)| Ok((whole((shape[a] as f64 * s).floor())?, s));
                axes.iter().zip(&scales).map(to).collect::<OpResult<_>>()?
            }
            (None, Some(sizes)) if sizes.len() == axes.len() => {
                if axes.iter().any(|&a| shape[a] == 0) {
                    refuse!("an axis of size 0 cannot be resized");
                }
                let each: Vec<f64> = axes.iter().zip(&sizes).map(|(&a, s)| s / shape[a] as f64).collect();
                let one = match self.aspect {
                    Aspect::Stretch => None,
                    Aspect::NotLarger => Some(each.iter().copied().fold(f64::INFINITY, f64::min)),
                    Aspect::NotSmaller => Some(each.iter().copied().fold(0.0, f64::max)),
                };
                let to = |((&a, &size), &own): ((&usize, &f64), &f64)| match one {
                    Some(scale) => Ok((whole((shape[a] as f64 * scale + 0.5).floor())?, scale)),
                    None => Ok((whole(size)?, own)),
                };
                axes.iter().zip(&sizes).zip(&each).map(to).collect::<OpResult<_>>()?
            }
            (Some(_), Some(_)) => refuse!("both scales and sizes are given"),
            (None, None) => refuse!("neither scales nor sizes are given"),
            (Some(list), None) | (None, Some(list)) => {
                refuse!("{} scales or sizes for {} axes", list.len(), axes.len())
            }
        };
        let mut found = vec![None; rank];
        for (i, (&a, &(to, scale))) in axes.iter().zip(&all).enumerate() {
            let part = parts.as_ref().map_or((0.0, 1.0), |p| (p[i], p[axes.len() + i]));
            let stays = to == shape[a] && scale == 1.0 && (!crops || part == (0.0, 1.0));
            if shape[a] == 0 && to > 0 {
                refuse!("axis {a} of size 0 cannot be resized");
            }
            found[a] = (!stays).then_some(Along { from: shape[a], to, scale, part });
        }
        if self.picks() {
            return Ok(found);
        }
        // Axes are resized one after the other.
        let mut between = shape.to_vec();
        for (a, along) in found.iter().enumerate().filter_map(|(a, p)| p.as_ref().map(|p| (a, p))) {
            between[a] = along.to;
            if span(&between).is_none_or(|n| n > MOST_ELEMENTS) {
                refuse!("a value of shape {between:?} on its way has more than {MOST_ELEMENTS} elements");
            }
        }
        Ok(found)
    }

    /// Whether each element is one of the input's, so that all axes are resized at once.
    fn picks(&self) -> bool {
        self.rule.mode == Mode::Nearest && self.rule.coordinates != Coordinates::TfCropAndResize
    }

    fn plan_of_args(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Option<Along>>> {
        let floats = |i: usize, name: &str| -> OpResult<Option<Vec<f64>>> {
            let Some(x) = optional(inputs, i) else { return Ok(None) };
            match x.constant.and_then(Tensor::to_f64) {
                Some(list) => Ok(Some(list)),
                // An empty one says nothing.
                None if x.fact.is_empty() => Ok(None),
                None => refuse!("its {name} (input {i}) must be constant"),
            }
        };
        let sizes = integers(inputs, 3, "sizes")?.map(|s| s.into_iter().map(|v| v as f64).collect());
        self.plan(&fact(inputs, 0)?.shape, [floats(1, "roi")?, floats(2, "scales")?, sizes])
    }

    fn plan_of(&self, shape: &[usize], tensor: impl Fn(usize) -> Option<Tensor>) -> OpResult<Vec<Option<Along>>> {
        self.plan(shape, [1, 2, 3].map(|i| tensor(i).and_then(|t| t.to_f64())))
    }

    fn interpolate<T: Real + Element>(
        &self,
        plan: &[Option<Along>],
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let mut shape = view(inputs, 0)?.shape.to_vec();
        let mut now = data::<T>(inputs, 0)?.to_vec();
        let outside = T::of(f64::from(self.extrapolation));
        for (a, along) in plan.iter().enumerate().filter_map(|(a, p)| p.as_ref().map(|p| (a, p))) {
            let inner: usize = shape[a + 1..].iter().product();
            let sources: Vec<Option<Vec<(usize, T)>>> = along
                .sources(&self.rule)
                .into_iter()
                .map(|s| s.map(|s| s.into_iter().map(|(p, w)| (p, T::of(w))).collect()))
                .collect();
            let outer: usize = shape[..a].iter().product();
            let mut next = vec![T::ZERO; outer * along.to * inner];
            for o in 0..outer {
                let from = &now[o * along.from * inner..(o + 1) * along.from * inner];
                let to = &mut next[o * along.to * inner..(o + 1) * along.to * inner];
                for (to, sources) in to.chunks_exact_mut(inner.max(1)).zip(&sources) {
                    let Some(sources) = sources else {
                        to.fill(outside);
                        continue;
                    };
                    for &(p, w) in sources {
                        for (t, f) in to.iter_mut().zip(&from[p * inner..]) {
                            *t += w * *f;
                        }
                    }
                }
            }
            shape[a] = along.to;
            now = next;
        }
        out::<T>(outputs, 0)?.copy_from_slice(&now);
        Ok(())
    }
}

/// The matrix [from, to] that takes a cotangent of the resized axis back.
fn back(along: &Along, sources: &[Sources], dtype: DType) -> OpResult<Tensor> {
    makeable(&[along.from, along.to], DType::F64)?;
    let mut elements = vec![0.0; along.from * along.to];
    for (i, sources) in sources.iter().enumerate() {
        for &(p, w) in sources.iter().flatten() {
            elements[p * along.to + i] += w;
        }
    }
    match Tensor::new(&[along.from, along.to], elements) {
        Some(matrix) => Ok(matrix.with_precision(dtype)),
        None => refuse!("axes of {} and {} do not make a matrix", along.from, along.to),
    }
}

impl Operator for Resize {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let r = &self.rule;
        let flag = |on: bool| Attribute::Int(i64::from(on));
        let mut found = Attributes::new()
            .with("mode", Attribute::Text(r.mode.name()))
            .with("coordinate_transformation_mode", Attribute::Text(r.coordinates.name()))
            .with("nearest_mode", Attribute::Text(r.nearest.name()))
            .with("antialias", flag(r.antialias))
            .with("exclude_outside", flag(r.exclude_outside))
            .with("cubic_coeff_a", Attribute::Float(r.cubic as f32))
            .with("keep_aspect_ratio_policy", Attribute::Text(self.aspect.name()))
            .with("extrapolation_value", Attribute::Float(self.extrapolation));
        if let Some(axes) = &self.axes {
            found.set("axes", Attribute::Ints(axes.clone()));
        }
        found
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let plan = self.plan_of_args(inputs)?;
        let shape: Vec<usize> = plan.iter().zip(&x.shape).map(|(p, &n)| p.map_or(n, |p| p.to)).collect();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        if self.rule.mode == Mode::Nearest { Kind::Route } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let plan = self.plan_of(&x.fact.shape, |i| site.input(i).and_then(|x| x.constant.cloned()))?;
        if plan[rows.axis].is_some() {
            refuse!("it resizes axis {}, which holds the rows", rows.axis);
        }
        site.all(Some(rows))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(mut g) = site.cotangents[0] else { return Ok(Some(found)) };
        let shape = b.shape(site.input(0)?).to_vec();
        let constant = |i: usize| site.inputs.get(i).copied().flatten().and_then(|v| b.constant(v).cloned());
        let plan = self.plan_of(&shape, constant)?;
        let dtype = b.fact(g).dtype;
        for (a, along) in plan.iter().enumerate().rev().filter_map(|(a, p)| p.as_ref().map(|p| (a, p))) {
            let mut now = b.shape(g).to_vec();
            let matrix = b.constant_value(back(along, &along.sources(&self.rule), dtype)?);
            let (outer, inner) = (now[..a].iter().product(), now[a + 1..].iter().product());
            let g3 = b.reshape(g, &[outer, along.to, inner])?;
            let back: ValueId = b.matmul(matrix, g3)?;
            now[a] = along.from;
            g = b.reshape(back, &now)?;
        }
        found[0] = Some(g);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let plan = self.plan_of(x.shape, |i| inputs.get(i).copied().flatten().map(|v| v.to_tensor()))?;
        if self.picks() {
            let steps = row_major(x.shape);
            let tables: Vec<Vec<usize>> = plan
                .iter()
                .enumerate()
                .map(|(a, p)| {
                    let step = steps[a] as usize;
                    match p {
                        None => (0..x.shape[a]).map(|i| i * step).collect(),
                        Some(p) => {
                            let sources = p.sources(&self.rule);
                            sources.iter().flatten().filter_map(|s| s.first()).map(|s| s.0 * step).collect()
                        }
                    }
                })
                .collect();
            return same_type!(x.data, &mut output(outputs, 0)?.data, |xs, o| {
                pick(xs, &tables, o);
                Ok::<(), OpError>(())
            });
        }
        match x.data.dtype() {
            DType::F32 => self.interpolate::<f32>(&plan, inputs, outputs),
            DType::F64 => self.interpolate::<f64>(&plan, inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Case, f64s, i64s, refusal};

    fn rule(mode: Mode) -> Resize {
        Resize {
            rule: Rule {
                mode,
                coordinates: Coordinates::HalfPixel,
                nearest: Nearest::RoundPreferFloor,
                antialias: false,
                exclude_outside: false,
                cubic: -0.75,
            },
            aspect: Aspect::Stretch,
            extrapolation: 0.0,
            axes: None,
        }
    }

    fn placed(mode: Mode, coordinates: Coordinates) -> Resize {
        let mut op = rule(mode);
        op.rule.coordinates = coordinates;
        op
    }

    /// By scales.
    fn scaled(op: Resize, x: &[usize], scales: &[f32]) -> Case {
        Case::new(op).random(x).missing().input(Tensor::vector(scales.to_vec()))
    }

    pub(super) fn cases() -> Vec<Case> {
        let line = || f64s(&[1, 1, 2], &[1.0, 3.0]);
        let double = || Tensor::vector(vec![1.0f32, 1.0, 2.0]);
        let old = Attributes::new().with("scales", Attribute::Floats(vec![1.0, 1.0, 2.0]));
        let mut smooth = rule(Mode::Linear);
        smooth.rule.antialias = true;
        let mut cut = rule(Mode::Cubic);
        (cut.rule.exclude_outside, cut.rule.cubic) = (true, -0.5);
        let mut smooth_cubic = cut.clone();
        smooth_cubic.rule.antialias = true;
        let mut crop = placed(Mode::Linear, Coordinates::TfCropAndResize);
        (crop.extrapolation, crop.axes) = (10.0, Some(vec![2, -1]));
        let mut crop_nearest = crop.clone();
        crop_nearest.rule.mode = Mode::Nearest;
        let mut larger = rule(Mode::Linear);
        (larger.aspect, larger.axes) = (Aspect::NotSmaller, Some(vec![1, 2]));
        let part = || Tensor::vector(vec![0.4f32, -0.2, 0.6, 1.1]);
        let mut found = vec![
            Case::new(rule(Mode::Nearest)).input(line()).missing().input(double()).expect(f64s(&[1, 1, 4], &[1.0, 1.0, 3.0, 3.0])),
            Case::new(rule(Mode::Linear)).input(line()).missing().input(double()).expect(f64s(&[1, 1, 4], &[1.0, 1.5, 2.5, 3.0])),
            Case::imported("Upsample", 7, &old, vec![line()]).expect(f64s(&[1, 1, 4], &[1.0, 1.0, 3.0, 3.0])),
            Case::new(rule(Mode::Nearest))
                .input(Tensor::new(&[1, 2], vec![1u8, 9]).unwrap())
                .missing()
                .missing()
                .input(i64s(&[1, 3]))
                .expect(Tensor::new(&[1, 3], vec![1u8, 1, 9]).unwrap()),
            scaled(smooth, &[2, 3, 7, 8], &[1.0, 1.0, 0.4, 0.6]),
            scaled(smooth_cubic, &[2, 1, 9], &[1.0, 1.0, 0.4]),
            scaled(cut, &[2, 3, 4, 3], &[1.0, 1.0, 1.7, 0.8]),
            scaled(rule(Mode::Linear), &[2, 3, 4], &[2.0, 1.0, 1.0]).rows(&[0]).mixes(),
            Case::new(crop).random(&[2, 1, 4, 5]).input(part()).missing().input(i64s(&[3, 4])),
            Case::new(crop_nearest).random(&[2, 1, 4, 5]).input(part()).missing().input(i64s(&[3, 4])),
            Case::new(larger).random(&[2, 3, 4]).missing().missing().input(i64s(&[5, 6])),
            Case::new(rule(Mode::Linear)).random(&[2, 3, 4, 2]).missing().missing().input(i64s(&[2, 3, 1, 5])),
        ];
        for (coordinates, _) in Coordinates::ALL {
            for mode in [Mode::Nearest, Mode::Linear, Mode::Cubic] {
                found.push(scaled(placed(mode, *coordinates), &[2, 2, 5, 4], &[1.0, 1.0, 0.7, 2.3]));
            }
        }
        found
    }

    #[test]
    fn what_is_impossible_is_refused() {
        let x = || f64s(&[1, 2], &[1.0, 2.0]);
        let none = || Tensor::vector(Vec::<f32>::new());
        let of = |scales: &[f32]| refusal(rule(Mode::Linear), &[x(), none(), Tensor::vector(scales.to_vec())]);
        assert!(of(&[1.0]).contains("1 scales or sizes for 2 axes"));
        assert!(of(&[]).contains("neither scales nor sizes"));
        assert!(of(&[1.0, f32::NAN]).contains("a scale of NaN"));
        assert!(of(&[1.0, 1e30]).contains("is impossible"));
        let both = refusal(rule(Mode::Linear), &[x(), none(), Tensor::vector(vec![1.0f32, 1.0]), i64s(&[1, 2])]);
        assert!(both.contains("both scales and sizes"), "{both}");
    }
}
