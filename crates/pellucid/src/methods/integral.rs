//! Integrals along a straight line: Integrated Gradients of inputs and layers, and conductance.
//!
//! Values that are affine in the point of the line, such as the first layer's outputs, are computed at the two ends only and
//! interpolated; the gradient is summed behind them and pulled back through them once for each row. What a point needs and
//! does not depend on the line is computed once for each row too.

use pellucid_engine::{Sweep, Yield};
use pellucid_graph::differentiate::{differentiate, no_rule};
use pellucid_graph::{Fact, Graph, Rows, ValueId};

use crate::compiled::{Along, Compiled, Outputs, PointSet, Results, shape_of_source};
use crate::error::{Error, Result};
use crate::explanation::{Evaluations, InputUse};
use crate::frame::{Frame, Setup, refused};
use crate::methods::gradient::gradient;
use crate::methods::layer::layer_of;
use crate::quadrature::Quadrature;
use crate::refine::Refinement;
use crate::rules::RuleTable;
use crate::spec::Integration;

/// A value that is affine along the line: where its ends are among the outputs of the first stage.
struct Cut {
    value: ValueId,
    start: usize,
    difference: usize,
}

/// What the first stage holds ready.
struct Ends {
    frame: Frame,
    outputs: Outputs,
    results: Results,
    cuts: Vec<Cut>,
    values: Vec<usize>,
    at_baseline: Vec<usize>,
    /// For each source, its difference between the ends among the outputs; `None` where nobody asked for it.
    differences: Vec<Option<usize>>,
    /// What part each input plays.
    inputs: Vec<InputUse>,
}

/// Runs the model at both ends of the line from the baseline and finds where to cut it.
fn ends(setup: &Setup<'_>, rows: usize, stop: Option<ValueId>, wants_differences: bool) -> Result<Ends> {
    let mut frame = setup.frame(rows)?;
    let sources = sources_of(setup, &frame)?;
    let targets = frame.targets.clone();
    let starts = setup.starts(&frame)?;
    let replaced = setup.moves(&mut frame, &starts)?;
    let inputs = setup.uses(&starts);
    let mut wanted = targets.clone();
    wanted.extend(&sources);
    let at_base = frame.b.replay_targets(&replaced, &wanted)?;
    let start = |v: ValueId| at_base.get(&v).copied().unwrap_or(v);
    let stops: Vec<ValueId> = stop.into_iter().collect();
    let cut_values = line_cuts(&frame, &sources, &targets, &stops);
    let from_sources: Vec<(ValueId, ValueId)> = sources.iter().map(|&s| (s, start(s))).collect();
    let along = frame.b.replay_targets(&from_sources, &cut_values)?;
    let mut outputs = Outputs::default();
    let mut results = Results::default();
    let batch = Some(Rows::BATCH);
    let values = targets.iter().map(|t| results.add(Yield::Before(outputs.add(*t, batch)))).collect();
    let at_baseline =
        targets.iter().map(|t| results.add(Yield::Before(outputs.add(start(*t), batch)))).collect();
    let mut cuts = Vec::with_capacity(cut_values.len());
    for value in cut_values {
        let rows = frame.rows_of(value);
        let first = along.get(&value).copied().unwrap_or(value);
        let difference = frame.b.sub(value, first).map_err(refused)?;
        cuts.push(Cut { value, start: outputs.add(first, rows), difference: outputs.add(difference, rows) });
    }
    let mut differences = vec![None; sources.len()];
    if wants_differences {
        for (slot, &source) in differences.iter_mut().zip(&sources) {
            let difference = match cuts.iter().find(|c| c.value == source) {
                Some(cut) => cut.difference,
                None => {
                    let difference = frame.b.sub(source, start(source)).map_err(refused)?;
                    outputs.add(difference, frame.rows_of(source))
                }
            };
            *slot = Some(difference);
        }
    }
    Ok(Ends { frame, outputs, results, cuts, values, at_baseline, differences, inputs })
}

impl Setup<'_> {
    /// Whether the line runs between values of the layer rather than of the inputs.
    fn line_is_in_layer(&self) -> bool {
        matches!(self.spec.method, crate::spec::Method::LayerIntegratedGradients { .. })
    }
}

/// The values between whose ends the line runs.
fn sources_of(setup: &Setup<'_>, frame: &Frame) -> Result<Vec<ValueId>> {
    if setup.line_is_in_layer() {
        return Ok(vec![layer_of(setup, frame)?]);
    }
    Ok(setup.starts(frame)?.into_iter().map(|s| s.value).collect())
}

