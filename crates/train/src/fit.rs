//! The training loop.

use crate::error::{Error, ErrorKind, Result};
use crate::initialise;
use crate::loss::{Loss, Objective, Total};
use crate::optimiser::Updater;
use crate::purpose;
use crate::recipe::Recipe;
use crate::samples::{Encoded, Samples, gather};
use crate::tape::Parameters;
use crate::trained::{Epoch, Head, Standardisation, Trained};
use crate::weights;
use pellucid_graph::random::Stream;
use std::sync::atomic::{AtomicBool, Ordering};

/// Is told how training goes. Both calls do nothing unless implemented.
pub trait Progress {
    /// A batch is done.
    fn batch(&mut self, step: Step) {
        let _ = step;
    }

    /// An epoch is done.
    fn epoch(&mut self, epoch: &Epoch) {
        let _ = epoch;
    }
}

/// Nobody listens.
impl Progress for () {}

/// How far training has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// The epochs of the recipe.
    pub epochs: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches of an epoch.
    pub batches: usize,
}

/// Fits a network to the training rows.
///
/// The same recipe and rows give the same bits on one instruction set, whatever the threads: every draw is
/// keyed by the seed and by what it is for. One thread is used. `cancel` is looked at between batches. Memory
/// beside the rows' is a few times the parameters' and a batch's.
///
/// ```
/// use pellucid_train::{Recipe, Samples, Targets, fit};
/// use std::sync::atomic::AtomicBool;
///
/// let recipe: Recipe = toml::from_str(
///     "loss = 'squared_error'\nlearning_rate = 0.1\nepochs = 100\nbatch_size = 4\nnetwork = { layers = [] }",
/// )?;
/// // Four rows of one feature; the target is 2 x + 1.
/// let targets = Targets::Numbers { values: &[-1.0, 1.0, 3.0, 5.0], outputs: 1 };
/// let samples = Samples { features: &[-1.0, 0.0, 1.0, 2.0], columns: 1, targets };
/// let trained = fit(&recipe, &samples, None, &mut (), &AtomicBool::new(false))?;
/// assert!((trained.predict(&[4.0])?[0] - 9.0).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A recipe or rows that do not hold together, a file of initial weights that does not fit, a loss that stops
/// being a number, or cancellation.
pub fn fit(
    recipe: &Recipe,
    train: &Samples<'_>,
    validation: Option<&Samples<'_>>,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<Trained> {
    recipe.validate()?;
    let (mut targets, outputs) = train.encode(&recipe.loss, "training")?;
    let mut held_out =
        validation.map(|rows| encode_validation(recipe, rows, train.columns, outputs)).transpose()?;
    if recipe.early_stopping.is_some() && held_out.is_none() {
        return Err(Error::recipe("early_stopping", "validation rows to stop by", "none"));
    }
    let widths = recipe.network.widths(train.columns, outputs)?;
    let objective = recipe.loss.objective(&targets, outputs)?;
    let standardisation = match recipe.standardise_target {
        true => Some(standardise(&mut targets, held_out.as_mut(), outputs)?),
        false => None,
    };
    let first = match &recipe.network.initial_weights {
        Some(path) => weights::read(path, &widths)?,
        None => initialise::draw(&recipe.network, &widths, recipe.seed),
    };
    let mut parameters = Parameters::new(&first, recipe.network.activation);
    let mut updater = Updater::new(recipe.optimiser.clone(), recipe.learning_rate(), recipe.weight_decay());
    let mut memories: Vec<_> = parameters.sizes().map(|len| updater.memory(len)).collect();

    let rows = train.rows();
    let batches = rows.div_ceil(recipe.batch_size);
    let mut order: Vec<usize> = (0..rows).collect();
    let mut batch_targets = targets.empty();
    let mut slopes = Vec::new();
    let mut history: Vec<Epoch> = Vec::new();
    let mut best: Option<(f64, usize, Parameters)> = None;
    let mut steps = 0u64;
    for epoch in 1..=recipe.epochs {
        if recipe.shuffle {
            order.iter_mut().enumerate().for_each(|(row, place)| *place = row);
            Stream::new(recipe.seed, [purpose::SHUFFLE, epoch as u64, 0]).shuffle(&mut order);
        }
        let mut total = Total::default();
        for (batch, chosen) in order.chunks(recipe.batch_size).enumerate() {
            if cancel.load(Ordering::Relaxed) {
                return Err(ErrorKind::Interrupted { epoch }.into());
            }
            let mut features = Vec::with_capacity(chosen.len() * train.columns);
            gather(train.features, train.columns, chosen, &mut features);
            targets.gather(chosen, outputs, &mut batch_targets);
            let pass = parameters.record(features, chosen.len(), |layer, count| {
                mask(recipe.network.dropout, recipe.seed, steps, layer, count)
            });
            let loss = objective.evaluate(pass.outputs(), &batch_targets, &mut slopes);
            if !loss.sum.is_finite() {
                return Err(ErrorKind::Diverged { epoch, batch: batch + 1, loss: loss.mean() }.into());
            }
            total.add(loss);
            updater.begin();
            let gradients = pass.gradients(&slopes);
            parameters.update(&gradients, |place, numbers, gradient| {
                updater.update(&mut memories[place], numbers, gradient);
            });
            steps += 1;
            progress.batch(Step { epoch, epochs: recipe.epochs, batch: batch + 1, batches });
        }
        let validation_loss = held_out.as_ref().map(|held| held.loss(&parameters, &objective, outputs));
        if let Some(loss) = validation_loss.filter(|loss| !loss.is_finite()) {
            return Err(ErrorKind::Diverged { epoch, batch: 0, loss }.into());
        }
        if !parameters.are_finite() {
            return Err(ErrorKind::Diverged { epoch, batch: batches, loss: f64::NAN }.into());
        }
        let done = Epoch { number: epoch, train_loss: total.mean(), validation_loss };
        history.push(done);
        progress.epoch(&done);
        if let (Some(stop), Some(loss)) = (&recipe.early_stopping, validation_loss) {
            let lower = best.as_ref().is_none_or(|(lowest, ..)| loss < lowest - stop.min_delta);
            if lower {
                best = Some((loss, epoch, parameters.clone()));
            } else if best.as_ref().is_some_and(|(_, at, _)| epoch - at >= stop.patience) {
                break;
            }
        }
    }
    let last = history.len();
    let (best_epoch, parameters) = match (best, &recipe.early_stopping) {
        (Some((_, epoch, parameters)), Some(stop)) if stop.restore_best => (epoch, parameters),
        _ => (last, parameters),
    };
    Ok(Trained {
        layers: parameters.layers(),
        activation: recipe.network.activation,
        head: match recipe.loss {
            Loss::BinaryCrossEntropy { .. } => Head::Logit,
            Loss::CrossEntropy { .. } => Head::Logits,
            Loss::SquaredError { .. } => Head::Prediction(standardisation),
        },
        history,
        best_epoch,
        stopped_early: last < recipe.epochs,
        loss_weights: match objective {
            Objective::Binary { pos_weight: weights } | Objective::Classes { weights } => weights,
            Objective::Squared { .. } => Vec::new(),
        },
    })
}

