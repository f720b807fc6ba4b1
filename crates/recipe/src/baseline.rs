//! Baselines as a person gives them, in the table's units or the network's, and what they come to in both.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use pellucid::graph::Tensor;
use pellucid::graph::random::Stream;
use pellucid::{Baseline, InputSpec, Precision};
use pellucid_data::image::Resize;
use pellucid_data::steps::{Decoded, Preprocessing, Step};
use pellucid_data::table::{Cell, ColumnType};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::OpenModel;
use crate::rows::{Reader, Wanted, stacked};

mod columns;

/// What rows are compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BaselineRequest {
    /// Zero everywhere.
    #[default]
    Zero,
    /// The mean of the training rows.
    Mean,
    /// One number everywhere.
    Number(f64),
    /// A row of the data, by its number.
    Row(u64),
    /// So many rows, drawn from the training rows where the split is known; attributions are averaged over them.
    Sample(usize),
    /// Values of columns; columns left out keep the training mean.
    Values(BTreeMap<String, Cell>),
    /// The rows of a file: one for all, or one for each row explained.
    File(PathBuf),
}

/// Whose units a baseline is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// The network's: scaled numbers and one-hot columns.
    Encoded,
    /// The table's.
    Raw,
}

impl std::str::FromStr for BaselineRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = |message: &str| {
            let kind = ErrorKind::Baseline { asked: text.to_owned(), message: message.to_owned() };
            Err(Error::from(kind))
        };
        match text {
            "" => {
                return wrong(
                    "it is empty; there are zero, mean, a number, a file, row:N, sample:N, column=value,…",
                );
            }
            "zero" => return Ok(Self::Zero),
            "mean" => return Ok(Self::Mean),
            _ => {}
        }
        if let Ok(number) = text.parse::<f64>() {
            return if number.is_finite() {
                Ok(Self::Number(number))
            } else {
                wrong("it is not a finite number")
            };
        }
        if let Some(row) = text.strip_prefix("row:") {
            return row
                .trim()
                .parse()
                .map_or_else(|_| wrong("expected row:N, N counted from 0"), |n| Ok(Self::Row(n)));
        }
        if let Some(count) = text.strip_prefix("sample:") {
            return match count.trim().parse::<usize>() {
                Ok(n) if n > 0 => Ok(Self::Sample(n)),
                _ => wrong("expected sample:N with N at least 1"),
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self::File(PathBuf::from(path)));
        }
        if text.contains('=') {
            let mut values = BTreeMap::new();
            for part in text.split(',') {
                let Some((name, value)) = part.split_once('=') else {
                    return wrong("expected column=value, several separated by commas");
                };
                let name = name.trim().to_owned();
                if values.insert(name.clone(), Cell::Text(value.trim().to_owned())).is_some() {
                    return wrong(&format!("the column {name:?} is given twice"));
                }
            }
            return Ok(Self::Values(values));
        }
        Ok(Self::File(PathBuf::from(text)))
    }
}

impl fmt::Display for BaselineRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero"),
            Self::Mean => f.write_str("mean"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Row(n) => write!(f, "row:{n}"),
            Self::Sample(n) => write!(f, "sample:{n}"),
            Self::Values(values) => {
                let parts: Vec<String> =
                    values.iter().map(|(name, value)| format!("{name}={value}")).collect();
                f.write_str(&parts.join(","))
            }
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Serialize for BaselineRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => serializer.serialize_f64(*n),
            Self::Values(values) => values.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for BaselineRequest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a baseline: a text, a number, or columns with values")]
        enum Form {
            Number(f64),
            Text(String),
            Values(BTreeMap<String, Cell>),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(n) if n.is_finite() => Ok(Self::Number(n)),
            Form::Number(n) => {
                Err(serde::de::Error::custom(format!("the baseline {n} is not a finite number")))
            }
            Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
            Form::Values(values) => Ok(Self::Values(values)),
        }
    }
}

/// A baseline made ready.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// What the specification says.
    pub spec: Baseline,
    /// The rows that come with the data: one for each explained row, or those that are averaged over.
    pub rows: Option<Vec<Tensor>>,
    /// The one row, in the network's units, where there is one.
    pub encoded: Option<Vec<f64>>,
    /// The same in the table's units, for each column: its value, or why it has none.
    pub raw: Option<BTreeMap<String, String>>,
    /// For a model with an input for each column, what each is compared with; columns that were left out are held fixed.
    pub inputs: BTreeMap<String, InputSpec>,
}

