//! ArrayFeatureExtractor: some columns of x, by their numbers.

use std::sync::Arc;

use super::Gather;
use super::composite::through_body;
use super::ml::DOMAIN;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// ArrayFeatureExtractor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ArrayFeatureExtractor",
    domain: DOMAIN,
    since: 1,
    summary: "some columns of x, by their numbers",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(ArrayFeatureExtractor))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The elements of input 0 along its last axis at the positions of input 1.
#[derive(Clone, Copy, Debug)]
pub struct ArrayFeatureExtractor;

impl Operator for ArrayFeatureExtractor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(places)] = inputs else { refuse!("it needs two inputs") };
        let count = b.fact(places).len();
        let places = b.reshape(places, &[count])?;
        let x = match *b.shape(x) {
            [columns] => b.reshape(x, &[1, columns])?,
            _ => x,
        };
        Ok(Some(vec![b.push(Gather { axis: -1 }, &[x, places])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::ArrayFeatureExtractor;
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = || Case::new(ArrayFeatureExtractor);
        vec![
            of().input(f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                .input(i64s(&[2, 0]))
                .expect(f64s(&[2, 2], &[3.0, 1.0, 6.0, 4.0])),
            of().input(strings(&[3], &["a", "b", "c"]))
                .input(Tensor::new(&[1, 2], vec![1i64, 1]).unwrap())
                .expect(strings(&[1, 2], &["b", "b"]))
                .rows(&[]),
            of().random(&[3, 4]).input(i64s(&[3, 1, 1])),
        ]
    }
}