/// The factors of a hidden layer's values: 0 with the given chance, else what keeps their mean.
fn mask(dropout: f64, seed: u64, step: u64, layer: usize, count: usize) -> Option<Vec<f32>> {
    if dropout == 0.0 {
        return None;
    }
    let kept = (1.0 / (1.0 - dropout)) as f32;
    let mut stream = Stream::new(seed, [purpose::DROPOUT, step, layer as u64]);
    Some((0..count).map(|_| if stream.uniform() < dropout { 0.0 } else { kept }).collect())
}

/// Validation rows, checked.
struct HeldOut<'a> {
    features: &'a [f32],
    columns: usize,
    targets: Encoded,
}

fn encode_validation<'a>(
    recipe: &Recipe,
    rows: &Samples<'a>,
    columns: usize,
    outputs: usize,
) -> Result<HeldOut<'a>> {
    let (targets, found) = rows.encode(&recipe.loss, "validation")?;
    if (rows.columns, found) != (columns, outputs) {
        let say = |columns, outputs| format!("{columns} features and {outputs} outputs");
        let (expected, got) = (say(columns, outputs), say(rows.columns, found));
        return Err(ErrorKind::Samples { split: "validation", expected, got }.into());
    }
    Ok(HeldOut { features: rows.features, columns, targets })
}

impl HeldOut<'_> {
    fn loss(&self, parameters: &Parameters, objective: &Objective, outputs: usize) -> f64 {
        let rows = self.features.len() / self.columns;
        let mut values = Vec::with_capacity(rows * outputs);
        parameters.outputs(self.features, rows, &mut values);
        objective.evaluate(&values, &self.targets, &mut Vec::new()).mean()
    }
}

/// Takes the training targets' mean off all targets and divides by their deviation.
fn standardise(
    targets: &mut Encoded,
    held_out: Option<&mut HeldOut<'_>>,
    outputs: usize,
) -> Result<Standardisation> {
    let mut standardisation = Standardisation { mean: Vec::new(), deviation: Vec::new() };
    if let Encoded::Values(values) = targets {
        for output in 0..outputs {
            let column = || values.iter().skip(output).step_by(outputs).map(|&y| f64::from(y));
            let count = column().count() as f64;
            let mean = column().sum::<f64>() / count;
            let deviation = (column().map(|y| (y - mean).powi(2)).sum::<f64>() / count).sqrt() as f32;
            if !(deviation.is_normal() && (mean as f32).is_finite()) {
                let got = format!("a deviation of {deviation} in output {output}");
                return Err(Error::recipe("standardise_target", "a target that varies", got));
            }
            standardisation.mean.push(mean as f32);
            standardisation.deviation.push(deviation);
        }
    }
    for encoded in [Some(targets), held_out.map(|held| &mut held.targets)].into_iter().flatten() {
        if let Encoded::Values(values) = encoded {
            for (i, value) in values.iter_mut().enumerate() {
                let output = i % outputs;
                *value = (*value - standardisation.mean[output]) / standardisation.deviation[output];
            }
        }
    }
    Ok(standardisation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_the_mean_and_differ_by_step_and_layer() {
        let n = 100_000;
        for dropout in [0.1, 0.3, 0.8] {
            let factors = mask(dropout, 5, 7, 1, n).unwrap();
            let dropped = factors.iter().filter(|&&f| f == 0.0).count() as f64 / n as f64;
            // Five standard errors of a share.
            assert!((dropped - dropout).abs() < 5.0 * (dropout * (1.0 - dropout) / n as f64).sqrt());
            let kept = (1.0 / (1.0 - dropout)) as f32;
            assert!(factors.iter().all(|&f| f == 0.0 || f == kept));
            assert_ne!(factors, mask(dropout, 5, 8, 1, n).unwrap());
            assert_ne!(factors, mask(dropout, 5, 7, 2, n).unwrap());
            assert_ne!(factors, mask(dropout, 6, 7, 1, n).unwrap());
        }
        assert!(mask(0.0, 5, 7, 1, n).is_none());
    }
}
