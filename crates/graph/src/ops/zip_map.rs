//! ZipMap: in the file, a sequence of maps from labels to scores, one for each row. Here it hands the scores on as the tensor that they are,
//! one column for each label: nothing else can be explained or put into a table.

use std::sync::Arc;

use super::composite::through_body;
use super::ml::{DOMAIN, Labels, expect_labels, first};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};

/// ZipMap's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ZipMap",
    domain: DOMAIN,
    since: 1,
    summary: "the scores as a tensor, one column for each label, in place of a map for each row",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
        Ok(Arc::new(ZipMap { labels }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The scores, one column for each label.
#[derive(Clone, Debug)]
pub struct ZipMap {
    labels: Labels,
}

impl Operator for ZipMap {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = Attributes::new();
        self.labels.write(&mut found, "classlabels_int64s", "classlabels_strings");
        found
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let scores = first(inputs)?;
        // A file that gives no labels numbers the columns.
        if self.labels.len() > 0 {
            expect_labels(b, scores, self.labels.len())?;
        }
        Ok(Some(vec![scores]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::{Labels, ZipMap};
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let labels = Labels::Integers(vec![3, 7]);
        let scores = f64s(&[2, 2], &[0.25, 0.75, 1.0, 0.0]);
        vec![Case::new(ZipMap { labels }).input(scores.clone()).expect(scores)]
    }
}
