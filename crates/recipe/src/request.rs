//! What to explain of a table and how, in a person's words: an `[[explain]]` section, a `--spec` file, the options of a command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pellucid::{InputSpec, Method, Precision, QuadratureRule, Scale};
use pellucid_data::image::ImageSteps;
use serde::{Deserialize, Serialize};

use crate::baseline::{BaselineRequest, Space};
use crate::error::{Error, ErrorKind, Result};

/// What to explain and how. What is left out is as the method has it by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The method's name; `pellucid methods` lists them.
    pub method: String,
    /// The integral's rule, for methods that integrate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quadrature: Option<QuadratureRule>,
    /// The integral's nodes, for methods that integrate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<usize>,
    /// Where it is given, nodes are set row by row until what the attributions miss of F(x) − F(baseline) is at most this share of it, for
    /// methods that integrate and have that check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Whether gradients are multiplied by the difference from the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_by_inputs: Option<bool>,
    /// Whether a saliency loses its sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<bool>,
    /// Below which difference DeepLIFT takes the derivative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Which scalars of a row: a class's name or number, `predicted`, `true`, `runner-up`, indices such as `2,-1`.
    #[serde(skip_serializing_if = "Targets::is_empty")]
    pub target: Targets,
    /// On which scale.
    pub scale: Scale,
    /// What rows are compared with.
    pub baseline: BaselineRequest,
    /// Whether a baseline's numbers are the network's or the table's; by its form where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_space: Option<Space>,
    /// What part each input of the model plays, and what it is compared with, by name; what is not said follows from the inputs' types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputSpec>,
    /// A file of numbers of features, for methods that replace features: those with the same number are replaced together, and each gets
    /// their common difference. One array in the shape of a row or one that repeats to it, or one for each input by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_mask: Option<PathBuf>,
    /// The layer that is attributed to, for methods that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Which output of the model; the first by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Which rows: numbers, ranges, a condition, a part of the split.
    pub rows: String,
    /// Columns of the table that are passed through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The columns that are the network's input, in its order, where the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// The column with the true class or value, where the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How pictures are prepared, where the data are pictures and the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageSteps>,
    /// Whether one-hot columns are summed into the columns they come from.
    pub fold: bool,
    /// The precision of the computation.
    pub precision: Precision,
    /// The seed of random draws.
    pub seed: u64,
    /// Points that run together; does not change results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<usize>,
    /// The largest |delta| that passes, as a share of |F(x) − F(baseline)|.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delta: Option<f64>,
}

/// One target or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(pub Vec<String>);

impl Targets {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Targets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a target, or a list of targets")]
        enum Form {
            Number(i64),
            One(String),
            Several(Vec<Single>),
        }
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a target: a text or a whole number")]
        enum Single {
            Number(i64),
            Text(String),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Number(n) => vec![n.to_string()],
            Form::One(one) => vec![one],
            Form::Several(list) => list
                .into_iter()
                .map(|s| match s {
                    Single::Number(n) => n.to_string(),
                    Single::Text(t) => t,
                })
                .collect(),
        }))
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "integrated_gradients".to_owned(),
            quadrature: None,
            n_steps: None,
            tolerance: None,
            multiply_by_inputs: None,
            absolute: None,
            eps: None,
            target: Targets::default(),
            scale: Scale::default(),
            baseline: BaselineRequest::default(),
            baseline_space: None,
            inputs: BTreeMap::new(),
            feature_mask: None,
            layer: None,
            output: None,
            rows: "all".to_owned(),
            keep: Vec::new(),
            features: None,
            label: None,
            images: None,
            fold: true,
            precision: Precision::default(),
            seed: 0,
            tile: None,
            max_delta: None,
        }
    }
}

/// The method of a name, Captum's name of its class among them, however it is capitalised and joined.
pub fn method_called(name: &str) -> Result<&'static pellucid::MethodInfo> {
    let letters = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(name);
    let found = pellucid::METHODS.iter().find(|m| [m.name, m.class].iter().any(|n| letters(n) == wanted));
    found.ok_or_else(|| {
        let names: Vec<&str> = pellucid::METHODS.iter().map(|m| m.name).collect();
        Error::request(format!("there is no method {name:?}; there are {}", names.join(", ")))
    })
}

