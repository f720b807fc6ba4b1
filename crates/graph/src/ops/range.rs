//! Range: start, start + delta, … up to before a limit. Its inputs must be constant, since they give its size.

use std::sync::Arc;

use super::support::{arg, data, no_type, out};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// Range's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Range",
    domain: "",
    since: 11,
    summary: "numbers from a start to before a limit, a delta apart",
    derivative: "its inputs are constant",
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(Range))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Numbers from input 0 to before input 1, apart by input 2.
#[derive(Clone, Copy, Debug)]
pub struct Range;

/// How many numbers there are.
fn count(start: &Tensor, limit: &Tensor, delta: &Tensor) -> OpResult<usize> {
    let one = |t: &Tensor| t.to_i64().and_then(|v| v.first().copied()).map(i128::from);
    if let (Some(start), Some(limit), Some(delta)) = (one(start), one(limit), one(delta)) {
        let (way, step) = if delta < 0 { (start - limit, -delta) } else { (limit - start, delta) };
        return match step {
            0 => refuse!("its delta is 0"),
            _ => usize::try_from(way.max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
                .map_err(|_| OpError("it has too many numbers".to_owned())),
        };
    }
    let one = |t: &Tensor| t.to_f64().and_then(|v| v.first().copied());
    let (Some(start), Some(limit), Some(delta)) = (one(start), one(limit), one(delta)) else {
        refuse!("its inputs are not numbers")
    };
    let n = ((limit - start) / delta).ceil();
    if n.is_nan() || n >= 1e18 {
        refuse!("from {start} to {limit} by {delta} is no finite number of steps");
    }
    Ok(n.max(0.0) as usize)
}

impl Operator for Range {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let dtype = arg(inputs, 0)?.fact.dtype;
        if !matches!(dtype, DType::F32 | DType::F64 | DType::I16 | DType::I32 | DType::I64) {
            return no_type(dtype);
        }
        let mut values = Vec::with_capacity(3);
        for (i, name) in ["start", "limit", "delta"].into_iter().enumerate() {
            let x = arg(inputs, i)?;
            if x.fact.dtype != dtype || x.fact.len() != 1 {
                refuse!("its {name} is {}, expected one element of type {dtype}", x.fact);
            }
            let Some(tensor) = x.constant else { refuse!("its {name} (input {i}) must be constant") };
            values.push(tensor);
        }
        Ok(vec![Fact::new(dtype, &[count(values[0], values[1], values[2])?])])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[])?;
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        macro_rules! go {
            ($type:ty, |$start:ident, $delta:ident, $i:ident| $value:expr) => {{
                let ([$start], [$delta]) = (data::<$type>(inputs, 0)?, data::<$type>(inputs, 2)?) else {
                    refuse!("its start or delta is not one element")
                };
                for ($i, o) in out::<$type>(outputs, 0)?.iter_mut().enumerate() {
                    *o = $value;
                }
            }};
        }
        let dtype = super::support::view(inputs, 0)?.data.dtype();
        match dtype {
            DType::F32 => go!(f32, |start, delta, i| start + i as f32 * delta),
            DType::F64 => go!(f64, |start, delta, i| start + i as f64 * delta),
            DType::I16 => go!(i16, |start, delta, i| start.wrapping_add((i as i16).wrapping_mul(*delta))),
            DType::I32 => go!(i32, |start, delta, i| start.wrapping_add((i as i32).wrapping_mul(*delta))),
            DType::I64 => go!(i64, |start, delta, i| start.wrapping_add((i as i64).wrapping_mul(*delta))),
            other => return no_type(other),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Range;
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::tensor::{Element, Tensor};

    fn range<T: Element>(list: [T; 3]) -> Case {
        list.into_iter()
            .fold(Case::new(Range), |case, v| case.input(Tensor::scalar(v)))
            .fixed(&[0, 1, 2])
            .rows(&[])
    }

    pub(super) fn cases() -> Vec<Case> {
        vec![
            range([1i64, 8, 3]).expect(i64s(&[1, 4, 7])),
            range([5i64, 0, -2]).expect(i64s(&[5, 3, 1])),
            range([5i64, 5, 1]).expect(i64s(&[])),
            range([5i64, 0, 1]).expect(i64s(&[])),
            range([i64::MAX - 1, i64::MAX, i64::MAX]).expect(i64s(&[i64::MAX - 1])),
            range([0.5f64, 2.0, 0.5]).expect(f64s(&[3], &[0.5, 1.0, 1.5])),
            range([1.0f32, 0.0, -0.75]).expect(Tensor::vector(vec![1.0f32, 0.25])),
            range([1i16, 3, 1]).expect(Tensor::vector(vec![1i16, 2])),
            range([10i32, 4, -3]).expect(Tensor::vector(vec![10i32, 7])),
        ]
    }

    #[test]
    fn endless_ranges_are_refused() {
        fn of<T: Element>(list: [T; 3]) -> String {
            refusal(Range, &list.map(Tensor::scalar))
        }
        assert!(of([0i64, 1, 0]).contains("delta is 0"));
        assert!(of([0.0f64, 1.0, 0.0]).contains("no finite number"));
        assert!(of([0.0f64, f64::NAN, 1.0]).contains("no finite number"));
        assert!(of([i64::MIN, i64::MAX, 1]).contains("more than"));
        assert!(of([0u8, 1, 1]).contains("not computed"));
    }
}
