//! DeepLIFT: differences from a second run, pushed back.

use pellucid_engine::{Sweep, Yield};
use pellucid_graph::{Kind, Rows, ValueId};

use crate::compiled::{Compiled, Outputs, Results, shape_of_source};
use crate::error::Result;
use crate::explanation::Evaluations;
use crate::frame::{Setup, refused};
use crate::methods::gradient::gradient;
use crate::rules::{
    DividedDifference, MaxPoolDifference, ProductDifference, QuotientDifference, Reference, RefuseOthers,
    RuleTable, Selector, SoftmaxDifference,
};
use crate::spec::MaxPoolRule;

/// The rule table of DeepLIFT (rescale).
fn table(eps: f64, max_pool: MaxPoolRule) -> RuleTable {
    let plain_behind_activations = max_pool == MaxPoolRule::Captum;
    let pool = MaxPoolDifference { eps, plain_behind_activations };
    RuleTable::new()
        .with(Selector::OfKind(Kind::Elementwise), DividedDifference { eps })
        .with(Selector::Operators(&["Div"]), QuotientDifference)
        .with(Selector::Operators(&["Conv", "ConvTranspose", "Gemm", "MatMul", "Mul"]), ProductDifference)
        .with(Selector::Operators(&["GlobalMaxPool", "MaxPool"]), pool)
        .with(Selector::Operators(&["Softmax"]), SoftmaxDifference { eps })
        .with(Selector::Any, RefuseOthers)
}

/// DeepLIFT with the rescale rule.
pub(super) fn deep_lift(
    setup: &Setup<'_>,
    rows: usize,
    multiply: bool,
    (eps, max_pool): (f64, MaxPoolRule),
) -> Result<Compiled> {
    let mut frame = setup.frame_with(rows, true)?;
    let starts = setup.starts(&frame)?;
    let sources: Vec<ValueId> = starts.iter().map(|s| s.value).collect();
    let replaced = setup.moves(&mut frame, &starts)?;
    let targets = frame.targets.clone();
    let reference = Reference::new(frame.b.replay(&replaced, &targets)?);
    let table = table(eps, max_pool);
    let mut outputs = Outputs::default();
    let mut results = Results::default();
    let shapes = sources.iter().map(|s| shape_of_source(&frame, *s)).collect();
    let values =
        targets.iter().map(|t| results.add(Yield::Before(outputs.add(*t, Some(Rows::BATCH))))).collect();
    let at_baseline = targets
        .iter()
        .map(|t| results.add(Yield::Before(outputs.add(reference.of(*t), Some(Rows::BATCH)))))
        .collect();
    let mut attributions = vec![Vec::with_capacity(targets.len()); sources.len()];
    for &target in &targets {
        let found = gradient(&mut frame, target, &sources, &table, Some(&reference))?;
        for ((slot, multiplier), (x, base)) in attributions.iter_mut().zip(found).zip(&replaced) {
            let value = match multiplier {
                Some(m) if multiply => {
                    let difference = frame.b.sub(*x, *base).map_err(refused)?;
                    Some(frame.b.mul(m, difference).map_err(refused)?)
                }
                other => other,
            };
            slot.push(value.map(|v| results.add(Yield::Before(outputs.add(v, Some(Rows::BATCH))))));
        }
    }
    let scale = frame.scale;
    let before = frame.stage(&[], &outputs)?;
    Ok(Compiled {
        sweep: Sweep { before, point: None, after: None, results: results.0 },
        points: None,
        outputs: values,
        baseline_outputs: Some(at_baseline),
        attributions,
        shapes,
        sources: setup.sources(&starts),
        inputs: setup.uses(&starts),
        row_inputs: setup.row_inputs(),
        scale,
        evaluations: Evaluations { forward: 2, backward: 1 },
        complete: multiply,
    })
}
