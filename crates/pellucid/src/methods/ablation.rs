//! Feature ablation: what replacing a group of features by the baseline changes.

use std::collections::BTreeSet;

use pellucid_engine::{Sweep, Yield};
use pellucid_graph::{DType, Fact, Rows, Tensor, ValueId, ops};

use crate::compiled::{Compiled, Outputs, PointSet, Results, shape_of_source};
use crate::error::{Error, Result};
use crate::explanation::Evaluations;
use crate::frame::{Frame, RowInput, Setup, refused};
use crate::methods::gradient::names_of;

/// The group of every feature of every input, and the groups that there are.
struct Groups {
    /// For each input: one row for all, [1, …], or nothing where the groups come with the rows.
    fixed: Vec<Option<Tensor>>,
    list: Vec<i64>,
}

/// F(x) − F(x with the group replaced), for every feature of the group.
pub(super) fn feature_ablation(setup: &Setup<'_>, rows: usize, points: usize) -> Result<Compiled> {
    let mut first = setup.frame(rows)?;
    let groups = groups(setup, &first)?;
    let list: Vec<usize> = (0..first.inputs.len()).collect();
    let targets = first.targets.clone();
    let bases = setup.baselines(&mut first)?;
    let replaced: Vec<(ValueId, ValueId)> = first.inputs.iter().copied().zip(bases).collect();
    let at_base = first.b.replay(&replaced, &targets)?;
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
    let shapes = frame.inputs.iter().map(|x| shape_of_source(&frame, *x)).collect();
    let bases = setup.baselines(&mut frame)?;
    let mut masks = Vec::new();
    let mut replaced = Vec::new();
    for (i, base) in bases.iter().enumerate() {
        let x = frame.inputs[i];
        let mask = mask(&mut frame, &groups, i, x)?;
        let value = frame.b.select(mask, *base, x).map_err(refused)?;
        masks.push(mask);
        replaced.push((x, value));
    }
    let map = frame.b.replay(&replaced, &targets)?;
    let mut summed = Outputs::default();
    let mut attributions = vec![Vec::with_capacity(targets.len()); list.len()];
    for (t, position) in targets.iter().zip(carried) {
        let fact = frame.b.fact(*t).clone();
        let whole = frame.carried(position, fact, batch);
        let without = map.get(t).copied().unwrap_or(*t);
        let difference = frame.b.sub(whole, without).map_err(refused)?;
        for (i, mask) in masks.iter().enumerate() {
            let shape = frame.b.shape(frame.inputs[i]).to_vec();
            let mut column = vec![1; shape.len()];
            column[0] = frame.count();
            let difference = frame.b.reshape(difference, &column).map_err(refused)?;
            let part = frame.b.masked(*mask, difference).map_err(refused)?;
            let part = frame.b.expand(part, &shape).map_err(refused)?;
            attributions[i].push(Some(results.add(Yield::Sum(summed.add(part, batch)))));
        }
    }
    let scale = frame.scale;
    let point = frame.stage(&[], &summed)?;
    let count = groups.list.len();
    Ok(Compiled {
        sweep: Sweep {
            before: first.stage(&[], &outputs)?,
            point: Some(point),
            after: None,
            results: results.0,
        },
        points: Some(PointSet {
            numbers: vec![groups.list.iter().map(|&g| g as f64).collect()],
            weights: vec![1.0; count],
        }),
        outputs: values,
        baseline_outputs: Some(at_baseline),
        attributions,
        shapes,
        sources: names_of(setup, &list),
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations { forward: count as u64 + 2, backward: 0 },
        complete: false,
    })
}

/// The elements of an input that the point's group replaces.
fn mask(frame: &mut Frame, groups: &Groups, i: usize, x: ValueId) -> Result<ValueId> {
    let fact = Fact { dtype: DType::I64, ..frame.b.fact(x).clone() };
    let rank = fact.shape.len();
    let of_features = match &groups.fixed[i] {
        Some(tensor) => frame.b.constant_value(tensor.clone()),
        None => frame.row_input(RowInput::Mask(i), fact)?,
    };
    let group = frame.point_number(0, &i.to_string(), DType::I64, Rows::BATCH, rank)?;
    frame.b.push(ops::Equal, &[of_features, group]).map_err(refused)
}

fn groups(setup: &Setup<'_>, frame: &Frame) -> Result<Groups> {
    let Some(masks) = &setup.batch.feature_mask else {
        let mut next = 0i64;
        let mut fixed = Vec::new();
        for x in &frame.inputs {
            let mut shape = frame.b.shape(*x).to_vec();
            shape[0] = 1;
            let n: usize = shape.iter().product();
            fixed.push(Tensor::new(&shape, (next..next + n as i64).collect()));
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
    let mut fixed = Vec::new();
    let mut all = BTreeSet::new();
    for (i, mask) in masks.iter().enumerate() {
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
        all.extend(values.iter().copied());
        fixed.push(if one { Tensor::new(mask.shape(), values) } else { None });
    }
    Ok(Groups { fixed, list: all.into_iter().collect() })
}
