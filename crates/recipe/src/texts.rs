//! Rows of different length: one JSON object a line, such as the tokens of texts, explained and written in the same form.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use pellucid::graph::{DType, Tensor};
use pellucid::{Baseline, Batch, Explanation, Spec};
use serde_json::{Map, Value, json};

use crate::activity::Activity;
use crate::baseline::BaselineRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::hash;
use crate::model::OpenModel;
use crate::record::{Completeness, NotFinite, Record};
use crate::request::Request;
use crate::target::{self, NamedTarget};

/// The longest line that is read.
const MOST_BYTES: u64 = 64 << 20;
/// The most rows that are held at a time, and the most numbers of them.
const MOST_ROWS: usize = 1024;
const MOST_NUMBERS: usize = 1 << 20;

/// Whether a data file holds a row in each line, by the ending of its name.
pub fn is_lines(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(ending.as_str(), "jsonl" | "ndjson")
}

/// Explains the rows of a file that holds an object in each line: for each input of the model, by name, its numbers as nested lists, whose
/// shape may differ from row to row. Writes an object for each row and target: `row`, `target`, `class`, `output`, `baseline_output`, `delta`,
/// and in `attributions` for each explained input (or the layer) a list of the input's shape, an embedding's elements added up unless the request says
/// not to fold.
pub fn explain(
    model: &OpenModel,
    data: &Path,
    request: &Request,
    out: &mut dyn Write,
    activity: &Activity<'_>,
) -> Result<Record> {
    let method = request.method()?;
    let mut work = Work::new(model, request, Spec { ..Spec::new(method) })?;
    let mut reader = Lines::open(model, data)?;
    loop {
        activity.check()?;
        let items = reader.next_items()?;
        if items.is_empty() {
            break;
        }
        work.explain(&items, out, activity)?;
    }
    let Some(computed) = work.computed else {
        return Err(Error::input(format!("{}: there is no row", data.display())));
    };
    let file = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let record = Record {
        schema_version: crate::schema::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        request: request.clone(),
        computed,
        targets: work.targets.iter().map(|t| t.name.clone()).collect(),
        features: Vec::new(),
        baseline_encoded: None,
        baseline_raw: None,
        model: file(model.path()),
        data: file(data),
        data_sha256: hash::data(data)?,
        rows: work.done,
        completeness: (work.completeness.count > 0).then_some(work.completeness),
        not_finite: work.not_finite,
    };
    if let Some(caution) = record.caution() {
        activity.listener.notice(&caution);
    }
    Ok(record)
}

struct Work<'a> {
    model: &'a OpenModel,
    request: &'a Request,
    spec: Spec,
    targets: Vec<NamedTarget>,
    computed: Option<pellucid::explanation::Record>,
    completeness: Completeness,
    not_finite: Option<NotFinite>,
    done: u64,
}

impl<'a> Work<'a> {
    fn new(model: &'a OpenModel, request: &'a Request, spec: Spec) -> Result<Self> {
        if !matches!(request.rows.trim(), "" | "all")
            || !request.keep.is_empty()
            || request.features.is_some()
            || request.label.is_some()
            || request.feature_mask.is_some()
        {
            return Err(Error::request(
                "of JSON lines all rows are explained, without rows, keep, features, label or a feature mask",
            ));
        }
        let baseline = match &request.baseline {
            BaselineRequest::Zero => Baseline::Zero,
            BaselineRequest::Number(n) => Baseline::Scalar(*n),
            other => {
                let message = "rows of different length are compared with zero or a number; say more of single inputs in a \
                               specification's inputs";
                return Err(
                    ErrorKind::Baseline { asked: other.to_string(), message: message.to_owned() }.into()
                );
            }
        };
        let spec = Spec {
            scale: request.scale,
            baseline,
            inputs: request.inputs.clone(),
            layer: request.layer.clone(),
            output: request.output.clone(),
            precision: request.precision,
            tile: request.tile,
            seed: request.seed,
            ..spec
        };
        let completeness = Completeness::default();
        Ok(Self {
            model,
            request,
            spec,
            targets: Vec::new(),
            computed: None,
            completeness,
            not_finite: None,
            done: 0,
        })
    }

