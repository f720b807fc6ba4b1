//! A recipe: one TOML file that says what is read, trained, judged, explained and shown.

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pellucid_data::metrics::Threshold;
use pellucid_data::split::SplitOptions;
use pellucid_data::steps::StepsOptions;
use pellucid_data::table::{ColumnType, CsvOptions, ReadOptions};
use pellucid_data::target::{TargetKind, TargetOptions};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use self::source::Source;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::write::Format;

/// A recipe, checked.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The file.
    pub path: PathBuf,
    /// What is read.
    pub data: DataSection,
    /// How rows are divided.
    pub split: SplitSection,
    /// The network and how it is fitted; `None` where a model is given.
    pub train: Option<toml::Table>,
    /// A model that is there, relative to the recipe.
    pub model_file: Option<PathBuf>,
    /// What is judged.
    pub evaluate: EvaluateSection,
    /// What is explained.
    pub explain: Vec<ExplainSection>,
    /// What the page shows.
    pub report: ReportSection,
}

/// `[data]`: the table and what becomes of its columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// The table, relative to the recipe.
    pub path: PathBuf,
    /// The column to predict.
    pub target: String,
    /// The class, of two, that counts as positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Whether the target holds classes or numbers, where its values leave that open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TargetKind>,
    /// Columns that the network does not see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// The types of columns, where they are not to be found out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, ColumnType>,
    /// The form of CSV, where it is not to be found out.
    #[serde(default)]
    pub csv: CsvSection,
    /// How columns are encoded.
    #[serde(default)]
    pub steps: StepsOptions,
}

/// `[data.csv]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvSection {
    /// The character between fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line has names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_header: Option<bool>,
    /// The decimal mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// The separator between thousands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Fields that stand for a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
}

/// `[split]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSection {
    /// How.
    pub method: SplitMethod,
    /// The share of rows that tests; for `by_column` the column's values.
    #[serde(default)]
    pub test: Part,
    /// The share of rows that validates; for `by_column` the column's values.
    #[serde(default)]
    pub validation: Part,
    /// The seed of the draw.
    #[serde(default)]
    pub seed: u64,
    /// The column to stratify or to divide by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// For `file`: a table with the columns `row` and `split`, relative to the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// How rows are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitMethod {
    /// By chance, each class in proportion.
    Stratified,
    /// By chance.
    Random,
    /// By the values of a column.
    ByColumn,
    /// As a file says.
    File,
}

/// A part of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a share such as 0.2, or a list of values of the column")]
pub enum Part {
    /// A share.
    Share(f64),
    /// Values of a column.
    Values(Vec<String>),
}

impl Default for Part {
    fn default() -> Self {
        Self::Share(0.0)
    }
}

/// `[evaluate]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateSection {
    /// Which rows, each judged on its own; the parts of the split where it is empty.
    pub rows: Vec<String>,
    /// The thresholds, for two classes.
    pub thresholds: Vec<Threshold>,
}

impl Default for EvaluateSection {
    fn default() -> Self {
        Self { rows: Vec::new(), thresholds: vec![Threshold::probability(0.5)] }
    }
}

/// `[[explain]]`: a request, the files it is written as, and its name.
#[derive(Clone, Debug)]
pub struct ExplainSection {
    /// Its name; files are named after it.
    pub name: String,
    /// The formats that rows are written in.
    pub formats: Vec<Format>,
    /// What is explained.
    pub request: Request,
}

/// `[report]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSection {
    /// The output folder, relative to the recipe.
    pub out: PathBuf,
    /// The page's title.
    pub title: String,
    /// What the table is, in a sentence or two; shown at the top of the page.
    pub about: String,
    /// What one row is, in the plural.
    pub rows_are: String,
    /// Rows that are shown one by one, as selections are written: `test[100]`.
    pub single: Vec<String>,
    /// Categorical columns whose values are counted.
    pub counts: Vec<String>,
    /// The most features of a chart; the rest are summed in one bar.
    pub top: usize,
    /// The largest |delta| / |F(x) − F(baseline)| that the page calls complete.
    pub tolerance: f64,
}

