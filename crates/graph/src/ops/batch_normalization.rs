//! BatchNormalization at inference: (x − mean) · scale / √(variance + epsilon) + bias, for each channel (axis 1).
//!
//! Training mode takes mean and variance from the batch, so that rows mix. It is computed, and several rows are refused: what a network says of a row then
//! depends on the others, and nobody means to explain that. It has no derivative.

use std::sync::Arc;

use super::support::{data, fact, no_type, out, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, Tensor, View, ViewMut};
use pellucid_kernels::Real;

/// BatchNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BatchNormalization",
    domain: "",
    since: 7,
    summary: "(x − mean) · scale / √(variance + epsilon) + bias, for each channel; in training mode, forward only and of one row",
    derivative: "none in training mode, else everywhere",
    import: |node| {
        node.expect_inputs(5, 5)?;
        if node.opset < 14 && node.outputs > 1 {
            refuse!("{IN_TRAINING}");
        }
        if !node.flag("spatial", true)? {
            refuse!("statistics for each element (spatial = 0, opset 7) are not supported");
        }
        let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
        if node.flag("training_mode", false)? {
            let momentum = node.float("momentum")?.unwrap_or(0.9);
            return Ok(Arc::new(TrainingBatchNormalization { epsilon, momentum }));
        }
        Ok(Arc::new(BatchNormalization { epsilon }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

const IN_TRAINING: &str = "it is in training mode, where rows mix; export the model for inference";

/// (x − mean) · scale / √(variance + epsilon) + bias; inputs x, scale, bias, mean, variance.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormalization {
    /// What is added to the variance.
    pub epsilon: f32,
}

/// The sizes of the channels and of what lies within each.
fn sizes(shape: &[usize]) -> (usize, usize) {
    match shape {
        [_, channels, rest @ ..] => (*channels, rest.iter().product()),
        _ => (1, 1),
    }
}

/// What x is; refused where the parameters do not have a number for each of its channels.
fn checked<'a>(inputs: &[Option<Arg<'a>>]) -> OpResult<&'a Fact> {
    let x = fact(inputs, 0)?;
    let (channels, _) = sizes(&x.shape);
    for i in 1..5 {
        let parameter = fact(inputs, i)?;
        if parameter.shape != [channels] || parameter.dtype != x.dtype {
            refuse!("input {i} is {parameter}, expected {}[{channels}]", x.dtype);
        }
    }
    Ok(x)
}

impl BatchNormalization {
    /// One over the deviation of each channel.
    fn inverse(&self, b: &mut Builder, variance: ValueId) -> OpResult<ValueId> {
        let raised = b.shift(variance, f64::from(self.epsilon))?;
        let deviation = b.sqrt(raised)?;
        b.reciprocal(deviation)
    }

    fn compute<T: Real + Element>(
        &self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let (channels, inner) = sizes(x.shape);
        let [scale, bias, mean, variance] =
            [data::<T>(inputs, 1)?, data::<T>(inputs, 2)?, data::<T>(inputs, 3)?, data::<T>(inputs, 4)?];
        let epsilon = T::of(f64::from(self.epsilon));
        let factors: Vec<T> = (0..channels).map(|c| scale[c] / (variance[c] + epsilon).sqrt()).collect();
        let (x, o) = (data::<T>(inputs, 0)?, out::<T>(outputs, 0)?);
        if inner == 0 {
            return Ok(());
        }
        for (i, (x, o)) in x.chunks_exact(inner).zip(o.chunks_exact_mut(inner)).enumerate() {
            let c = i % channels;
            for (o, &v) in o.iter_mut().zip(x) {
                *o = (v - mean[c]) * factors[c] + bias[c];
            }
        }
        Ok(())
    }
}

impl Operator for BatchNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("epsilon", Attribute::Float(self.epsilon))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![checked(inputs)?.clone()])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        match active {
            [_, false, _, _, false] | [false, _, _, false, false] => Kind::Affine,
            [_, _, _, _, false] => Kind::Product,
            _ => Kind::Other,
        }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let rows = site.rows_of(0);
        if rows.is_some_and(|r| r.axis == 1) && site.rows > 1 {
            refuse!("its channels (axis 1) hold the rows");
        }
        site.all(rows)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let x = site.input(0)?;
        let rank = b.shape(x).len();
        let (channels, _) = sizes(b.shape(x));
        let mut along = vec![1; rank];
        if rank > 1 {
            along[1] = channels;
        }
        let inverse = self.inverse(b, site.input(4)?)?;
        let factor = b.mul(site.input(1)?, inverse)?;
        let wide = b.reshape(factor, &along)?;
        let scaled = b.mul(g, wide)?;
        let per_channel = |b: &mut Builder, v: ValueId| -> OpResult<ValueId> {
            let sum = b.unbroadcast(v, &along)?;
            b.reshape(sum, &[channels])
        };
        if site.active(2) {
            found[2] = Some(per_channel(b, g)?);
        }
        if site.active(3) {
            let sum = per_channel(b, scaled)?;
            found[3] = Some(b.neg(sum)?);
        }
        if site.active(1) || site.active(4) {
            let mean = b.reshape(site.input(3)?, &along)?;
            let apart = b.sub(x, mean)?;
            let product = b.mul(g, apart)?;
            let sum = per_channel(b, product)?;
            let by_scale = b.mul(sum, inverse)?;
            if site.active(1) {
                found[1] = Some(by_scale);
            }
            if site.active(4) {
                let square = b.mul(inverse, inverse)?;
                let scaled = b.mul(by_scale, site.input(1)?)?;
                let product = b.mul(scaled, square)?;
                found[4] = Some(b.scale(product, -0.5)?);
            }
        }
        found[0] = site.active(0).then_some(scaled);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.compute::<f32>(inputs, outputs),
            DType::F64 => self.compute::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

