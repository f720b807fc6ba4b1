//! What is needed to trust and repeat a result, and the check of its completeness.

use std::collections::BTreeMap;

use pellucid::Precision;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::request::Request;

/// The completeness of a result.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Completeness {
    /// How many sums were checked: rows × targets.
    pub count: u64,
    /// The mean |delta|.
    pub mean: f64,
    /// The largest |delta|.
    pub max: f64,
    /// The largest |delta| / |F(x) − F(baseline)|; null where a difference of zero has a delta.
    pub max_relative: Option<f64>,
    /// The row that has it.
    pub worst_row: Option<u64>,
    /// How many are above what may be missed at most, where the request says that.
    pub above: u64,
    /// How many did not come down to the tolerance, where the request has one.
    pub unreached: u64,
    #[serde(skip)]
    sum: f64,
    /// The sum of |F(x) − F(baseline)|.
    #[serde(skip)]
    differences: f64,
    #[serde(skip)]
    worst: f64,
}

impl Completeness {
    pub(crate) fn add(&mut self, row: u64, delta: f64, difference: f64, request: &Request) {
        let size = delta.abs();
        let relative = if size == 0.0 { 0.0 } else { size / difference.abs() };
        self.count += 1;
        self.sum += size;
        self.differences += difference.abs();
        self.mean = self.sum / self.count as f64;
        self.max = self.max.max(size);
        if relative > self.worst || relative.is_nan() || self.worst_row.is_none() {
            self.worst = relative;
            self.worst_row = Some(row);
            self.max_relative = relative.is_finite().then_some(relative);
        }
        // A delta that is not a number passes no limit.
        let over = |limit: Option<f64>| u64::from(limit.is_some_and(|l| relative.is_nan() || relative > l));
        self.above += over(request.max_delta);
        self.unreached += over(request.tolerance);
    }

    /// How much of the differences is missed, where that is a good part of them and more than rounding.
    fn missed(&self) -> Option<f64> {
        const MUCH: f64 = 0.1;
        const ROUNDING: f64 = 1e-5;
        let share = self.sum / self.differences;
        (share.is_finite() && share > MUCH && self.mean > ROUNDING).then_some(share)
    }
}

/// Rows whose attributions, or what these should sum to, are not all finite numbers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct NotFinite {
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub first_row: u64,
}

impl NotFinite {
    /// Counts a row in if its numbers are not all finite.
    pub(crate) fn add(found: &mut Option<Self>, row: u64, mut numbers: impl Iterator<Item = f64>) {
        if numbers.any(|a| !a.is_finite()) {
            found.get_or_insert(Self { rows: 0, first_row: row }).rows += 1;
        }
    }
}

/// What is needed to trust and repeat a result; its `request` can be given again.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The version of the tables' schema.
    pub schema_version: u32,
    /// Pellucid's version.
    pub version: String,
    /// What was asked for.
    pub request: Request,
    /// What was computed, in the library's terms.
    pub computed: pellucid::explanation::Record,
    /// The targets by name.
    pub targets: Vec<String>,
    /// What attributions are given for.
    pub features: Vec<String>,
    /// The baseline in the network's units, where it is one row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_encoded: Option<Vec<f64>>,
    /// The same in the table's units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_raw: Option<BTreeMap<String, String>>,
    /// The model's file name.
    pub model: String,
    /// The data's file name.
    pub data: String,
    /// SHA-256 of the data.
    pub data_sha256: String,
    /// How many rows were explained.
    pub rows: u64,
    /// How complete they are, where the method promises that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Rows whose attributions, or what these should sum to, are not all finite numbers, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_finite: Option<NotFinite>,
}

impl Record {
    /// The record as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What part each input of the model played, in words; `None` where that goes without saying.
    pub fn parts(&self) -> Option<String> {
        let inputs = &self.computed.inputs;
        if inputs.len() < 2 && inputs.iter().all(|i| i.embeddings.is_empty()) {
            return None;
        }
        let explained = inputs.iter().filter(|i| i.explained).map(|i| match i.embeddings.as_slice() {
            [] => i.name.clone(),
            layers => format!("{} from the output of {} on", i.name, layers.join(" and ")),
        });
        let explained: Vec<String> = explained.collect();
        let fixed: Vec<&str> = inputs.iter().filter(|i| !i.explained).map(|i| i.name.as_str()).collect();
        let mut parts = Vec::new();
        if !explained.is_empty() {
            parts.push(format!("explained: {}", explained.join(", ")));
        }
        if !fixed.is_empty() {
            parts.push(format!("held fixed: {}", fixed.join(", ")));
        }
        Some(parts.join("; "))
    }