/// Makes a baseline ready for a model and its data.
pub fn resolve(
    request: &BaselineRequest,
    space: Option<Space>,
    model: &OpenModel,
    data: &Path,
    wanted: &Wanted,
    seed: u64,
) -> Result<Resolved> {
    let maker = Maker { request, model, data, wanted };
    let steps = model.preprocessing();
    if space == Some(Space::Raw) && steps.is_none() && !crate::image::is_pictures(data) {
        return Err(
            maker.wrong("the model holds no record of its table, so it has no units but the network's")
        );
    }
    if let Some(found) = maker.of_columns()? {
        return Ok(found);
    }
    let row = match request {
        BaselineRequest::Zero if space != Some(Space::Raw) => {
            let encoded = steps.map(|s| vec![0.0; s.width()]);
            return Ok(Resolved { raw: maker.raw(encoded.as_deref())?, encoded, ..Resolved::default() });
        }
        BaselineRequest::Number(n) if space != Some(Space::Raw) => {
            let encoded = steps.map(|s| vec![*n; s.width()]);
            return Ok(Resolved {
                spec: Baseline::Scalar(*n),
                raw: maker.raw(encoded.as_deref())?,
                encoded,
                ..Resolved::default()
            });
        }
        BaselineRequest::Zero => maker.same_number(0.0)?,
        BaselineRequest::Number(n) => maker.same_number(*n)?,
        BaselineRequest::Mean => maker.steps("its training mean is not known")?.training_mean(),
        BaselineRequest::Values(values) => maker.values(values, space)?,
        BaselineRequest::Row(number) => {
            let mut reader = maker.open(data, &number.to_string())?;
            let chunk = reader.next_chunk()?.ok_or_else(|| maker.wrong("there is no such row"))?;
            if chunk.inputs.len() > 1 {
                let spec =
                    Baseline::Row(chunk.inputs.iter().map(|t| t.to_f64().unwrap_or_default()).collect());
                return Ok(Resolved { spec, ..Resolved::default() });
            }
            chunk.inputs.first().and_then(Tensor::to_f64).ok_or_else(|| maker.wrong("it holds no numbers"))?
        }
        BaselineRequest::Sample(count) => {
            let rows = maker.sample(*count, seed)?;
            return Ok(Resolved { spec: Baseline::Several, rows: Some(rows), ..Resolved::default() });
        }
        BaselineRequest::File(path) => {
            let rows = maker.file(path)?;
            let count = rows.first().and_then(|t| t.shape().first()).copied().unwrap_or(0);
            match (count, rows.as_slice()) {
                (1, [one]) => one.to_f64().ok_or_else(|| maker.wrong("it holds no numbers"))?,
                _ => {
                    return Ok(Resolved { spec: Baseline::Each, rows: Some(rows), ..Resolved::default() });
                }
            }
        }
    };
    Ok(Resolved {
        raw: maker.raw(Some(&row))?,
        spec: Baseline::Row(vec![row.clone()]),
        encoded: Some(row),
        ..Resolved::default()
    })
}

struct Maker<'a> {
    request: &'a BaselineRequest,
    model: &'a OpenModel,
    data: &'a Path,
    wanted: &'a Wanted,
}

impl<'a> Maker<'a> {
    fn wrong(&self, message: impl Into<String>) -> Error {
        ErrorKind::Baseline { asked: self.request.to_string(), message: message.into() }.into()
    }

