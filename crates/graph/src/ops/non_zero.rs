//! NonZero: the indices of the elements that are not zero, one row for each axis. Its input must be constant, since its values
//! give the output's size.

use std::sync::Arc;

use super::support::{GIVES_THE_SIZE, arg, out, view};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Buffer, DType, Slice, View, ViewMut};

/// NonZero's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "NonZero",
    domain: "",
    since: 9,
    summary: "the indices of the elements that are not zero",
    derivative: "its input is constant",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(NonZero))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The indices of the elements that are not zero.
#[derive(Clone, Copy, Debug)]
pub struct NonZero;

/// The flat positions of the elements that are not zero.
fn positions(data: Slice<'_>) -> Vec<usize> {
    crate::each_type!(data, Slice, v => {
        let zero = zero_like(v);
        v.iter().enumerate().filter(|(_, x)| **x != zero).map(|(i, _)| i).collect()
    })
}

fn zero_like<T: Default>(_: &[T]) -> T {
    T::default()
}

impl Operator for NonZero {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = arg(inputs, 0)?;
        let Some(tensor) = x.constant else {
            refuse!("its input {GIVES_THE_SIZE}")
        };
        if matches!(tensor.data(), Buffer::String(_)) {
            refuse!("its input is of type string, expected numbers or booleans");
        }
        // A scalar counts as one element of one dimension.
        let rank = x.fact.shape.len().max(1);
        Ok(vec![Fact::new(DType::I64, &[rank, positions(tensor.view().data).len()])])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[])?;
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let found = positions(x.data);
        let out = out::<i64>(outputs, 0)?;
        if out.len() != x.shape.len().max(1) * found.len() {
            refuse!(
                "its output has {} elements, expected {} of {} axes",
                out.len(),
                found.len(),
                x.shape.len()
            );
        }
        for (i, &flat) in found.iter().enumerate() {
            let mut rest = flat;
            for axis in (0..x.shape.len()).rev() {
                out[axis * found.len() + i] = (rest % x.shape[axis]) as i64;
                rest /= x.shape[axis];
            }
            if x.shape.is_empty() {
                out[i] = 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::NonZero;
    use crate::build::Builder;
    use crate::cases::{Case, bools, f64s};
    use crate::graph::Fact;
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let of = |x: Tensor| Case::new(NonZero).input(x).fixed(&[0]).rows(&[]);
        vec![
            of(f64s(&[2, 2], &[1.0, 0.0, f64::NAN, -2.0])).expect(index(&[2, 3], &[0, 1, 1, 0, 0, 1])),
            of(bools(&[3], &[false, true, true])).expect(index(&[1, 2], &[1, 2])),
            of(Tensor::scalar(3u8)).expect(index(&[1, 1], &[0])),
            of(Tensor::scalar(0u8)).expect(index(&[1, 0], &[])),
            of(f64s(&[0, 2], &[])).expect(index(&[2, 0], &[])),
        ]
    }

    #[test]
    fn an_open_input_is_refused() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[2]));
        let error = b.push(NonZero, &[x]).unwrap_err().0;
        for part in ["must be constant", "KNNImputer", "Where and a mask"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
