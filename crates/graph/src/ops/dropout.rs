//! Dropout at inference: the input, and a mask that is true everywhere. In training mode, where it draws, it is refused, unless it drops nothing.

use std::sync::Arc;

use super::support::{fact, optional, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, SliceMut, Tensor, View, ViewMut};

/// Dropout's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Dropout",
    domain: "",
    since: 7,
    summary: "the input, as at inference; training mode is refused, unless nothing is dropped",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 3)?;
        if let Some(ratio) = node.float("ratio")?
            && node.opset < 12
        {
            node.set_input(1, Tensor::scalar(ratio));
        }
        Ok(Arc::new(Dropout))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The input, as at inference.
#[derive(Clone, Copy, Debug)]
pub struct Dropout;

impl Operator for Dropout {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if let Some(training) = optional(inputs, 2) {
            let off = training.constant.and_then(Tensor::to_i64).is_some_and(|t| t.iter().all(|&v| v == 0));
            let ratio = optional(inputs, 1).and_then(|r| r.constant?.to_f64());
            if !off && ratio.is_none_or(|r| r != [0.0]) {
                refuse!("it is in training mode, where it draws at random; export the model for inference");
            }
        }
        Ok(vec![x.clone(), Fact::new(DType::Bool, &x.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        site.all(site.rows_of(0))
    }

    fn derivative(&self, _b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        found[0] = site.cotangents[0];
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        if !output.data.copy_from(view(inputs, 0)?.data) {
            refuse!("its output does not have the input's elements");
        }
        if let Some(ViewMut { data: SliceMut::Bool(mask), .. }) = outputs.get_mut(1) {
            mask.fill(true);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Dropout;
    use crate::cases::{Case, bools, f64s};
    use crate::graph::Fact;
    use crate::operator::{Arg, Operator};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Dropout)
                .input(f64s(&[2, 1], &[1.0, 2.0]))
                .input(f64s(&[], &[0.5]))
                .input(bools(&[], &[false]))
                .expect(f64s(&[2, 1], &[1.0, 2.0]))
                .expect(bools(&[2, 1], &[true, true]))
                .fixed(&[1]),
            Case::new(Dropout).random(&[3, 4]),
        ]
    }

    #[test]
    fn training_mode_is_refused() {
        let (x, training) = (f64s(&[1], &[1.0]), Tensor::scalar(true));
        let (x_fact, flag) = (Fact::new(x.dtype(), x.shape()), Fact::new(training.dtype(), training.shape()));
        let known = Arg { fact: &flag, constant: Some(&training) };
        let open = Arg { fact: &flag, constant: None };
        for training in [known, open] {
            let inputs = [Some(Arg { fact: &x_fact, constant: None }), None, Some(training)];
            assert!(Dropout.infer(&inputs).unwrap_err().0.contains("training mode"));
        }
    }
}
