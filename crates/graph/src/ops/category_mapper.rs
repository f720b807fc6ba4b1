//! CategoryMapper: whole numbers for texts, or texts for whole numbers, by one list of both.

use std::sync::Arc;

use super::mapping::Mapping;
use super::ml::DOMAIN;
use super::support::fact;
use crate::attributes::Attributes;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// CategoryMapper's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "CategoryMapper",
    domain: DOMAIN,
    since: 1,
    summary: "whole numbers for texts, or texts for whole numbers",
    derivative: "none: neither texts nor whole numbers carry a gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let texts = Tensor::vector(node.texts("cats_strings")?.unwrap_or_default());
        let numbers = Tensor::vector(node.ints("cats_int64s")?.unwrap_or_default());
        let text = Tensor::scalar(node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned()));
        let number = Tensor::scalar(node.int("default_int64")?.unwrap_or(-1));
        Ok(Arc::new(CategoryMapper {
            attributes: node.attributes.clone(),
            of_texts: Mapping::new(&texts, &numbers, &number)?,
            of_numbers: Mapping::new(&numbers, &texts, &text)?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Whole numbers for texts, or texts for whole numbers; the input's type says which.
#[derive(Clone, Debug)]
pub struct CategoryMapper {
    attributes: Attributes,
    of_texts: Mapping,
    of_numbers: Mapping,
}

impl CategoryMapper {
    fn mapping(&self, input: DType) -> &Mapping {
        if input == DType::String { &self.of_texts } else { &self.of_numbers }
    }
}

impl Operator for CategoryMapper {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let mapping = self.mapping(x.dtype);
        mapping.expect(x.dtype)?;
        Ok(vec![Fact::new(mapping.dtype(), &x.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let dtype = inputs.first().copied().flatten().map_or(DType::String, |x| x.data.dtype());
        self.mapping(dtype).run(inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, i64s, strings};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let attributes = Attributes::new()
            .with("cats_strings", A::Texts(vec!["a".to_owned(), "b".to_owned()]))
            .with("cats_int64s", A::Ints(vec![10, 20]))
            .with("default_int64", A::Int(7));
        let of = |x: Tensor| Case::imported("CategoryMapper", 1, &attributes, vec![x]);
        vec![
            of(strings(&[3], &["b", "x", "a"])).expect(i64s(&[20, 7, 10])),
            of(i64s(&[10, 11])).expect(strings(&[2], &["a", "_Unused"])),
        ]
    }
}
