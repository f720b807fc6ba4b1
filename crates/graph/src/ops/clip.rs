//! Clip: x kept between two bounds, either of which may be left out; where the lower is above the upper, the upper. NaN stays.
//!
//! At a bound the derivative in x is 0, as that of PyTorch's `clamp`, `relu6` and `hardtanh`. Where a bound is itself differentiated,
//! what is tied with it gets half, as of PyTorch's `minimum` and `maximum`.

use std::sync::Arc;

use super::convert::convert;
use super::elementwise::share;
use super::support::{fact, no_type, optional, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Buffer, DType, Element, Slice, SliceMut, Tensor, View, ViewMut};
use pellucid_kernels::{Real, broadcast};

/// Clip's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Clip",
    domain: "",
    since: 6,
    summary: "x kept between two bounds",
    derivative: "0 at the bounds; half at ties with a bound that is differentiated too",
    import: |node| {
        node.expect_inputs(1, 3)?;
        if node.opset < 11 {
            for (i, name) in [(1, "min"), (2, "max")] {
                if let Some(bound) = node.float(name)? {
                    node.set_input(i, Tensor::scalar(bound));
                }
            }
        }
        Ok(Arc::new(Clip))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x kept between the bounds that inputs 1 and 2 name.
#[derive(Clone, Copy, Debug)]
pub struct Clip;

impl Operator for Clip {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        for i in [1, 2] {
            let Some(bound) = optional(inputs, i).map(|b| b.fact) else { continue };
            if bound.len() != 1 {
                refuse!("the bound (input {i}) has shape {:?}, expected one number", bound.shape);
            }
            // Opsets before 11 give the bounds as 32-bit floats, whatever the type of x.
            if bound.dtype != x.dtype && !(bound.dtype.is_float() && x.dtype.is_float()) {
                refuse!("the bound (input {i}) is of type {}, input 0 of {}", bound.dtype, x.dtype);
            }
        }
        Ok(vec![x.clone()])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().skip(1).any(|a| *a) { Kind::Select } else { Kind::Elementwise }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        site.all(site.rows_of(0))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let x = site.input(0)?;
        let low = bound(b, site, 1)?;
        let high = bound(b, site, 2)?;
        if !site.active(1) && !site.active(2) {
            let mut inside = g;
            if let Some(low) = low {
                let above = b.greater(x, low)?;
                inside = b.masked(above, inside)?;
            }
            if let Some(high) = high {
                let below = b.less(x, high)?;
                inside = b.masked(below, inside)?;
            }
            found[0] = Some(inside);
            return Ok(Some(found));
        }
        let raised = match low {
            Some(low) => b.push(super::Max, &[x, low])?,
            None => x,
        };
        let mut rest = g;
        if let Some(high) = high {
            let tied = b.equal(raised, high)?;
            if site.active(2) {
                let over = b.greater(raised, high)?;
                let part = share(b, g, over, tied)?;
                found[2] = Some(to_bound(b, site, 2, part)?);
            }
            let under = b.less(raised, high)?;
            rest = share(b, g, under, tied)?;
        }
        if let Some(low) = low {
            let tied = b.equal(x, low)?;
            if site.active(1) {
                let under = b.less(x, low)?;
                let part = share(b, rest, under, tied)?;
                found[1] = Some(to_bound(b, site, 1, part)?);
            }
            let over = b.greater(x, low)?;
            rest = share(b, rest, over, tied)?;
        }
        found[0] = site.active(0).then_some(rest);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        let x = view(inputs, 0)?.data;
        macro_rules! go {
            (float $($float:ident),*; integer $($integer:ident),*) => {
                match (x, &mut output.data) {
                    $((Slice::$float(x), SliceMut::$float(o)) => clip(x, inputs, o, Real::larger, Real::smaller),)*
                    $((Slice::$integer(x), SliceMut::$integer(o)) => clip(x, inputs, o, Ord::max, Ord::min),)*
                    _ => no_type(x.dtype()),
                }
            };
        }
        go!(float F32, F64; integer I8, I16, I32, I64, U8, U16, U32, U64)
    }
}

/// The bound at a position, as a scalar of the type of x.
fn bound(b: &mut Builder, site: &Site<'_>, i: usize) -> OpResult<Option<ValueId>> {
    let Some(bound) = site.inputs.get(i).copied().flatten() else { return Ok(None) };
    let dtype: DType = b.fact(site.input(0)?).dtype;
    let scalar = b.reshape(bound, &[])?;
    Ok(Some(b.cast(scalar, dtype)?))
}

