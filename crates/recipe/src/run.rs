//! Runs a recipe: data, training, evaluation, explanations, page. What is there and unchanged is used again.

use std::path::{Path, PathBuf};

use pellucid_data::split::Part;
use pellucid_data::write::TableFormat;
use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Judged, evaluate};
use crate::explain::explain;
use crate::global::{self, Summary};
use crate::hash;
use crate::model::OpenModel;
use crate::page::{self, Findings};
use crate::recipe::{ExplainSection, Recipe};
use crate::request::Request;
use crate::result::{Explained, Header, Sink};
use crate::single::{Single, Singles};
use crate::train::{self, Made};
use crate::write::{Destination, ResultWriter, write_bytes, write_text};

/// How a recipe is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether everything is made anew.
    pub force: bool,
    /// The output folder, in place of the recipe's.
    pub out: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The output folder.
    pub out: PathBuf,
    /// The page.
    pub page: PathBuf,
    /// The metrics, for each judged part.
    pub evaluations: Vec<Evaluation>,
}

/// The output folder of a recipe.
pub fn out_folder(recipe: &Recipe, options: &Options) -> PathBuf {
    options.out.clone().unwrap_or_else(|| recipe.resolve(&recipe.report.out))
}

/// A result, as the output folder keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The hash of everything that it depends on.
    key: String,
    /// The files that it is written as, with their hashes.
    files: Vec<(String, String)>,
    /// What is needed to repeat it.
    pub record: serde_json::Value,
    /// Sums over rows.
    pub summary: Summary,
    /// Rows one by one.
    pub singles: Vec<Single>,
}

/// The results of an output folder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Results {
    version: String,
    results: std::collections::BTreeMap<String, Kept>,
}

const RESULTS: &str = "results.json";

/// Runs a recipe.
pub fn run(recipe: &Recipe, options: &Options, activity: &Activity<'_>) -> Result<Outcome> {
    let out = out_folder(recipe, options);
    std::fs::create_dir_all(&out).map_err(|e| Error::write(&out, e))?;
    let made = train::make(recipe, &out, options.force, activity)?;
    say(recipe, &made, activity);
    let model = &made.model;
    let data = recipe.table();
    let data_sha256 = hash::file(&data)?;
    let evaluations = judge(recipe, model, activity)?;
    let metrics = serde_json::json!({
        "model_sha256": model.model().sha256(), "data_sha256": data_sha256, "evaluations": evaluations,
    });
    write_text(&out.join("metrics.json"), &format!("{metrics:#}\n"))?;
    let mut store = Store::open(&out, options.force, recipe.report.tolerance);
    let mut explained = Vec::new();
    for section in &recipe.explain {
        activity.check()?;
        let kept = store.result(section, model, &data, &data_sha256, activity)?;
        explained.push((section.name.clone(), kept));
    }
    let mut singles = Vec::new();
    for rows in &recipe.report.single {
        let base = recipe.explain.first().map(|e| e.request.clone()).unwrap_or_default();
        let request = Request { rows: rows.clone(), ..base };
        let name = format!("single {rows}");
        let section = ExplainSection { name, formats: Vec::new(), request };
        singles.push((rows.clone(), store.result(&section, model, &data, &data_sha256, activity)?));
    }
    store.write()?;
    activity.check()?;
    activity.listener.stage("writing the page");
    let course = train::course(model);
    let findings = Findings {
        recipe,
        model,
        data: &data,
        data_sha256: &data_sha256,
        evaluations: &evaluations,
        course: course.as_ref(),
        changes: &made.changes,
        explained: &explained,
        singles: &singles,
    };
    let page = page::page(&findings)?;
    for file in page.figure_files("plots") {
        let path = out.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        }
        let unchanged = std::fs::read(&path).is_ok_and(|old| old == file.svg.as_bytes());
        let png = path.with_extension("png");
        if unchanged && png.exists() && !options.force {
            continue;
        }
        activity.check()?;
        write_bytes(&png, &pellucid_report::render_png(&file.svg, 2.0)?)?;
        write_text(&path, &file.svg)?;
    }
    let index = out.join("index.html");
    write_text(&index, &page.to_html())?;
    Ok(Outcome { out, page: index, evaluations })
}

/// Tells whether the model was found, and what has changed since.
pub fn say(recipe: &Recipe, made: &Made, activity: &Activity<'_>) {
    if made.is_new || recipe.model_file.is_some() {
        return;
    }
    let name = made.model.path().display();
    activity.listener.notice(&format!("{name} is there and is used; --force trains anew"));
    if !made.changes.is_empty() {
        activity.listener.notice(&format!(
            "note: the recipe has changed since this model was trained ({}); --force trains anew",
            made.changes.join("; ")
        ));
    }
}

