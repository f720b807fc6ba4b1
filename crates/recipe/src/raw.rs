//! A fitted table pipeline as ONNX nodes before its network, so that any runtime scores raw rows.
//!
//! Each column of the table is an input of its own, [rows, 1]: text as strings, of which the empty one is missing; numbers and truth values
//! as 64-bit floats, of which NaN is missing. Numbers are scaled in 64 bits and rounded then, as everywhere here. Numbers that are categories
//! are compared in 32 bits; where whole ones go beyond what those tell apart, they are 64-bit integers, none of them missing. A category that
//! training did not have is an error of the runtime where the pipeline refuses it. What ONNX cannot say is refused before anything is written.

use std::path::Path;

use pellucid::graph::{DType, Dim, Network, Operator, Tensor, ops};
use pellucid_data::metadata::KEY;
use pellucid_data::steps::{CategoryMissing, SourceColumn, Step, TensorColumnKind, Unknown};
use pellucid_data::table::{Cell, ColumnType};

use crate::error::{Error, Result};
use crate::model::OpenModel;

/// The operators' domain, and the first version in which every runtime finds NaN among its keys.
const DOMAIN: (&str, i64) = ("ai.onnx.ml", 4);

/// Writes the network of [`network`], whole or not at all.
pub fn write(model: &OpenModel, path: &Path) -> Result<()> {
    if let (Ok(from), Ok(to)) = (model.path().canonicalize(), path.canonicalize())
        && from == to
    {
        let message = format!("{} is the model itself; write to another file", path.display());
        return Err(Error::request(message));
    }
    Ok(network(model)?.save(path).map_err(pellucid::Error::from)?)
}

/// A model's network behind its preprocessing. It keeps its outputs and what it knows of its target and its split.
pub fn network(model: &OpenModel) -> Result<Network> {
    let (Some(metadata), Some(steps)) = (model.metadata(), model.preprocessing()) else {
        return Err(Error::request(format!(
            "{}: the model holds no record of its table, so there is nothing to put before its network",
            model.path().display()
        )));
    };
    steps.sources().iter().try_for_each(expressible)?;
    let float = model.model().input_declared(0).map_or(DType::F32, |d| d.dtype);
    let mut front = Front { network: Network::new(), float };
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (i, column) in steps.sources().iter().enumerate() {
        let place = |value: bool| {
            steps.tensor_columns().iter().position(|c| {
                c.source == i && (value == !matches!(c.kind, TensorColumnKind::MissingIndicator))
            })
        };
        let (value, indicator) = front.column(column)?;
        parts.extend(place(true).zip(value));
        parts.extend(place(false).zip(indicator));
    }
    parts.sort_unstable();
    let inputs: Vec<usize> = parts.into_iter().map(|(_, value)| value).collect();
    let encoded = front.node("encoded", ops::Concat { axis: 1 }, &inputs)?;
    front.network.add_output(encoded, float, &[rows(), Dim::Fixed(steps.width())]);
    let mut all = model.model().network().behind(&front.network).map_err(pellucid::Error::from)?;
    // A document says of its steps or its target; one that says of neither is not read.
    all.metadata.remove(KEY);
    if metadata.target.is_some() {
        all.metadata.insert(KEY.to_owned(), metadata.without_preprocessing().to_json()?);
    }
    let version = all.opsets.entry(DOMAIN.0.to_owned()).or_insert(DOMAIN.1);
    *version = DOMAIN.1.max(*version);
    Ok(all)
}

