//! BatchNormalization at inference: (x − mean) · scale / √(variance + epsilon) + bias, for each channel (axis 1).
//!
//! Training mode, which takes mean and variance from the batch, is refused.

use std::sync::Arc;

use super::support::{data, fact, no_type, out, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::Real;

/// BatchNormalization's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BatchNormalization",
    domain: "",
    since: 7,
    summary: "(x − mean) · scale / √(variance + epsilon) + bias, for each channel; training mode is refused",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(5, 5)?;
        if node.flag("training_mode", false)? || (node.opset < 14 && node.outputs > 1) {
            refuse!("it is in training mode, where rows mix; export the model for inference");
        }
        if !node.flag("spatial", true)? {
            refuse!("statistics for each element (spatial = 0, opset 7) are not supported");
        }
        Ok(Arc::new(BatchNormalization { epsilon: node.float("epsilon")?.unwrap_or(1e-5) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

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
        let x = fact(inputs, 0)?;
        let (channels, _) = sizes(&x.shape);
        for i in 1..5 {
            let parameter = fact(inputs, i)?;
            if parameter.shape != [channels] || parameter.dtype != x.dtype {
                refuse!("input {i} is {parameter}, expected {}[{channels}]", x.dtype);
            }
        }
        Ok(vec![x.clone()])
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

#[cfg(test)]
mod tests {
    use super::BatchNormalization;
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
        ]
    }

    #[test]
    fn training_mode_is_refused() {
        let refusal = |opset, outputs, attributes: &Attributes| {
            let inputs = (0..5).map(|i| ImportInput::Value(i, None)).collect();
            let mut node = Import { operator: "BatchNormalization", opset, attributes, inputs, outputs };
            (DEFINITION.import)(&mut node).err().map_or_else(String::new, |e| e.0)
        };
        let none = Attributes::new();
        assert_eq!(refusal(15, 1, &none), "");
        assert!(refusal(9, 5, &none).contains("training mode"));
        assert!(
            refusal(15, 3, &none.clone().with("training_mode", Attribute::Int(1))).contains("training mode")
        );
        assert!(refusal(7, 1, &none.with("spatial", Attribute::Int(0))).contains("spatial"));
    }
}
