//! Rows of different shape: grouped by shape, each group run or explained at once, and put back in order.

use pellucid_engine::Control;
use pellucid_graph::{Buffer, Tensor, each_type};

use crate::error::{Error, Result};
use crate::explain::Explainer;
use crate::explanation::{Batch, Check, Explanation};
use crate::model::{Model, rows_of, shapes_behind_rows, shared};
use crate::spec::{Baseline, Precision, Spec, Target};

impl Model {
    /// Runs the model on items of one row or several, each of its own shape: for each item the inputs. Gives for each item the outputs, the
    /// same bits as the item alone. Items of one shape run together, `tile` rows at a time as in [`Self::run`].
    pub fn run_ragged(
        &self,
        items: &[Vec<Tensor>],
        precision: Precision,
        tile: Option<usize>,
        control: &Control<'_>,
    ) -> Result<Vec<Vec<Tensor>>> {
        for (i, item) in items.iter().enumerate() {
            self.prepare_inputs(item, precision).map_err(|e| at(i, e))?;
        }
        let mut found = vec![Vec::new(); items.len()];
        for group in groups(items, |a, b| alike(a, b)) {
            let inputs = joined(&group.iter().map(|&i| items[i].as_slice()).collect::<Vec<_>>())?;
            let outputs = self.run(&inputs, precision, tile, control).map_err(|e| at(group[0], e))?;
            let mut first = 0;
            for &i in &group {
                let rows = rows_of(&items[i]);
                found[i] = outputs.iter().map(|t| taken(t, first, rows)).collect::<Result<_>>()?;
                first += rows;
            }
        }
        Ok(found)
    }

    /// Explains items of one row or several, each of its own shape, such as texts of different length. Gives an explanation for each item,
    /// the same bits as the item alone. Items of one shape are explained together.
    ///
    /// A target for each row ([`Target::PerRow`]) lists those of all items' rows, one behind the other.
    pub fn explain_ragged(
        &self,
        spec: &Spec,
        items: &[Batch],
        control: &Control<'_>,
    ) -> Result<Vec<Explanation>> {
        for (i, item) in items.iter().enumerate() {
            self.prepare_inputs(&item.inputs, spec.precision).map_err(|e| at(i, e))?;
        }
        let specs = specs(spec, items)?;
        let mut found: Vec<Option<Explanation>> = items.iter().map(|_| None).collect();
        for group in groups(items, |a, b| together(spec, a, b)) {
            let batch = merged(spec, &group.iter().map(|&i| &items[i]).collect::<Vec<_>>())?;
            let asked = joined_targets(&group.iter().map(|&i| &specs[i]).collect::<Vec<_>>());
            let whole = Explainer::new(self, &asked, &batch)
                .and_then(|explainer| explainer.explain(&batch, control))
                .map_err(|e| at(group[0], e))?;
            let mut first = 0;
            for &i in &group {
                let rows = items[i].rows();
                let mut part = part(&whole, first, rows)?;
                part.record.spec.targets.clone_from(&specs[i].targets);
                found[i] = Some(part);
                first += rows;
            }
        }
        found.into_iter().map(|e| e.ok_or_else(lost)).collect()
    }
}

fn lost() -> Error {
    Error::Spec("an item has lost its result".to_owned())
}

fn at(item: usize, error: Error) -> Error {
    Error::Item { item, source: Box::new(error) }
}

