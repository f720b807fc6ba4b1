//! CategoryMapper: whole numbers for texts, or texts for whole numbers, by one list of both.

use std::sync::Arc;

use super::mapping::{Tables, through_tables};
use super::ml::DOMAIN;
use crate::attributes::Attributes;
use crate::operator::{Definition, Operator};
use crate::tensor::Tensor;

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
        let tables = Tables::both(&texts, &numbers, (&text, &number))?;
        Ok(Arc::new(CategoryMapper { attributes: node.attributes.clone(), tables }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Whole numbers for texts, or texts for whole numbers; the input's type says which.
#[derive(Clone, Debug)]
pub struct CategoryMapper {
    attributes: Attributes,
    tables: Tables,
}

impl Operator for CategoryMapper {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_tables!();
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
