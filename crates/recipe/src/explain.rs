//! Explains the selected rows of a data file, some at a time, and hands each part on as it is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use pellucid::graph::Tensor;
use pellucid::{Baseline, Batch, Explainer, Explanation, InputSpec, Precision, Source, Spec, Target};

use crate::activity::Activity;
use crate::baseline::{self, Resolved};
use crate::error::{Error, ErrorKind, Result, of_own_row};
use crate::feature_mask::FeatureMasks;
use crate::hash;
use crate::model::OpenModel;
use crate::predict::{Predictions, Predictor};
use crate::record::{Completeness, NotFinite, Record};
use crate::request::Request;
use crate::result::{Explained, Header, Sink};
use crate::rows::{Chunk, Reader, Wanted, take_rows};
use crate::target::{self, NamedTarget};

/// Explains the rows that a request names. Memory does not grow with them beyond what `sink` keeps.
pub fn explain(
    model: &OpenModel,
    data: &Path,
    request: &Request,
    sink: &mut dyn Sink,
    activity: &Activity<'_>,
) -> Result<Record> {
    let method = request.method()?;
    let info = method.info();
    if request.max_delta.is_some_and(|d| d.is_nan() || d < 0.0) {
        return Err(Error::request("max_delta must be zero or a positive number"));
    }
    let wanted = Wanted {
        rows: request.rows.clone(),
        keep: request.keep.clone(),
        features: request.features.clone(),
        label: request.label.clone(),
        images: request.images.clone(),
        precision: request.precision,
    };
    let mut reader = Reader::open(model, data, &wanted)?;
    let baseline = if info.has_baseline {
        baseline::resolve(&request.baseline, request.baseline_space, model, data, &wanted, request.seed)?
    } else {
        if request.baseline != Default::default() {
            return Err(Error::request(format!("{} does not compare with a baseline", info.title)));
        }
        Resolved::default()
    };
    let masks = match &request.feature_mask {
        None => None,
        Some(_) if !matches!(method, pellucid::Method::FeatureAblation { .. }) => {
            return Err(Error::request(format!(
                "{} replaces no features, so it takes no feature mask",
                info.title
            )));
        }
        Some(path) => Some(FeatureMasks::load(path, &model.model().input_names())?),
    };
    let predictor = Predictor::new(model)?;
    let names = reader.feature_names();
    let work = Work { model, request, baseline: &baseline, masks, names, ready: None, done: 0 };
    let (mut completeness, mut not_finite) = (Completeness::default(), None);
    let explains_output = !matches!(method, pellucid::Method::LayerActivation { .. });
    // Reading, computing and writing go on at the same time, a part apart.
    let (done, ready) = std::thread::scope(|scope| {
        let (to_worker, chunks) = sync_channel(0);
        let (to_sink, parts) = sync_channel(0);
        scope.spawn(move || {
            while let Some(chunk) = reader.next_chunk().transpose() {
                let failed = chunk.is_err();
                if to_worker.send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        let worker = scope.spawn(|| -> Result<(usize, Option<Ready>)> {
            // What is moved in here ends with this thread, and so the threads at both sides learn of it.
            let (mut work, chunks, to_sink) = (work, chunks, to_sink);
            for chunk in chunks {
                activity.check()?;
                let chunk = chunk?;
                let predictions =
                    predictor.predict(model, &chunk.inputs, request.precision, request.tile, activity)?;
                if to_sink.send(work.explain(&method, chunk, predictions, activity)?).is_err() {
                    break;
                }
            }
            Ok((work.done, work.ready))
        });
        for (header, explained) in parts {
            if let (Some(delta), Some(base)) = (&explained.delta, &explained.baseline_output) {
                for (t, delta) in delta.iter().enumerate() {
                    for (r, &d) in delta.iter().enumerate() {
                        let difference = explained.output[t][r] - base[t][r];
                        completeness.add(explained.numbers[r], d, difference, request);
                    }
                }
            }
            let each = explained.attributions.chunks((header.targets.len() * header.features.len()).max(1));
            for (r, (&row, attributions)) in explained.numbers.iter().zip(each).enumerate() {
                // A layer's activation explains no output.
                let outputs = explained.output.iter().filter(|_| explains_output).map(|output| output[r]);
                let deltas = explained.delta.iter().flatten().map(|delta| delta[r]);
                NotFinite::add(
                    &mut not_finite,
                    row,
                    attributions.iter().copied().chain(outputs).chain(deltas),
                );
            }
            sink.take(&header, &explained)?;
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let Some(ready) = ready else { return Err(Error::request("no row is selected")) };
    let given = baseline.rows.as_ref().filter(|_| baseline.spec == Baseline::Each);
    if let Some(given) = given.and_then(|g| g.first()?.shape().first().copied()).filter(|&n| n != done) {
        return Err(rows_of_baseline(request, given, done));
    }
    let file = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let record = Record {
        schema_version: crate::schema::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        request: request.clone(),
        computed: ready.record,
        targets: ready.header.targets.iter().map(|t| t.name.clone()).collect(),
        features: ready.header.features.clone(),
        baseline_encoded: baseline.encoded.filter(|_| info.has_baseline),
        baseline_raw: baseline.raw.filter(|_| info.has_baseline),
        model: file(model.path()),
        data: file(data),
        data_sha256: hash::data(data)?,
        rows: done as u64,
        completeness: (completeness.count > 0).then_some(completeness),
        not_finite,
    };
    if let Some(caution) = record.caution() {
        activity.listener.notice(&caution);
    }
    Ok(record)
}

struct Work<'a> {
    model: &'a OpenModel,
    request: &'a Request,
    baseline: &'a Resolved,
    masks: Option<FeatureMasks>,
    names: Option<Vec<String>>,
    ready: Option<Ready>,
    done: usize,
}

/// What is found out with the first rows.
struct Ready {
    explainer: Explainer,
    header: Arc<Header>,
    record: pellucid::explanation::Record,
}

impl Work<'_> {
    fn explain(
        &mut self,
        method: &pellucid::Method,
        chunk: Chunk,
        predictions: Predictions,
        activity: &Activity<'_>,
    ) -> Result<(Arc<Header>, Explained)> {
        let rows = chunk.numbers.len();
        let mut batch = Batch::new(chunk.inputs);
        batch.baselines = self.baselines(rows)?;
        if let Some(masks) = &self.masks {
            batch.feature_mask = Some(masks.of(&self.model.model().input_names(), &batch.inputs)?);
        }
        let targets = match &self.ready {
            Some(ready) => ready.header.targets.clone(),
            None => target::resolve(&self.request.target.0, self.model, self.outputs(&predictions)?)?,
        };
        if targets.iter().any(|t| t.target == Target::True) {
            batch.labels = Some(self.classes(&chunk.numbers, &chunk.labels, &predictions)?);
        }
        let explainer = match self.ready.take() {
            Some(ready) => (ready.explainer, Some((ready.header, ready.record))),
            None => {
                let spec = Spec {
                    targets: targets.iter().map(|t| t.target.clone()).collect(),
                    scale: self.request.scale,
                    baseline: self.baseline.spec.clone(),
                    layer: self.request.layer.clone(),
                    output: self.request.output.clone(),
                    precision: self.request.precision,
                    tile: self.request.tile,
                    seed: self.request.seed,
                    inputs: self.inputs(),
                    ..Spec::new(method.clone())
                };
                (Explainer::new(self.model.model(), &spec, &batch)?, None)
            }
        };
        let (explainer, known) = explainer;
        let progress = |done: usize| activity.listener.rows(done);
        let found = explainer.explain(&batch, &activity.control(Some(&progress)));
        let found = found.map_err(|e| of_own_row(e, &chunk.numbers))?;
        let mut record = found.record.clone();
        let header = match known {
            Some((header, before)) => {
                record.evaluations_per_row = record.evaluations_per_row.max(before.evaluations_per_row);
                header
            }
            None => {
                let layer = self.request.layer.as_ref();
                let note = layer.and_then(|name| self.model.model().network().note_of(name));
                for text in held_fixed(&found.record).into_iter().chain(note) {
                    activity.listener.notice(&text);
                }
                Arc::new(self.header(&found, targets, chunk.table.as_ref())?)
            }
        };
        let explained =
            self.explained(&header, &batch, found, predictions, chunk.numbers, chunk.labels, chunk.table)?;
        self.done += rows;
        self.ready = Some(Ready { explainer, header: Arc::clone(&header), record });
        Ok((header, explained))
    }

    /// What part each input plays: as the request says, with the baselines that were found for it where the request has none.
    fn inputs(&self) -> BTreeMap<String, InputSpec> {
        let mut inputs = self.baseline.inputs.clone();
        for (name, asked) in &self.request.inputs {
            let input = inputs.entry(name.clone()).or_default();
            input.role = asked.role;
            if asked.baseline.is_some() {
                input.baseline.clone_from(&asked.baseline);
            }
        }
        inputs
    }

    /// The baselines of the next rows.
    fn baselines(&self, rows: usize) -> Result<Option<Vec<Tensor>>> {
        let Some(given) = &self.baseline.rows else { return Ok(None) };
        if self.baseline.spec != Baseline::Each {
            return Ok(Some(given.clone()));
        }
        let count = given.first().and_then(|t| t.shape().first()).copied().unwrap_or(0);
        if count < self.done + rows {
            return Err(rows_of_baseline(self.request, count, self.done + rows));
        }
        let places: Vec<usize> = (self.done..self.done + rows).collect();
        let taken: Option<Vec<Tensor>> = given.iter().map(|t| take_rows(t, &places)).collect();
        Ok(Some(taken.ok_or_else(|| Error::input("the baseline holds no numbers"))?))
    }

    /// The elements of the explained output.
    fn outputs(&self, predictions: &Predictions) -> Result<usize> {
        let network = self.model.model().network();
        let symbol = match &self.request.output {
            Some(name) => network.resolve(name)?,
            None => return Ok(predictions.width),
        };
        let declared = network.symbols()[symbol].declared.as_ref().and_then(|d| d.shape.as_ref());
        let sizes = declared.and_then(|dims| {
            dims.iter().skip(1).try_fold(1usize, |all, d| match d {
                pellucid::graph::Dim::Fixed(n) => all.checked_mul(*n),
                _ => None,
            })
        });
        Ok(sizes.unwrap_or(predictions.width))
    }

    fn classes(
        &self,
        numbers: &[u64],
        labels: &[Option<f64>],
        predictions: &Predictions,
    ) -> Result<Vec<usize>> {
        if labels.is_empty() || predictions.classes == 0 {
            let available = "the data or the model has no true classes".to_owned();
            return Err(ErrorKind::Target { asked: "true".to_owned(), available }.into());
        }
        let class = |(label, number): (&Option<f64>, &u64)| match label {
            Some(v) if *v >= 0.0 && v.fract() == 0.0 && *v < predictions.classes as f64 => Ok(*v as usize),
            Some(v) => Err(Error::input(format!(
                "row {number}: {v} is no class; there are the classes 0 to {}",
                predictions.classes - 1
            ))),
            None => Err(Error::input(format!("row {number} has no true class to explain"))),
        };
        labels.iter().zip(numbers).map(class).collect()
    }

    fn header(
        &self,
        found: &Explanation,
        targets: Vec<NamedTarget>,
        table: Option<&pellucid_data::table::Batch>,
    ) -> Result<Header> {
        let tensor_features = self.tensor_features(found);
        let steps = self.model.preprocessing().filter(|s| {
            let is_input = !found.record.spec.method.info().has_layer;
            self.request.fold
                && self.masks.is_none()
                && is_input
                && table.is_some()
                && s.width() == tensor_features.len()
        });
        let (features, fold) = match steps {
            Some(steps) => (
                steps.sources().iter().map(|c| c.name.clone()).collect(),
                steps.tensor_columns().iter().map(|c| c.source).collect(),
            ),
            None if self.request.fold && found.sources.iter().any(|s| s.embedding.is_some()) => tokens(found),
            None => (tensor_features.clone(), (0..tensor_features.len()).collect()),
        };
        let kept = self.request.keep.iter().map(|name| {
            let schema = table.ok_or_else(|| Error::request("arrays have no columns to keep"))?.schema();
            Ok(schema.fields()[schema.index(name)?].clone())
        });
        Ok(Header {
            targets,
            classes: self.model.class_names().to_vec(),
            features,
            tensor_features,
            fold,
            kept: kept.collect::<Result<_>>()?,
            precision: self.request.precision,
            scale: found.record.scale.clone(),
        })
    }

    fn tensor_features(&self, found: &Explanation) -> Vec<String> {
        let shapes: Vec<&[usize]> =
            found.attributions.iter().map(|a| a.shape().get(2..).unwrap_or(&[])).collect();
        let total: usize = shapes.iter().map(|s| s.iter().product::<usize>()).sum();
        let is_input = !found.record.spec.method.info().has_layer;
        if let Some(names) = self.names.as_ref().filter(|n| is_input && n.len() == total) {
            return names.clone();
        }
        let elements = |(source, shape): (&Source, &&[usize])| {
            let count: usize = shape.iter().product();
            let shape = shape.to_vec();
            let name = source.embedding.as_ref().unwrap_or(&source.name).clone();
            // An input that is a column of a table needs no place behind its name.
            let shape = if self.names.is_some() && count == 1 { Vec::new() } else { shape };
            (0..count).map(move |i| element_name(&name, &shape, i)).collect::<Vec<_>>()
        };
        found.sources.iter().zip(&shapes).flat_map(elements).collect()
    }

    #[allow(clippy::too_many_arguments)]
    fn explained(
        &self,
        header: &Header,
        batch: &Batch,
        found: Explanation,
        predictions: Predictions,
        numbers: Vec<u64>,
        labels: Vec<Option<f64>>,
        table: Option<pellucid_data::table::Batch>,
    ) -> Result<Explained> {
        let (rows, targets) = (numbers.len(), header.targets.len());
        let (wide, narrow) = (header.tensor_features.len(), header.features.len());
        let tensor_attributions = side_by_side(&found.attributions, rows * targets, wide)
            .ok_or_else(|| Error::input("attributions have lost their shape"))?;
        let mut attributions = vec![0.0; rows * targets * narrow];
        for (row, folded) in
            tensor_attributions.chunks_exact(wide.max(1)).zip(attributions.chunks_exact_mut(narrow.max(1)))
        {
            for (value, &place) in row.iter().zip(&header.fold) {
                folded[place] += value;
            }
        }
        let has_layer = found.record.spec.method.info().has_layer;
        let encoded = match batch.inputs.as_slice() {
            [one] if !has_layer && one.len() == rows * wide => one.to_f64().unwrap_or_default(),
            _ => Vec::new(),
        };
        let active = self.active(batch, &encoded, &tensor_attributions, (rows, targets, wide));
        let target_class = header
            .targets
            .iter()
            .enumerate()
            .map(|(t, named)| match found.target_index.get(t).and_then(Option::as_ref) {
                Some(each) => each.iter().map(|&c| Some(c)).collect(),
                None => vec![named.class; rows],
            })
            .collect();
        // A layer's activation explains no scalar.
        let output = if found.output.is_empty() { vec![vec![f64::NAN; rows]; targets] } else { found.output };
        Ok(Explained {
            numbers,
            predictions,
            labels,
            target_class,
            output,
            baseline_output: found.baseline_output,
            delta: found.check.map(|c| c.delta),
            attributions,
            tensor_attributions,
            active,
            encoded,
            table,
        })
    }

    /// Which columns differ from the baseline; without inputs to compare, which have an attribution.
    fn active(
        &self,
        batch: &Batch,
        encoded: &[f64],
        attributions: &[f64],
        (rows, targets, width): (usize, usize, usize),
    ) -> Vec<bool> {
        if encoded.len() != rows * width {
            let any = |row: &[f64], i: usize| (0..targets).any(|t| row[t * width + i] != 0.0);
            let chunks = attributions.chunks_exact((targets * width).max(1));
            return chunks.flat_map(|row| (0..width).map(move |i| any(row, i))).collect();
        }
        let given = || batch.baselines.as_ref().and_then(|b| b.first()?.to_f64());
        match &self.baseline.spec {
            Baseline::Zero => encoded.iter().map(|&x| x != 0.0).collect(),
            Baseline::Scalar(s) => encoded.iter().map(|x| x != s).collect(),
            Baseline::Row(row) => {
                // The inputs were rounded to the precision, so the baseline is as well.
                let round = |x: f64| {
                    if self.request.precision == Precision::Float32 { f64::from(x as f32) } else { x }
                };
                let row: Vec<f64> =
                    row.first().map(|r| r.iter().copied().map(round).collect()).unwrap_or_default();
                encoded.iter().enumerate().map(|(i, x)| row.get(i % width) != Some(x)).collect()
            }
            Baseline::Each => {
                let base = given().unwrap_or_default();
                encoded.iter().enumerate().map(|(i, x)| base.get(i) != Some(x)).collect()
            }
            Baseline::Several => {
                let all = given().unwrap_or_default();
                let differs = |i: usize, x: f64| all.iter().skip(i % width).step_by(width).any(|&b| b != x);
                encoded.iter().enumerate().map(|(i, &x)| differs(i, x)).collect()
            }
        }
    }
}

fn rows_of_baseline(request: &Request, found: usize, expected: usize) -> Error {
    let message = format!(
        "it has {found} rows; expected one, or one for each explained row, of which there are {expected} or more"
    );
    ErrorKind::Baseline { asked: request.baseline.to_string(), message }.into()
}

/// One feature for each id of an input whose attributions start at its embeddings, one for each element elsewhere, and for each element
/// of the attributions its feature.
fn tokens(found: &Explanation) -> (Vec<String>, Vec<usize>) {
    let mut features: Vec<String> = Vec::new();
    let mut fold = Vec::new();
    for (i, source) in found.sources.iter().enumerate() {
        let count: usize = found.attributions[i].shape().iter().skip(2).product();
        let per_token = found.per_token(i);
        let shape = per_token.as_ref().and_then(|t| t.shape().get(2..)).unwrap_or(&[]);
        let places: usize = shape.iter().product();
        let width = count.checked_div(places).unwrap_or(1).max(1);
        let names: Vec<String> = (0..places).map(|p| element_name(&source.name, shape, p)).collect();
        // Several embeddings of the same ids share their features.
        let start = match features.windows(places.max(1)).position(|w| w == names) {
            Some(start) => start,
            None => {
                features.extend(names);
                features.len() - places
            }
        };
        fold.extend((0..count).map(|e| start + e / width));
    }
    (features, fold)
}

/// `conv1[0,3,2]`: an element of a value by its indices.
fn element_name(name: &str, shape: &[usize], element: usize) -> String {
    let mut rest = element;
    let mut indices: Vec<String> = Vec::with_capacity(shape.len());
    for size in shape.iter().rev() {
        indices.push((rest % size).to_string());
        rest /= size;
    }
    indices.reverse();
    if indices.is_empty() { name.to_owned() } else { format!("{name}[{}]", indices.join(",")) }
}

/// Which of several inputs were not explained, and why; `None` where all were.
fn held_fixed(record: &pellucid::Record) -> Option<String> {
    let fixed: Vec<String> = record.inputs.iter().filter(|i| !i.explained).map(|i| i.name.clone()).collect();
    if fixed.is_empty() || fixed.len() == record.inputs.len() {
        return None;
    }
    let asked = |name: &String| record.spec.inputs.get(name).is_some_and(|i| i.role == pellucid::Role::Fixed);
    let why = if fixed.iter().all(asked) {
        "no baseline was given for them"
    } else {
        "texts and whole numbers carry no gradient; feature_ablation explains them too"
    };
    Some(format!("held fixed: {} ({why})", crate::rows::listed(&fixed)))
}

/// The attributions of all sources in one row for each row and target.
fn side_by_side(sources: &[Tensor], rows: usize, width: usize) -> Option<Vec<f64>> {
    if let [one] = sources {
        return one.to_f64().filter(|v| v.len() == rows * width);
    }
    let mut all = vec![0.0; rows * width];
    let mut start = 0;
    for source in sources {
        let values = source.to_f64()?;
        let each = values.len().checked_div(rows)?;
        for (row, values) in all.chunks_exact_mut(width.max(1)).zip(values.chunks_exact(each.max(1))) {
            row.get_mut(start..start + each)?.copy_from_slice(values);
        }
        start += each;
    }
    (start == width).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_named_by_their_indices() {
        assert_eq!(element_name("fc", &[3], 2), "fc[2]");
        assert_eq!(element_name("conv", &[2, 2, 3], 7), "conv[1,0,1]");
        assert_eq!(element_name("score", &[], 0), "score");
    }
}
