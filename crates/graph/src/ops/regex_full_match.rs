//! RegexFullMatch: whether a regular expression, in RE2's syntax, matches a text from end to end.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::support::{data, fact, out};
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};

/// RegexFullMatch's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "RegexFullMatch",
    domain: "",
    since: 20,
    summary: "whether a regular expression matches a text from end to end",
    derivative: "none: texts carry no gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let pattern = node.text("pattern")?.unwrap_or_default();
        let whole = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MOST_BYTES).build();
        let regex = whole.map_err(|e| OpError(format!("its pattern {pattern:?} is not one: {e}")))?;
        Ok(Arc::new(RegexFullMatch { pattern, regex }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The most memory that a pattern may take.
const MOST_BYTES: usize = 10 << 20;

/// Whether a regular expression matches a text from end to end.
#[derive(Clone, Debug)]
pub struct RegexFullMatch {
    pattern: String,
    regex: Regex,
}

impl Operator for RegexFullMatch {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("pattern", Attribute::Text(self.pattern.clone()))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if x.dtype != DType::String {
            refuse!("its input is of type {}, expected texts", x.dtype);
        }
        Ok(vec![Fact::new(DType::Bool, &x.shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = data::<String>(inputs, 0)?;
        pellucid_kernels::broadcast::map(x, out::<bool>(outputs, 0)?, |text| self.regex.is_match(text));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, bools, import_alone, strings};

    fn pattern(text: &str) -> Attributes {
        Attributes::new().with("pattern", Attribute::Text(text.to_owned()))
    }

    pub(super) fn cases() -> Vec<Case> {
        let x = strings(&[4], &["www.a.com", "www.a.com!", "ab", "a|b"]);
        let of = |text: &str| Case::imported("RegexFullMatch", 20, &pattern(text), vec![x.clone()]);
        vec![
            of(r"www\.[a-z]\.com").expect(bools(&[4], &[true, false, false, false])),
            of("a|ab").expect(bools(&[4], &[false, false, true, false])),
        ]
    }

    #[test]
    fn a_bad_or_huge_pattern_is_refused() {
        let refused = |text: &str| {
            import_alone("RegexFullMatch", 20, &pattern(text)).expect_err("it is not refused").0
        };
        assert!(refused("(").contains("is not one"));
        assert!(refused("(((a{1000}){1000}){1000})").contains("is not one"));
    }
}
