//! Pow: x to the power y, broadcast as numpy does, in the type of x.
//!
//! A whole number to a whole power wraps; any other power of a whole number is computed in `f64`, cut towards zero, and kept
//! within the type. As in PyTorch, the derivative in x is 0 where y = 0, and that in y is 0 where x = 0 and y ≥ 0.

use std::sync::Arc;

use super::support::{broadcast_of, data, fact, no_type, out, view};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::{Real, broadcast};

/// Pow's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Pow",
    domain: "",
    since: 7,
    summary: "x to the power y, broadcast",
    derivative: "in x 0 where y = 0; in y 0 where x = 0 and y ≥ 0",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Pow))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x to the power y.
#[derive(Clone, Copy, Debug)]
pub struct Pow;

impl Operator for Pow {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        for i in 0..2 {
            let dtype = fact(inputs, i)?.dtype;
            if matches!(dtype, DType::Bool | DType::String) {
                refuse!("input {i} is of type {dtype}, expected numbers");
            }
        }
        Ok(vec![Fact { dtype: fact(inputs, 0)?.dtype, shape: broadcast_of(inputs)? }])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Other } else { Kind::Elementwise }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let x = site.input(0)?;
        let y = b.cast(site.input(1)?, b.fact(x).dtype)?;
        let mut found = vec![None, None];
        if site.active(0) {
            let slope = slope(b, x, y)?;
            let product = b.mul(g, slope)?;
            let shape = b.shape(x).to_vec();
            found[0] = Some(b.unbroadcast(product, &shape)?);
        }
        if site.active(1) {
            // Where the slope is 0 by convention, 1 stands in for x: log 1 is 0, and no infinity is left to be multiplied by 0.
            let (zero, one) = (b.scalar_like(x, 0.0)?, b.scalar_like(x, 1.0)?);
            let (at_zero, up) = (b.equal(x, zero)?, b.greater_or_equal(y, zero)?);
            let flat = b.and(at_zero, up)?;
            let base = b.select(flat, one, x)?;
            let log = b.log(base)?;
            let slope = b.mul(site.outputs[0], log)?;
            let product = b.mul(g, slope)?;
            let shape = b.shape(site.input(1)?).to_vec();
            let sum = b.unbroadcast(product, &shape)?;
            found[1] = Some(b.cast(sum, b.fact(site.input(1)?).dtype)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => real::<f32>(inputs, outputs),
            DType::F64 => real::<f64>(inputs, outputs),
            DType::I8 => whole(inputs, outputs, i8::wrapping_pow, |v| v as i8, f64::from),
            DType::I16 => whole(inputs, outputs, i16::wrapping_pow, |v| v as i16, f64::from),
            DType::I32 => whole(inputs, outputs, i32::wrapping_pow, |v| v as i32, f64::from),
            DType::I64 => whole(inputs, outputs, i64::wrapping_pow, |v| v as i64, |v| v as f64),
            DType::U8 => whole(inputs, outputs, u8::wrapping_pow, |v| v as u8, f64::from),
            DType::U16 => whole(inputs, outputs, u16::wrapping_pow, |v| v as u16, f64::from),
            DType::U32 => whole(inputs, outputs, u32::wrapping_pow, |v| v as u32, f64::from),
            DType::U64 => whole(inputs, outputs, u64::wrapping_pow, |v| v as u64, |v| v as f64),
            other => no_type(other),
        }
    }
}

/// y · x^(y − 1), and 0 where y = 0.
fn slope(b: &mut Builder, x: ValueId, y: ValueId) -> OpResult<ValueId> {
    let known = b.constant(y).and_then(crate::Tensor::to_f64);
    let all = |v: f64| known.as_ref().is_some_and(|k| k.iter().all(|&y| y == v));
    if all(2.0) {
        return b.mul(y, x);
    }
    // Where y = 0, x to the power 0 stands in for x to the power −1, which may be infinite.
    let (zero, one) = (b.scalar_like(y, 0.0)?, b.scalar_like(y, 1.0)?);
    let flat = b.equal(y, zero)?;
    let exponent = b.select(flat, one, y)?;
    let less = b.shift(exponent, -1.0)?;
    let power = b.pow(x, less)?;
    b.mul(y, power)
}

