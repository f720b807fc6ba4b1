//! Feature ablation: what replacing a group of features by the baseline changes.

use std::collections::BTreeSet;

use pellucid_engine::{Sweep, Yield};
use pellucid_graph::{DType, Fact, Rows, Tensor, ValueId, ops};

use crate::compiled::{Along, Compiled, Outputs, PointSet, Results, shape_of_source};
use crate::error::{Error, Result};
use crate::explanation::{Evaluations, Source};
use crate::frame::{Frame, RowInput, Setup, refused};
use crate::starts::{Embedding, Start};

/// The group of every feature of every input, and the groups that there are.
struct Groups {
    /// For each input: one row for all, [1, …], or nothing where the groups come with the rows.
    fixed: Vec<Option<Tensor>>,
    list: Vec<i64>,
}

/// F(x) − F(x with the group replaced), for every feature of the group. The features of an input of ids are the ids: where it has an
/// embedding, what is replaced are the id's vectors in there.
pub(super) fn feature_ablation(setup: &Setup<'_>, rows: usize, points: usize) -> Result<Compiled> {
    let mut first = setup.frame(rows)?;
    let starts = setup.starts(&first)?;
    let mut list: Vec<usize> = starts.iter().map(|s| s.input).collect();
    list.dedup();
    let groups = groups(setup, &first, &list)?;
    let targets = first.targets.clone();
    let replaced = setup.moves(&mut first, &starts)?;
    let at_base = first.b.replay_targets(&replaced, &targets)?;
    let mut outputs = Outputs::default();
    let mut results = Results::default();
    let batch = Some(Rows::BATCH);
    let mut values = Vec::new();
    let mut at_baseline = Vec::new();
    let mut carried = Vec::new();
    for t in &targets {
        let position = outputs.add(*t, batch);
        carried.push(position);
        values.push(results.add(Yield::Before(position)));
        let base = at_base.get(t).copied().unwrap_or(*t);
        at_baseline.push(results.add(Yield::Before(outputs.add(base, batch))));
    }

    let mut frame = setup.frame(points)?;
    let starts = setup.starts(&frame)?;
    let shapes = list.iter().map(|&i| shape_of_source(&frame, frame.inputs[i])).collect();
    let mut masks = Vec::new();
    for &i in &list {
        let of_features = of_features(&mut frame, &groups, i)?;
        let x = frame.inputs[i];
        masks.push((of_features, chosen(&mut frame, &i.to_string(), of_features, x)?));
    }
    let mut replaced = Vec::new();
    for (s, (value, base)) in setup.moves(&mut frame, &starts)?.into_iter().enumerate() {
        let place = list.iter().position(|&i| i == starts[s].input).unwrap_or(0);
        let (of_features, mask) = masks[place];
        let mask = match &starts[s].embedding {
            None => mask,
            Some(e) => of_vectors(&mut frame, (&starts[s], e), of_features, mask, s)?,
        };
        replaced.push((value, frame.b.select(mask, base, value).map_err(refused)?));
    }
    let map = frame.b.replay_targets(&replaced, &targets)?;
    let mut summed = Outputs::default();
    let mut attributions = vec![Vec::with_capacity(targets.len()); list.len()];
    for (t, position) in targets.iter().zip(carried) {
        let fact = frame.b.fact(*t).clone();
        let whole = frame.carried(position, fact, batch);
        let without = map.get(t).copied().unwrap_or(*t);
        let difference = frame.b.sub(whole, without).map_err(refused)?;
        for (slot, (&i, (_, mask))) in attributions.iter_mut().zip(list.iter().zip(&masks)) {
            let shape = frame.b.shape(frame.inputs[i]).to_vec();
            let mut column = vec![1; shape.len()];
            column[0] = frame.count();
            let difference = frame.b.reshape(difference, &column).map_err(refused)?;
            let part = frame.b.masked(*mask, difference).map_err(refused)?;
            let part = frame.b.expand(part, &shape).map_err(refused)?;
            slot.push(Some(results.add(Yield::Sum(summed.add(part, batch)))));
        }
    }
    let scale = frame.scale;
    let point = frame.stage(&[], &summed)?;
    let count = groups.list.len();
    let names = setup.model.input_names();
    let named = |&i: &usize| Source { name: names[i].to_owned(), embedding: None, vector: Vec::new() };
    Ok(Compiled {
        sweep: Sweep {
            before: first.stage(&[], &outputs)?,
            point: Some(point),
            after: None,
            results: results.0,
        },
        points: Some(Along::Fixed(PointSet {
            numbers: vec![groups.list.iter().map(|&g| g as f64).collect()],
            weights: vec![1.0; count],
        })),
        outputs: values,
        baseline_outputs: Some(at_baseline),
        attributions,
        shapes,
        sources: list.iter().map(named).collect(),
        inputs: setup.uses(&starts),
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations { forward: count as u64 + 2, backward: 0 },
        complete: false,
    })
}

