//! One batch explained by a plan: baselines and chosen elements are fed, results are put in order.

use pellucid_engine::{Control, Points};
use pellucid_graph::{Buffer, Tensor, View};

use crate::compiled::Along;
use crate::error::{Error, Result};
use crate::explain::{Job, Ready, instruction_set};
use crate::explanation::{Batch, Check, Explanation, Record};
use crate::finite;
use crate::frame::{RowInput, Setup};
use crate::model::rows_of;
use crate::refine;
use crate::spec::{Baseline, Spec, Target};
use crate::target::flat_index;

/// One batch with what it is explained by.
pub(crate) struct Task<'a> {
    pub(crate) job: &'a Job,
    pub(crate) ready: &'a Ready,
    pub(crate) batch: &'a Batch,
    pub(crate) inputs: &'a [Tensor],
    pub(crate) control: &'a Control<'a>,
}

impl Task<'_> {
    /// The explanation of the batch.
    pub(crate) fn explain(&self) -> Result<Explanation> {
        let spec = &self.job.spec;
        let names = self.job.model.input_names();
        finite::check(&spec.method, &self.ready.compiled.inputs, self.inputs)?;
        let own = |i: usize| spec.inputs.get(names[i]).is_some_and(|s| s.baseline.is_some());
        let coming = self.ready.baselines();
        let (several, each): (Vec<usize>, Vec<usize>) =
            coming.into_iter().partition(|&i| spec.baseline == Baseline::Several && !own(i));
        let mut given: Vec<Option<Tensor>> = vec![None; self.inputs.len()];
        for i in each {
            given[i] = Some(self.baseline_of_each_row(i)?);
        }
        if several.is_empty() {
            return self.explain_once(&given);
        }
        let samples: Vec<Tensor> = several.iter().map(|&i| self.samples(i)).collect::<Result<_>>()?;
        let count = rows_of(&samples);
        if count == 0 {
            return Err(Error::Baseline("there is no baseline to average over".to_owned()));
        }
        if let Some(other) = samples.iter().position(|s| s.shape().first() != Some(&count)) {
            return Err(Error::Baseline(format!(
                "{count} samples for input {:?}, {:?} for input {:?}",
                names[several[0]],
                samples[other].shape().first(),
                names[several[other]]
            )));
        }
        let rows = self.batch.rows();
        let mut mean: Option<Explanation> = None;
        for sample in 0..count {
            for (&i, all) in several.iter().zip(&samples) {
                given[i] = Some(refine::rows_of_tensor(all, &vec![sample; rows]).ok_or_else(shapeless)?);
            }
            let one = self.explain_once(&given)?;
            mean = Some(match mean {
                None => one,
                Some(sum) => add(sum, &one)?,
            });
        }
        let sum = mean.ok_or_else(shapeless)?;
        scale(sum, 1.0 / count as f64)
    }

    fn baseline_of_each_row(&self, input: usize) -> Result<Tensor> {
        let given = self.batch.baselines.as_ref().and_then(|b| b.get(input)).ok_or_else(|| {
            Error::Baseline("a baseline for each row was asked for and none came with the data".to_owned())
        })?;
        let given = self.prepared(input, given)?;
        let expected = self.inputs[input].shape();
        if given.shape() != expected {
            return Err(Error::Baseline(format!("expected shape {expected:?}, found {:?}", given.shape())));
        }
        Ok(given)
    }

    fn samples(&self, input: usize) -> Result<Tensor> {
        let given = self.batch.baselines.as_ref().and_then(|b| b.get(input)).ok_or_else(|| {
            Error::Baseline("several baselines were asked for and none came with the data".to_owned())
        })?;
        let given = self.prepared(input, given)?;
        let expected = &self.inputs[input].shape()[1..];
        if given.shape().get(1..) != Some(expected) {
            return Err(Error::Baseline(format!(
                "expected samples of shape {expected:?}, found {:?}",
                given.shape()
            )));
        }
        Ok(given)
    }

    fn prepared(&self, input: usize, tensor: &Tensor) -> Result<Tensor> {
        let prepared = self.job.model.prepare_input(input, tensor, self.job.spec.precision);
        let prepared = prepared.map_err(|e| Error::Baseline(e.to_string()))?;
        let method = &self.job.spec.method;
        match finite::first_not_finite(&prepared).filter(|_| method.needs_numbers()) {
            Some((place, found)) => Err(Error::Baseline(format!(
                "element {place:?} of that of input {:?} is {found}, and {} needs numbers",
                self.job.model.input_names()[input],
                method.info().name
            ))),
            None => Ok(prepared),
        }
    }

    fn explain_once(&self, baselines: &[Option<Tensor>]) -> Result<Explanation> {
        let (inputs, compiled) = (self.inputs, &self.ready.compiled);
        let rows = rows_of(inputs);
        let chosen = self.chosen()?;
        let mut fed: Vec<Tensor> = Vec::with_capacity(compiled.row_inputs.len());
        for which in &compiled.row_inputs {
            let tensor = match *which {
                RowInput::Input(i) => Some(inputs[i].clone()),
                // What no stage reads is fed with anything.
                RowInput::Baseline(i) => baselines[i].clone().or_else(|| Some(inputs[i].clone())),
                RowInput::Chosen(t) => chosen[t]
                    .as_ref()
                    .and_then(|c| Tensor::new(&[rows, 1], c.iter().map(|&v| v as i64).collect())),
                RowInput::Mask(i) if !compiled.inputs[i].explained => Some(inputs[i].clone()),
                RowInput::Mask(i) => self
                    .batch
                    .feature_mask
                    .as_ref()
                    .and_then(|m| m.get(i))
                    .and_then(|m| Tensor::new(m.shape(), m.to_i64()?)),
            };
            fed.push(tensor.ok_or_else(|| Error::Spec(format!("{which:?} does not come with the data")))?);
        }
        let mut record = self.record();
        let views: Vec<View<'_>> = fed.iter().map(Tensor::view).collect();
        let run = |points| compiled.sweep.run(&views, rows, points, self.control);
        let found = match &compiled.points {
            None => run(None)?,
            Some(Along::Fixed(points)) => run(Some(points as &dyn Points))?,
            Some(Along::Refined(refinement)) => {
                let (found, evaluations) = refine::run(compiled, refinement, &fed, rows, self.control)?;
                record.evaluations_per_row = evaluations;
                found
            }
        };
        let numbers = |list: &[usize]| -> Vec<Vec<f64>> {
            list.iter().map(|&i| found[i].to_f64().unwrap_or_default()).collect()
        };
        let output = numbers(&compiled.outputs);
        let baseline_output = compiled.baseline_outputs.as_deref().map(numbers);
        if let Some(values) = output.iter().chain(baseline_output.iter().flatten()).find(|v| v.len() != rows)
        {
            return Err(Error::Spec(format!(
                "the explained output has {} values for {rows} rows: it is not computed from each row",
                values.len()
            )));
        }
        let attributions = self.attributions(&found, rows)?;
        let check = match (&baseline_output, compiled.complete) {
            (Some(base), true) => {
                Some(Check { name: "completeness", delta: deltas(&attributions, &output, base) })
            }
            _ => None,
        };
        Ok(Explanation {
            sources: compiled.sources.clone(),
            attributions,
            output,
            baseline_output,
            target_index: chosen,
            check,
            record,
        })
    }

    fn record(&self) -> Record {
        let (job, compiled) = (self.job, &self.ready.compiled);
        let info = job.spec.method.info();
        Record {
            spec: job.spec.clone(),
            method: info.title.to_owned(),
            citation: info.citation.to_owned(),
            scale: compiled.scale.to_owned(),
            model_sha256: job.model.sha256().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instruction_set: instruction_set().to_owned(),
            evaluations_per_row: compiled.evaluations,
            inputs: compiled.inputs.clone(),
        }
    }

    /// For each source the attributions of all targets side by side: [rows, targets, …].
    fn attributions(&self, found: &[Tensor], rows: usize) -> Result<Vec<Tensor>> {
        let compiled = &self.ready.compiled;
        let dtype = self.job.spec.precision.dtype();
        let of = |position: usize| {
            let values = &found[position];
            if values.dtype() == dtype {
                return Some(values.clone());
            }
            Some(Tensor::new(values.shape(), values.to_f64()?)?.with_precision(dtype))
        };
        let one = |(list, shape): (&Vec<Option<usize>>, &Vec<usize>)| {
            let targets = list.len();
            let full = [&[rows, targets], shape.as_slice()].concat();
            // Those of one target lie as they should.
            if let [Some(only)] = list[..] {
                return of(only)?.reshaped(&full);
            }
            let each = shape.iter().product();
            let mut all = Buffer::zeros(dtype, rows * targets * each);
            for (t, position) in list.iter().enumerate() {
                let Some(values) = position.and_then(of) else { continue };
                match (&mut all, values.data()) {
                    (Buffer::F32(all), Buffer::F32(values)) => beside(all, values, (t, targets, each)),
                    (Buffer::F64(all), Buffer::F64(values)) => beside(all, values, (t, targets, each)),
                    _ => {}
                }
            }
            Tensor::from_buffer(&full, all)
        };
        let list = compiled.attributions.iter().zip(&compiled.shapes);
        list.map(|parts| one(parts).ok_or_else(shapeless)).collect()
    }

    /// For each target that differs from row to row, the element of the output that it is.
    fn chosen(&self) -> Result<Vec<Option<Vec<usize>>>> {
        let targets = &self.job.spec.targets;
        let rows = rows_of(self.inputs);
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
                    let shape = self.output_shape()?;
                    Some(indices.iter().map(|i| flat_index(i, &shape)).collect::<Result<Vec<usize>>>()?)
                }
                Target::True => {
                    let labels = self.batch.labels.as_ref().filter(|l| l.len() == rows).ok_or_else(|| {
                        Error::Target {
                            asked: "true class".to_owned(),
                            available: "the data has no class for each row".to_owned(),
                        }
                    })?;
                    let classes = self.classes()?;
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
                        ranked = Some(self.ranked()?);
                    }
                    let best = matches!(target, Target::Predicted);
                    ranked.as_ref().map(|r| r.iter().map(|&(a, b)| if best { a } else { b }).collect())
                }
                _ => None,
            });
        }
        Ok(list)
    }

    /// The shape of the output, its rows first.
    fn output_shape(&self) -> Result<Vec<usize>> {
        if let Some(shape) = self.ready.output_shape.get() {
            return Ok(shape.clone());
        }
        let model = &self.job.model;
        let rows = model.network().fixed_rows().unwrap_or(1);
        let how = model.specialisation(self.inputs, rows, self.job.spec.precision);
        let graph = model.network().specialise(&how, &[self.job.output])?.graph;
        let shape = graph.outputs().first().map(|o| graph.shape(*o).to_vec()).unwrap_or_default();
        Ok(self.ready.output_shape.get_or_init(|| shape).clone())
    }

    /// The number of classes that targets can name.
    fn classes(&self) -> Result<usize> {
        let width: usize = self.output_shape()?.iter().skip(1).product();
        Ok(if width == 1 { 2 } else { width })
    }

    /// The class with the largest output and that with the second largest, for each row; the first of equals wins.
    fn ranked(&self) -> Result<Vec<(usize, usize)>> {
        let Job { model, spec, output, .. } = self.job;
        let found = model.evaluate(self.inputs, &[*output], (spec.precision, spec.tile), self.control)?;
        let values = found.first().and_then(Tensor::to_f64).ok_or_else(shapeless)?;
        let rows = rows_of(self.inputs).max(1);
        let width = values.len() / rows;
        if width == 1 {
            // One output stands for two classes; it is positive, or above one half, for the second.
            let limit = if self.is_probability()? { 0.5 } else { 0.0 };
            return Ok(values.iter().map(|&v| if v > limit { (1, 0) } else { (0, 1) }).collect());
        }
        Ok(values.chunks_exact(width.max(1)).map(top_two).collect())
    }

    fn is_probability(&self) -> Result<bool> {
        if let Some(&found) = self.ready.is_probability.get() {
            return Ok(found);
        }
        let job = self.job;
        let setup = Setup {
            spec: &Spec {
                scale: crate::spec::Scale::Output,
                targets: vec![Target::Output],
                ..job.spec.clone()
            },
            batch: &Batch::default(),
            layer: None,
            ..job.setup(self.batch, self.inputs)
        };
        let found = setup.frame(job.model.network().fixed_rows().unwrap_or(1))?.scale == "probability";
        Ok(*self.ready.is_probability.get_or_init(|| found))
    }
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

