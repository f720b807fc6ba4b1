//! OneHot: along a new axis of a given depth, one value at the position that an index names and another elsewhere. A negative
//! index counts from the end; one outside the depth has the other value everywhere.

use std::sync::Arc;

use super::number::number_type;
use super::support::{arg, axis, fact, output, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// OneHot's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "OneHot",
    domain: "",
    since: 9,
    summary: "one value at the position that an index names, another elsewhere, along a new axis",
    derivative: "with respect to the two values everywhere; 0 with respect to indices",
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(OneHot { axis: node.int("axis")?.unwrap_or(-1) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Indices (input 0) along a new axis of a depth (input 1): the second of two values (input 2) where they point, the first
/// elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct OneHot {
    /// The new axis in the result; negative counts from the end.
    pub axis: i64,
}

impl Operator for OneHot {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", Attribute::Int(self.axis))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (index, depth, values) = (fact(inputs, 0)?, arg(inputs, 1)?, fact(inputs, 2)?);
        if matches!(index.dtype, DType::Bool | DType::String) {
            refuse!("its indices are of type {}, expected numbers", index.dtype);
        }
        if values.shape != [2] {
            refuse!("its values have shape {:?}, expected [2]", values.shape);
        }
        let Some(depth) = depth.constant else { refuse!("its depth (input 1) must be constant") };
        let depth = match depth.to_f64().as_deref() {
            Some(&[d]) if d >= 0.0 && d < 2f64.powi(53) => d as usize,
            _ => refuse!("its depth (input 1) is not one number from 0 up"),
        };
        let mut shape = index.shape.clone();
        shape.insert(axis(self.axis, shape.len() + 1)?, depth);
        Ok(vec![Fact::new(values.dtype, &shape)])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.get(2) == Some(&true) { Kind::Affine } else { Kind::Constant }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let new = axis(self.axis, x.fact.shape.len() + 1)?;
        site.all(Some(Rows { axis: rows.axis + usize::from(new <= rows.axis), ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; 3])) };
        if !site.active(2) {
            return Ok(Some(vec![None; 3]));
        }
        let all: Vec<usize> = (0..b.shape(g).len()).collect();
        let mut sums = Vec::with_capacity(2);
        for pair in [[1.0, 0.0], [0.0, 1.0]] {
            let pair = Tensor::vector(pair.to_vec()).with_precision(b.fact(g).dtype);
            let pair = b.constant_value(pair);
            let mask = b.push(*self, &[site.input(0)?, site.input(1)?, pair])?;
            let part = b.mul(g, mask)?;
            let sum = b.reduce_sum(part, &all, false)?;
            sums.push(b.reshape(sum, &[1])?);
        }
        Ok(Some(vec![None, None, Some(b.concat(&sums, 0)?)]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (index, values) = (view(inputs, 0)?, view(inputs, 2)?);
        let output = output(outputs, 0)?;
        let new = axis(self.axis, output.shape.len())?;
        let (depth, inner) = (output.shape[new], output.shape[new + 1..].iter().product::<usize>());
        let indices = whole(index)?;
        same_type!(values.data, &mut output.data, |values, o| {
            let [off, on] = values else { refuse!("it has not two values") };
            o.iter_mut().for_each(|o| o.clone_from(off));
            for (i, &at) in indices.iter().enumerate() {
                let at = if at < 0 { at.saturating_add(depth as i64) } else { at };
                if (0..depth as i64).contains(&at) {
                    o[((i / inner) * depth + at as usize) * inner + i % inner].clone_from(on);
                }
            }
        });
        Ok(())
    }
}

/// Indices of any number type; floats are cut towards zero.
fn whole(index: View<'_>) -> OpResult<Vec<i64>> {
    let missing = || OpError("its indices are not numbers".to_owned());
    number_type!(index.data.dtype(), T => {
        let list = index.as_slice::<T>().ok_or_else(missing)?;
        Ok(list.iter().map(|&v| v as i64).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::OneHot;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let at = |axis| Case::new(OneHot { axis });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            at(-1)
                .input(i64s(&[0, -1, 3, -4]))
                .input(Tensor::scalar(3i64))
                .input(f64s(&[2], &[-1.0, 1.0]))
                .expect(f64s(
                    &[4, 3],
                    &[1.0, -1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0],
                )),
            at(0)
                .input(f64s(&[2], &[1.7, 0.2]))
                .input(Tensor::vector(vec![2.0f32]))
                .input(i64s(&[5, 6]))
                .expect(index(&[2, 2], &[5, 6, 6, 5]))
                .fixed(&[0]),
            at(1).input(index(&[2, 3], &[0, 1, 2, 3, 1, 0])).input(i64s(&[4])).random(&[2]),
            at(0).input(index(&[2, 1], &[0, 1])).input(i64s(&[3])).random(&[2]).rows(&[0]),
            at(0).input(i64s(&[])).input(i64s(&[2])).random(&[2]),
            at(0)
                .input(Tensor::scalar(1u8))
                .input(i64s(&[2]))
                .input(strings(&[2], &["no", "yes"]))
                .expect(strings(&[2], &["no", "yes"])),
        ]
    }

    #[test]
    fn bad_depths_are_refused() {
        let of = |depth: Tensor, values: &[f64]| {
            refusal(OneHot { axis: 0 }, &[i64s(&[0]), depth, f64s(&[values.len()], values)])
        };
        assert!(of(Tensor::scalar(-1i64), &[0.0, 1.0]).contains("not one number from 0 up"));
        assert!(of(Tensor::scalar(f64::NAN), &[0.0, 1.0]).contains("not one number from 0 up"));
        assert!(of(Tensor::scalar(1i64 << 40), &[0.0, 1.0]).contains("more than"));
        assert!(of(Tensor::scalar(2i64), &[0.0]).contains("expected [2]"));
    }
}