/// Positions of items that belong together, in order of their first.
fn groups<T>(items: &[T], together: impl Fn(&T, &T) -> bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        match groups.iter_mut().find(|g| together(&items[g[0]], item)) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

fn alike(a: &[Tensor], b: &[Tensor]) -> bool {
    shapes_behind_rows(a) == shapes_behind_rows(b)
        && shared(a) == shared(b)
        && a.iter().zip(b).all(|(x, y)| x.dtype() == y.dtype() && x.shape().len() == y.shape().len())
}

fn together(spec: &Spec, a: &Batch, b: &Batch) -> bool {
    let shared = |masks: &Option<Vec<Tensor>>| {
        masks.as_ref().is_none_or(|m| m.iter().all(|m| m.shape().first() == Some(&1)))
    };
    let samples = match (&a.baselines, &b.baselines) {
        (None, None) => true,
        (Some(a), Some(b)) if spec.baseline == Baseline::Several => a == b,
        (Some(a), Some(b)) => a.len() == b.len() && alike(a, b),
        _ => false,
    };
    alike(&a.inputs, &b.inputs)
        && samples
        && a.labels.is_some() == b.labels.is_some()
        && a.feature_mask == b.feature_mask
        && shared(&a.feature_mask)
}

/// The specification of each item: of targets for each row, its own.
fn specs(spec: &Spec, items: &[Batch]) -> Result<Vec<Spec>> {
    let total: usize = items.iter().map(Batch::rows).sum();
    let lengths = spec.targets.iter().filter_map(|t| match t {
        Target::PerRow(list) => Some(list.len()),
        _ => None,
    });
    if let Some(wrong) = lengths.into_iter().find(|&n| n != total) {
        return Err(Error::Target {
            asked: format!("for {wrong} rows"),
            available: format!("there are {total} rows"),
        });
    }
    let mut first = 0;
    let one = |item: &Batch| {
        let range = first..first + item.rows();
        first = range.end;
        let targets = spec.targets.iter().map(|t| match t {
            Target::PerRow(list) => Target::PerRow(list[range.clone()].to_vec()),
            other => other.clone(),
        });
        Spec { targets: targets.collect(), ..spec.clone() }
    };
    Ok(items.iter().map(one).collect())
}

fn joined_targets(specs: &[&Spec]) -> Spec {
    let mut spec = specs[0].clone();
    for (t, target) in spec.targets.iter_mut().enumerate() {
        if let Target::PerRow(list) = target {
            list.clear();
            for one in specs {
                if let Some(Target::PerRow(more)) = one.targets.get(t) {
                    list.extend_from_slice(more);
                }
            }
        }
    }
    spec
}

fn merged(spec: &Spec, items: &[&Batch]) -> Result<Batch> {
    let inputs = joined(&items.iter().map(|b| b.inputs.as_slice()).collect::<Vec<_>>())?;
    let baselines = match (&items[0].baselines, spec.baseline == Baseline::Several) {
        (Some(_), false) => {
            let all: Vec<&[Tensor]> = items.iter().filter_map(|b| b.baselines.as_deref()).collect();
            Some(joined(&all)?)
        }
        (given, _) => given.clone(),
    };
    let labels = items[0]
        .labels
        .is_some()
        .then(|| items.iter().flat_map(|b| b.labels.iter().flatten().copied()).collect());
    Ok(Batch { inputs, baselines, feature_mask: items[0].feature_mask.clone(), labels })
}

/// The rows of several lists of tensors, one behind the other.
fn joined(lists: &[&[Tensor]]) -> Result<Vec<Tensor>> {
    if let [one] = lists {
        return Ok(one.to_vec());
    }
    let count = lists.first().map_or(0, |l| l.len());
    (0..count).map(|k| concatenated(&lists.iter().map(|l| &l[k]).collect::<Vec<_>>())).collect()
}

pub(crate) fn concatenated(parts: &[&Tensor]) -> Result<Tensor> {
    let mut shape = parts[0].shape().to_vec();
    let Some(rows) = shape.first_mut() else { return Ok(parts[0].clone()) };
    *rows = parts.iter().map(|p| p.shape().first().copied().unwrap_or(0)).sum();
    let mut all = Buffer::zeros(parts[0].dtype(), 0);
    for part in parts {
        macro_rules! append {
            ($($variant:ident),*) => {
                match (&mut all, part.data()) {
                    $((Buffer::$variant(all), Buffer::$variant(part)) => all.extend_from_slice(part),)*
                    _ => return Err(Error::Spec("rows of different types cannot be joined".to_owned())),
                }
            };
        }
        append!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, String);
    }
    Tensor::from_buffer(&shape, all)
        .ok_or_else(|| Error::Spec("rows of different shapes cannot be joined".to_owned()))
}

/// Some rows of a tensor.
fn taken(tensor: &Tensor, first: usize, rows: usize) -> Result<Tensor> {
    let mut shape = tensor.shape().to_vec();
    let each: usize = shape.iter().skip(1).product();
    let Some(count) = shape.first_mut() else { return Ok(tensor.clone()) };
    if first == 0 && *count == rows {
        return Ok(tensor.clone());
    }
    *count = rows;
    each_type!(tensor.data(), Buffer, v => {
        v.get(first * each..(first + rows) * each).and_then(|v| Tensor::new(&shape, v.to_vec()))
    })
    .ok_or_else(lost)
}

/// Some rows of an explanation.
fn part(whole: &Explanation, first: usize, rows: usize) -> Result<Explanation> {
    let of = |lists: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        lists.iter().map(|l| l.iter().skip(first).take(rows).copied().collect()).collect()
    };
    Ok(Explanation {
        sources: whole.sources.clone(),
        attributions: whole.attributions.iter().map(|a| taken(a, first, rows)).collect::<Result<_>>()?,
        output: of(&whole.output),
        baseline_output: whole.baseline_output.as_ref().map(of),
        target_index: whole
            .target_index
            .iter()
            .map(|t| t.as_ref().map(|l| l.iter().skip(first).take(rows).copied().collect()))
            .collect(),
        check: whole.check.as_ref().map(|c| Check { name: c.name, delta: of(&c.delta) }),
        record: whole.record.clone(),
    })
}
