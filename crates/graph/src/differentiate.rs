//! The derivative of a graph: reverse mode, emitting nodes.

use std::collections::HashMap;

use crate::build::{Builder, located};
use crate::error::{ErrorKind, OpResult, Result};
use crate::graph::{Node, ValueId};
use crate::operator::{Cotangents, Kind, Site};

/// Takes the place of a node's own derivative where it gives cotangents; `None` leaves the node to its operator.
pub type Rule<'a> = dyn FnMut(&mut Builder, &Node, &Site<'_>) -> OpResult<Option<Cotangents>> + 'a;

/// A rule that never applies: every operator's own derivative.
pub fn no_rule(_: &mut Builder, _: &Node, _: &Site<'_>) -> OpResult<Option<Cotangents>> {
    Ok(None)
}

/// Emits the derivative of a scalar per row with respect to `sources`.
///
/// `seeds` are values with the cotangents from which the walk starts. Gives one cotangent for each source, of its shape; `None`
/// where the seeds do not depend on it. The emitted nodes are ordinary nodes, so that a second derivative is the same call again.
pub fn differentiate(
    b: &mut Builder,
    seeds: &[(ValueId, ValueId)],
    sources: &[ValueId],
    rule: &mut Rule<'_>,
) -> Result<Vec<Option<ValueId>>> {
    let active = b.dependents(sources);
    let targets: Vec<ValueId> = seeds.iter().map(|&(v, _)| v).collect();
    let needed = b.needed(&targets, &[]);
    let nodes: Vec<Node> =
        b.nodes().iter().zip(&needed).filter(|(_, needed)| **needed).map(|(n, _)| n.clone()).collect();
    let stops = |n: &&Node| n.op.refuses_gradients() && n.present().any(|v| active[v.index()]);
    if let Some(node) = nodes.iter().find(stops) {
        return Err(not_differentiable(node));
    }
    let mut cotangents: HashMap<ValueId, ValueId> = HashMap::new();
    for &(value, seed) in seeds {
        accumulate(b, &mut cotangents, value, seed).map_err(|e| ErrorKind::Malformed(e.0))?;
    }
    for node in nodes.iter().rev() {
        visit(b, node, &active, &mut cotangents, rule)?;
    }
    b.set_origin(None);
    Ok(sources.iter().map(|s| cotangents.get(s).copied()).collect())
}

fn not_differentiable(node: &Node) -> crate::Error {
    let reason = node.op.definition().derivative.trim_start_matches("none: ").to_owned();
    let (operator, opset, reason) = node.said(reason);
    ErrorKind::NotDifferentiable { node: node.name.to_string(), operator, opset, reason }.into()
}

/// Adds the cotangents of a node's inputs to the tally, from those of its outputs.
pub(crate) fn visit(
    b: &mut Builder,
    node: &Node,
    active: &[bool],
    cotangents: &mut HashMap<ValueId, ValueId>,
    rule: &mut Rule<'_>,
) -> Result<()> {
    let is_active = |v: ValueId| active.get(v.index()).copied().unwrap_or(false);
    let incoming: Vec<Option<ValueId>> = node.outputs.iter().map(|o| cotangents.get(o).copied()).collect();
    if incoming.iter().all(Option::is_none) {
        return Ok(());
    }
    let flags: Vec<bool> =
        node.inputs.iter().map(|v| v.is_some_and(|v| is_active(v) && b.fact(v).dtype.is_float())).collect();
    if !flags.contains(&true) {
        return Ok(());
    }
    b.set_origin(Some(node.origin()));
    let site = Site {
        op: &node.op,
        inputs: &node.inputs,
        outputs: &node.outputs,
        cotangents: &incoming,
        active: &flags,
    };
    let mut found = rule(b, node, &site).map_err(|e| located(node, e))?;
    if found.is_none() && node.op.kind(&flags) == Kind::Constant {
        return Ok(());
    }
    if found.is_none() {
        found = node.op.derivative(b, &site).map_err(|e| located(node, e))?;
    }
    let Some(found) = found else { return through_body(b, node, &flags, &incoming, cotangents, rule) };
    for ((input, cotangent), wanted) in node.inputs.iter().zip(found).zip(&flags) {
        if let (Some(input), Some(cotangent), true) = (input, cotangent, wanted) {
            if b.shape(*input) != b.shape(cotangent) {
                let message = format!(
                    "a cotangent of shape {:?} for an input of shape {:?}",
                    b.shape(cotangent),
                    b.shape(*input)
                );
                return Err(located(node, crate::error::OpError(message)));
            }
            accumulate(b, cotangents, *input, cotangent).map_err(|e| located(node, e))?;
        }
    }
    Ok(())
}

/// The derivative of a composite: that of its body.
fn through_body(
    b: &mut Builder,
    node: &Node,
    flags: &[bool],
    incoming: &[Option<ValueId>],
    cotangents: &mut HashMap<ValueId, ValueId>,
    rule: &mut Rule<'_>,
) -> Result<()> {
    let start = b.nodes().len();
    let Some(outputs) = node.op.lower(b, &node.inputs).map_err(|e| located(node, e))? else {
        return Err(not_differentiable(node));
    };
    let body: Vec<Node> = b.nodes()[start..].to_vec();
    let sources: Vec<ValueId> =
        node.inputs.iter().zip(flags).filter(|(_, f)| **f).filter_map(|(v, _)| *v).collect();
    let active = b.dependents(&sources);
    // The body has its own tally, so that what reached the inputs by other ways is not walked again.
    let mut inner: HashMap<ValueId, ValueId> = HashMap::new();
    for (output, cotangent) in outputs.iter().zip(incoming) {
        if let Some(cotangent) = cotangent {
            accumulate(b, &mut inner, *output, *cotangent).map_err(|e| located(node, e))?;
        }
    }
    for inside in body.iter().rev() {
        visit(b, inside, &active, &mut inner, rule)?;
    }
    for source in sources {
        if let Some(cotangent) = inner.remove(&source) {
            accumulate(b, cotangents, source, cotangent).map_err(|e| located(node, e))?;
        }
    }
    Ok(())
}

fn accumulate(
    b: &mut Builder,
    cotangents: &mut HashMap<ValueId, ValueId>,
    value: ValueId,
    cotangent: ValueId,
) -> OpResult<()> {
    let sum = match cotangents.get(&value) {
        Some(&there) => b.add(there, cotangent)?,
        None => cotangent,
    };
    cotangents.insert(value, sum);
    Ok(())
}
