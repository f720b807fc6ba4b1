//! LayerNormalization: (x − mean) / √(variance + epsilon) · scale + bias, over the axes from one on.
//!
//! The mean and one over the deviation are its second and third output. ONNX lets `stash_type` say in which type those are
//! computed; here it is the type of x.

use std::sync::Arc;

use super::support::{axis as checked_axis, data, fact, no_type, optional, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::Real;
use pellucid_kernels::broadcast::{broadcast_shape, walk};
use pellucid_kernels::normalize::{LayerNorm, layer_norm};

/// LayerNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LayerNormalization",
    domain: "",
    since: 17,
    summary: "(x − mean) / √(variance + epsilon) · scale + bias, over the axes from one on",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        Ok(Arc::new(LayerNormalization {
            axis: node.int("axis")?.unwrap_or(-1),
            epsilon: node.float("epsilon")?.unwrap_or(1e-5),
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// (x − mean) / √(variance + epsilon) · scale + bias; inputs x, scale and, where it is given, bias.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormalization {
    /// The first of the axes; counted from the end where negative.
    pub axis: i64,
    /// What is added to the variance.
    pub epsilon: f32,
}

impl LayerNormalization {
    fn axes(&self, rank: usize) -> OpResult<Vec<usize>> {
        Ok((checked_axis(self.axis, rank)?..rank).collect())
    }

    /// The mean over the axes, which stay as dimensions of size one.
    fn mean(&self, b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
        let shape = b.shape(x).to_vec();
        let axes = self.axes(shape.len())?;
        let n: usize = axes.iter().map(|&a| shape[a]).product();
        let sum = b.reduce_sum(x, &axes, true)?;
        b.scale(sum, 1.0 / n as f64)
    }

    fn compute<T: Real + Element>(
        &self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let within = &x.shape[checked_axis(self.axis, x.shape.len())?..];
        let scale = spread::<T>(inputs, 1, within)?;
        let bias = match inputs.get(2).copied().flatten() {
            Some(_) => Some(spread::<T>(inputs, 2, within)?),
            None => None,
        };
        let mut slices = outputs.iter_mut().map(|o| o.as_slice::<T>());
        let Some(y) = slices.next().flatten() else { refuse!("output 0 is missing") };
        let mut results = LayerNorm { y, mean: slices.next().flatten(), inverse: slices.next().flatten() };
        let epsilon = T::of(f64::from(self.epsilon));
        layer_norm(data::<T>(inputs, 0)?, &scale, bias.as_deref(), epsilon, &mut results);
        Ok(())
    }
}

/// The last `rank` dimensions of a parameter's shape, if those before are one.
fn behind_ones(shape: &[usize], rank: usize) -> &[usize] {
    match shape.split_at(shape.len().saturating_sub(rank)) {
        (ones, rest) if ones.iter().all(|&d| d == 1) => rest,
        _ => shape,
    }
}

/// The elements of an input, broadcast to a shape.
fn spread<T: Element + Copy>(inputs: &[Option<View<'_>>], i: usize, shape: &[usize]) -> OpResult<Vec<T>> {
    let from = (data::<T>(inputs, i)?, behind_ones(view(inputs, i)?.shape, shape.len()));
    let mut wide = Vec::with_capacity(shape.iter().product());
    walk(shape, [from.1], |_, [at], run, [step]| wide.extend((0..run).map(|k| from.0[at + step * k])));
    Ok(wide)
}

impl Operator for LayerNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("axis", Attribute::Int(self.axis))
            .with("epsilon", Attribute::Float(self.epsilon))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if !x.dtype.is_float() {
            return no_type(x.dtype);
        }
        let axis = checked_axis(self.axis, x.shape.len())?;
        let within = &x.shape[axis..];
        fact(inputs, 1)?;
        for i in [1, 2] {
            let Some(parameter) = optional(inputs, i).map(|p| p.fact) else { continue };
            if parameter.dtype != x.dtype {
                refuse!("input {i} is of type {}, input 0 of {}", parameter.dtype, x.dtype);
            }
            let own = behind_ones(&parameter.shape, within.len());
            if parameter.shape.len() > x.shape.len()
                || broadcast_shape(&[own, within]).as_deref() != Some(within)
            {
                refuse!("input {i} of shape {:?} does not broadcast to {within:?}", parameter.shape);
            }
        }
        let mut kept = x.shape.clone();
        kept[axis..].fill(1);
        let statistic = Fact::new(x.dtype, &kept);
        Ok(vec![x.clone(), statistic.clone(), statistic])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.first() == Some(&true) { Kind::Normalize } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let x = site.input(0).ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        rows::along(site, &self.axes(x.fact.shape.len())?)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let x = site.input(0)?;
        let (mean, inverse) = (site.outputs[1], site.outputs[2]);
        let apart = b.sub(x, mean)?;
        let normal = b.mul(apart, inverse)?;
        let mut sums: Vec<ValueId> = Vec::new();
        if let Some(g) = site.cotangents[0] {
            if site.active(1) {
                let product = b.mul(g, normal)?;
                let shape = b.shape(site.input(1)?).to_vec();
                found[1] = Some(b.unbroadcast(product, &shape)?);
            }
            if site.active(2) {
                let shape = b.shape(site.input(2)?).to_vec();
                found[2] = Some(b.unbroadcast(g, &shape)?);
            }
            if site.active(0) {
                let scaled = b.mul(g, site.input(1)?)?;
                let level = self.mean(b, scaled)?;
                let product = b.mul(scaled, normal)?;
                let slope = self.mean(b, product)?;
                let along = b.mul(normal, slope)?;
                let rest = b.sub(scaled, level)?;
                let rest = b.sub(rest, along)?;
                sums.push(b.mul(rest, inverse)?);
            }
        }
        if site.active(0) {
            let shape = b.shape(x).to_vec();
            let n = shape.iter().product::<usize>() / b.shape(mean).iter().product::<usize>().max(1);
            if let Some(g) = site.cotangents.get(1).copied().flatten() {
                let part = b.scale(g, 1.0 / n as f64)?;
                sums.push(b.expand(part, &shape)?);
            }
            if let Some(g) = site.cotangents.get(2).copied().flatten() {
                let square = b.mul(inverse, inverse)?;
                let product = b.mul(g, square)?;
                let product = b.scale(product, -1.0 / n as f64)?;
                sums.push(b.mul(product, normal)?);
            }
            for part in sums {
                found[0] = Some(match found[0] {
                    Some(sum) => b.add(sum, part)?,
                    None => part,
                });
            }
        }
        Ok(Some(found))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let needed = |i: usize| given(i).ok_or_else(|| OpError(format!("input {i} is missing")));
        let x = needed(0)?;
        let mean = self.mean(b, x)?;
        let apart = b.sub(x, mean)?;
        let square = b.mul(apart, apart)?;
        let variance = self.mean(b, square)?;
        let raised = b.shift(variance, f64::from(self.epsilon))?;
        let deviation = b.sqrt(raised)?;
        let inverse = b.reciprocal(deviation)?;
        let normal = b.mul(apart, inverse)?;
        let mut y = b.mul(normal, needed(1)?)?;
        if let Some(bias) = given(2) {
            y = b.add(y, bias)?;
        }
        Ok(Some(vec![y, mean, inverse]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.compute::<f32>(inputs, outputs),
            DType::F64 => self.compute::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LayerNormalization;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = LayerNormalization { axis: -1, epsilon: 0.25 };
        vec![
            Case::new(LayerNormalization { axis: 1, epsilon: 0.0 })
                .input(f64s(&[2, 2], &[1.0, 3.0, -4.0, 0.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .expect(f64s(&[2, 2], &[8.0, 23.0, 8.0, 23.0]))
                .expect(f64s(&[2, 1], &[2.0, -2.0]))
                .expect(f64s(&[2, 1], &[1.0, 0.5])),
            Case::new(op).random(&[3, 2, 5]).random(&[5]).random(&[5]),
            Case::new(op).random(&[3, 17]).random(&[17]),
            Case::new(LayerNormalization { axis: -2, ..op }).random(&[3, 2, 5]).random(&[5]).random(&[2, 1]),
            Case::new(op).random(&[3, 1]).random(&[1]).random(&[]),
            Case::new(op).random(&[3, 2, 5]).random(&[1, 1, 5]).random(&[1, 5]),
            Case::new(LayerNormalization { axis: 0, ..op })
                .random(&[3, 2])
                .random(&[3, 2])
                .rows(&[0])
                .mixes(),
        ]
    }
}