    /// What is wrong with some rows, or all, in words.
    pub fn caution(&self) -> Option<String> {
        let Some(found) = self.not_finite else { return self.incomplete() };
        Some(format!(
            "{} of {} rows, the first is row {}, cannot be trusted: the model's output, or its gradient on the way from the \
             baseline, is not a finite number there",
            found.rows, self.rows, found.first_row
        ))
    }

    fn incomplete(&self) -> Option<String> {
        let completeness = self.completeness.as_ref()?;
        if let (Some(tolerance), 1..) = (self.request.tolerance, completeness.unreached) {
            let advice = match self.request.precision {
                _ if self.computed.spec.layer.is_some() => {
                    "what does not flow through the layer is not in its attributions; where all does, float64 brings that down"
                }
                Precision::Float32 => "float64 brings that down, unless the model jumps",
                Precision::Float64 => {
                    "the model jumps, or changes its slope too often for the nodes that a row gets"
                }
            };
            return Some(format!(
                "{} of {} sums miss F(x) − F(baseline) by more than the tolerance, {tolerance:e} of it, the worst in row {}: {advice}",
                completeness.unreached,
                completeness.count,
                completeness.worst_row.unwrap_or_default()
            ));
        }
        let share = completeness.missed()?;
        let why = match self.computed.spec.method {
            pellucid::Method::DeepLift { .. } => {
                "the rules of this method leave that out where they do not hold".to_owned()
            }
            _ => format!(
                "{} may bring that down, unless the model goes in steps (bins, thresholds), which no gradient sees; \
                 feature_ablation does",
                listed_or(&self.remedies())
            ),
        };
        Some(format!(
            "over all rows the attributions miss {:.0} % of F(x) − F(baseline): {why}",
            100.0 * share
        ))
    }

    /// Which of the method's arguments bring its sums nearer to completeness.
    fn remedies(&self) -> Vec<&'static str> {
        let taken = self.computed.spec.method.info().arguments();
        let takes = |name: &str| taken.iter().any(|argument| argument == name);
        match self.request.tolerance {
            Some(_) => vec!["a smaller tolerance"],
            None => [("n_steps", "more nodes"), ("tolerance", "a tolerance")]
                .into_iter()
                .filter_map(|(argument, remedy)| takes(argument).then_some(remedy))
                .collect(),
        }
    }

    /// An error where rows are above the request's tolerance.
    pub fn verify(&self) -> Result<()> {
        let (Some(tolerance), Some(found)) = (self.request.max_delta, &self.completeness) else {
            return match self.request.max_delta {
                None => Ok(()),
                Some(_) => Err(Error::request(format!(
                    "{} does not promise that attributions sum to a difference, so there is no delta to check",
                    self.computed.method
                ))),
            };
        };
        if found.above == 0 {
            return Ok(());
        }
        let mut remedies = self.remedies();
        if self.request.precision == Precision::Float32 {
            remedies.push("float64");
        }
        let (worst, advice) = match found.max_relative {
            Some(worst) if remedies.is_empty() => (format!("{worst:.3e}"), String::new()),
            Some(worst) => {
                (format!("{worst:.3e}"), format!("; {} may bring that down", listed_or(&remedies)))
            }
            None => ("beyond measure".to_owned(), String::new()),
        };
        Err(ErrorKind::Check(format!(
            "{} of {} sums are off by more than {tolerance:e} of F(x) − F(baseline); the worst, in row {}, by {worst}{advice}",
            found.above,
            found.count,
            found.worst_row.unwrap_or_default()
        ))
        .into())
    }
}

/// `a, b or c`.
fn listed_or(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completeness_is_relative_to_the_difference() {
        let mut found = Completeness::default();
        let request = Request { max_delta: Some(0.02), tolerance: Some(0.001), ..Request::default() };
        found.add(4, 0.1, 10.0, &request);
        found.add(5, -0.1, 2.0, &request);
        found.add(6, 0.0, 0.0, &request);
        assert_eq!((found.count, found.above, found.unreached, found.worst_row), (3, 1, 2, Some(5)));
        assert!((found.max_relative.unwrap() - 0.05).abs() < 1e-12 && (found.mean - 0.2 / 3.0).abs() < 1e-12);
        assert_eq!(found.missed(), None);
        found.add(7, 0.1, 0.0, &request);
        assert_eq!((found.above, found.unreached, found.max_relative), (2, 3, None));
        found.add(8, 3.0, -3.0, &Request::default());
        assert!((found.missed().unwrap() - 3.3 / 15.0).abs() < 1e-12);
        let mut constant = Completeness::default();
        constant.add(0, 0.1, 0.0, &request);
        assert_eq!(constant.missed(), None);
    }
}