/// The exponents as floats.
fn exponents<T: Real>(y: View<'_>) -> OpResult<Vec<T>> {
    let wide = y.to_tensor().to_f64().ok_or_else(|| OpError("input 1 must be of numbers".to_owned()))?;
    Ok(wide.into_iter().map(T::of).collect())
}

fn real<T: Real + Element>(inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
    let (x, y) = (view(inputs, 0)?, view(inputs, 1)?);
    let Some(shape) = outputs.first().map(|o| o.shape) else { refuse!("output 0 is missing") };
    let converted;
    let powers = match y.as_slice::<T>() {
        Some(same) => same,
        None => {
            converted = exponents::<T>(y)?;
            &converted
        }
    };
    let (xs, o) = (data::<T>(inputs, 0)?, out::<T>(outputs, 0)?);
    if let &[power] = powers
        && xs.len() == o.len()
    {
        let power = power.wide();
        match power {
            1.0 => o.copy_from_slice(xs),
            2.0 => broadcast::map(xs, o, |&v| v * v),
            3.0 => broadcast::map(xs, o, |&v| v * v * v),
            _ => broadcast::map(xs, o, |&v| v.powf(T::of(power))),
        }
        return Ok(());
    }
    broadcast::zip((xs, x.shape), (powers, y.shape), (o, shape), |&a, &p| a.powf(p));
    Ok(())
}

fn whole<T: Element + Copy>(
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    power: impl Fn(T, u32) -> T,
    narrow: impl Fn(f64) -> T,
    wide: impl Fn(T) -> f64,
) -> OpResult<()> {
    let (x, y) = (view(inputs, 0)?, view(inputs, 1)?);
    let Some(shape) = outputs.first().map(|o| o.shape) else { refuse!("output 0 is missing") };
    let (xs, o) = (data::<T>(inputs, 0)?, out::<T>(outputs, 0)?);
    let powers = exponents::<f64>(y)?;
    broadcast::zip((xs, x.shape), (&powers, y.shape), (o, shape), |&a, &p| {
        let counted = p as u32;
        if f64::from(counted) == p { power(a, counted) } else { narrow(wide(a).powf(p)) }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Pow;
    use crate::cases::{Case, f64s, gradients, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Pow)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[2.0, 0.5]))
                .expect(f64s(&[2, 2], &[1.0, 2.0f64.sqrt(), 9.0, 2.0])),
            Case::new(Pow).random(&[3, 4]).input(f64s(&[], &[2.0])).fixed(&[1]),
            Case::new(Pow).random(&[3, 4]).input(i64s(&[3])),
            Case::new(Pow).random(&[3, 4]).input(i64s(&[1])),
            Case::new(Pow).random(&[3, 4]).input(i64s(&[4])),
            Case::new(Pow)
                .input(f64s(&[3], &[0.0, -1.0, 2.0]))
                .input(i64s(&[0]))
                .expect(f64s(&[3], &[1.0; 3])),
            Case::new(Pow).between(&[3, 1, 4], 0.5, 2.0).between(&[2, 1], -2.0, 2.0),
            Case::new(Pow).between(&[], 0.5, 2.0).random(&[3, 4]).rows(&[1]),
            Case::new(Pow)
                .input(i64s(&[-2, 3, 2, 4]))
                .input(i64s(&[3, 2, -1, 0]))
                .expect(i64s(&[-8, 9, 0, 1])),
            Case::new(Pow)
                .input(Tensor::vector(vec![2i32, 9, 200]))
                .input(Tensor::vector(vec![0.5f32, 0.5, 9.5]))
                .expect(Tensor::vector(vec![1i32, 3, i32::MAX])),
        ]
    }

    #[test]
    fn slopes_at_0_are_those_of_pytorch() {
        let found = gradients(Pow, &[f64s(&[4], &[0.0; 4]), f64s(&[4], &[0.0, 1.0, 2.0, 0.5])], &[]);
        assert_eq!(found, [f64s(&[4], &[0.0, 1.0, 0.0, f64::INFINITY]), f64s(&[4], &[0.0; 4])]);
    }
}
