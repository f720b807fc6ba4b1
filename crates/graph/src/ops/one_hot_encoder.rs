//! OneHotEncoder: along a new last axis, 1 at the place of the element's category and 0 elsewhere. What is no category gives zeros
//! only, or is an error, as the node says.

use std::collections::HashMap;
use std::sync::Arc;

use super::ml::{DOMAIN, Labels, follows_precision};
use super::support::{fact, no_type, output, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};

/// OneHotEncoder's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "OneHotEncoder",
    domain: DOMAIN,
    since: 1,
    summary: "1 at the place of the element's category, 0 elsewhere, along a new last axis",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        let categories = Labels::read(node, "cats_int64s", "cats_strings")?;
        Ok(Arc::new(OneHotEncoder::new(categories, node.flag("zeros", true)?)))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// 1 at the place of the element's category, 0 elsewhere, along a new last axis.
#[derive(Clone, Debug)]
pub struct OneHotEncoder {
    categories: Labels,
    texts: HashMap<String, usize>,
    numbers: HashMap<i64, usize>,
    zeros: bool,
    float: DType,
}

impl OneHotEncoder {
    fn new(categories: Labels, zeros: bool) -> Self {
        let (mut texts, mut numbers) = (HashMap::new(), HashMap::new());
        match &categories {
            Labels::Texts(list) => texts.extend(list.iter().cloned().zip(0..)),
            Labels::Integers(list) => numbers.extend(list.iter().copied().zip(0..)),
        }
        Self { categories, texts, numbers, zeros, float: DType::F32 }
    }

    /// Of texts; `zeros` says whether another text gives zeros rather than an error.
    pub fn of_texts(categories: Vec<String>, zeros: bool) -> Self {
        Self::new(Labels::Texts(categories), zeros)
    }

    /// Of whole numbers; `zeros` says whether another number gives zeros rather than an error.
    pub fn of_numbers(categories: Vec<i64>, zeros: bool) -> Self {
        Self::new(Labels::Integers(categories), zeros)
    }

    /// The place of each element's category.
    fn places(&self, x: View<'_>) -> OpResult<Vec<Option<usize>>> {
        macro_rules! numbers {
            ($v:expr) => {
                $v.iter()
                    .map(|&v| match self.numbers.get(&(v as i64)) {
                        None if !self.zeros => refuse!("{v} is none of its categories"),
                        found => Ok(found.copied()),
                    })
                    .collect()
            };
        }
        match x.data {
            Slice::String(v) => v
                .iter()
                .map(|v| match self.texts.get(v) {
                    None if !self.zeros => refuse!("{v:?} is none of its categories"),
                    found => Ok(found.copied()),
                })
                .collect(),
            Slice::I64(v) => numbers!(v),
            Slice::I32(v) => numbers!(v),
            Slice::F32(v) => numbers!(v),
            Slice::F64(v) => numbers!(v),
            other => no_type(other.dtype()),
        }
    }
}

impl Operator for OneHotEncoder {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = Attributes::new().with("zeros", Attribute::Int(i64::from(self.zeros)));
        self.categories.write(&mut found, "cats_int64s", "cats_strings");
        found
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let fits = match self.categories {
            Labels::Texts(_) => x.dtype == DType::String,
            Labels::Integers(_) => matches!(x.dtype, DType::I64 | DType::I32 | DType::F32 | DType::F64),
        };
        if !fits {
            refuse!("its input is of type {}, which its categories are not", x.dtype);
        }
        let mut shape = x.shape.clone();
        shape.push(self.categories.len());
        Ok(vec![Fact::new(self.float, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.all(site.rows_of(0))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let places = self.places(view(inputs, 0)?)?;
        let width = self.categories.len();
        let chosen = places.iter().enumerate().filter_map(|(i, p)| Some(i * width + (*p)?));
        match &mut output(outputs, 0)?.data {
            SliceMut::F32(o) => {
                o.fill(0.0);
                chosen.for_each(|at| o[at] = 1.0);
            }
            SliceMut::F64(o) => {
                o.fill(0.0);
                chosen.for_each(|at| o[at] = 1.0);
            }
            other => return no_type(other.dtype()),
        }
        Ok(())
    }

    follows_precision!();
}

#[cfg(test)]
mod tests {
    use super::OneHotEncoder;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::tensor::DType;

    pub(super) fn cases() -> Vec<Case> {
        let texts = || OneHotEncoder::of_texts(vec!["a".to_owned(), "b".to_owned()], true);
        let double = |op: OneHotEncoder| Case::new(OneHotEncoder { float: DType::F64, ..op });
        let numbers = || OneHotEncoder::of_numbers(vec![3, -1, 7], true);
        vec![
            double(texts())
                .input(strings(&[3, 1], &["b", "x", "a"]))
                .expect(f64s(&[3, 1, 2], &[0.0, 1.0, 0.0, 0.0, 1.0, 0.0])),
            double(numbers()).input(i64s(&[7, 2])).expect(f64s(&[2, 3], &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0])),
            double(numbers())
                .input(f64s(&[2], &[-1.5, 3.0]))
                .expect(f64s(&[2, 3], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]))
                .fixed(&[0]),
        ]
    }

    #[test]
    fn what_is_no_category_is_refused_where_it_must_be_one() {
        let texts = OneHotEncoder::of_texts(vec!["a".to_owned()], false);
        assert!(refusal(texts, &[strings(&[1], &["x"])]).contains("\"x\" is none of its categories"));
        let numbers = OneHotEncoder::of_numbers(vec![1], false);
        assert!(refusal(numbers.clone(), &[i64s(&[2])]).contains("2 is none of its categories"));
        assert!(refusal(numbers, &[strings(&[1], &["x"])]).contains("of type string"));
    }
}