/// The values that are interpolated: those behind the affine prefix, where that saves products; else the sources themselves.
fn line_cuts(frame: &Frame, sources: &[ValueId], targets: &[ValueId], stops: &[ValueId]) -> Vec<ValueId> {
    let graph: &Graph = &frame.b;
    let cut = graph.affine_prefix(sources, targets, stops);
    let size = |list: &[ValueId]| list.iter().map(|v| graph.fact(*v).len()).sum::<usize>();
    let own = cut.iter().all(|v| v.index() < frame.own && frame.rows_of(*v).is_some());
    let needed = graph.needed(&cut, sources);
    let multiplies = graph.nodes().iter().zip(&needed).any(|(n, needed)| {
        *needed && matches!(n.op.definition().name, "Gemm" | "MatMul" | "Conv" | "ConvTranspose" | "Einsum")
    });
    if own && multiplies && size(&cut) <= 16 * size(sources) { cut } else { sources.to_vec() }
}

/// Gives the cut values, in a frame for points, as the line has them at each point's `number`.
fn interpolate(frame: &mut Frame, cuts: &[Cut], number: usize) -> Vec<(ValueId, ValueId)> {
    let on_line = |cut: &Cut| {
        let fact: Fact = frame.b.fact(cut.value).clone();
        // A single row lies along many axes; the rows of points lie where this frame has them.
        let rows = frame.rows_of(cut.value).unwrap_or(Rows::BATCH);
        (cut.value, frame.line((cut.start, cut.difference), number, fact, rows))
    };
    cuts.iter().map(on_line).collect()
}

/// Makes the stage for points: values of the model that a point needs and that do not depend on the line are carried from the first
/// stage, to whose outputs they are added.
fn point_stage(
    mut frame: Frame,
    outputs: &Outputs,
    first: &mut Outputs,
    points: usize,
) -> Result<pellucid_engine::Stage> {
    let values: Vec<ValueId> = outputs.0.iter().map(|o| o.0).collect();
    let on_line: Vec<ValueId> =
        frame.b.inputs().iter().copied().filter(|id| frame.b.label(*id).starts_with("pellucid:")).collect();
    let moves = frame.b.dependents(&on_line);
    let needed = frame.b.needed(&values, &[]);
    let inputs = frame.inputs.clone();
    let depends = frame.b.dependents(&inputs);
    let mut carried: Vec<ValueId> = Vec::new();
    for (node, _) in frame.b.nodes().iter().zip(&needed).filter(|(_, n)| **n) {
        let later = node.outputs.iter().any(|o| moves[o.index()] || o.index() >= frame.own);
        for v in node.present().filter(|_| later) {
            let own = v.index() < frame.own && frame.rows_of(v).is_some() && !frame.inputs.contains(&v);
            if own
                && depends[v.index()]
                && !moves[v.index()]
                && frame.b.constant(v).is_none()
                && !carried.contains(&v)
            {
                carried.push(v);
            }
        }
    }
    for &v in &carried {
        let position = first.add(v, frame.rows_of(v));
        frame.carry_own(v, position);
    }
    frame.stage_of_points(&carried, outputs, points)
}

