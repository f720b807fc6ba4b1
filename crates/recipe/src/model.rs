//! A model with the record of the table that it was trained on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pellucid::Model;
use pellucid::graph::{Attribute, Dim, Network, Operator};
use pellucid_data::image::ImageRecord;
use pellucid_data::metadata::{KEY, Metadata};
use pellucid_data::split::Split;
use pellucid_data::steps::Preprocessing;
use pellucid_data::table::Cell;
use pellucid_data::target::{Target, Task};

use crate::error::{Error, ErrorKind, Result};

/// A model file, opened.
#[derive(Debug)]
pub struct OpenModel {
    path: PathBuf,
    model: Model,
    metadata: Option<Metadata>,
    split: Option<Split>,
    classes: Vec<String>,
    /// Whether the classes' names are those that the nodes of a classifier have.
    has_labels: bool,
    /// Whether the main output's scores stand for pairs of classes.
    scores_pairs: bool,
}

impl OpenModel {
    /// Reads an ONNX file, and the record inside it where there is one.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let model = Model::load(path)
            .map_err(|source| ErrorKind::ModelFile { path: path.to_path_buf(), source })
            .map_err(unrepeated)?;
        Self::with_record(path, model)
    }

    fn with_record(path: &Path, model: Model) -> Result<Self> {
        let metadata = match model.network().metadata.get(KEY) {
            Some(text) => Some(Metadata::from_json(text).map_err(|e| e.in_file(&name(path)))?),
            None => None,
        };
        let split = match metadata.as_ref().and_then(|m| m.split.as_ref()) {
            Some(record) => record.split().map_err(|e| e.in_file(&name(path)))?,
            None => None,
        };
        let mut opened = Self {
            path: path.to_path_buf(),
            model,
            metadata,
            split,
            classes: Vec::new(),
            has_labels: false,
            scores_pairs: false,
        };
        opened.scores_pairs = opened.has_scores_of_pairs();
        opened.classes = match (opened.target(), opened.images()) {
            (Some(target), _) => target.class_names(),
            (None, images) => images.map(|i| i.classes.clone()).unwrap_or_default(),
        };
        if opened.classes.is_empty() && !opened.is_regression() {
            opened.classes = labels(opened.model.network());
            // Scores of classes that are an output each are no classes of one output, and scores of pairs of classes are none either.
            if opened.has_lone_score() && opened.classes.len() > 1 || opened.scores_pairs {
                opened.classes = Vec::new();
            }
            opened.has_labels = !opened.classes.is_empty();
        }
        Ok(opened)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The record of the table, where the file has one.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// From the table's columns to the network's, where the file says so.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.metadata.as_ref()?.preprocessing.as_ref()
    }

    /// What is predicted, where the file says so.
    pub fn target(&self) -> Option<&Target> {
        self.metadata.as_ref()?.target.as_ref()
    }

    /// Which rows of its table trained, validated and tested.
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// How pictures are prepared, where the file says so.
    pub fn images(&self) -> Option<&ImageRecord> {
        self.metadata.as_ref()?.images.as_ref()
    }

    /// The names of the classes by number, as given or as the file's record or its nodes have them; empty where they are not known.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// Whether it is the nodes of a classifier that say which label each class has.
    pub(crate) fn has_labels(&self) -> bool {
        self.has_labels
    }

    /// The same model, its classes named.
    pub fn with_class_names(self, names: Vec<String>) -> Self {
        Self { classes: names, has_labels: false, ..self }
    }

    /// Whether the file says that a number is predicted.
    pub fn is_regression(&self) -> bool {
        matches!(self.target().map(Target::task), Some(Task::Regression { .. }))
    }

    /// Whether the file says that a row has one number of the main output.
    fn has_lone_score(&self) -> bool {
        let network = self.model.network();
        let main = self.model.main_output().and_then(|i| network.outputs().get(i).copied());
        let declared = main.and_then(|symbol| network.symbols()[symbol].declared.as_ref());
        let shape = declared.and_then(|d| d.shape.as_deref());
        shape.is_some_and(|dims| dims.iter().skip(1).all(|d| *d == Dim::Fixed(1)))
    }

    /// Whether the main output is of a support vector machine without probabilities: its decision values stand for pairs of classes, not for classes, and
    /// their signs not for the second one.
    pub(crate) fn scores_pairs(&self) -> bool {
        self.scores_pairs
    }

    fn has_scores_of_pairs(&self) -> bool {
        let main = self.model.main_output().and_then(|i| self.maker(i));
        main.is_some_and(|op| {
            let probabilities = op.attributes().get("prob_a").cloned();
            op.definition().name == "SVMClassifier"
                && !matches!(probabilities, Some(Attribute::Floats(a)) if !a.is_empty())
        })
    }

    /// The operator that computes an output, before those that only hand it on.
    pub(crate) fn maker(&self, output: usize) -> Option<&dyn Operator> {
        let network = self.model.network();
        let mut symbol = *network.outputs().get(output)?;
        // A shorter way than all nodes leads back to the input.
        for _ in 0..network.nodes().len() {
            let node = network.nodes().iter().find(|n| n.outputs.contains(&Some(symbol)))?;
            let op = node.op.as_ref().ok()?;
            match op.definition().name {
                "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity" | "Cast" | "ZipMap" => {
                    symbol = node.inputs.first().copied().flatten()?;
                }
                _ => return Some(&**op),
            }
        }
        None
    }

    /// Whether the model itself fills in missing numbers, which come as NaN, or decides by them, as trees may.
    pub(crate) fn takes_missing(&self) -> bool {
        let mut ops = self.model.network().nodes().iter().filter_map(|n| n.op.as_ref().ok());
        ops.any(|op| match op.definition().name {
            "Imputer" => {
                let replaced = op.attributes().get("replaced_value_float").cloned();
                matches!(replaced, Some(Attribute::Float(v)) if v.is_nan())
            }
            name => name == "IsNaN" || name.starts_with("TreeEnsemble"),
        })
    }

    /// The features of a row of the first input, where the file says how many: the sizes behind the first axis multiplied.
    pub fn width(&self) -> Option<usize> {
        let declared = self.model.input_declared(0)?;
        declared.shape.as_ref()?.iter().skip(1).try_fold(1usize, |all, d| match d {
            Dim::Fixed(n) => all.checked_mul(*n),
            _ => None,
        })
    }
}

