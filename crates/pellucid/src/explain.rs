//! From a specification and rows to an explanation.

use pellucid_engine::{Control, Points};
use pellucid_graph::{Tensor, View};

use crate::compiled::Compiled;
use crate::error::{Error, Result};
use crate::explanation::{Batch, Check, Explanation, Record};
use crate::frame::{RowInput, Setup};
use crate::methods;
use crate::model::{Model, rows_of, with_fallback};
use crate::spec::{Baseline, Precision, Spec, Target};
use crate::target::{self, flat_index};

/// How much memory the values of a tile may take, so that they stay in the cache next to a core.
const TILE_BYTES: usize = 512 << 10;
/// The most rows in a block and points in a tile.
const MOST_ROWS: usize = 32;
const MOST_POINTS: usize = 256;

/// A method made ready for a model and rows of one shape; explains any number of batches of them.
#[derive(Debug)]
pub struct Explainer {
    model: Model,
    spec: Spec,
    output: usize,
    compiled: Compiled,
    shapes: Vec<Vec<usize>>,
}

impl Explainer {
    /// Checks a specification against the model and makes it ready for rows like those of `example`.
    pub fn new(model: &Model, spec: &Spec, example: &Batch) -> Result<Self> {
        let info = spec.method.info();
        let network = model.network();
        let output = match &spec.output {
            Some(name) => network.resolve(name)?,
            None => {
                *network.outputs().first().ok_or_else(|| Error::Spec("the model has no output".to_owned()))?
            }
        };
        let layer = match (&spec.layer, info.has_layer) {
            (Some(name), true) => Some(network.resolve(name)?),
            (None, false) => None,
            (None, true) => return Err(Error::Spec(format!("{} needs a layer", info.title))),
            (Some(_), false) => return Err(Error::Spec(format!("{} does not take a layer", info.title))),
        };
        let spec = &Spec {
            targets: if info.has_target { spec.targets.clone() } else { Vec::new() },
            ..spec.clone()
        };
        if spec.targets.is_empty() && info.has_target {
            return Err(Error::Spec("there is no target".to_owned()));
        }
        let inputs = model.prepare_inputs(&example.inputs, spec.precision)?;
        let setup = Setup { model, spec, inputs: &inputs, batch: example, output, layer };
        let fixed = network.fixed_rows();
        let compiled =
            with_fallback(example.rows(), spec.tile.or(fixed).unwrap_or(MOST_POINTS), |largest| {
                let (rows, points) = match fixed.or((largest == 1).then_some(1)) {
                    Some(n) => (n, n),
                    None => sizes(&setup, spec.tile)?,
                };
                methods::compile(&setup, rows, points)
            })?;
        let shapes = inputs.iter().map(|t| t.shape().get(1..).unwrap_or(&[]).to_vec()).collect();
        Ok(Self { model: model.clone(), spec: spec.clone(), output, compiled, shapes })
    }

    /// Explains the rows of a batch. Memory beyond the batch and its results does not grow with rows or path nodes.
    pub fn explain(&self, batch: &Batch, control: &Control<'_>) -> Result<Explanation> {
        let inputs = self.model.prepare_inputs(&batch.inputs, self.spec.precision)?;
        for (t, shape) in inputs.iter().zip(&self.shapes) {
            if t.shape().get(1..).unwrap_or(&[]) != shape {
                return Err(Error::Spec(format!(
                    "rows of shape {:?} after rows of shape {shape:?}",
                    t.shape()
                )));
            }
        }
        if self.spec.baseline != Baseline::Several {
            return self.explain_once(batch, &inputs, self.given_baselines(batch, &inputs)?, control);
        }
        let samples = batch.baselines.as_ref().ok_or_else(|| {
            Error::Baseline("several baselines were asked for and none came with the data".to_owned())
        })?;
        let samples = self.model.prepare_inputs(samples, self.spec.precision)?;
        let count = rows_of(&samples);
        if count == 0 {
            return Err(Error::Baseline("there is no baseline to average over".to_owned()));
        }
        let rows = batch.rows();
        let mut mean: Option<Explanation> = None;
        for sample in 0..count {
            let repeated: Vec<Tensor> = samples
                .iter()
                .map(|s| repeat_row(s, sample, rows))
                .collect::<Option<_>>()
                .ok_or_else(shapeless)?;
            let one = self.explain_once(batch, &inputs, Some(repeated), control)?;
            mean = Some(match mean {
                None => one,
                Some(sum) => add(sum, &one)?,
            });
        }
        let sum = mean.ok_or_else(shapeless)?;
        scale(sum, 1.0 / count as f64, count as u64)
    }