    fn explain(&mut self, items: &[Batch], out: &mut dyn Write, activity: &Activity<'_>) -> Result<()> {
        let model = self.model.model();
        if self.targets.is_empty() {
            let found = model.run(
                &items[0].inputs,
                self.request.precision,
                self.request.tile,
                &activity.control(None),
            )?;
            let names = model.output_names();
            let place = self.request.output.as_ref().and_then(|o| names.iter().position(|n| n == o));
            let width = found.get(place.unwrap_or(0)).map_or(1, Tensor::len);
            self.targets = target::resolve(&self.request.target.0, self.model, width)?;
            self.spec.targets = self.targets.iter().map(|t| t.target.clone()).collect();
        }
        let progress = |rows: usize| activity.listener.rows(rows);
        let found = model.explain_ragged(&self.spec, items, &activity.control(Some(&progress)))?;
        for one in &found {
            self.write(one, out)?;
            self.done += 1;
        }
        for one in found {
            let most = self.computed.as_ref().map_or_else(Default::default, |c| c.evaluations_per_row);
            let computed = self.computed.insert(one.record);
            computed.evaluations_per_row = computed.evaluations_per_row.max(most);
        }
        Ok(())
    }

    fn write(&mut self, found: &Explanation, out: &mut dyn Write) -> Result<()> {
        let folded = |i: usize| {
            let folded = if self.request.fold { found.per_token(i) } else { None };
            folded.or_else(|| found.attributions.get(i).cloned())
        };
        let sources: Vec<Tensor> = (0..found.sources.len()).filter_map(folded).collect();
        let attributions = sources.iter().filter_map(Tensor::to_f64).flatten();
        let explains_output = !matches!(self.spec.method, pellucid::Method::LayerActivation { .. });
        let outputs = found.output.iter().filter(|_| explains_output).flatten().copied();
        let deltas = found.check.iter().flat_map(|c| &c.delta).flatten().copied();
        NotFinite::add(&mut self.not_finite, self.done, attributions.chain(outputs).chain(deltas));
        let targets = sources.first().and_then(|s| s.shape().get(1)).copied().unwrap_or(0);
        for t in 0..targets {
            let of = |lists: Option<&Vec<Vec<f64>>>| lists.and_then(|l| l.get(t)?.first().copied());
            let class = match found.target_index.get(t).and_then(Option::as_ref) {
                Some(each) => each.first().copied(),
                None => self.targets.get(t).and_then(|t| t.class),
            };
            let (output, base) = (of(Some(&found.output)), of(found.baseline_output.as_ref()));
            let delta = of(found.check.as_ref().map(|c| &c.delta));
            if let (Some(output), Some(base), Some(delta)) = (output, base, delta) {
                self.completeness.add(self.done, delta, output - base, self.request);
            }
            let mut attributions = Map::new();
            for (source, tensor) in found.sources.iter().zip(&sources) {
                // Several embeddings of one input stand under their own names.
                let name = match &source.embedding {
                    Some(layer) if attributions.contains_key(&source.name) => layer,
                    _ => &source.name,
                };
                attributions.insert(name.clone(), nested(tensor, t));
            }
            let line = json!({
                "row": self.done,
                "target": self.targets.get(t).map(|t| t.name.as_str()),
                "class": class.map(|c| self.model.class_names().get(c).cloned().map_or(json!(c), Value::from)),
                "output": output,
                "baseline_output": base,
                "delta": delta,
                "attributions": attributions,
            });
            writeln!(out, "{line}").map_err(|e| Error::write(Path::new("the result"), e))?;
        }
        Ok(())
    }
}

/// The attributions [1, targets, …] of one target as nested lists.
fn nested(tensor: &Tensor, target: usize) -> Value {
    fn lists(shape: &[usize], values: &[f64]) -> Value {
        match shape.split_first() {
            None => values.first().map_or(Value::Null, |&v| json!(v)),
            Some((&n, rest)) => {
                let each = values.len().checked_div(n).unwrap_or(0);
                (0..n).map(|i| lists(rest, &values[i * each..(i + 1) * each])).collect()
            }
        }
    }
    let shape = tensor.shape().get(2..).unwrap_or(&[]);
    let each: usize = shape.iter().product();
    let values = tensor.to_f64().unwrap_or_default();
    values.get(target * each..(target + 1) * each).map_or(Value::Null, |v| lists(shape, v))
}

/// Reads the lines some at a time.
struct Lines<'a> {
    model: &'a OpenModel,
    path: &'a Path,
    reader: BufReader<std::fs::File>,
    line: usize,
}