/// A cotangent of the shape of x, summed to the bound at a position.
fn to_bound(b: &mut Builder, site: &Site<'_>, i: usize, part: ValueId) -> OpResult<ValueId> {
    let fact = b.fact(site.input(i)?).clone();
    let sum = b.unbroadcast(part, &[])?;
    let sum = b.reshape(sum, &fact.shape)?;
    b.cast(sum, fact.dtype)
}

fn clip<T: Element + Copy>(
    x: &[T],
    inputs: &[Option<View<'_>>],
    out: &mut [T],
    larger: impl Fn(T, T) -> T,
    smaller: impl Fn(T, T) -> T,
) -> OpResult<()> {
    let bound = |i: usize| -> OpResult<Option<T>> {
        let Some(given) = inputs.get(i).copied().flatten() else { return Ok(None) };
        let mut value = Buffer::zeros(T::DTYPE, 1);
        convert(given.data, value.as_slice_mut())?;
        Ok(T::slice(value.as_slice()).and_then(|v| v.first().copied()))
    };
    match (bound(1)?, bound(2)?) {
        (Some(low), Some(high)) => broadcast::map(x, out, |&v| smaller(larger(v, low), high)),
        (Some(low), None) => broadcast::map(x, out, |&v| larger(v, low)),
        (None, Some(high)) => broadcast::map(x, out, |&v| smaller(v, high)),
        (None, None) => out.copy_from_slice(x),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Clip;
    use super::DEFINITION;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, gradients, i64s};
    use crate::import::{Import, ImportInput};
    use crate::tensor::Tensor;

    fn scalar(v: f64) -> Tensor {
        f64s(&[], &[v])
    }

    pub(super) fn cases() -> Vec<Case> {
        let x = f64s(&[4], &[-2.0, 0.5, 3.0, f64::NAN]);
        vec![
            Case::new(Clip)
                .input(x.clone())
                .input(scalar(-1.0))
                .input(scalar(1.0))
                .expect(f64s(&[4], &[-1.0, 0.5, 1.0, f64::NAN]))
                .fixed(&[0, 1, 2]),
            Case::new(Clip)
                .input(x.clone())
                .missing()
                .input(scalar(1.0))
                .expect(f64s(&[4], &[-2.0, 0.5, 1.0, f64::NAN]))
                .fixed(&[0, 2]),
            Case::new(Clip)
                .input(x.clone())
                .input(scalar(2.0))
                .input(scalar(1.0))
                .expect(f64s(&[4], &[1.0, 1.0, 1.0, f64::NAN]))
                .fixed(&[0, 1, 2]),
            Case::new(Clip)
                .input(x)
                .input(Tensor::scalar(0.0f32))
                .expect(f64s(&[4], &[0.0, 0.5, 3.0, f64::NAN]))
                .fixed(&[0]),
            Case::new(Clip)
                .input(i64s(&[-9, 0, 9]))
                .input(Tensor::scalar(-2i64))
                .input(Tensor::scalar(2i64))
                .expect(i64s(&[-2, 0, 2])),
            Case::new(Clip).random(&[3, 5]).input(scalar(-0.5)).input(scalar(0.75)).fixed(&[1, 2]),
            Case::new(Clip).random(&[3, 5]).input(f64s(&[1], &[-0.5])).input(scalar(0.75)),
            Case::new(Clip).random(&[3, 5]).missing().input(scalar(0.25)),
            Case::new(Clip).random(&[3, 5]),
        ]
    }

    #[test]
    fn at_a_bound_the_derivative_is_that_of_pytorch() {
        let x = || f64s(&[3], &[-1.0, 0.0, 1.0]);
        let found = gradients(Clip, &[x()], &[scalar(-1.0), scalar(1.0)]);
        assert_eq!(found, [f64s(&[3], &[0.0, 1.0, 0.0])]);
        let found = gradients(Clip, &[x(), scalar(-1.0), scalar(1.0)], &[]);
        assert_eq!(found, [f64s(&[3], &[0.5, 1.0, 0.5]), scalar(0.5), scalar(0.5)]);
    }

    #[test]
    fn bounds_given_as_attributes_become_inputs() {
        let attributes = Attributes::new().with("max", Attribute::Float(6.0));
        let inputs = vec![ImportInput::Value(0, None)];
        let mut node = Import { operator: "Clip", opset: 6, attributes: &attributes, inputs, outputs: 1 };
        (DEFINITION.import)(&mut node).unwrap();
        assert!(!node.has(1));
        assert_eq!(node.constant(2), Some(&Tensor::scalar(6.0f32)));
    }
}
