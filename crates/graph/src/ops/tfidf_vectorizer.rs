//! TfIdfVectorizer: how often each of some n-grams stands in a row of tokens, or its weight, or the product of both. The tokens of an n-gram
//! may lie apart, all by the same distance.

use std::collections::HashMap;
use std::sync::Arc;

use super::ml::{follows_precision, rows_of_columns};
use super::support::{fact, no_type, output, view, write_floats};
use crate::attributes::Attributes;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::import::Import;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, View, ViewMut};

/// TfIdfVectorizer's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TfIdfVectorizer",
    domain: "",
    since: 9,
    summary: "how often each of some n-grams stands in a row of tokens, weighted",
    derivative: "none: tokens carry no gradient",
    import: |node| {
        node.expect_inputs(1, 1)?;
        read(node).map(|op| Arc::new(op) as Arc<dyn Operator>)
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What an n-gram gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Count,
    Weight,
    Both,
}

/// How often each of some n-grams stands in a row of tokens, weighted.
#[derive(Clone, Debug)]
pub struct TfIdfVectorizer {
    attributes: Attributes,
    mode: Mode,
    /// The lengths of n-grams, and the largest distance of their tokens.
    lengths: std::ops::RangeInclusive<usize>,
    reach: usize,
    texts: bool,
    /// Where each n-gram counts, its tokens as texts.
    places: HashMap<Vec<String>, usize>,
    /// The weight of each output.
    weights: Vec<f32>,
    float: DType,
}

/// The most n-gram lengths and distances; each is a walk over every row.
const MOST: usize = 1000;

fn read(node: &Import<'_>) -> OpResult<TfIdfVectorizer> {
    let size = |name: &str, default: i64| match usize::try_from(node.int(name)?.unwrap_or(default)) {
        Ok(n) if n <= MOST => Ok(n),
        _ => refuse!("attribute {name} is not from 0 to {MOST}"),
    };
    let (least, most) = (size("min_gram_length", 1)?, size("max_gram_length", 1)?);
    let reach = size("max_skip_count", 0)? + 1;
    if least == 0 || most < least {
        refuse!("its n-grams have {least} to {most} tokens");
    }
    let mode = match node.text("mode")?.as_deref() {
        None | Some("TF") => Mode::Count,
        Some("IDF") => Mode::Weight,
        Some("TFIDF") => Mode::Both,
        Some(other) => refuse!("attribute mode is {other:?}"),
    };
    let (pool, texts) = match (node.texts("pool_strings")?, node.ints("pool_int64s")?) {
        (Some(list), None) => (list, true),
        (None, Some(list)) => (list.iter().map(i64::to_string).collect(), false),
        _ => refuse!("it needs pool_strings or pool_int64s"),
    };
    let positions = |name: &str| {
        let list = node.ints(name)?.unwrap_or_default();
        let list: Result<Vec<usize>, _> = list.into_iter().map(usize::try_from).collect();
        list.map_err(|_| OpError(format!("attribute {name} has a negative number")))
    };
    let (starts, indices) = (positions("ngram_counts")?, positions("ngram_indexes")?);
    let mut places = HashMap::new();
    let mut id = 0;
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(pool.len());
        let (n, part) = (i + 1, pool.get(start..end));
        let Some(part) = part.filter(|p| p.len().is_multiple_of(n)) else {
            refuse!("its n-grams of {n} tokens lie from {start} to {end} of {}", pool.len());
        };
        for gram in part.chunks_exact(n) {
            let Some(&at) = indices.get(id) else { refuse!("it has {} ngram_indexes, too few", indices.len()) };
            places.insert(gram.to_vec(), at);
            id += 1;
        }
    }
    let width = indices.iter().max().map_or(0, |m| m.saturating_add(1));
    if width > crate::build::MOST_ELEMENTS {
        refuse!("it has {width} outputs");
    }
    let given = node.floats("weights")?.unwrap_or_default();
    if !given.is_empty() && given.len() != indices.len() {
        refuse!("it has {} weights for {} ngram_indexes", given.len(), indices.len());
    }
    let mut weights = vec![1.0; width];
    indices.iter().zip(given).for_each(|(&at, w)| weights[at] = w);
    let attributes = node.attributes.clone();
    Ok(TfIdfVectorizer { attributes, mode, lengths: least..=most, reach, texts, places, weights, float: DType::F32 })
}

