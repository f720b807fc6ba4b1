//! CastLike: the elements of x as those of the type of a second input, whose elements are not read; a Cast whose type the other
//! input says.

use std::sync::Arc;

use super::convert::convert;
use super::support::{fact, view};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// CastLike's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CastLike",
    domain: "",
    since: 15,
    summary: "the elements as another input's type",
    derivative: "1 between float types, else none",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(CastLike))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The elements of input 0 as those of the type of input 1.
#[derive(Clone, Copy, Debug)]
pub struct CastLike;

impl Operator for CastLike {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(fact(inputs, 1)?.dtype, &fact(inputs, 0)?.shape)])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        // Which type it casts to is not known here, so that it may be affine or a staircase.
        if active.first() == Some(&true) { Kind::Other } else { Kind::Constant }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.all(site.rows_of(0))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let given = |i: usize| {
            inputs.get(i).copied().flatten().ok_or_else(|| OpError(format!("input {i} is missing")))
        };
        let to = b.fact(given(1)?).dtype;
        Ok(Some(vec![b.cast(given(0)?, to)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        convert(view(inputs, 0)?.data, output.data.reborrow())
    }
}

#[cfg(test)]
mod tests {
    use super::CastLike;
    use crate::cases::{Case, f64s, i64s};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(CastLike)
                .input(f64s(&[2], &[1.5, -2.5]))
                .input(i64s(&[0]))
                .expect(i64s(&[1, -2]))
                .fixed(&[0]),
            Case::new(CastLike).input(i64s(&[3, 4])).input(f64s(&[], &[0.0])).expect(f64s(&[2], &[3.0, 4.0])),
            Case::new(CastLike).random(&[3, 4]).random(&[2]),
            Case::new(CastLike)
                .input(Tensor::vector(vec![0.5f32]))
                .input(f64s(&[1], &[9.0]))
                .expect(f64s(&[1], &[0.5])),
        ]
    }
}