/// Judges the model on the rows that the recipe names, or on each part of the split.
fn judge(recipe: &Recipe, model: &OpenModel, activity: &Activity<'_>) -> Result<Vec<Evaluation>> {
    let rows = match (recipe.evaluate.rows.is_empty(), model.split()) {
        (false, _) => recipe.evaluate.rows.clone(),
        (true, Some(split)) => {
            Part::ALL.into_iter().filter(|p| split.count(*p) > 0).map(|p| p.name().to_owned()).collect()
        }
        (true, None) => vec!["all".to_owned()],
    };
    rows.into_iter()
        .map(|rows| {
            let label = model.target().is_none().then(|| recipe.data.target.clone());
            let judged = Judged {
                rows,
                thresholds: recipe.evaluate.thresholds.clone(),
                label,
                features: None,
                tile: None,
            };
            evaluate(model, &recipe.table(), &judged, activity)
        })
        .collect()
}

/// The results that an output folder holds.
struct Store<'a> {
    out: &'a Path,
    old: Results,
    new: Results,
    tolerance: f64,
}

impl<'a> Store<'a> {
    fn open(out: &'a Path, force: bool, tolerance: f64) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        // A file that cannot be read is one that is made anew.
        let old: Results = std::fs::read_to_string(out.join(RESULTS))
            .ok()
            .and_then(|t| serde_json::from_str(&t).ok())
            .filter(|r: &Results| r.version == version && !force)
            .unwrap_or_default();
        Self { out, old, new: Results { version, ..Results::default() }, tolerance }
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.new).unwrap_or_default();
        write_text(&self.out.join(RESULTS), &format!("{text}\n"))
    }

    /// A result: the kept one where nothing that it depends on has changed, else a new one.
    fn result(
        &mut self,
        section: &ExplainSection,
        model: &OpenModel,
        data: &Path,
        data_sha256: &str,
        activity: &Activity<'_>,
    ) -> Result<Kept> {
        let key = key(section, model, data_sha256, self.tolerance)?;
        if let Some(kept) = self.old.results.get(&section.name).filter(|k| k.key == key) {
            let same =
                |(name, sha): &(String, String)| hash::file(&self.out.join(name)).is_ok_and(|h| h == *sha);
            if kept.files.iter().all(same) {
                activity.listener.notice(&format!("{}: unchanged, the result is used again", section.name));
                let kept = kept.clone();
                self.new.results.insert(section.name.clone(), kept.clone());
                return Ok(kept);
            }
        }
        activity.listener.stage(&format!("explaining {} ({})", section.name, section.request.rows));
        let mut singles = Singles::default();
        let mut all = Parts {
            summary: Summary { tolerance: self.tolerance, ..Summary::default() },
            writers: Vec::new(),
            singles: None,
        };
        if section.formats.is_empty() {
            all.singles = Some(&mut singles);
        }
        let mut names = Vec::new();
        for format in &section.formats {
            let name = format!("{}.{}", section.name, format.name());
            all.writers.push(ResultWriter::new(*format, Destination::File(self.out.join(&name))));
            names.push(name);
        }
        let record = explain(model, data, &section.request, &mut all, activity)?;
        for writer in all.writers {
            writer.finish(&record)?;
        }
        let summary = all.summary;
        if !section.formats.is_empty() {
            names.push(format!("{}.record.json", section.name));
            let mut table = |suffix: &str, globals: &[global::Global]| {
                let name = format!("{}-{suffix}.csv", section.name);
                let written = global::write(&self.out.join(&name), TableFormat::Csv, globals);
                names.push(name);
                written
            };
            table("global", &summary.shown)?;
            if !summary.tensor.is_empty() {
                table("global-encoded", &summary.tensor)?;
            }
        }
        let files = names
            .into_iter()
            .map(|name| {
                let sha = hash::file(&self.out.join(&name))?;
                Ok((name, sha))
            })
            .collect::<Result<_>>()?;
        record.verify()?;
        let record = serde_json::to_value(&record).unwrap_or_default();
        let kept = Kept { key, files, record, summary, singles: singles.rows };
        self.new.results.insert(section.name.clone(), kept.clone());
        Ok(kept)
    }
}

/// The hash of everything that a result depends on.
fn key(section: &ExplainSection, model: &OpenModel, data_sha256: &str, tolerance: f64) -> Result<String> {
    let baseline = match &section.request.baseline {
        crate::baseline::BaselineRequest::File(path) => Some(hash::file(path)?),
        _ => None,
    };
    let all = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instruction_set": pellucid::instruction_set(),
        "model": model.model().sha256(),
        "data": data_sha256,
        "baseline": baseline,
        "tolerance": tolerance,
        "request": section.request,
        "formats": section.formats.iter().map(|f| f.name()).collect::<Vec<_>>(),
    });
    Ok(hash::bytes(all.to_string().as_bytes()))
}

/// What is done with explained rows.
struct Parts<'a> {
    summary: Summary,
    writers: Vec<ResultWriter>,
    singles: Option<&'a mut Singles>,
}

impl Sink for Parts<'_> {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        self.summary.take(header, rows)?;
        for writer in &mut self.writers {
            writer.take(header, rows)?;
        }
        match &mut self.singles {
            Some(singles) => singles.take(header, rows),
            None => Ok(()),
        }
    }
}