/// Refuses a step that ONNX's operators cannot say.
fn expressible(column: &SourceColumn) -> Result<()> {
    let refused = |why: String| {
        let name = &column.name;
        Err(Error::request(format!("the column {name:?} cannot be written as ONNX nodes: {why}")))
    };
    match &column.step {
        Step::Numeric { impute: None, .. } => {
            refused("a missing number is an error there, which ONNX has no operator for".to_owned())
        }
        Step::Numeric { .. } => Ok(()),
        Step::OneHot { categories, missing, unknown, .. } => {
            if *missing == CategoryMissing::Refuse && *unknown == Unknown::Ignore {
                return refused("a missing category is an error there and an unknown one is not".to_owned());
            }
            if codes(column).is_some() {
                return Ok(());
            }
            for category in categories {
                match category {
                    Cell::Integer(_) | Cell::Number(_) if is_long(category) => {
                        let why = "beyond 16777215 whole numbers are told apart as 64-bit integers only, of which none can be missing";
                        return refused(format!("its category {category}: {why}"));
                    }
                    Cell::Text(text) if text.is_empty() => {
                        return refused("its category \"\" cannot be told from a missing text".to_owned());
                    }
                    Cell::Number(x) if f64::from(*x as f32) != *x => {
                        return refused(format!("its category {category} is no 32-bit float"));
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// Whether 32-bit floats do not tell a number from the next whole ones.
fn is_long(category: &Cell) -> bool {
    number(category).abs() >= f64::from(1u32 << f32::MANTISSA_DIGITS)
}

/// The categories of a column of whole numbers that must be told apart as such: some are long, and none can be missing.
fn codes(column: &SourceColumn) -> Option<Vec<i64>> {
    let Step::OneHot { categories, missing, .. } = &column.step else { return None };
    let is_whole = column.column_type == ColumnType::Integer && *missing != CategoryMissing::MostFrequent;
    if !is_whole || !categories.iter().any(is_long) {
        return None;
    }
    categories.iter().map(|cell| if let Cell::Integer(i) = cell { Some(*i) } else { None }).collect()
}

fn number(category: &Cell) -> f64 {
    match category {
        Cell::Integer(i) => *i as f64,
        Cell::Number(x) => *x,
        Cell::Bool(b) => f64::from(u8::from(*b)),
        Cell::Missing | Cell::Text(_) => f64::NAN,
    }
}

fn rows() -> Dim {
    Dim::Symbol("rows".to_owned())
}

/// The network that turns columns into the other network's input.
struct Front {
    network: Network,
    float: DType,
}

/// The tensor columns of a value, and its indicator.
type Parts = (Option<usize>, Option<usize>);

impl Front {
    fn node<O: Operator>(&mut self, name: &str, op: O, inputs: &[usize]) -> Result<usize> {
        Ok(self.network.add_node(name, op, inputs, name).map_err(pellucid::Error::from)?)
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> Result<usize> {
        Ok(self.network.add_constant(name, tensor).map_err(pellucid::Error::from)?)
    }

    fn column(&mut self, column: &SourceColumn) -> Result<Parts> {
        let name = &column.name;
        let named = |what: &str| format!("{name}/{what}");
        let codes = codes(column);
        let dtype = match column.column_type {
            ColumnType::Text => DType::String,
            _ if codes.is_some() => DType::I64,
            _ => DType::F64,
        };
        let x = self.network.add_input(name, dtype, &[rows(), Dim::Fixed(1)]);
        let x = x.map_err(pellucid::Error::from)?;
        match &column.step {
            Step::Numeric { offset, scale, impute, indicator, .. } => {
                let missing = self.node(&named("missing"), ops::IsNaN, &[x])?;
                let mut value = x;
                if let Some(filler) = impute {
                    let filler = self.constant(&named("filler"), Tensor::vector(vec![*filler]))?;
                    value = self.node(&named("filled"), ops::Where, &[missing, filler, x])?;
                }
                let offset = self.constant(&named("offset"), Tensor::vector(vec![*offset]))?;
                let centred = self.node(&named("centred"), ops::Sub, &[value, offset])?;
                let scale = self.constant(&named("scale"), Tensor::vector(vec![*scale]))?;
                let scaled = self.node(&named("scaled"), ops::Div, &[centred, scale])?;
                let to = ops::Cast { to: self.float };
                let value = self.node(&named("value"), to, &[scaled])?;
                let flag = indicator.then(|| self.node(&named("indicator"), to, &[missing])).transpose()?;
                Ok((Some(value), flag))
            }
            Step::OneHot { categories, drop_first, unknown, .. } => {
                let (place, all) = match codes {
                    Some(codes) => (x, codes),
                    None => (self.place(column, x)?, (0..categories.len() as i64).collect()),
                };
                let encoder = ops::OneHotEncoder::of_numbers(all, *unknown == Unknown::Ignore);
                let hot = self.node(&named("one_hot"), encoder, &[place])?;
                let shape = Tensor::vector(vec![-1, categories.len() as i64]);
                let shape = self.constant(&named("shape"), shape)?;
                let mut value =
                    self.node(&named("columns"), ops::Reshape { allow_zero: false }, &[hot, shape])?;
                if self.float != DType::F32 {
                    value = self.node(&named("value"), ops::Cast { to: self.float }, &[value])?;
                }
                if *drop_first {
                    if categories.len() < 2 {
                        return Ok((None, None));
                    }
                    let mut at = |what: &str, n: i64| self.constant(&named(what), Tensor::vector(vec![n]));
                    let (start, end) = (at("start", 1)?, at("end", categories.len() as i64)?);
                    let axis = at("axis", 1)?;
                    value = self.node(&named("rest"), ops::Slice, &[value, start, end, axis])?;
                }
                Ok((Some(value), None))
            }
        }
    }

    /// Where each of a column's categories stands among those known, -1 where it does not.
    fn place(&mut self, column: &SourceColumn, x: usize) -> Result<usize> {
        let name = &column.name;
        let Step::OneHot { categories, missing, statistics, .. } = &column.step else { return Ok(x) };
        let counts = &statistics.counts;
        // The first of the most frequent, as in encoding.
        let most = (0..counts.len()).fold(0, |best, i| if counts[i] > counts[best] { i } else { best });
        let mut known: Vec<(&Cell, i64)> = categories.iter().zip(0..).collect();
        if *missing == CategoryMissing::MostFrequent {
            known.push((&Cell::Missing, most as i64));
        }
        let values: Vec<i64> = known.iter().map(|(_, i)| *i).collect();
        let (x, places) = if column.column_type == ColumnType::Text {
            let text = |cell: &Cell| if *cell == Cell::Missing { String::new() } else { cell.to_string() };
            let keys: Vec<String> = known.iter().map(|(cell, _)| text(cell)).collect();
            (x, ops::LabelEncoder::of_texts(&keys, &values, -1))
        } else {
            let keys: Vec<f32> = known.iter().map(|(cell, _)| number(cell) as f32).collect();
            let narrow = self.node(&format!("{name}/number"), ops::Cast { to: DType::F32 }, &[x])?;
            (narrow, ops::LabelEncoder::of_floats(&keys, &values, -1))
        };
        let places = places.map_err(|e| Error::request(format!("the column {name:?}: {}", e.0)))?;
        self.node(&format!("{name}/category"), places, &[x])
    }
}