impl Default for ReportSection {
    fn default() -> Self {
        Self {
            out: PathBuf::from("out"),
            title: "What the network learned".to_owned(),
            about: String::new(),
            rows_are: "rows".to_owned(),
            single: Vec::new(),
            counts: Vec::new(),
            top: 20,
            tolerance: 0.01,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: DataSection,
    #[serde(default)]
    split: Option<SplitSection>,
    #[serde(default)]
    model: Option<Spanned<toml::Table>>,
    #[serde(default)]
    train: Option<Spanned<toml::Table>>,
    #[serde(default)]
    evaluate: EvaluateSection,
    #[serde(default)]
    explain: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    report: ReportSection,
}

impl Recipe {
    /// Reads a recipe and checks all of it; an error names the line.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let source = Source { path, text };
        let file: File = toml::from_str(text)
            .map_err(|e| source.error(e.span(), &e.message().trim().replace('\n', ", ")))?;
        let (mut model_file, mut train) = (None, None);
        match (file.model, file.train) {
            (Some(model), fit) => {
                let span = model.span();
                let mut network = model.into_inner();
                match (network.remove("file"), fit) {
                    (Some(toml::Value::String(name)), None) if network.is_empty() => {
                        model_file = Some(name.into());
                    }
                    (Some(toml::Value::String(_)), _) => {
                        let message = "a model that is read from a file is not described or trained as well";
                        return Err(source.error(Some(span), message));
                    }
                    (Some(_), _) => return Err(source.error(Some(span), "`file` must be a text")),
                    (None, None) => {
                        let message =
                            "a network is described here, and no section `train` says how it is fitted";
                        return Err(source.error(Some(span), message));
                    }
                    (None, Some(fit)) => train = Some(source.merged(span, network, fit)?),
                }
            }
            (None, Some(fit)) => {
                let message = "the section `model` is missing, which describes the network";
                return Err(source.error(Some(fit.span()), message));
            }
            (None, None) => return Err(source.error(None, "the section `model` is missing")),
        }
        let mut explain: Vec<ExplainSection> = Vec::new();
        for section in file.explain {
            let span = section.span();
            let section = source.explain(section)?;
            if explain.iter().any(|e| e.name == section.name) {
                return Err(
                    source.error(Some(span), &format!("a second `explain` is named {:?}", section.name))
                );
            }
            explain.push(section);
        }
        let split = file.split.unwrap_or(SplitSection {
            method: SplitMethod::Random,
            test: Part::Share(0.2),
            validation: Part::default(),
            seed: 0,
            column: None,
            file: None,
        });
        if let Err(message) = split.options() {
            return Err(source.error(source.section("split"), &message));
        }
        let (evaluate, report) = (file.evaluate, file.report);
        Ok(Self {
            path: path.to_path_buf(),
            data: file.data,
            split,
            train,
            model_file,
            evaluate,
            explain,
            report,
        })
    }

    /// A path that the recipe names, from where the program stands.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.join(path),
            _ => path.to_path_buf(),
        }
    }

    /// The table.
    pub fn table(&self) -> PathBuf {
        self.resolve(&self.data.path)
    }

    /// What the network and its training are made of, to tell whether a model is still that of its recipe.
    pub fn fingerprint(&self, data_sha256: &str) -> serde_json::Value {
        let mut data = serde_json::to_value(&self.data).unwrap_or_default();
        if let Some(data) = data.as_object_mut() {
            data.remove("path");
        }
        serde_json::json!({
            "data_sha256": data_sha256,
            "data": data,
            "split": serde_json::to_value(&self.split).unwrap_or_default(),
            "train": serde_json::to_value(&self.train).unwrap_or_default(),
        })
    }
}

impl DataSection {
    /// How the table is read.
    pub fn read_options(&self) -> Result<ReadOptions> {
        let byte = |name: &str, c: Option<char>| match c {
            Some(c) => u8::try_from(c)
                .ok()
                .filter(u8::is_ascii)
                .map(Some)
                .ok_or_else(|| Error::request(format!("data.csv.{name}: {c:?} is no ASCII character"))),
            None => Ok(None),
        };
        let default = CsvOptions::default();
        let csv = CsvOptions {
            delimiter: byte("delimiter", self.csv.delimiter)?,
            has_header: self.csv.has_header,
            decimal: byte("decimal", self.csv.decimal)?.unwrap_or(default.decimal),
            thousands: byte("thousands", self.csv.thousands)?,
            missing: self.csv.missing.clone().unwrap_or_else(|| default.missing.clone()),
            ..default
        };
        Ok(ReadOptions { columns: None, types: self.types.clone(), csv })
    }