    fn steps(&self, without: &str) -> Result<&'a Preprocessing> {
        self.model
            .preprocessing()
            .ok_or_else(|| self.wrong(format!("the model holds no record of its table, so {without}")))
    }

    fn open(&self, path: &Path, rows: &str) -> Result<Reader<'a>> {
        let wanted = Wanted {
            rows: rows.to_owned(),
            keep: Vec::new(),
            features: self.wanted.features.clone(),
            label: None,
            images: self.wanted.images.clone(),
            precision: Precision::Float64,
        };
        Reader::open(self.model, path, &wanted)
    }

    /// What encoded numbers are in the table's units.
    fn raw(&self, encoded: Option<&[f64]>) -> Result<Option<BTreeMap<String, String>>> {
        let (Some(row), Some(steps)) = (encoded, self.model.preprocessing()) else { return Ok(None) };
        let decoded = steps.decode(row)?;
        Ok(Some(steps.sources().iter().zip(decoded).map(|(c, d)| (c.name.clone(), in_words(&d))).collect()))
    }

    /// The same number in every column, in the table's units.
    fn same_number(&self, number: f64) -> Result<Vec<f64>> {
        if crate::image::is_pictures(self.data) {
            return self.even_picture(number);
        }
        let steps = self.steps("it has no units but the network's")?;
        if let Some(column) = steps.sources().iter().find(|c| !matches!(c.step, Step::Numeric { .. })) {
            return Err(self.wrong(format!(
                "it cannot be given in the table's units: the column {:?} holds categories, none of which is {number}",
                column.name
            )));
        }
        let cells = steps.sources().iter().map(|c| (c.name.clone(), Cell::Number(number))).collect();
        Ok(steps.encode_cells("the baseline", &cells)?)
    }

    /// A picture whose pixels all have one value from 0 to 255, as the network gets it.
    fn even_picture(&self, value: f64) -> Result<Vec<f64>> {
        let steps = crate::image::steps_of(self.model, self.wanted.images.as_ref(), self.data)?;
        let size =
            match (steps.crop, steps.resize) {
                (Some(size), _) | (None, Resize::Exact(size)) => size,
                _ => return Err(self.wrong(
                    "the size of the pictures that the network sees is not known: say how they are cropped",
                )),
            };
        Ok(steps.even(value, size))
    }

    fn values(&self, values: &BTreeMap<String, Cell>, space: Option<Space>) -> Result<Vec<f64>> {
        let steps = self.steps("its columns have no names")?;
        let mut row = steps.training_mean();
        if space == Some(Space::Encoded) {
            for (name, value) in values {
                let place = steps.tensor_columns().iter().position(|c| c.name == *name).ok_or_else(|| {
                    let names: Vec<String> = steps.tensor_columns().iter().map(|c| c.name.clone()).collect();
                    self.wrong(format!(
                        "the network has no column {name:?}; it has {}",
                        crate::rows::listed(&names)
                    ))
                })?;
                row[place] =
                    number(value).ok_or_else(|| self.wrong(format!("{name}: {value} is no number")))?;
            }
            return Ok(row);
        }
        // Columns that are not given stand for their own training mean, so any valid cell does until then.
        let mut cells = BTreeMap::new();
        for column in steps.sources() {
            let cell = match values.get(&column.name) {
                Some(value) => self.fitting(&column.name, column.column_type, value)?,
                None => match &column.step {
                    Step::Numeric { statistics, .. } => Cell::Number(statistics.mean),
                    Step::OneHot { categories, .. } => categories.first().cloned().unwrap_or(Cell::Missing),
                },
            };
            cells.insert(column.name.clone(), cell);
        }
        if let Some(name) = values.keys().find(|n| !steps.sources().iter().any(|c| c.name == **n)) {
            let names: Vec<String> = steps.sources().iter().map(|c| c.name.clone()).collect();
            return Err(self.wrong(format!(
                "the model takes no column {name:?}; it takes {}",
                crate::rows::listed(&names)
            )));
        }
        let encoded = steps.encode_cells("the baseline", &cells)?;
        for (place, column) in steps.tensor_columns().iter().enumerate() {
            if values.contains_key(&steps.sources()[column.source].name) {
                row[place] = encoded[place];
            }
        }
        Ok(row)
    }

    /// A value in its column's type; from the command line everything is text.
    fn fitting(&self, name: &str, column_type: ColumnType, value: &Cell) -> Result<Cell> {
        Ok(match (column_type, value) {
            (ColumnType::Integer | ColumnType::Float | ColumnType::Float32, Cell::Text(text)) => {
                let number: Option<f64> = text.parse().ok().filter(|x: &f64| x.is_finite());
                Cell::Number(number.ok_or_else(|| self.wrong(format!("{name}: {text:?} is no number")))?)
            }
            (ColumnType::Bool, Cell::Text(text)) => Cell::Bool(
                text.parse()
                    .map_err(|_| self.wrong(format!("{name}: {text:?} is neither true nor false")))?,
            ),
            (ColumnType::Text, Cell::Integer(_) | Cell::Number(_) | Cell::Bool(_)) => {
                Cell::Text(value.to_string())
            }
            _ => value.clone(),
        })
    }

    /// Rows drawn without replacement, in one pass (Vitter's algorithm R).
    fn sample(&self, count: usize, seed: u64) -> Result<Vec<Tensor>> {
        const PURPOSE: u64 = u64::from_le_bytes(*b"baseline");
        let mut reader = self.open(self.data, if self.model.split().is_some() { "train" } else { "all" })?;
        let mut stream = Stream::new(seed, [PURPOSE, 0, 0]);
        let mut drawn: Vec<Vec<Tensor>> = Vec::new();
        let mut seen = 0u64;
        while let Some(chunk) = reader.next_chunk()? {
            for row in 0..chunk.numbers.len() {
                let place = if drawn.len() < count { None } else { Some(stream.below(seen + 1)) };
                seen += 1;
                let place = match place {
                    Some(p) if p >= count as u64 => continue,
                    other => other,
                };
                let one: Option<Vec<Tensor>> =
                    chunk.inputs.iter().map(|t| crate::rows::take_rows(t, &[row])).collect();
                let one = one.ok_or_else(|| self.wrong("the data holds no numbers"))?;
                match place {
                    Some(p) => drawn[p as usize] = one,
                    None => drawn.push(one),
                }
            }
        }
        if drawn.len() < count {
            return Err(self.wrong(format!("there are only {} rows to draw from", drawn.len())));
        }
        stacked(&drawn).ok_or_else(|| self.wrong("the rows are not of one shape"))
    }

    fn file(&self, path: &Path) -> Result<Vec<Tensor>> {
        if !path.exists() {
            return Err(self.wrong(
                "there is no such file; a baseline is zero, mean, a number, a file, row:N, sample:N or column=value,…",
            ));
        }
        let mut reader = self.open(path, "all")?;
        let mut chunks: Vec<Vec<Tensor>> = Vec::new();
        while let Some(chunk) = reader.next_chunk()? {
            chunks.push(chunk.inputs);
        }
        let rows = stacked(&chunks).ok_or_else(|| self.wrong("its rows are not of one shape"))?;
        let found: usize = rows.first().map_or(0, |t| t.shape().iter().skip(1).product());
        match self.model.width() {
            Some(width) if rows.len() == 1 && width != found => {
                Err(self.wrong(format!("its rows have {found} numbers, the model takes {width}")))
            }
            _ => Ok(rows),
        }
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(x) => Some(*x),
        Cell::Integer(i) => Some(*i as f64),
        Cell::Text(text) => text.parse().ok(),
        Cell::Bool(_) | Cell::Missing => None,
    }
    .filter(|x: &f64| x.is_finite())
}

