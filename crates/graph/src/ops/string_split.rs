//! StringSplit: the parts of each text between delimiters, along a new last axis that is as long as the most parts of any; and how many
//! each has. How long that axis is depends on all texts, so these must be known when a graph is built.

use std::sync::Arc;

use super::support::{arg, data, out};
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Buffer, DType, View, ViewMut};

/// StringSplit's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "StringSplit",
    domain: "",
    since: 20,
    summary: "the parts of each text between delimiters, and how many they are; of constant texts",
    derivative: "none: texts carry no gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let most = node.int("maxsplit")?.map(usize::try_from).transpose();
        let most = most.map_err(|_| OpError("attribute maxsplit is negative".to_owned()))?;
        Ok(Arc::new(StringSplit { delimiter: node.text("delimiter")?.unwrap_or_default(), most }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The parts of each text, and how many they are.
#[derive(Clone, Debug)]
pub struct StringSplit {
    /// What stands between parts; where it is empty, any white space.
    pub delimiter: String,
    /// The most places at which a text is split.
    pub most: Option<usize>,
}

impl StringSplit {
    fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let most = self.most.unwrap_or(usize::MAX);
        if !self.delimiter.is_empty() {
            return text.splitn(most.saturating_add(1), self.delimiter.as_str()).collect();
        }
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            match rest.find(char::is_whitespace).filter(|_| parts.len() < most) {
                Some(end) => {
                    parts.push(&rest[..end]);
                    rest = rest[end..].trim_start();
                }
                None => {
                    parts.push(rest.trim_end());
                    break;
                }
            }
        }
        parts
    }
}

impl Operator for StringSplit {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let found = Attributes::new().with("delimiter", Attribute::Text(self.delimiter.clone()));
        match self.most {
            Some(n) => found.with("maxsplit", Attribute::Int(n as i64)),
            None => found,
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = arg(inputs, 0)?;
        let Some(tensor) = x.constant else { refuse!("its texts (input 0) must be constant") };
        let Buffer::String(texts) = tensor.data() else {
            refuse!("its input is of type {}, expected texts", tensor.dtype());
        };
        let mut shape = x.fact.shape.clone();
        shape.push(texts.iter().map(|t| self.split(t).len()).max().unwrap_or(0));
        Ok(vec![Fact::new(DType::String, &shape), Fact::new(DType::I64, &x.fact.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[])?;
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let parts: Vec<Vec<&str>> = data::<String>(inputs, 0)?.iter().map(|t| self.split(t)).collect();
        let width = parts.iter().map(Vec::len).max().unwrap_or(0);
        let texts = out::<String>(outputs, 0)?;
        for (row, parts) in texts.chunks_exact_mut(width.max(1)).zip(&parts) {
            for (i, o) in row.iter_mut().enumerate() {
                *o = parts.get(i).copied().unwrap_or_default().to_owned();
            }
        }
        let counts = out::<i64>(outputs, 1)?;
        counts.iter_mut().zip(&parts).for_each(|(o, parts)| *o = parts.len() as i64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::StringSplit;
    use crate::cases::{Case, i64s, strings};

    pub(super) fn cases() -> Vec<Case> {
        let of = |delimiter: &str, most| Case::new(StringSplit { delimiter: delimiter.to_owned(), most });
        vec![
            of("", None)
                .input(strings(&[3], &["hello  world ", "", " x"]))
                .expect(strings(&[3, 2], &["hello", "world", "", "", "x", ""]))
                .expect(i64s(&[2, 0, 1]))
                .rows(&[]),
            of("-", Some(1))
                .input(strings(&[2], &["a-b-c", "--"]))
                .expect(strings(&[2, 2], &["a", "b-c", "", "-"]))
                .expect(i64s(&[2, 2]))
                .rows(&[]),
            of("", Some(1))
                .input(strings(&[1], &[" a  b  c "]))
                .expect(strings(&[1, 2], &["a", "b  c"]))
                .rows(&[]),
        ]
    }
}