impl Request {
    /// Reads a request, or the record of a result, which holds the request it answers.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        Self::from_json(&text, path)
    }

    fn from_json(text: &str, path: &Path) -> Result<Self> {
        let wrong = |e: serde_json::Error| {
            let (line, column) = (e.line(), e.column());
            let full = e.to_string();
            let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
            Error::from(ErrorKind::Recipe { path: PathBuf::from(path), line, column, message })
        };
        #[derive(Deserialize)]
        struct Holder {
            request: Request,
        }
        let whole: serde_json::Value = serde_json::from_str(text).map_err(wrong)?;
        if whole.get("request").is_some() {
            return Ok(serde_json::from_str::<Holder>(text).map_err(wrong)?.request);
        }
        serde_json::from_str(text).map_err(wrong)
    }

    /// The method with its arguments.
    pub fn method(&self) -> Result<Method> {
        let info = self.info()?;
        let numbers = [("tolerance", self.tolerance), ("eps", self.eps)];
        if let Some((name, wrong)) = numbers.iter().find(|n| n.1.is_some_and(|v| !v.is_finite())) {
            let wrong = wrong.unwrap_or_default();
            return Err(Error::request(format!("{name} must be a finite number, {wrong} is none")));
        }
        let given = self.arguments();
        let mut whole = given.clone();
        whole.insert("name".to_owned(), info.name.into());
        serde_json::from_value(whole.into_iter().collect())
            .map_err(|e| Error::request(info.refusal(given.keys(), &e, Self::option)))
    }

    /// The method's entry in the table.
    fn info(&self) -> Result<&'static pellucid::MethodInfo> {
        method_called(&self.method)
    }

    /// The names of the arguments that the method takes.
    pub fn takes(&self) -> Result<Vec<String>> {
        Ok(self.info()?.arguments())
    }

    /// The arguments of methods that are given, by name.
    pub fn arguments(&self) -> BTreeMap<String, serde_json::Value> {
        let all = [
            ("quadrature", self.quadrature.map(|q| q.name().into())),
            ("n_steps", self.n_steps.map(Into::into)),
            ("tolerance", self.tolerance.map(Into::into)),
            ("multiply_by_inputs", self.multiply_by_inputs.map(Into::into)),
            ("absolute", self.absolute.map(Into::into)),
            ("eps", self.eps.map(Into::into)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Takes an argument away.
    pub fn forget(&mut self, argument: &str) {
        match argument {
            "quadrature" => self.quadrature = None,
            "n_steps" => self.n_steps = None,
            "tolerance" => self.tolerance = None,
            "multiply_by_inputs" => self.multiply_by_inputs = None,
            "absolute" => self.absolute = None,
            "eps" => self.eps = None,
            _ => {}
        }
    }

    /// An argument as files name it, with the option of the command where that has another name.
    pub fn option(argument: &str) -> String {
        if argument == "n_steps" { "n_steps (--nodes)".to_owned() } else { argument.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Request> {
        Request::from_json(json, Path::new("spec.json"))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let given = r#"{"method": "saliency", "absolute": false, "target": ["yes", 0], "rows": "test[1]",
            "baseline": {"age": 30, "job": "student"}, "baseline_space": "raw"}"#;
        let one = request(given).unwrap();
        assert_eq!(one.target, Targets(vec!["yes".to_owned(), "0".to_owned()]));
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(request(&text).unwrap(), one);
        assert_eq!(request(&format!("{{\"version\": 1, \"request\": {text}}}")).unwrap(), one);
    }

    #[test]
    fn arguments_that_a_method_does_not_take_are_named() {
        let text = |json: &str| request(json).unwrap().method().unwrap_err().to_string();
        let wrong = text(r#"{"method": "saliency", "n_steps": 5}"#);
        assert!(wrong.contains("n_steps") && wrong.contains("it takes absolute"), "{wrong}");
        let wrong = text(r#"{"method": "lime"}"#);
        assert!(wrong.contains("integrated_gradients") && wrong.contains("lime"), "{wrong}");
        let error = request("{\n \"metod\": 1}").unwrap_err().to_string();
        assert!(error.starts_with("spec.json:2:") && error.contains("metod"), "{error}");
    }

    #[test]
    fn every_method_has_its_request() {
        for info in pellucid::METHODS {
            let request = Request { method: info.name.to_owned(), ..Request::default() };
            assert_eq!(request.method().unwrap().info().name, info.name);
        }
        let nodes = Request { n_steps: Some(7), ..Request::default() };
        let wrong = Request { tolerance: Some(f64::NAN), ..Request::default() }.method().unwrap_err();
        assert!(wrong.to_string().contains("tolerance must be a finite number"), "{wrong}");
        assert!(format!("{:?}", nodes.method().unwrap()).contains("n_steps: 7"));
        for name in
            ["IntegratedGradients", "integrated-gradients", "integratedgradients", "Integrated Gradients"]
        {
            assert_eq!(method_called(name).unwrap().name, "integrated_gradients", "{name}");
        }
    }
}
