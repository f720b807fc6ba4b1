//! StringNormalizer: a list of texts without those on a list of stop words, in lower or upper case. How many are left depends on the
//! texts, so where there are stop words these must be known when a graph is built. Case follows Unicode, not a locale.

use std::sync::Arc;

use super::support::{arg, data, out};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Buffer, DType, View, ViewMut};

/// StringNormalizer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "StringNormalizer",
    domain: "",
    since: 10,
    summary: "texts in lower or upper case, without stop words; with these, of constant texts",
    derivative: "none: texts carry no gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let case = match node.text("case_change_action")?.as_deref() {
            None | Some("NONE") => Case::Same,
            Some("LOWER") => Case::Lower,
            Some("UPPER") => Case::Upper,
            Some(other) => refuse!("attribute case_change_action is {other:?}"),
        };
        let stop_words = node.texts("stopwords")?.unwrap_or_default();
        Ok(Arc::new(StringNormalizer { case, stop_words, exact: node.flag("is_case_sensitive", false)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What happens to letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Nothing.
    Same,
    /// They become small.
    Lower,
    /// They become large.
    Upper,
}

/// A list of texts, or one such list in a matrix, without stop words.
#[derive(Clone, Debug)]
pub struct StringNormalizer {
    /// What happens to letters.
    pub case: Case,
    /// What is left out.
    pub stop_words: Vec<String>,
    /// Whether a stop word is one in its own case only.
    pub exact: bool,
}

impl StringNormalizer {
    fn normalized(&self, texts: &[String]) -> Vec<String> {
        let stops = |text: &str| match self.exact {
            true => self.stop_words.iter().any(|s| s == text),
            false => self.stop_words.iter().any(|s| s.to_lowercase() == text.to_lowercase()),
        };
        let kept = texts.iter().filter(|t| !stops(t)).map(|t| match self.case {
            Case::Same => t.clone(),
            Case::Lower => t.to_lowercase(),
            Case::Upper => t.to_uppercase(),
        });
        let kept: Vec<String> = kept.collect();
        if kept.is_empty() { vec![String::new()] } else { kept }
    }
}

impl Operator for StringNormalizer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let case = match self.case {
            Case::Same => "NONE",
            Case::Lower => "LOWER",
            Case::Upper => "UPPER",
        };
        let found = Attributes::new()
            .with("case_change_action", Attribute::Text(case.to_owned()))
            .with("is_case_sensitive", Attribute::Int(i64::from(self.exact)));
        match self.stop_words.as_slice() {
            [] => found,
            words => found.with("stopwords", Attribute::Texts(words.to_vec())),
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = arg(inputs, 0)?;
        if x.fact.dtype != DType::String {
            refuse!("its input is of type {}, expected texts", x.fact.dtype);
        }
        // Without stop words nothing is left out, and any shape will do, as skl2onnx has it.
        if self.stop_words.is_empty() && !x.fact.is_empty() {
            return Ok(vec![x.fact.clone()]);
        }
        let Some(Buffer::String(texts)) = x.constant.map(|t| t.data()) else {
            refuse!("its texts (input 0) must be constant, since it leaves some of them out");
        };
        let left = self.normalized(texts).len();
        match *x.fact.shape {
            [_] => Ok(vec![Fact::new(DType::String, &[left])]),
            [1, _] => Ok(vec![Fact::new(DType::String, &[1, left])]),
            _ => refuse!("its input has shape {:?}, expected a list", x.fact.shape),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        if !self.stop_words.is_empty() {
            site.only(&[])?;
        }
        site.all(site.rows_of(0))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let found = self.normalized(data::<String>(inputs, 0)?);
        out::<String>(outputs, 0)?.iter_mut().zip(found).for_each(|(o, text)| *o = text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Case as Letters, StringNormalizer};
    use crate::cases::{Case, strings};

    pub(super) fn cases() -> Vec<Case> {
        let of = |case, words: &[&str], exact| {
            let stop_words = words.iter().map(|&s| s.to_owned()).collect();
            Case::new(StringNormalizer { case, stop_words, exact }).rows(&[])
        };
        let days = || strings(&[3], &["Monday", "tuesday", "monday"]);
        vec![
            of(Letters::Upper, &[], true).input(days()).expect(strings(&[3], &["MONDAY", "TUESDAY", "MONDAY"])),
            of(Letters::Lower, &["monday"], true).input(days()).expect(strings(&[2], &["monday", "tuesday"])),
            of(Letters::Same, &["MONDAY"], false)
                .input(days().reshaped(&[1, 3]).unwrap())
                .expect(strings(&[1, 1], &["tuesday"])),
            of(Letters::Same, &["x"], true).input(strings(&[1], &["x"])).expect(strings(&[1], &[""])),
        ]
    }
}