/// The group of every feature of an input.
fn of_features(frame: &mut Frame, groups: &Groups, i: usize) -> Result<ValueId> {
    match &groups.fixed[i] {
        Some(tensor) => Ok(frame.b.constant_value(tensor.clone())),
        None => {
            let fact = Fact { dtype: DType::I64, ..frame.b.fact(frame.inputs[i]).clone() };
            frame.row_input(RowInput::Mask(i), fact)
        }
    }
}

/// Which elements the point's group replaces, `like` being a value whose rows lie as those of the groups do.
fn chosen(frame: &mut Frame, name: &str, groups: ValueId, like: ValueId) -> Result<ValueId> {
    let rank = frame.b.shape(like).len();
    let rows = frame.rows_of(like).unwrap_or(Rows::BATCH);
    let group = frame.point_number(0, name, DType::I64, rows, rank)?;
    frame.b.push(ops::Equal, &[groups, group]).map_err(refused)
}

/// Which of an embedding's vectors the point's group replaces: the groups go the way that the ids go to the table.
fn of_vectors(
    frame: &mut Frame,
    (start, embedding): (&Start, &Embedding),
    of_features: ValueId,
    mask: ValueId,
    number: usize,
) -> Result<ValueId> {
    let x = frame.inputs[start.input];
    let mut mask = mask;
    if embedding.ids != x {
        let shape = frame.b.shape(x).to_vec();
        let fact = frame.b.fact(x).clone();
        if !matches!(fact.dtype, DType::I64 | DType::I32) {
            return Err(Error::Refused {
                method: "Feature ablation",
                reason: format!(
                    "the ids of input {:?} are of {}, expected int64 or int32",
                    frame.b.label(x),
                    fact.dtype
                ),
            });
        }
        let whole = frame.b.expand(of_features, &shape).map_err(refused)?;
        let whole = frame.b.cast(whole, fact.dtype).map_err(refused)?;
        let moved = frame.b.replay(&[(x, whole)], &[embedding.ids])?;
        let moved = moved.get(&embedding.ids).copied().unwrap_or(whole);
        let moved = frame.b.cast(moved, DType::I64).map_err(refused)?;
        mask = chosen(frame, &format!("embedding:{number}"), moved, embedding.ids)?;
    }
    let mut shape = frame.b.shape(mask).to_vec();
    shape.extend(embedding.vector.iter().map(|_| 1));
    frame.b.reshape(mask, &shape).map_err(refused)
}

fn groups(setup: &Setup<'_>, frame: &Frame, explained: &[usize]) -> Result<Groups> {
    let mut fixed = vec![None; frame.inputs.len()];
    let Some(masks) = &setup.batch.feature_mask else {
        let mut next = 0i64;
        for &i in explained {
            let mut shape = frame.b.shape(frame.inputs[i]).to_vec();
            shape[0] = 1;
            let n: usize = shape.iter().product();
            fixed[i] = Tensor::new(&shape, (next..next + n as i64).collect());
            next += n as i64;
        }
        return Ok(Groups { fixed, list: (0..next).collect() });
    };
    if masks.len() != frame.inputs.len() {
        return Err(Error::Spec(format!(
            "there are feature masks for {} inputs, the model has {}",
            masks.len(),
            frame.inputs.len()
        )));
    }
    let mut all = BTreeSet::new();
    for &i in explained {
        let mask = &masks[i];
        let shape = setup.inputs[i].shape();
        let bad = || {
            Error::Spec(format!(
                "the feature mask of input {i} must hold integers in shape [1, …] or {shape:?}, found {} {:?}",
                mask.dtype(),
                mask.shape()
            ))
        };
        let values = mask.to_i64().ok_or_else(bad)?;
        let one = mask.shape().first() == Some(&1);
        if mask.shape().len() != shape.len()
            || mask.shape()[1..] != shape[1..]
            || !(one || mask.shape().first() == shape.first())
        {
            return Err(bad());
        }
        if let Some(far) = values.iter().find(|v| v.unsigned_abs() > 1 << 53) {
            // Numbers of features pass as floats.
            return Err(Error::Spec(format!(
                "the feature mask of input {i} has the number {far}; numbers reach from −2⁵³ to 2⁵³"
            )));
        }
        all.extend(values.iter().copied());
        fixed[i] = if one { Tensor::new(mask.shape(), values) } else { None };
    }
    Ok(Groups { fixed, list: all.into_iter().collect() })
}