/// The same with mean and variance of the batch. Gives these too, mixed into those that were given: `momentum` parts of them.
#[derive(Clone, Copy, Debug)]
pub struct TrainingBatchNormalization {
    /// What is added to the variance.
    pub epsilon: f32,
    /// The share of the mean and the variance that were given.
    pub momentum: f32,
}

impl TrainingBatchNormalization {
    fn compute<T: Real + Element>(
        &self,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let (channels, inner) = sizes(view(inputs, 0)?.shape);
        let x = data::<T>(inputs, 0)?;
        let count = x.len().checked_div(channels).unwrap_or(0);
        let of = |c: usize| x.chunks_exact(inner.max(1)).skip(c).step_by(channels).flatten().map(|v| v.wide());
        let mean = |c: usize| of(c).sum::<f64>() / count as f64;
        let means: Vec<f64> = (0..channels).map(mean).collect();
        let variance = |c: usize| of(c).map(|v| (v - means[c]).powi(2)).sum::<f64>() / count as f64;
        let variances: Vec<f64> = (0..channels).map(variance).collect();
        let narrow = |values: &[f64]| values.iter().map(|v| T::of(*v)).collect::<Vec<T>>();
        let of_batch = [Tensor::vector(narrow(&means)), Tensor::vector(narrow(&variances))];
        let own = of_batch.each_ref().map(|t| Some(t.view()));
        let given = [inputs[0], inputs[1], inputs[2], own[0], own[1]];
        BatchNormalization { epsilon: self.epsilon }.compute::<T>(&given, outputs)?;
        let momentum = T::of(f64::from(self.momentum));
        for k in 0..outputs.len().saturating_sub(1).min(2) {
            let (old, batch) = (data::<T>(inputs, 3 + k)?, data::<T>(&own, k)?);
            for ((o, old), batch) in out::<T>(outputs, 1 + k)?.iter_mut().zip(old).zip(batch) {
                *o = *old * momentum + *batch * (T::ONE - momentum);
            }
        }
        Ok(())
    }
}

impl Operator for TrainingBatchNormalization {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("epsilon", Attribute::Float(self.epsilon))
            .with("momentum", Attribute::Float(self.momentum))
            .with("training_mode", Attribute::Int(1))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = checked(inputs)?;
        Ok(vec![x.clone(), fact(inputs, 3)?.clone(), fact(inputs, 4)?.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, _site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        refuse!("{IN_TRAINING}")
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
    use super::{BatchNormalization, TrainingBatchNormalization};
    use super::DEFINITION;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s};
    use crate::import::{Import, ImportInput};

    pub(super) fn cases() -> Vec<Case> {
        let op = BatchNormalization { epsilon: 0.25 };
        let with = |shape: &[usize], n: usize| {
            Case::new(op).random(shape).random(&[n]).random(&[n]).random(&[n]).between(&[n], 0.5, 2.0)
        };
        vec![
            Case::new(op)
                .input(f64s(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .input(f64s(&[2], &[1.0, 2.0]))
                .input(f64s(&[2], &[0.75, 3.75]))
                .expect(f64s(&[1, 2, 2], &[10.0, 12.0, 21.5, 23.0])),
            with(&[3, 2], 2),
            with(&[3, 2, 1, 4], 2),
            with(&[4], 1),
            with(&[3, 5], 5).fixed(&[1, 2, 3, 4]),
            // Channels of 1, 3 and of 2, 6: means 2 and 4, variances 1 and 4.
            Case::new(TrainingBatchNormalization { epsilon: 0.0, momentum: 0.75 })
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 6.0]))
                .input(f64s(&[2], &[2.0, 3.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .input(f64s(&[2], &[6.0, 8.0]))
                .input(f64s(&[2], &[5.0, 8.0]))
                .expect(f64s(&[2, 2], &[8.0, 17.0, 12.0, 23.0]))
                .expect(f64s(&[2], &[5.0, 7.0]))
                .expect(f64s(&[2], &[4.0, 7.0]))
                .fixed(&[0, 1, 2, 3, 4])
                .rows(&[0])
                .mixes(),
        ]
    }

    #[test]
    fn older_forms_are_refused_where_they_are_not_read() {
        let refusal = |opset, outputs, attributes: &Attributes| {
            let inputs = (0..5).map(|i| ImportInput::Value(i, None)).collect();
            let mut node = Import { operator: "BatchNormalization", opset, attributes, inputs, outputs };
            (DEFINITION.import)(&mut node).err().map_or_else(String::new, |e| e.0)
        };
        let none = Attributes::new();
        assert_eq!(refusal(15, 1, &none), "");
        assert!(refusal(9, 5, &none).contains("training mode"));
        assert!(refusal(7, 1, &none.with("spatial", Attribute::Int(0))).contains("spatial"));
    }
}