fn in_words(decoded: &Decoded) -> String {
    match decoded {
        // Scaling and back costs digits that nobody gave.
        Decoded::Value(Cell::Number(x)) => format!("{}", (x * 1e9).round() / 1e9),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: BaselineRequest) {
        assert_eq!(text.parse::<BaselineRequest>().unwrap(), expected);
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<BaselineRequest>(&json).unwrap(), expected, "{json}");
    }

    #[test]
    fn forms() {
        check("zero", BaselineRequest::Zero);
        check("mean", BaselineRequest::Mean);
        check("-0.5", BaselineRequest::Number(-0.5));
        check("row:7", BaselineRequest::Row(7));
        check("sample:50", BaselineRequest::Sample(50));
        check("means.csv", BaselineRequest::File("means.csv".into()));
        check("file:a=b.csv", BaselineRequest::File("a=b.csv".into()));
        let text = |t: &str| Cell::Text(t.to_owned());
        let values = [("age".to_owned(), text("30")), ("job".to_owned(), text("student"))];
        check("age=30, job=student", BaselineRequest::Values(values.into()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bad in ["", "NaN", "inf", "row:x", "sample:0", "a=1,b", "a=1,a=2"] {
            assert!(bad.parse::<BaselineRequest>().is_err(), "{bad}");
        }
    }
}