    fn given_baselines(&self, batch: &Batch, inputs: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
        if self.spec.baseline != Baseline::Each {
            return Ok(None);
        }
        let given = batch.baselines.as_ref().ok_or_else(|| {
            Error::Baseline("a baseline for each row was asked for and none came with the data".to_owned())
        })?;
        let given = self
            .model
            .prepare_inputs(given, self.spec.precision)
            .map_err(|e| Error::Baseline(e.to_string()))?;
        for (b, x) in given.iter().zip(inputs) {
            if b.shape() != x.shape() {
                return Err(Error::Baseline(format!(
                    "expected shape {:?}, found {:?}",
                    x.shape(),
                    b.shape()
                )));
            }
        }
        Ok(Some(given))
    }

    fn explain_once(
        &self,
        batch: &Batch,
        inputs: &[Tensor],
        baselines: Option<Vec<Tensor>>,
        control: &Control<'_>,
    ) -> Result<Explanation> {
        let rows = rows_of(inputs);
        let chosen = self.chosen(batch, inputs, control)?;
        let mut fed: Vec<Tensor> = Vec::with_capacity(self.compiled.row_inputs.len());
        for which in &self.compiled.row_inputs {
            let tensor = match *which {
                RowInput::Input(i) => Some(inputs[i].clone()),
                RowInput::Baseline(i) => baselines.as_ref().and_then(|b| b.get(i).cloned()),
                RowInput::Chosen(t) => chosen[t]
                    .as_ref()
                    .and_then(|c| Tensor::new(&[rows, 1], c.iter().map(|&v| v as i64).collect())),
                RowInput::Mask(i) => batch
                    .feature_mask
                    .as_ref()
                    .and_then(|m| m.get(i))
                    .and_then(|m| Tensor::new(m.shape(), m.to_i64()?)),
            };
            fed.push(tensor.ok_or_else(|| Error::Spec(format!("{which:?} does not come with the data")))?);
        }
        let views: Vec<View<'_>> = fed.iter().map(Tensor::view).collect();
        let points = self.compiled.points.as_ref().map(|p| p as &dyn Points);
        let found = self.compiled.sweep.run(&views, rows, points, control)?;
        let numbers = |list: &[usize]| -> Vec<Vec<f64>> {
            list.iter().map(|&i| found[i].to_f64().unwrap_or_default()).collect()
        };
        let output = numbers(&self.compiled.outputs);
        let baseline_output = self.compiled.baseline_outputs.as_deref().map(numbers);
        let attributions = self.attributions(&found, rows)?;
        let check = match (&baseline_output, self.compiled.complete) {
            (Some(base), true) => {
                Some(Check { name: "completeness", delta: deltas(&attributions, &output, base) })
            }
            _ => None,
        };
        Ok(Explanation {
            sources: self.compiled.sources.clone(),
            attributions,
            output,
            baseline_output,
            target_index: chosen,
            check,
            record: self.record(),
        })
    }

    fn record(&self) -> Record {
        let info = self.spec.method.info();
        Record {
            spec: self.spec.clone(),
            method: info.title.to_owned(),
            citation: info.citation.to_owned(),
            scale: self.compiled.scale.to_owned(),
            model_sha256: self.model.sha256().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instruction_set: instruction_set().to_owned(),
            evaluations_per_row: self.compiled.evaluations,
        }
    }

    /// For each source the attributions of all targets side by side: [rows, targets, …].
    fn attributions(&self, found: &[Tensor], rows: usize) -> Result<Vec<Tensor>> {
        self.compiled
            .attributions
            .iter()
            .zip(&self.compiled.shapes)
            .map(|(list, shape)| {
                let targets = list.len();
                let each: usize = shape.iter().product();
                let mut full = vec![rows, targets];
                full.extend(shape);
                let join = |of: &dyn Fn(&Tensor) -> Option<Vec<f64>>| {
                    let mut all = vec![0.0; rows * targets * each];
                    for (t, position) in list.iter().enumerate() {
                        let Some(values) = position.and_then(|p| of(&found[p])) else { continue };
                        for (r, row) in values.chunks_exact(each.max(1)).enumerate() {
                            all[(r * targets + t) * each..][..each].copy_from_slice(row);
                        }
                    }
                    all
                };
                let wide = join(&Tensor::to_f64);
                let tensor = Tensor::new(&full, wide).ok_or_else(shapeless)?;
                Ok(tensor.with_precision(self.spec.precision.dtype()))
            })
            .collect()
    }

