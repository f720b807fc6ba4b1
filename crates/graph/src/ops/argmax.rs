//! ArgMax: the place of the largest element along an axis, of several the first or the last. A NaN counts as largest.

use std::sync::Arc;

use super::composite::through_form;
use super::arg::Form;
use crate::error::OpResult;
use crate::operator::{Definition, Kind, Operator};
use crate::tensor::{View, ViewMut};

/// ArgMax's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ArgMax",
    domain: "",
    since: 1,
    summary: "the place of the largest element along an axis",
    derivative: "0 everywhere",
    import: |node| {
        let Form { axis, keep, last } = Form::import(node)?;
        Ok(Arc::new(ArgMax { axis, keep, last }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The place of the largest element along an axis.
#[derive(Clone, Copy, Debug)]
pub struct ArgMax {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Whether the axis stays as a dimension of size one.
    pub keep: bool,
    /// Whether of equal elements the last counts rather than the first.
    pub last: bool,
}

impl ArgMax {
    fn form(self) -> Form {
        Form { axis: self.axis, keep: self.keep, last: self.last }
    }
}

impl Operator for ArgMax {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_form!();

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        self.form().run(inputs, outputs, true)
    }
}

#[cfg(test)]
mod tests {
    use super::ArgMax;
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis, keep, last| Case::new(ArgMax { axis, keep, last });
        let index = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        let x = || f64s(&[2, 3], &[5.0, 2.0, 5.0, 1.0, 7.0, 7.0]);
        vec![
            along(1, true, false).input(x()).expect(index(&[2, 1], &[0, 1])).fixed(&[0]),
            along(-1, false, true).input(x()).expect(i64s(&[2, 2])).fixed(&[0]),
            along(0, false, false).input(x()).expect(i64s(&[0, 1, 1])).fixed(&[0]),
            along(0, false, false)
                .input(f64s(&[4], &[1.0, f64::NAN, 2.0, f64::NAN]))
                .expect(Tensor::scalar(1i64)),
            along(0, false, true)
                .input(f64s(&[4], &[1.0, f64::NAN, 2.0, f64::NAN]))
                .expect(Tensor::scalar(3i64)),
            along(0, false, false).input(Tensor::vector(vec![-3i8, 4, 2])).expect(Tensor::scalar(1i64)),
            along(1, true, false).random(&[3, 4, 5]).rows(&[0]),
            along(-1, false, false).random(&[3, 4, 5]).rows(&[0]),
            along(0, false, false).random(&[3, 4, 5]).rows(&[0]).mixes(),
            along(0, true, false).random(&[3, 0]),
        ]
    }

    #[test]
    fn an_empty_axis_is_refused() {
        let message = refusal(ArgMax { axis: 1, keep: true, last: false }, &[f64s(&[3, 0], &[])]);
        assert!(message.contains("no elements to choose from"), "{message}");
    }
}
