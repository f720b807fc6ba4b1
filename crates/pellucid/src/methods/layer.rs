//! Methods that look at a layer's values at the input itself.

use crate::compiled::Compiled;
use crate::error::{Error, Result};
use crate::explanation::{Evaluations, Source};
use crate::frame::{Frame, Setup, refused};
use crate::methods::gradient::{gradient, single_stage};
use crate::rules::RuleTable;
use pellucid_graph::ValueId;

/// The layer that the spec names, in a frame.
pub(super) fn layer_of(setup: &Setup<'_>, frame: &Frame) -> Result<ValueId> {
    let title = setup.spec.method.info().title;
    let layer = frame.layer.ok_or_else(|| Error::Spec(format!("{title} needs a layer")))?;
    if !frame.b.fact(layer).dtype.is_float() {
        return Err(Error::Refused {
            method: title,
            reason: format!("layer {:?} is not of floats", setup.layer_name()),
        });
    }
    Ok(layer)
}

/// The layer's values.
pub(super) fn activation(setup: &Setup<'_>, rows: usize) -> Result<Compiled> {
    let frame = setup.frame(rows)?;
    let layer = layer_of(setup, &frame)?;
    let named = (vec![setup.layer_source()], setup.uses(&[]));
    let compiled = single_stage(setup, frame, &[layer], named, &mut |_, _| Ok(vec![Some(layer)]))?;
    Ok(Compiled { evaluations: Evaluations { forward: 1, backward: 0 }, ..compiled })
}

/// The layer's values times the gradient with respect to them.
pub(super) fn gradient_x_activation(setup: &Setup<'_>, rows: usize, multiply: bool) -> Result<Compiled> {
    let frame = setup.frame(rows)?;
    let layer = layer_of(setup, &frame)?;
    let named = (vec![setup.layer_source()], setup.uses(&[]));
    let compiled = single_stage(setup, frame, &[layer], named, &mut |frame, target| {
        let found = gradient(frame, target, &[layer], &RuleTable::new(), None)?;
        found
            .into_iter()
            .map(|g| match g {
                Some(g) if multiply => frame.b.mul(layer, g).map(Some).map_err(refused),
                other => Ok(other),
            })
            .collect()
    })?;
    Ok(Compiled { evaluations: Evaluations { forward: 1, backward: 1 }, ..compiled })
}

impl Setup<'_> {
    /// What the layer is called.
    pub(super) fn layer_name(&self) -> String {
        self.layer.map_or_else(String::new, |s| self.model.network().symbols()[s].name.clone())
    }

    /// The layer, as what attributions belong to.
    pub(super) fn layer_source(&self) -> Source {
        Source { name: self.layer_name(), embedding: None, vector: Vec::new() }
    }
}