/// The numbers of classes by the labels that a file's data has of them.
#[derive(Debug)]
pub(crate) struct Labels<'a> {
    names: &'a [String],
    numbers: HashMap<&'a str, usize>,
    data: &'a Path,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(model: &'a OpenModel, data: &'a Path) -> Self {
        let names = model.class_names();
        let mut numbers = HashMap::with_capacity(names.len());
        for (class, name) in names.iter().enumerate() {
            numbers.entry(name.as_str()).or_insert(class);
        }
        Self { names, numbers, data }
    }

    /// The number of a cell's class; `None` where it is missing.
    pub(crate) fn class(&self, cell: &Cell) -> Result<Option<f64>> {
        let text = cell.to_string();
        let other = match cell {
            Cell::Missing => return Ok(None),
            // As Python and as numbers write it.
            Cell::Bool(true) => ["True", "1"],
            Cell::Bool(false) => ["False", "0"],
            _ => [&*text; 2],
        };
        match [&*text].into_iter().chain(other).find_map(|label| self.numbers.get(label)) {
            Some(&class) => Ok(Some(class as f64)),
            None => Err(Error::input(format!(
                "{}: {text:?} is no class of the model; it has {}",
                self.data.display(),
                crate::rows::listed(self.names)
            ))),
        }
    }
}

/// An error that names its file already is not given the name again.
fn unrepeated(error: ErrorKind) -> ErrorKind {
    match error {
        ErrorKind::ModelFile { path, source } if source.to_string().contains(&*path.to_string_lossy()) => {
            ErrorKind::Model(source)
        }
        other => other,
    }
}

/// A path as errors of tables name it.
pub(crate) fn name(path: &Path) -> std::sync::Arc<str> {
    std::sync::Arc::from(path.to_string_lossy())
}

/// The labels of the classes as a file's ZipMap or classifiers have them, if all have the same.
fn labels(network: &Network) -> Vec<String> {
    let of = |op: &dyn Operator| {
        let attributes = op.attributes();
        let text = |name: &str| match attributes.get(name)? {
            Attribute::Texts(texts) => Some(texts.clone()),
            Attribute::Ints(numbers) => Some(numbers.iter().map(i64::to_string).collect()),
            _ => None,
        };
        ["classlabels_strings", "classlabels_int64s", "classlabels_ints"].into_iter().find_map(text)
    };
    let mut all = network.nodes().iter().filter_map(|n| of(&**n.op.as_ref().ok()?));
    let first = all.next().unwrap_or_default();
    if all.all(|other| other == first) { first } else { Vec::new() }
}
