//! From a recipe and its table to a trained network, saved as ONNX with everything that is needed to use it.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use pellucid_data::metadata::{KEY, Metadata, SplitRecord};
use pellucid_data::split::{Part, Split};
use pellucid_data::steps::{self, Preprocessing};
use pellucid_data::table::{self, Batch};
use pellucid_data::target::{Target, Task};
use pellucid_train::{Epoch, Progress, Samples, Step, Targets, Trained};
use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::error::{Error, Result};
use crate::hash;
use crate::model::OpenModel;
use crate::recipe::Recipe;

/// The key under which a model holds what it was made from.
pub const RECIPE_KEY: &str = "pellucid.recipe";
/// The key under which a model holds the course of its training.
pub const TRAINING_KEY: &str = "pellucid.training";

/// The course of a training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Course {
    /// The losses of every epoch.
    pub epochs: Vec<Losses>,
    /// The epoch whose weights were kept, counted from 1.
    pub best_epoch: usize,
    /// Whether training ended before the last epoch of the recipe.
    pub stopped_early: bool,
    /// The loss.
    pub loss: String,
    /// What the loss weighed classes with.
    pub loss_weights: Vec<f64>,
}

/// The losses of an epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Losses {
    /// On the training rows, as they were seen.
    pub train: f64,
    /// On the validation rows, behind the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

/// A model of a recipe: trained now, or found.
#[derive(Debug)]
pub struct Made {
    /// The model.
    pub model: OpenModel,
    /// Whether it was trained now.
    pub is_new: bool,
    /// What of the recipe was otherwise when it was trained.
    pub changes: Vec<String>,
}

/// The file of a recipe's model in its output folder.
pub fn model_path(out: &Path) -> PathBuf {
    out.join("model.onnx")
}

/// The model of a recipe: the one in the output folder, or a new one where there is none or `force` says so.
pub fn make(recipe: &Recipe, out: &Path, force: bool, activity: &Activity<'_>) -> Result<Made> {
    if let Some(file) = &recipe.model_file {
        let model = OpenModel::load(recipe.resolve(file))?;
        return Ok(Made { model, is_new: false, changes: Vec::new() });
    }
    std::fs::create_dir_all(out).map_err(|e| Error::write(out, e))?;
    let path = model_path(out);
    let data = hash::file(&recipe.table())?;
    let now = recipe.fingerprint(&data);
    if path.exists() && !force {
        let model = OpenModel::load(&path)?;
        let then = model.model().network().metadata.get(RECIPE_KEY);
        let changes = match then.map(|t| serde_json::from_str::<serde_json::Value>(t)) {
            Some(Ok(then)) => differences(&then, &now),
            _ => vec!["the model does not say which recipe it is of".to_owned()],
        };
        return Ok(Made { model, is_new: false, changes });
    }
    // A folder that cannot be written to is found out before the work, not behind it.
    crate::write::write_text(&out.join(".probe"), "")?;
    let _ = std::fs::remove_file(out.join(".probe"));
    train(recipe, &path, &out.join("split.csv"), &now, activity)?;
    Ok(Made { model: OpenModel::load(&path)?, is_new: true, changes: Vec::new() })
}

/// The course of a model's training, where its file tells it.
pub fn course(model: &OpenModel) -> Option<Course> {
    serde_json::from_str(model.model().network().metadata.get(TRAINING_KEY)?).ok()
}

fn train(
    recipe: &Recipe,
    model_path: &Path,
    split_path: &Path,
    fingerprint: &serde_json::Value,
    activity: &Activity<'_>,
) -> Result<()> {
    let description =
        recipe.train.clone().ok_or_else(|| Error::request("the recipe describes no network"))?;
    let mut description = pellucid_train::Recipe::deserialize(toml::Value::Table(description))
        .map_err(|e| Error::request(format!("train: {}", e.message())))?;
    if let Some(weights) = &mut description.network.initial_weights {
        *weights = recipe.resolve(weights);
    }
    activity.listener.stage(&format!("reading {}", recipe.table().display()));
    let table = table::read(recipe.table(), &recipe.data.read_options()?)?;
    let (split, options) = split(recipe, &table)?;
    let target = Target::fit(&table, &recipe.data.target, Some(&split), &recipe.data.target_options())?;
    for name in &recipe.data.drop {
        table.schema().index(name)?;
    }
    let dropped = |n: &String| *n == recipe.data.target || recipe.data.drop.contains(n);
    let features: Vec<String> = table.schema().names().into_iter().filter(|n| !dropped(n)).collect();
    if features.is_empty() {
        return Err(Error::input(format!("{}: no column is left to predict from", recipe.table().display())));
    }
    let steps = steps::fit(&table, &features, Some(&split), &recipe.data.steps)?;
    let parts = [Part::Train, Part::Validation];
    let [training, validation] = parts.map(|p| Encoded::new(&table, &split.rows(p), &steps, &target));
    let (training, validation) = (training?, validation?);
    activity.listener.stage(&format!(
        "training on {} rows of {} columns, {} epochs",
        training.rows,
        steps.width(),
        description.epochs
    ));
    let mut progress = Told { activity, last: None };
    let held_out = (validation.rows > 0).then(|| validation.samples(&target));
    let trained = pellucid_train::fit(
        &description,
        &training.samples(&target),
        held_out.as_ref(),
        &mut progress,
        activity.cancel,
    )?;
    if activity.cancel.load(Ordering::Relaxed) {
        return Err(crate::ErrorKind::Interrupted.into());
    }
    let mut network = trained.to_network()?;
    let record = Metadata::new(steps, Some(target), Some(SplitRecord::new(&split, options)));
    network.metadata.insert(KEY.to_owned(), record.to_json()?);
    network.metadata.insert(RECIPE_KEY.to_owned(), fingerprint.to_string());
    let course = course_of(&trained, description.loss.name());
    network.metadata.insert(TRAINING_KEY.to_owned(), serde_json::to_string(&course).unwrap_or_default());
    network.producer = format!("pellucid {}", env!("CARGO_PKG_VERSION"));
    split.write(split_path).map_err(|e| crate::write::write_failed(split_path, e))?;
    let bytes = network.to_bytes()?;
    crate::write::write_bytes(model_path, &bytes)
}

