//! The selected rows of arrays, as a model's inputs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pellucid::graph::{DType, Tensor};
use pellucid_data::arrays;
use pellucid_data::select::Selection;
use pellucid_data::table::{Batch, Cell, Column, ColumnType, Field, Schema};

use super::{Chunk, MOST_NUMBERS, MOST_ROWS, Wanted};
use crate::error::{Error, Result};
use crate::model::{Labels, OpenModel};

/// Holds the arrays; gives the selected rows some at a time.
#[derive(Debug)]
pub(super) struct ArrayReader {
    path: PathBuf,
    inputs: Vec<Tensor>,
    /// One for each row that is selected.
    labels: Option<Vec<Option<f64>>>,
    selected: Vec<usize>,
    next: usize,
    limit: usize,
}

impl ArrayReader {
    pub(super) fn open(model: &OpenModel, path: &Path, wanted: &Wanted) -> Result<Self> {
        if !wanted.keep.is_empty() || wanted.features.is_some() {
            return Err(Error::request("arrays have no columns to keep or to choose as features"));
        }
        let mut arrays = arrays::load(path)?;
        let labels = match &wanted.label {
            None => None,
            Some(name) => {
                let place = arrays.iter().position(|a| a.0 == *name);
                let place = place.ok_or_else(|| {
                    let names: Vec<&str> = arrays.iter().map(|a| a.0.as_str()).collect();
                    let message = format!("{}: no array {name:?}; there are {names:?}", path.display());
                    Error::input(message)
                })?;
                let labels = arrays.swap_remove(place).1;
                let numbers =
                    labels.to_f64().or_else(|| Some(labels.to_i64()?.iter().map(|&i| i as f64).collect()));
                let numbers = numbers
                    .ok_or_else(|| Error::input(format!("{}: {name:?} holds no numbers", path.display())))?;
                Some(numbers)
            }
        };
        let inputs = inputs(model, path, arrays)?;
        let rows = inputs.first().and_then(|t| t.shape().first()).copied().unwrap_or(0);
        if let Some(t) = inputs.iter().find(|t| t.shape().first() != Some(&rows)) {
            let found = t.shape().first().copied().unwrap_or(0);
            return Err(Error::input(format!("{}: arrays of {rows} and of {found} rows", path.display())));
        }
        if let Some(labels) = labels.as_ref().filter(|l| l.len() != rows) {
            return Err(Error::input(format!("{}: {} labels for {rows} rows", path.display(), labels.len())));
        }
        let selection = Selection::parse(if wanted.rows.trim().is_empty() { "all" } else { &wanted.rows })?;
        let selected = selection.rows(&numbered(path, rows)?, model.split())?;
        let mut labels: Option<Vec<Option<f64>>> =
            labels.map(|all| selected.iter().map(|&row| Some(all[row])).collect());
        if model.has_labels() {
            let classes = Labels::new(model, path);
            for label in labels.iter_mut().flatten() {
                *label = classes.class(&label.map_or(Cell::Missing, Cell::Number))?;
            }
        }
        let each = inputs.iter().map(|t| t.len().checked_div(rows).unwrap_or(0)).sum::<usize>();
        Ok(Self {
            path: path.to_path_buf(),
            inputs,
            labels,
            selected,
            next: 0,
            limit: (MOST_NUMBERS / each.max(1)).clamp(1, MOST_ROWS),
        })
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let end = (self.next + self.limit).min(self.selected.len());
        if self.next == end {
            return Ok(None);
        }
        let places = &self.selected[self.next..end];
        let labels = self.labels.as_ref().map_or_else(Vec::new, |l| l[self.next..end].to_vec());
        self.next = end;
        let taken: Option<Vec<Tensor>> = self.inputs.iter().map(|t| take(t, places)).collect();
        let inputs = taken.ok_or_else(|| {
            Error::input(format!("{}: an array holds neither numbers nor truth values", self.path.display()))
        })?;
        Ok(Some(Chunk { numbers: places.iter().map(|&p| p as u64).collect(), inputs, labels, table: None }))
    }
}

/// The model's inputs by name; the only array where the model has one input.
fn inputs(model: &OpenModel, path: &Path, mut arrays: Vec<(String, Tensor)>) -> Result<Vec<Tensor>> {
    let names = model.model().input_names();
    if names.len() == 1 && arrays.len() == 1 {
        return Ok(arrays.into_iter().map(|a| a.1).collect());
    }
    let found: Vec<String> = arrays.iter().map(|a| a.0.clone()).collect();
    names
        .iter()
        .map(|name| {
            let place = arrays.iter().position(|a| a.0 == *name);
            let place = place.ok_or_else(|| {
                Error::input(format!(
                    "{}: no array for the input {name:?}; there are {found:?}",
                    path.display()
                ))
            })?;
            Ok(arrays.swap_remove(place).1)
        })
        .collect()
}

/// A table of row numbers, on which selections work.
fn numbered(path: &Path, rows: usize) -> Result<Batch> {
    let schema = Schema::new(&path.to_string_lossy(), vec![Field::new("row", ColumnType::Integer)])?;
    Ok(Batch::from_columns(Arc::new(schema), vec![Column::integers((0..rows as i64).collect())])?)
}

/// Some rows of a tensor.
pub(crate) fn take(tensor: &Tensor, rows: &[usize]) -> Option<Tensor> {
    let mut shape = tensor.shape().to_vec();
    let each: usize = shape.get(1..)?.iter().product();
    *shape.first_mut()? = rows.len();
    fn pick<T: Clone>(values: &[T], rows: &[usize], each: usize) -> Vec<T> {
        rows.iter().flat_map(|r| values[r * each..(r + 1) * each].iter().cloned()).collect()
    }
    match tensor.dtype() {
        DType::F32 => Tensor::new(&shape, pick(tensor.as_slice::<f32>()?, rows, each)),
        DType::F64 => Tensor::new(&shape, pick(tensor.as_slice::<f64>()?, rows, each)),
        DType::I64 => Tensor::new(&shape, pick(tensor.as_slice::<i64>()?, rows, each)),
        DType::I32 => Tensor::new(&shape, pick(tensor.as_slice::<i32>()?, rows, each)),
        DType::Bool => Tensor::new(&shape, pick(tensor.as_slice::<bool>()?, rows, each)),
        DType::String => Tensor::new(&shape, pick(tensor.as_slice::<String>()?, rows, each)),
        _ => Tensor::new(&shape, pick(&tensor.to_i64()?, rows, each)),
    }
}

/// Rows of tensors below each other, for each input, numbers as floats.
pub(crate) fn stacked(parts: &[Vec<Tensor>]) -> Option<Vec<Tensor>> {
    let inputs = parts.first()?.len();
    (0..inputs)
        .map(|i| {
            let mut shape = parts.first()?.get(i)?.shape().to_vec();
            let mut rows = 0;
            let mut all: Vec<f64> = Vec::new();
            let mut texts: Vec<String> = Vec::new();
            for part in parts {
                let tensor = part.get(i)?;
                if tensor.shape().get(1..) != shape.get(1..) {
                    return None;
                }
                rows += tensor.shape().first()?;
                if let Some(list) = tensor.as_slice::<String>() {
                    texts.extend_from_slice(list);
                    continue;
                }
                all.extend(
                    tensor.to_f64().or_else(|| Some(tensor.to_i64()?.iter().map(|&v| v as f64).collect()))?,
                );
            }
            *shape.first_mut()? = rows;
            if texts.is_empty() { Tensor::new(&shape, all) } else { Tensor::new(&shape, texts) }
        })
        .collect()
}