impl<'a> Lines<'a> {
    fn open(model: &'a OpenModel, path: &'a Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::read(path, e))?;
        Ok(Self { model, path, reader: BufReader::new(file), line: 0 })
    }

    fn next_items(&mut self) -> Result<Vec<Batch>> {
        let mut items: Vec<Batch> = Vec::new();
        let mut numbers = 0;
        while items.len() < MOST_ROWS && numbers < MOST_NUMBERS {
            let mut text = Vec::new();
            let read = (&mut self.reader).take(MOST_BYTES + 1).read_until(b'\n', &mut text);
            if read.map_err(|e| Error::read(self.path, e))? == 0 {
                break;
            }
            self.line += 1;
            if text.len() as u64 > MOST_BYTES {
                return Err(self.wrong(format!("it is longer than {MOST_BYTES} bytes")));
            }
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let row: Map<String, Value> =
                serde_json::from_slice(&text).map_err(|e| self.wrong(format!("expected an object: {e}")))?;
            let inputs = self.inputs(&row)?;
            numbers += inputs.iter().map(Tensor::len).sum::<usize>();
            items.push(Batch::new(inputs));
        }
        Ok(items)
    }

    fn wrong(&self, message: impl std::fmt::Display) -> Error {
        Error::input(format!("{}, line {}: {message}", self.path.display(), self.line))
    }

    fn inputs(&self, row: &Map<String, Value>) -> Result<Vec<Tensor>> {
        let model = self.model.model();
        let names = model.input_names();
        let each = names.iter().enumerate().map(|(i, name)| {
            let value = row.get(*name).ok_or_else(|| {
                let found: Vec<&String> = row.keys().collect();
                self.wrong(format!("nothing for the input {name:?}; it has {found:?}"))
            })?;
            let dtype = model.input_declared(i).map_or(DType::F32, |d| d.dtype);
            tensor(value, dtype).map_err(|why| self.wrong(format!("{name}: {why}")))
        });
        each.collect()
    }
}

/// Nested lists as a tensor of one row.
fn tensor(value: &Value, dtype: DType) -> std::result::Result<Tensor, String> {
    let mut shape = vec![1];
    let mut first = value;
    while let Value::Array(list) = first {
        shape.push(list.len());
        match list.first() {
            Some(inner) => first = inner,
            None => break,
        }
    }
    let mut leaves = Vec::new();
    gather(value, &shape[1..], &mut leaves)?;
    let wrong = |v: &Value| format!("expected {dtype}, found {v}");
    let made = if dtype.is_float() {
        let numbers = leaves.iter().map(|v| v.as_f64().ok_or_else(|| wrong(v)));
        Tensor::new(&shape, numbers.collect::<std::result::Result<Vec<f64>, _>>()?)
    } else if dtype == DType::String {
        let texts = leaves.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| wrong(v)));
        Tensor::new(&shape, texts.collect::<std::result::Result<Vec<String>, _>>()?)
    } else {
        let whole = leaves.iter().map(|v| {
            v.as_i64()
                .or_else(|| v.as_bool().filter(|_| dtype == DType::Bool).map(i64::from))
                .ok_or_else(|| wrong(v))
        });
        Tensor::new(&shape, whole.collect::<std::result::Result<Vec<i64>, _>>()?)
    };
    made.ok_or_else(|| "its lists have no shape".to_owned())
}

fn gather<'v>(
    value: &'v Value,
    shape: &[usize],
    leaves: &mut Vec<&'v Value>,
) -> std::result::Result<(), String> {
    match (value, shape.split_first()) {
        (Value::Array(list), Some((&n, rest))) if list.len() == n => {
            list.iter().try_for_each(|inner| gather(inner, rest, leaves))
        }
        (Value::Array(list), Some((n, _))) => Err(format!("a list of {} beside lists of {n}", list.len())),
        (Value::Array(_) | Value::Object(_), _) | (_, Some(_)) => {
            Err("its lists are not equally deep".to_owned())
        }
        (leaf, None) => {
            leaves.push(leaf);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_tensors_and_back() {
        let of = |text: &str, dtype| tensor(&serde_json::from_str(text).unwrap(), dtype);
        assert_eq!(of("[3, 1, 2]", DType::I64).unwrap(), Tensor::new(&[1, 3], vec![3i64, 1, 2]).unwrap());
        assert_eq!(of("[[1, 2.5]]", DType::F32).unwrap(), Tensor::new(&[1, 1, 2], vec![1.0, 2.5]).unwrap());
        assert_eq!(of("7", DType::I32).unwrap(), Tensor::new(&[1], vec![7i64]).unwrap());
        assert_eq!(of("[]", DType::I64).unwrap().shape(), [1, 0]);
        for (text, part) in [
            ("[1, 2.5]", "expected int64, found 2.5"),
            ("[[1], [2, 3]]", "a list of 2 beside lists of 1"),
            ("[1, [2]]", "not equally deep"),
            ("[[1], 2]", "not equally deep"),
            ("[\"a\"]", "found \"a\""),
            ("[null]", "found null"),
        ] {
            assert!(of(text, DType::I64).unwrap_err().contains(part), "{text}");
        }
        let two = Tensor::new(&[1, 2, 3], vec![1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(nested(&two, 1), json!([4.0, 5.0, 6.0]));
    }
}