fn course_of(trained: &Trained, loss: &str) -> Course {
    Course {
        epochs: trained
            .history
            .iter()
            .map(|e| Losses { train: e.train_loss, validation: e.validation_loss })
            .collect(),
        best_epoch: trained.best_epoch,
        stopped_early: trained.stopped_early,
        loss: loss.to_owned(),
        loss_weights: trained.loss_weights.clone(),
    }
}

fn split(recipe: &Recipe, table: &Batch) -> Result<(Split, Option<pellucid_data::split::SplitOptions>)> {
    match recipe.split.options().map_err(Error::request)? {
        Some(options) => Ok((Split::make(table, &options, Some(&recipe.data.target))?, Some(options))),
        None => {
            let file = recipe.split.file.as_deref().unwrap_or(Path::new("split.csv"));
            Ok((Split::read(recipe.resolve(file), table.rows())?, None))
        }
    }
}

/// Rows as the network takes them.
struct Encoded {
    rows: usize,
    columns: usize,
    features: Vec<f32>,
    classes: Vec<u32>,
    numbers: Vec<f32>,
}

impl Encoded {
    fn new(table: &Batch, rows: &[usize], steps: &Preprocessing, target: &Target) -> Result<Self> {
        let part = table.take(rows)?;
        let values = target.encode(&part)?;
        let known: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(i, v)| {
                v.ok_or_else(|| {
                    Error::input(format!("row {} has no value in the column {:?}", rows[i], target.column()))
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            rows: rows.len(),
            columns: steps.width(),
            features: steps.encode_to_vec(&part)?,
            classes: known.iter().map(|&v| v as u32).collect(),
            numbers: known.iter().map(|&v| v as f32).collect(),
        })
    }

    fn samples(&self, target: &Target) -> Samples<'_> {
        let targets = match target.task() {
            Task::Binary { .. } => Targets::Classes { classes: &self.classes, count: 2 },
            Task::Multiclass { classes, .. } => {
                Targets::Classes { classes: &self.classes, count: classes.len() }
            }
            Task::Regression { .. } => Targets::Numbers { values: &self.numbers, outputs: 1 },
        };
        Samples { features: &self.features, columns: self.columns, targets }
    }
}

/// Passes the course of training on.
struct Told<'a> {
    activity: &'a Activity<'a>,
    last: Option<(f64, Option<f64>)>,
}

impl Progress for Told<'_> {
    fn batch(&mut self, step: Step) {
        let part = step.batch as f64 / step.batches.max(1) as f64;
        let share = ((step.epoch - 1) as f64 + part) / step.epochs.max(1) as f64;
        self.activity.listener.training(share, step.epoch, self.last);
    }

    fn epoch(&mut self, epoch: &Epoch) {
        self.last = Some((epoch.train_loss, epoch.validation_loss));
    }
}

/// What differs between two values, by the path to it.
fn differences(then: &serde_json::Value, now: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    fn walk(path: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
        if let (Value::Object(a), Value::Object(b)) = (then, now) {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        } else if path == "data_sha256" && then != now {
            found.push("the table".to_owned());
        } else if then != now {
            found.push(format!("{path}: {then} then, {now} now"));
        }
    }
    let mut found = Vec::new();
    walk("", then, now, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_paths() {
        let then = serde_json::json!({"data_sha256": "a", "train": {"epochs": 2, "seed": 1}});
        let now =
            serde_json::json!({"data_sha256": "b", "train": {"epochs": 3, "seed": 1, "shuffle": false}});
        let found = differences(&then, &now);
        assert_eq!(
            found,
            ["the table", "train.epochs: 2 then, 3 now", "train.shuffle: null then, false now"]
        );
        assert!(differences(&now, &now).is_empty());
    }
}
