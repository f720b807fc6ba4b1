//! Pictures as data: which files they are, how a model wants them, and what an explanation says of their pixels.

use std::path::Path;

use pellucid::graph::Dim;
#[cfg(feature = "images")]
use pellucid_data::image::{self, DecodeOptions, Pixels, Region, Size};
use pellucid_data::image::{ImageFolder, ImageSteps, is_image};
#[cfg(feature = "images")]
use pellucid_data::table::Cell;

#[cfg(feature = "images")]
pub mod figure;

use crate::error::{Error, Result};
use crate::model::OpenModel;
#[cfg(feature = "images")]
use crate::result::{Explained, Header, Sink};

/// The column that names the pictures.
pub const FILE: &str = "file";
/// What a label is called that is the name of a picture's sub-folder.
pub const FOLDER: &str = "folder";

/// Whether a data path is a picture or a folder of pictures.
pub fn is_pictures(path: &Path) -> bool {
    path.is_dir() || is_image(path)
}

/// The pictures of a path; with the label `folder` those of its sub-folders, whose names are classes.
pub fn folder(path: &Path, label: Option<&str>) -> Result<ImageFolder> {
    match label {
        None => Ok(ImageFolder::open(path)?),
        Some(FOLDER) => Ok(ImageFolder::open_labelled(path)?),
        Some(other) => Err(Error::request(format!(
            "pictures have no column {other:?}; the label {FOLDER:?} takes the names of sub-folders for classes"
        ))),
    }
}

/// The recipe for a model's pictures: as asked, or as the model says.
pub fn steps_of<'a>(
    model: &'a OpenModel,
    asked: Option<&'a ImageSteps>,
    path: &Path,
) -> Result<&'a ImageSteps> {
    let inputs = model.model().input_names();
    let rank = model.model().input_declared(0).and_then(|d| d.shape.as_ref()).map(Vec::len);
    if inputs.len() != 1 || rank.is_some_and(|r| r != 4) {
        return Err(Error::input(format!(
            "{}: pictures can be given to a model with one input of four axes; {} has {} inputs{}",
            path.display(),
            model.path().display(),
            inputs.len(),
            rank.map_or_else(String::new, |r| format!(", the first with {r} axes"))
        )));
    }
    asked.or_else(|| model.images().map(|i| &i.steps)).ok_or_else(|| {
        Error::request(format!(
            "{} does not say how its pictures are prepared; say so, with their mean and deviation or their scale at least",
            model.path().display()
        ))
    })
}

/// The size of a model's pictures (width, height) and their channels, where the file says so, for the two orders of axes.
pub fn declared_input(model: &OpenModel) -> Option<[Option<usize>; 3]> {
    let dims = model.model().input_declared(0)?.shape.as_ref()?;
    let sizes: Vec<Option<usize>> =
        dims.iter().skip(1).map(|d| if let Dim::Fixed(n) = d { Some(*n) } else { None }).collect();
    sizes.try_into().ok()
}

/// What was found out about a picture.
#[cfg(feature = "images")]
#[derive(Clone, Debug)]
pub struct ExplainedPicture {
    /// Its number in the folder.
    pub row: u64,
    /// Its name.
    pub name: String,
    /// Its pixels.
    pub picture: Pixels,
    /// What the network sees of it.
    pub region: Region,
    /// How many pixels the network sees.
    pub size: Size,
    /// The classes with the largest scores, by name, the largest first.
    pub classes: Vec<(String, f64)>,
    /// Whether the scores are probabilities.
    pub has_probabilities: bool,
    /// The true class, where the data has it.
    pub truth: Option<String>,
    /// The attributions to each target.
    pub maps: Vec<ExplainedMap>,
}

/// The attributions of one target to a picture.
#[cfg(feature = "images")]
#[derive(Clone, Debug)]
pub struct ExplainedMap {
    /// The target.
    pub target: String,
    /// On which scale it is explained.
    pub scale: String,
    /// One number for each pixel that the network sees, summed over channels; none where a layer is explained.
    pub values: Option<Vec<f64>>,
    /// F(x).
    pub output: f64,
    /// F(baseline).
    pub baseline_output: Option<f64>,
    /// The sum of the attributions minus F(x) − F(baseline).
    pub delta: Option<f64>,
}

/// Keeps the first explained pictures.
#[cfg(feature = "images")]
#[derive(Debug)]
pub struct Pictures {
    folder: ImageFolder,
    steps: ImageSteps,
    most: usize,
    top: usize,
    /// The pictures.
    pub found: Vec<ExplainedPicture>,
    /// How many there were in all.
    pub total: u64,
}

#[cfg(feature = "images")]
impl Pictures {
    /// Keeps the first `most` pictures of a folder, with the `top` classes of each.
    pub fn new(folder: ImageFolder, steps: ImageSteps, most: usize, top: usize) -> Self {
        Self { folder, steps, most, top, found: Vec::new(), total: 0 }
    }

    fn one(&self, header: &Header, rows: &Explained, row: usize) -> Result<ExplainedPicture> {
        let number = rows.numbers[row];
        let file = usize::try_from(number).ok().and_then(|n| self.folder.files().get(n));
        let file = file.ok_or_else(|| Error::input(format!("there is no picture {number}")))?;
        let options = DecodeOptions { alpha: self.steps.alpha, ..DecodeOptions::default() };
        let picture = image::read(&file.path, &options)?;
        let view = self.steps.view(&picture)?;
        let size = view.pixels.size();
        let (targets, width) = (header.targets.len(), header.tensor_features.len());
        let is_input = size.width * size.height * self.steps.channel_count() == width;
        let map = |target: usize| -> Result<ExplainedMap> {
            let values = &rows.tensor_attributions[(row * targets + target) * width..][..width];
            let of = |list: &Option<Vec<Vec<f64>>>| list.as_ref().map(|l| l[target][row]);
            Ok(ExplainedMap {
                target: rows.target_name(header, row, target),
                scale: header.scale.clone(),
                values: is_input.then(|| self.steps.fold_channels(values, size)).transpose()?,
                output: rows.output[target][row],
                baseline_output: of(&rows.baseline_output),
                delta: of(&rows.delta),
            })
        };
        let predictions = &rows.predictions;
        let scores: Vec<f64> = match &predictions.probabilities {
            Some(p) => p[row * predictions.classes..(row + 1) * predictions.classes].to_vec(),
            None => predictions.value(row).to_vec(),
        };
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let truth = rows.truth(header, row);
        Ok(ExplainedPicture {
            row: number,
            name: file.name.clone(),
            region: view.region,
            size,
            picture: picture.to_rgb(),
            classes: order.iter().take(self.top).map(|&c| (header.class_name(c), scores[c])).collect(),
            has_probabilities: predictions.probabilities.is_some(),
            truth: (truth != Cell::Missing).then(|| truth.to_string()),
            maps: (0..targets).map(map).collect::<Result<_>>()?,
        })
    }
}

#[cfg(feature = "images")]
impl Sink for Pictures {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        for row in 0..rows.rows() {
            self.total += 1;
            if self.found.len() < self.most {
                self.found.push(self.one(header, rows, row)?);
            }
        }
        Ok(())
    }
}
