//! From a specification and rows to an explanation.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use pellucid_engine::{Control, Plan};
use pellucid_graph::Tensor;
use sha2::{Digest, Sha256};

use crate::cache::{Kept, Key};
use crate::compiled::Compiled;
use crate::error::{Error, Result};
use crate::explanation::{Batch, Explanation};
use crate::frame::{RowInput, Setup};
use crate::methods;
use crate::model::{Model, rows_of, shapes_behind_rows, shared, with_fallback};
use crate::spec::{Precision, Spec, Target};
use crate::starts::check_inputs;
use crate::target;
use crate::task::Task;

/// How much memory the values of a tile may take, so that they stay in the cache next to a core.
const TILE_BYTES: usize = 512 << 10;
/// How often weights are used each time that they come from memory, at least, if four points are enough for that, or two where the values of
/// four would not stay in the cache that cores share.
const USES: f64 = 128.0;
const SHARED_BYTES: usize = 8 << 20;
/// The most rows in a block and points in a tile.
const MOST_ROWS: usize = 32;
const MOST_POINTS: usize = 256;
/// The points of a tile in which they stand side by side: an odd number of the lines of a cache, so that neighbours along a column do not fall into
/// the same set of it, and whole tiles of the product.
const SIDE_BY_SIDE: [usize; 3] = [240, 144, 48];

/// A method made ready for a model and a specification; explains any number of batches.
///
/// Rows of the shape of the first are explained by the plan that was made for it, rows of other shapes by plans that the model keeps.
#[derive(Debug)]
pub struct Explainer {
    job: Job,
    key: Key,
    ready: Arc<Ready>,
}

/// What is asked of a model, checked.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) model: Model,
    pub(crate) spec: Spec,
    pub(crate) output: usize,
    layer: Option<usize>,
    /// The digest of what a plan depends on in the specification.
    digest: String,
}

/// A method planned for rows of one shape.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) compiled: Compiled,
    pub(crate) output_shape: OnceLock<Vec<usize>>,
    pub(crate) is_probability: OnceLock<bool>,
}

impl Explainer {
    /// Checks a specification against the model and makes it ready for rows like those of `example`.
    pub fn new(model: &Model, spec: &Spec, example: &Batch) -> Result<Self> {
        let job = Job::new(model, spec)?;
        let inputs = model.prepare_inputs(&example.inputs, spec.precision)?;
        let key = job.key(example, &inputs);
        let ready = job.ready(&key, example, &inputs)?;
        Ok(Self { job, key, ready })
    }

    /// Explains the rows of a batch. Memory beyond the batch and its results does not grow with rows or path nodes.
    pub fn explain(&self, batch: &Batch, control: &Control<'_>) -> Result<Explanation> {
        let inputs = self.job.model.prepare_inputs(&batch.inputs, self.job.spec.precision)?;
        let key = self.job.key(batch, &inputs);
        let ready = if same_but_rows(&key, &self.key) {
            Arc::clone(&self.ready)
        } else {
            self.job.ready(&key, batch, &inputs)?
        };
        Task { job: &self.job, ready: &ready, batch, inputs: &inputs, control }.explain()
    }
}

/// Whether a plan for the one serves the other: any number of rows can be cut into blocks.
fn same_but_rows(a: &Key, b: &Key) -> bool {
    let mut a = a.clone();
    if let (Key::Method { rows, .. }, Key::Method { rows: others, .. }) = (&mut a, b) {
        *rows = *others;
    }
    a == *b
}

impl Job {
    pub(crate) fn new(model: &Model, spec: &Spec) -> Result<Self> {
        let info = spec.method.info();
        let network = model.network();
        let output = match &spec.output {
            Some(name) => network.resolve(name)?,
            None => {
                let main = model.main_output().and_then(|i| network.outputs().get(i).copied());
                main.ok_or_else(|| Error::Spec("the model has no output".to_owned()))?
            }
        };
        let layer = match (&spec.layer, info.has_layer) {
            (Some(name), true) => Some(network.resolve(name)?),
            (None, false) => None,
            (None, true) => return Err(Error::Spec(format!("{} needs a layer", info.title))),
            (Some(_), false) => return Err(Error::Spec(format!("{} does not take a layer", info.title))),
        };
        let spec =
            Spec { targets: if info.has_target { spec.targets.clone() } else { Vec::new() }, ..spec.clone() };
        if spec.targets.is_empty() && info.has_target {
            return Err(Error::Spec("there is no target".to_owned()));
        }
        check_inputs(&spec, &model.input_names())?;
        // Which element of the output is meant comes with the rows.
        let mut planned = spec.clone();
        for target in &mut planned.targets {
            if let Target::PerRow(indices) = target {
                indices.clear();
            }
        }
        let digest = digest_of(|d| d.update(format!("{planned:?}")));
        Ok(Self { model: model.clone(), spec, output, layer, digest })
    }

    fn key(&self, batch: &Batch, inputs: &[Tensor]) -> Key {
        Key::Method {
            spec: self.digest.clone(),
            shapes: shapes_behind_rows(inputs),
            shared: shared(inputs),
            masks: batch.feature_mask.as_deref().map(digest_of_masks),
            rows: rows_of(inputs).max(1).next_power_of_two().min(MOST_ROWS),
        }
    }

