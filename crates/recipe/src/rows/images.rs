//! The selected pictures of a folder, or one picture, as a model's inputs.

use std::path::Path;
use std::sync::Arc;

use pellucid::Precision;
use pellucid::graph::Tensor;
use pellucid_data::image::{self, DecodeOptions, ImageFolder, ImageSteps};
use pellucid_data::select::Selection;
use pellucid_data::steps::Real;
use pellucid_data::table::{Batch, Cell, Column, ColumnType, Field, Schema};

use super::{Chunk, MOST_NUMBERS, MOST_ROWS, Wanted};
use crate::error::{Error, Result};
use crate::image::{FILE, folder, steps_of};
use crate::model::OpenModel;

/// Holds names; reads the pictures of a part when it is asked for.
#[derive(Debug)]
pub(super) struct ImageReader {
    folder: ImageFolder,
    steps: ImageSteps,
    /// The name of every picture, which can be kept as a column.
    names: Batch,
    /// For each class of the folder, its number in the model.
    classes: Vec<usize>,
    selected: Vec<usize>,
    next: usize,
    precision: Precision,
    fixed: bool,
}

impl ImageReader {
    pub(super) fn open(model: &OpenModel, path: &Path, wanted: &Wanted) -> Result<Self> {
        if wanted.features.is_some() {
            return Err(Error::request("pictures have no columns to choose as features"));
        }
        let steps = steps_of(model, wanted.images.as_ref(), path)?.clone();
        let folder = folder(path, wanted.label.as_deref())?;
        let names = named(path, &folder)?;
        for column in &wanted.keep {
            names.schema().index(column)?;
        }
        let classes = classes(model, &folder, path)?;
        let selection = Selection::parse(if wanted.rows.trim().is_empty() { "all" } else { &wanted.rows })?;
        let selected = selection.rows(&names, model.split())?;
        let precision = wanted.precision;
        let fixed = steps.crop.is_some() || matches!(steps.resize, image::Resize::Exact(_));
        Ok(Self { folder, steps, names, classes, selected, next: 0, precision, fixed })
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        match self.precision {
            Precision::Float32 => self.chunk::<f32>(Tensor::new),
            Precision::Float64 => self.chunk::<f64>(Tensor::new),
        }
    }

    fn chunk<T: Real>(
        &mut self,
        tensor: impl Fn(&[usize], Vec<T>) -> Option<Tensor>,
    ) -> Result<Option<Chunk>> {
        let start = self.next;
        let mut values: Vec<T> = Vec::new();
        let mut shape = [0; 3];
        let options = DecodeOptions { alpha: self.steps.alpha, ..DecodeOptions::default() };
        while let Some(file) = self.selected.get(self.next).map(|&i| &self.folder.files()[i]) {
            let name: Arc<str> = Arc::from(file.path.to_string_lossy());
            let view = image::read(&file.path, &options)
                .and_then(|picture| self.steps.view(&picture).map_err(|e| e.in_file(&name)))?;
            shape = self.steps.shape(view.pixels.size());
            values.extend(self.steps.encode::<T>(&view.pixels)?);
            self.next += 1;
            // Pictures of sizes that are not known come one by one.
            let each = values.len() / (self.next - start);
            let full = values.len() + each > MOST_NUMBERS || self.next - start >= MOST_ROWS;
            if full || !self.fixed {
                break;
            }
        }
        if self.next == start {
            return Ok(None);
        }
        let places = &self.selected[start..self.next];
        let [a, b, c] = shape;
        let inputs = tensor(&[places.len(), a, b, c], values);
        let inputs = inputs.ok_or_else(|| Error::input("pictures do not fill the model's input"))?;
        let label = |&p: &usize| self.folder.files()[p].class.map(|c| self.classes[c] as f64);
        let is_labelled = !self.folder.classes().is_empty();
        Ok(Some(Chunk {
            numbers: places.iter().map(|&p| p as u64).collect(),
            inputs: vec![inputs],
            labels: if is_labelled { places.iter().map(label).collect() } else { Vec::new() },
            table: Some(self.names.take(places)?),
        }))
    }
}

/// The numbers of a folder's classes in the model: by name where the model has names, else by their order.
fn classes(model: &OpenModel, folder: &ImageFolder, path: &Path) -> Result<Vec<usize>> {
    let known = model.class_names();
    let number = |(i, name): (usize, &String)| {
        if known.is_empty() {
            return Ok(i);
        }
        known.iter().position(|k| k == name).ok_or_else(|| {
            Error::input(format!(
                "{}: the model has no class {name:?}, which a sub-folder is named after; it has {}",
                path.display(),
                super::listed(known)
            ))
        })
    };
    folder.classes().iter().enumerate().map(number).collect()
}

/// A table with the pictures' names, on which selections work.
fn named(path: &Path, folder: &ImageFolder) -> Result<Batch> {
    let schema = Schema::new(&path.to_string_lossy(), vec![Field::new(FILE, ColumnType::Text)])?;
    let mut column = Column::new(ColumnType::Text);
    for file in folder.files() {
        column.push(&Cell::Text(file.name.clone()));
    }
    Ok(Batch::from_columns(Arc::new(schema), vec![column])?)
}
