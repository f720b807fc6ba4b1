//! Methods of one gradient: saliency, input × gradient, guided backpropagation.

use pellucid_engine::{Sweep, Yield};
use pellucid_graph::differentiate::differentiate;
use pellucid_graph::{Builder, OpResult, Rows, ValueId};

use crate::compiled::{Compiled, Outputs, Results, shape_of_source};
use crate::error::Result;
use crate::explanation::{Evaluations, InputUse, Source};
use crate::frame::{Frame, Setup, refused};
use crate::rules::{Guided, Reference, RuleTable, Selector};

/// The gradient, or its magnitude.
pub(super) fn saliency(setup: &Setup<'_>, rows: usize, absolute: bool) -> Result<Compiled> {
    one_gradient(setup, rows, &RuleTable::new(), &mut |b, _, g| if absolute { b.abs(g) } else { Ok(g) })
}

/// The gradient times the input.
pub(super) fn input_x_gradient(setup: &Setup<'_>, rows: usize) -> Result<Compiled> {
    one_gradient(setup, rows, &RuleTable::new(), &mut |b, x, g| b.mul(x, g))
}

/// The gradient with guided Relus.
pub(super) fn guided_backprop(setup: &Setup<'_>, rows: usize) -> Result<Compiled> {
    let table = RuleTable::new().with(Selector::Operators(&["Relu"]), Guided);
    one_gradient(setup, rows, &table, &mut |_, _, g| Ok(g))
}

/// The gradient of one target with respect to some values, under a rule table.
pub(super) fn gradient(
    frame: &mut Frame,
    target: impl Into<Option<ValueId>>,
    sources: &[ValueId],
    table: &RuleTable,
    reference: Option<&Reference>,
) -> Result<Vec<Option<ValueId>>> {
    let Some(target) = target.into() else { return Ok(vec![None; sources.len()]) };
    let b = &mut frame.b;
    let seed = b.ones_like(target).map_err(refused)?;
    Ok(differentiate(b, &[(target, seed)], sources, &mut |b, node, site| {
        table.apply(b, node, site, reference)
    })?)
}

type Finish<'a> = dyn FnMut(&mut Builder, ValueId, ValueId) -> OpResult<ValueId> + 'a;

fn one_gradient(
    setup: &Setup<'_>,
    rows: usize,
    table: &RuleTable,
    finish: &mut Finish<'_>,
) -> Result<Compiled> {
    let frame = setup.frame(rows)?;
    let starts = setup.starts(&frame)?;
    let sources: Vec<ValueId> = starts.iter().map(|s| s.value).collect();
    let named = (setup.sources(&starts), setup.uses(&starts));
    single_stage(setup, frame, &sources, named, &mut |frame, target| {
        let found = gradient(frame, target, &sources, table, None)?;
        found
            .into_iter()
            .zip(&sources)
            .map(|(g, x)| g.map(|g| finish(&mut frame.b, *x, g)).transpose().map_err(refused))
            .collect()
    })
    .map(|c| Compiled { evaluations: Evaluations { forward: 1, backward: 1 }, ..c })
}

type Attribute<'a> = dyn FnMut(&mut Frame, Option<ValueId>) -> Result<Vec<Option<ValueId>>> + 'a;

/// A method whose attributions follow from one pass over rows: `attribute` emits those of one target.
pub(super) fn single_stage(
    setup: &Setup<'_>,
    mut frame: Frame,
    sources: &[ValueId],
    (named, inputs): (Vec<Source>, Vec<InputUse>),
    attribute: &mut Attribute<'_>,
) -> Result<Compiled> {
    let mut outputs = Outputs::default();
    let mut results = Results::default();
    let shapes = sources.iter().map(|s| shape_of_source(&frame, *s)).collect();
    let targets = frame.targets.clone();
    let values =
        targets.iter().map(|t| results.add(Yield::Before(outputs.add(*t, Some(Rows::BATCH))))).collect();
    let mut attributions = vec![Vec::with_capacity(targets.len()); sources.len()];
    // A method without a target has one set of attributions all the same.
    let each: Vec<Option<ValueId>> =
        if targets.is_empty() { vec![None] } else { targets.into_iter().map(Some).collect() };
    for target in each {
        let found = attribute(&mut frame, target)?;
        for ((list, value), source) in attributions.iter_mut().zip(found).zip(sources) {
            let rows = frame.rows_of(*source);
            list.push(value.map(|v| results.add(Yield::Before(outputs.add(v, rows)))));
        }
    }
    let scale = frame.scale;
    let before = frame.stage(&[], &outputs)?;
    Ok(Compiled {
        sweep: Sweep { before, point: None, after: None, results: results.0 },
        points: None,
        outputs: values,
        baseline_outputs: None,
        attributions,
        shapes,
        sources: named,
        inputs,
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations::default(),
        complete: false,
    })
}