    /// How the target is taken.
    pub fn target_options(&self) -> TargetOptions {
        TargetOptions { kind: self.kind, positive: self.positive.clone(), ..TargetOptions::default() }
    }
}

impl SplitSection {
    /// The options of the split; `None` where a file says it.
    pub fn options(&self) -> Result<Option<SplitOptions>, String> {
        let share = |part: &Part| match part {
            Part::Share(share) => Ok(*share),
            Part::Values(_) => {
                Err("values are for the method by_column; give a share such as 0.2".to_owned())
            }
        };
        let values = |part: &Part| match part {
            Part::Values(values) => Ok(values.clone()),
            Part::Share(0.0) => Ok(Vec::new()),
            Part::Share(_) => Err("the method by_column takes lists of values of the column".to_owned()),
        };
        let seed = self.seed;
        let drawn = || Ok::<_, String>((share(&self.validation)?, share(&self.test)?));
        if self.file.is_some() != (self.method == SplitMethod::File) {
            return Err("`file` and the method file belong together".to_owned());
        }
        Ok(Some(match self.method {
            SplitMethod::File => return Ok(None),
            SplitMethod::Random => {
                let (validation, test) = drawn()?;
                SplitOptions::Random { validation, test, seed }
            }
            SplitMethod::Stratified => {
                let (validation, test) = drawn()?;
                SplitOptions::Stratified { validation, test, seed, column: self.column.clone() }
            }
            SplitMethod::ByColumn => SplitOptions::ByColumn {
                column: self.column.clone().ok_or("the method by_column needs a `column`")?,
                validation: values(&self.validation)?,
                test: values(&self.test)?,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[data]\npath = 'bank.csv'\ntarget = 'y'\n\n[split]\nmethod = 'stratified'\ntest = 0.2\n\n\
        [model]\nlayers = [4]\n\n[train]\nloss = 'binary_cross_entropy'\nepochs = 2\nbatch_size = 10\n\n\
        [[explain]]\nname = 'test'\nrows = 'test'\nn_steps = 50\n";

    fn parse(text: &str) -> Result<Recipe> {
        Recipe::parse(Path::new("folder/recipe.toml"), text)
    }

    #[track_caller]
    fn fails(replace: &str, by: &str, place: &str, says: &str) {
        assert!(GOOD.contains(replace));
        let error = parse(&GOOD.replace(replace, by)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("folder/recipe.toml:{place}: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn a_recipe() {
        let recipe = parse(GOOD).unwrap();
        assert_eq!(recipe.table(), Path::new("folder/bank.csv"));
        assert_eq!(recipe.explain[0].request.n_steps, Some(50));
        assert!(recipe.train.as_ref().unwrap().contains_key("network"));
        let other = parse(&GOOD.replace("epochs = 2", "epochs = 3")).unwrap();
        assert_ne!(recipe.fingerprint("a"), other.fingerprint("a"));
        assert_eq!(recipe.fingerprint("a"), parse(GOOD).unwrap().fingerprint("a"));
    }

    #[test]
    fn errors_say_where() {
        fails("target = 'y'", "traget = 'y'", "3:1", "traget");
        fails("path = 'bank.csv'", "path = 3", "2:8", "string");
        fails("rows = 'test'", "row = 'test'", "19:1", "unknown field `row`");
        fails("n_steps = 50", "absolute = true", "17:1", "does not take absolute");
        fails("test = 0.2", "test = ['a']", "5:1", "by_column");
        fails("name = 'test'", "name = '../x'", "18:1", "letters");
        fails("[model]\nlayers = [4]\n", "", "10:1", "`model` is missing");
    }

    #[cfg(feature = "train")]
    #[test]
    fn errors_of_training_say_where() {
        fails("layers = [4]", "layer = [4]", "10:1", "layer");
        fails("epochs = 2", "epoch = 2", "14:1", "epoch");
        fails("epochs = 2", "epochs = 0", "12:1", "epochs");
    }
}
