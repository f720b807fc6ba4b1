//! StringConcat: two texts behind one another; broadcast as numpy does.

use std::sync::Arc;

use super::support::{broadcast, data, out, view};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// StringConcat's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "StringConcat",
    domain: "",
    since: 20,
    summary: "two texts behind one another; broadcast",
    derivative: "none: texts carry no gradient",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(StringConcat))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Two texts behind one another.
#[derive(Clone, Copy, Debug)]
pub struct StringConcat;

impl Operator for StringConcat {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let found = broadcast(inputs)?;
        if found.dtype != DType::String {
            refuse!("its inputs are of type {}, expected texts", found.dtype);
        }
        Ok(vec![found])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (x, y) = (data::<String>(inputs, 0)?, data::<String>(inputs, 1)?);
        let (x, y) = ((x, view(inputs, 0)?.shape), (y, view(inputs, 1)?.shape));
        let Some(shape) = outputs.first().map(|o| o.shape) else { refuse!("output 0 is missing") };
        let o = out::<String>(outputs, 0)?;
        pellucid_kernels::broadcast::zip(x, y, (o, shape), |a, b| format!("{a}{b}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::StringConcat;
    use crate::cases::{Case, strings};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(StringConcat)
                .input(strings(&[2, 1], &["a", "é"]))
                .input(strings(&[2], &["", "x"]))
                .expect(strings(&[2, 2], &["a", "ax", "é", "éx"])),
        ]
    }
}