impl TfIdfVectorizer {
    fn count(&self, tokens: &[String]) -> Vec<f32> {
        let mut counts = vec![0.0f32; self.weights.len()];
        for n in self.lengths.clone() {
            // The tokens of a single one cannot lie apart.
            for step in 1..=if n == 1 { 1 } else { self.reach } {
                let span = (n - 1) * step;
                for start in 0..tokens.len().saturating_sub(span) {
                    let gram: Vec<String> =
                        tokens[start..=start + span].iter().step_by(step).cloned().collect();
                    if let Some(&at) = self.places.get(&gram) {
                        counts[at] += 1.0;
                    }
                }
            }
        }
        for (count, weight) in counts.iter_mut().zip(&self.weights) {
            *count = match self.mode {
                Mode::Count => *count,
                Mode::Weight if *count > 0.0 => *weight,
                Mode::Weight => 0.0,
                Mode::Both => *count * weight,
            };
        }
        counts
    }
}

impl Operator for TfIdfVectorizer {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let fits =
            if self.texts { x.dtype == DType::String } else { matches!(x.dtype, DType::I32 | DType::I64) };
        if !fits {
            refuse!("its tokens are of type {}, which its n-grams are not", x.dtype);
        }
        match *x.shape {
            [_] => Ok(vec![Fact::new(self.float, &[self.weights.len()])]),
            [rows, _] => Ok(vec![Fact::new(self.float, &[rows, self.weights.len()])]),
            _ => refuse!("its input has shape {:?}, expected rows of tokens", x.shape),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows_of_columns(site)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let tokens: Vec<String> = match x.data {
            Slice::String(v) => v.to_vec(),
            Slice::I64(v) => v.iter().map(i64::to_string).collect(),
            Slice::I32(v) => v.iter().map(i32::to_string).collect(),
            other => return no_type(other.dtype()),
        };
        let columns = x.shape.last().copied().unwrap_or(0);
        let width = self.weights.len();
        let rows = output(outputs, 0)?.shape.iter().product::<usize>().checked_div(width).unwrap_or(0);
        for r in 0..rows {
            let counts = self.count(&tokens[r * columns..(r + 1) * columns]);
            write_floats(output(outputs, 0)?, r * width, counts.into_iter().map(f64::from))?;
        }
        Ok(())
    }

    follows_precision!();
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, i64s};
    use crate::tensor::Tensor;

    /// The n-grams 2, 3, 5 | 2 3, 3 5 over two rows.
    pub(super) fn cases() -> Vec<Case> {
        let of = |mode: &str, reach: i64| {
            Attributes::new()
                .with("mode", A::Text(mode.to_owned()))
                .with("min_gram_length", A::Int(1))
                .with("max_gram_length", A::Int(2))
                .with("max_skip_count", A::Int(reach))
                .with("ngram_counts", A::Ints(vec![0, 3]))
                .with("ngram_indexes", A::Ints(vec![0, 1, 2, 3, 4]))
                .with("weights", A::Floats(vec![0.5, 1.0, 2.0, 3.0, 4.0]))
                .with("pool_int64s", A::Ints(vec![2, 3, 5, 2, 3, 3, 5]))
        };
        let x = || Tensor::new(&[2, 4], vec![2i64, 3, 3, 5, 5, 2, 9, 3]).unwrap();
        let case = |mode, reach| Case::imported("TfIdfVectorizer", 9, &of(mode, reach), vec![x()]);
        let want = |list: [f32; 10]| Tensor::new(&[2, 5], list.to_vec()).unwrap();
        vec![
            case("TF", 0).expect(want([1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0])),
            case("TF", 1).expect(want([1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0])),
            case("IDF", 0).expect(want([0.5, 1.0, 2.0, 3.0, 4.0, 0.5, 1.0, 2.0, 0.0, 0.0])),
            case("TFIDF", 0).expect(want([0.5, 2.0, 2.0, 3.0, 4.0, 0.5, 1.0, 2.0, 0.0, 0.0])),
            Case::imported("TfIdfVectorizer", 9, &of("TF", 0), vec![i64s(&[5, 5])])
                .expect(Tensor::vector(vec![0.0f32, 0.0, 2.0, 0.0, 0.0]))
                .rows(&[]),
        ]
    }
}