    /// For each target that differs from row to row, the element of the output that it is.
    fn chosen(
        &self,
        batch: &Batch,
        inputs: &[Tensor],
        control: &Control<'_>,
    ) -> Result<Vec<Option<Vec<usize>>>> {
        let targets = &self.spec.targets;
        let rows = rows_of(inputs);
        let mut ranked: Option<Vec<(usize, usize)>> = None;
        let mut list = Vec::with_capacity(targets.len());
        for target in targets {
            list.push(match target {
                Target::PerRow(indices) => {
                    if indices.len() != rows {
                        return Err(Error::Target {
                            asked: format!("for {} rows", indices.len()),
                            available: format!("there are {rows} rows"),
                        });
                    }
                    let shape = self.output_shape(inputs)?;
                    Some(indices.iter().map(|i| flat_index(i, &shape)).collect::<Result<Vec<usize>>>()?)
                }
                Target::True => {
                    let labels =
                        batch.labels.as_ref().filter(|l| l.len() == rows).ok_or_else(|| Error::Target {
                            asked: "true class".to_owned(),
                            available: "the data has no class for each row".to_owned(),
                        })?;
                    let classes = self.classes(inputs)?;
                    if let Some(bad) = labels.iter().find(|l| **l >= classes) {
                        return Err(Error::Target {
                            asked: format!("class {bad}"),
                            available: format!("there are classes 0 to {}", classes.saturating_sub(1)),
                        });
                    }
                    Some(labels.clone())
                }
                Target::Predicted | Target::RunnerUp => {
                    if ranked.is_none() {
                        ranked = Some(self.ranked(inputs, control)?);
                    }
                    let best = matches!(target, Target::Predicted);
                    ranked.as_ref().map(|r| r.iter().map(|&(a, b)| if best { a } else { b }).collect())
                }
                _ => None,
            });
        }
        Ok(list)
    }

    /// The shape of the output for one row.
    fn output_shape(&self, inputs: &[Tensor]) -> Result<Vec<usize>> {
        let how = self.model.specialisation(inputs, 1, self.spec.precision);
        let graph = self.model.network().specialise(&how, &[self.output])?.graph;
        Ok(graph.outputs().first().map(|o| graph.shape(*o).to_vec()).unwrap_or_default())
    }

    /// The number of classes that targets can name.
    fn classes(&self, inputs: &[Tensor]) -> Result<usize> {
        let width: usize = self.output_shape(inputs)?.iter().skip(1).product();
        Ok(if width == 1 { 2 } else { width })
    }

    /// The class with the largest output and that with the second largest, for each row; the first of equals wins.
    fn ranked(&self, inputs: &[Tensor], control: &Control<'_>) -> Result<Vec<(usize, usize)>> {
        let found = self.model.evaluate(inputs, &[self.output], self.spec.precision, control)?;
        let values = found.first().and_then(Tensor::to_f64).ok_or_else(shapeless)?;
        let rows = rows_of(inputs).max(1);
        let width = values.len() / rows;
        if width == 1 {
            // One output stands for two classes; it is positive, or above one half, for the second.
            let limit = if self.is_probability(inputs)? { 0.5 } else { 0.0 };
            return Ok(values.iter().map(|&v| if v > limit { (1, 0) } else { (0, 1) }).collect());
        }
        Ok(values.chunks_exact(width.max(1)).map(top_two).collect())
    }

    fn is_probability(&self, inputs: &[Tensor]) -> Result<bool> {
        let setup = Setup {
            model: &self.model,
            spec: &Spec {
                scale: crate::spec::Scale::Output,
                targets: vec![Target::Output],
                ..self.spec.clone()
            },
            inputs,
            batch: &Batch::default(),
            output: self.output,
            layer: None,
        };
        Ok(setup.frame(1)?.scale == "probability")
    }
}

impl Model {
    /// Explains the rows of one batch; [`Explainer`] does so for many.
    pub fn explain(&self, spec: &Spec, batch: &Batch, control: &Control<'_>) -> Result<Explanation> {
        Explainer::new(self, spec, batch)?.explain(batch, control)
    }
}

/// Rows of a block and points of a tile, from what the model's values take.
fn sizes(setup: &Setup<'_>, tile: Option<usize>) -> Result<(usize, usize)> {
    if let Some(n) = tile {
        if n == 0 {
            return Err(Error::Spec("a tile has at least one point".to_owned()));
        }
        return Ok((n.min(MOST_ROWS), n));
    }
    const TRIAL: usize = 4;
    let compiled = methods::compile(setup, TRIAL, TRIAL)?;
    let fit = |bytes: usize, most: usize| {
        let each = bytes.div_ceil(TRIAL).max(1);
        let n = (TILE_BYTES / each).clamp(4, most);
        1 << n.ilog2()
    };
    let given = rows_of(setup.inputs).max(1).next_power_of_two();
    let rows = fit(compiled.sweep.before.plan().bytes(), MOST_ROWS).min(given);
    let points = compiled.sweep.point.as_ref().map_or(rows, |p| fit(p.plan().bytes(), MOST_POINTS));
    Ok((rows, points))
}