    /// The plan, made now or before.
    fn ready(&self, key: &Key, batch: &Batch, inputs: &[Tensor]) -> Result<Arc<Ready>> {
        if let Some(Kept::Method(ready)) = self.model.plans().get(key) {
            return Ok(ready);
        }
        let setup = self.setup(batch, inputs);
        let fixed = self.model.network().fixed_rows();
        // 1 is what is tried last, one point alone; a tile of 1 that is asked for is planned by `fitted`.
        let largest = self.spec.tile.map(|n| n.max(2)).or(fixed).unwrap_or(MOST_POINTS);
        let compiled =
            with_fallback(batch.rows(), largest, |largest| match fixed.or((largest == 1).then_some(1)) {
                Some(n) => methods::compile(&setup, n, n),
                None => fitted(&setup, self.spec.tile),
            })?;
        let stages =
            1 + usize::from(compiled.sweep.point.is_some()) + usize::from(compiled.sweep.after.is_some());
        let bytes = self.model.bytes_of_weights(self.spec.precision).saturating_mul(stages);
        let ready =
            Arc::new(Ready { compiled, output_shape: OnceLock::new(), is_probability: OnceLock::new() });
        self.model.plans().put(key.clone(), Kept::Method(Arc::clone(&ready)), bytes);
        Ok(ready)
    }

    pub(crate) fn setup<'a>(&'a self, batch: &'a Batch, inputs: &'a [Tensor]) -> Setup<'a> {
        let Self { model, spec, output, layer, .. } = self;
        Setup { model, spec, inputs, batch, output: *output, layer: *layer }
    }
}

fn digest_of(fill: impl FnOnce(&mut Sha256)) -> String {
    let mut digest = Sha256::new();
    fill(&mut digest);
    digest.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// What a plan depends on in feature masks: those that are the same for all rows, and the groups of the others.
fn digest_of_masks(masks: &[Tensor]) -> String {
    digest_of(|d| {
        let mut groups = BTreeSet::new();
        for mask in masks {
            d.update(format!("{}{:?}", mask.dtype(), mask.shape().get(1..)));
            let values = mask.to_i64().unwrap_or_default();
            if mask.shape().first() == Some(&1) {
                d.update("one");
                values.iter().for_each(|v| d.update(v.to_le_bytes()));
            }
            groups.extend(values);
        }
        groups.iter().for_each(|g| d.update(g.to_le_bytes()));
    })
}

impl Ready {
    /// The inputs whose baselines come with the data and are used.
    pub(crate) fn baselines(&self) -> Vec<usize> {
        let Compiled { row_inputs, inputs, baseline_outputs, .. } = &self.compiled;
        let coming = row_inputs.iter().filter_map(|r| match *r {
            RowInput::Baseline(i) => Some(i),
            _ => None,
        });
        coming.filter(|&i| inputs[i].explained && baseline_outputs.is_some()).collect()
    }
}

impl Model {
    /// Explains the rows of one batch; [`Explainer`] does so for many.
    pub fn explain(&self, spec: &Spec, batch: &Batch, control: &Control<'_>) -> Result<Explanation> {
        Explainer::new(self, spec, batch)?.explain(batch, control)
    }
}

/// A method with rows of a block and points of a tile as what the model's values take has them.
fn fitted(setup: &Setup<'_>, tile: Option<usize>) -> Result<Compiled> {
    if let Some(n) = tile {
        if n == 0 {
            return Err(crate::error::empty_tile());
        }
        if n >= 2 {
            return methods::compile(setup, n.min(MOST_ROWS), n);
        }
        // Points lie side by side only where there are two, and are added up in another order then.
        return match methods::compile(setup, 1, 2) {
            Ok(compiled) if compiled.sweep.point.as_ref().is_some_and(|p| p.in_columns()) => Ok(compiled),
            // Where the model mixes rows, or two do not fit, one alone may do.
            _ => methods::compile(setup, 1, 1),
        };
    }
    const TRIAL: usize = 4;
    let compiled = methods::compile(setup, TRIAL, TRIAL)?;
    let fit = |plan: &Plan, most: usize| {
        let each = plan.bytes().div_ceil(TRIAL).max(1);
        let some = if 4 * each <= SHARED_BYTES { 4.0 } else { 2.0 };
        let least = ((USES / plan.uses_of_weights()).ceil().clamp(1.0, some) as usize).next_power_of_two();
        let n = (TILE_BYTES / each).clamp(least, most);
        1 << n.ilog2()
    };
    let given = rows_of(setup.inputs).max(1).next_power_of_two();
    let rows = fit(compiled.sweep.before.plan(), MOST_ROWS).min(given);
    let points = compiled.sweep.point.as_ref().map_or(rows, |p| {
        let fitting = fit(p.plan(), MOST_POINTS);
        if p.in_columns() { SIDE_BY_SIDE.into_iter().find(|n| *n <= fitting).unwrap_or(16) } else { fitting }
    });
    // What the trial has laid out is used again.
    if (rows, points) == (TRIAL, TRIAL) { Ok(compiled) } else { methods::compile(setup, rows, points) }
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