/// Writes a target's values, `each` for a row, beside those of the others.
fn beside<T: Copy>(all: &mut [T], values: &[T], (target, targets, each): (usize, usize, usize)) {
    for (row, values) in values.chunks_exact(each.max(1)).enumerate() {
        all[(row * targets + target) * each..][..each].copy_from_slice(values);
    }
}

/// A sum in eight parts, which do not wait for each other.
fn sum<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    let mut parts = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&v| v.into()).sum();
    for chunk in chunks {
        parts.iter_mut().zip(chunk).for_each(|(part, &v)| *part += v.into());
    }
    parts.iter().sum::<f64>() + rest
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
                                Buffer::F32(v) => sum(&v[start..start + each]),
                                Buffer::F64(v) => sum(&v[start..start + each]),
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
    let (all, more) = (&mut sum.record.evaluations_per_row, &one.record.evaluations_per_row);
    all.forward += more.forward;
    all.backward += more.backward;
    Ok(sum)
}

fn scale(mut sum: Explanation, factor: f64) -> Result<Explanation> {
    for a in &mut sum.attributions {
        *a = combine(a, |_, v| v * factor)?;
    }
    let lists = [sum.baseline_output.as_mut(), sum.check.as_mut().map(|c| &mut c.delta)];
    for v in lists.into_iter().flatten().flatten().flatten() {
        *v *= factor;
    }
    Ok(sum)
}