fn shapeless() -> Error {
    Error::Spec("a result has lost its shape".to_owned())
}

fn top_two(row: &[f64]) -> (usize, usize) {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    let mut second = usize::from(best == 0);
    for (i, v) in row.iter().enumerate() {
        if i != best && *v > row[second] {
            second = i;
        }
    }
    (best, second)
}

fn repeat_row(t: &Tensor, row: usize, count: usize) -> Option<Tensor> {
    let mut shape = t.shape().to_vec();
    let each: usize = shape.get(1..)?.iter().product();
    *shape.first_mut()? = count;
    let one = t.to_f64()?;
    let row = one.get(row * each..(row + 1) * each)?;
    let all: Vec<f64> = row.iter().copied().cycle().take(count * each).collect();
    if t.dtype().is_float() {
        return Some(Tensor::new(&shape, all)?.with_precision(t.dtype()));
    }
    Tensor::new(&shape, all.iter().map(|&v| v as i64).collect())
}

fn deltas(attributions: &[Tensor], output: &[Vec<f64>], base: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let targets = output.len();
    (0..targets)
        .map(|t| {
            (0..output[t].len())
                .map(|r| {
                    let total: f64 = attributions
                        .iter()
                        .map(|a| {
                            let each: usize = a.shape().get(2..).unwrap_or(&[]).iter().product();
                            let start = (r * targets + t) * each;
                            match a.data() {
                                pellucid_graph::Buffer::F32(v) => {
                                    v[start..start + each].iter().map(|&x| f64::from(x)).sum()
                                }
                                pellucid_graph::Buffer::F64(v) => v[start..start + each].iter().sum::<f64>(),
                                _ => 0.0,
                            }
                        })
                        .sum();
                    total - (output[t][r] - base[t][r])
                })
                .collect()
        })
        .collect()
}

fn add_lists(a: &mut [Vec<f64>], b: &[Vec<f64>]) {
    for (a, b) in a.iter_mut().zip(b) {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    }
}

fn combine(a: &Tensor, f: impl Fn(usize, f64) -> f64) -> Result<Tensor> {
    let values = a.to_f64().ok_or_else(shapeless)?;
    let new = values.iter().enumerate().map(|(i, &v)| f(i, v)).collect();
    Ok(Tensor::new(a.shape(), new).ok_or_else(shapeless)?.with_precision(a.dtype()))
}

fn add(mut sum: Explanation, one: &Explanation) -> Result<Explanation> {
    for (a, b) in sum.attributions.iter_mut().zip(&one.attributions) {
        let more = b.to_f64().ok_or_else(shapeless)?;
        *a = combine(a, |i, v| v + more[i])?;
    }
    if let (Some(a), Some(b)) = (&mut sum.baseline_output, &one.baseline_output) {
        add_lists(a, b);
    }
    if let (Some(a), Some(b)) = (&mut sum.check, &one.check) {
        add_lists(&mut a.delta, &b.delta);
    }
    Ok(sum)
}

fn scale(mut sum: Explanation, factor: f64, samples: u64) -> Result<Explanation> {
    for a in &mut sum.attributions {
        *a = combine(a, |_, v| v * factor)?;
    }
    let lists = [sum.baseline_output.as_mut(), sum.check.as_mut().map(|c| &mut c.delta)];
    for v in lists.into_iter().flatten().flatten().flatten() {
        *v *= factor;
    }
    let each = sum.record.evaluations_per_row;
    sum.record.evaluations_per_row.forward = each.forward * samples;
    sum.record.evaluations_per_row.backward = each.backward * samples;
    Ok(sum)
}

/// The instruction set that the kernels use on this machine.
pub fn instruction_set() -> &'static str {
    pellucid_kernels::vector::instructions().name()
}

/// Whether a precision can be given by this name.
impl std::str::FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "float32" => Ok(Self::Float32),
            "float64" => Ok(Self::Float64),
            other => {
                Err(Error::Spec(format!("there is no precision {other:?}; there are float32 and float64")))
            }
        }
    }
}

/// Whether a target is another element in each row; for callers that hold labels back.
pub fn needs_labels(spec: &Spec) -> bool {
    spec.targets.iter().any(|t| matches!(t, Target::True) && target::is_per_row(t))
}