/// Integrated Gradients of the inputs, or of the layer.
pub(super) fn gradients(
    setup: &Setup<'_>,
    rows: usize,
    points: usize,
    (integration, tolerance): (Integration, Option<f64>),
    multiply: bool,
) -> Result<Compiled> {
    let quadrature = Quadrature::of(integration.quadrature, integration.n_steps)?;
    if tolerance.is_some() && !multiply {
        return Err(Error::Spec(
            "a tolerance is held by what attributions should sum to, which there is not without multiply_by_inputs".to_owned(),
        ));
    }
    let Ends { frame: first, mut outputs, mut results, cuts, values, at_baseline, differences, inputs } =
        ends(setup, rows, None, multiply)?;

    let mut frame = setup.frame(points)?;
    let targets = frame.targets.clone();
    let replaced = interpolate(&mut frame, &cuts, 0);
    let map = frame.b.replay_targets(&replaced, &targets)?;
    let line: Vec<ValueId> = replaced.iter().map(|r| r.1).collect();
    let mut summed = Outputs::default();
    let mut sums: Vec<Vec<Option<usize>>> = Vec::with_capacity(targets.len());
    for t in &targets {
        let target = map.get(t).copied().unwrap_or(*t);
        let found = gradient(&mut frame, target, &line, &RuleTable::new(), None)?;
        let places = cuts.iter().map(|c| frame.rows_of(c.value));
        sums.push(found.into_iter().zip(places).map(|(g, place)| g.map(|g| summed.add(g, place))).collect());
    }
    let points_of_rows = match tolerance {
        None => Along::Fixed(PointSet {
            numbers: vec![quadrature.nodes().to_vec()],
            weights: quadrature.weights().to_vec(),
        }),
        Some(tolerance) => {
            let value = |t: &ValueId| summed.add(map.get(t).copied().unwrap_or(*t), Some(Rows::BATCH));
            let values: Vec<usize> = targets.iter().map(value).collect();
            let values = values.into_iter().map(|v| results.add(Yield::Sum(v))).collect();
            Along::Refined(Refinement::new(tolerance, integration, setup.spec.precision, values)?)
        }
    };
    let point = point_stage(frame, &summed, &mut outputs, quadrature.nodes().len())?;

    let mut last = setup.frame(rows)?;
    let sources = sources_of(setup, &last)?;
    let shapes: Vec<Vec<usize>> = sources.iter().map(|s| shape_of_source(&last, *s)).collect();
    let mut after = Outputs::default();
    let mut attributions: Vec<Vec<Option<usize>>> = vec![Vec::new(); sources.len()];
    let mut held: Vec<Option<ValueId>> = vec![None; sources.len()];
    for list in &sums {
        let mut seeds = Vec::new();
        for (sum, cut) in list.iter().zip(&cuts) {
            if let Some(sum) = sum {
                let fact = last.b.fact(cut.value).clone();
                let input = last.sum(*sum, fact, last.rows_of(cut.value));
                seeds.push((cut.value, input));
            }
        }
        let pulled = differentiate(&mut last.b, &seeds, &sources, &mut no_rule)?;
        for (s, gradient) in pulled.into_iter().enumerate() {
            let place = last.rows_of(sources[s]);
            let value = match (gradient, differences[s]) {
                (Some(g), Some(position)) => {
                    let fact = last.b.fact(sources[s]).clone();
                    let difference = *held[s].get_or_insert_with(|| last.carried(position, fact, place));
                    Some(last.b.mul(g, difference).map_err(refused)?)
                }
                (g, _) => g,
            };
            attributions[s].push(value.map(|v| results.add(Yield::After(after.add(v, place)))));
        }
    }
    let scale = last.scale;
    let named = if setup.line_is_in_layer() {
        vec![setup.layer_source()]
    } else {
        setup.sources(&setup.starts(&last)?)
    };
    let after = last.stage(&[], &after)?;
    let n = quadrature.nodes().len();
    Ok(Compiled {
        sweep: Sweep {
            before: first.stage(&[], &outputs)?,
            point: Some(point),
            after: Some(after),
            results: results.0,
        },
        points: Some(points_of_rows),
        outputs: values,
        baseline_outputs: Some(at_baseline),
        attributions,
        shapes,
        sources: named,
        inputs,
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations { forward: n as u64 + 2, backward: n as u64 },
        complete: multiply,
    })
}

/// Conductance: the sum over n steps of the gradient with respect to the layer times the layer's change in the step.
pub(super) fn conductance(
    setup: &Setup<'_>,
    rows: usize,
    points: usize,
    integration: Integration,
) -> Result<Compiled> {
    let quadrature = Quadrature::of(integration.quadrature, integration.n_steps + 1)?;
    let layer = layer_of(setup, &setup.frame(rows)?)?;
    let Ends { frame: first, mut outputs, mut results, cuts, values, at_baseline, inputs, .. } =
        ends(setup, rows, Some(layer), false)?;

    let mut frame = setup.frame(points)?;
    let layer = layer_of(setup, &frame)?;
    let shapes = vec![shape_of_source(&frame, layer)];
    let place = frame.rows_of(layer);
    let targets = frame.targets.clone();
    let mut wanted = targets.clone();
    wanted.push(layer);
    let here = interpolate(&mut frame, &cuts, 0);
    let next = interpolate(&mut frame, &cuts, 1);
    let here = frame.b.replay(&here, &wanted)?;
    let next = frame.b.replay(&next, &[layer])?;
    let at =
        |map: &std::collections::HashMap<ValueId, ValueId>, v: ValueId| map.get(&v).copied().unwrap_or(v);
    let value = at(&here, layer);
    let change = frame.b.sub(at(&next, layer), value).map_err(refused)?;
    let mut summed = Outputs::default();
    let mut attributions = vec![Vec::with_capacity(targets.len())];
    for t in &targets {
        let found = gradient(&mut frame, at(&here, *t), &[value], &RuleTable::new(), None)?;
        let part = match found[0] {
            Some(g) => Some(frame.b.mul(g, change).map_err(refused)?),
            None => None,
        };
        attributions[0].push(part.map(|p| results.add(Yield::Sum(summed.add(p, place)))));
    }
    let scale = frame.scale;
    let point = point_stage(frame, &summed, &mut outputs, quadrature.nodes().len())?;
    let nodes = quadrature.nodes();
    let n = nodes.len() - 1;
    Ok(Compiled {
        sweep: Sweep {
            before: first.stage(&[], &outputs)?,
            point: Some(point),
            after: None,
            results: results.0,
        },
        points: Some(Along::Fixed(PointSet {
            numbers: vec![nodes[..n].to_vec(), nodes[1..].to_vec()],
            weights: vec![1.0; n],
        })),
        outputs: values,
        baseline_outputs: Some(at_baseline),
        attributions,
        shapes,
        sources: vec![setup.layer_source()],
        inputs,
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations { forward: 2 * n as u64 + 2, backward: n as u64 },
        complete: true,
    })
}
