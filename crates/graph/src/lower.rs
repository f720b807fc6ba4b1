//! Replacing composites by their bodies.

use std::collections::HashMap;
use std::sync::Arc;

use crate::build::{Builder, located};
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};

/// The same graph without the composites that `open` picks, and where each of its values went.
pub fn lower(graph: &Graph, open: &dyn Fn(&Node) -> bool) -> Result<(Graph, HashMap<ValueId, ValueId>)> {
    let mut b = Builder::new(graph.rows());
    let mut map: HashMap<ValueId, ValueId> = HashMap::new();
    for &input in graph.inputs() {
        let value = graph.value(input);
        let id = b.input(value.name.as_deref().unwrap_or(""), value.fact.clone());
        map.insert(input, id);
    }
    for (id, value) in graph.values() {
        if let Some(tensor) = &value.constant {
            let new = b.constant_of_rows(tensor.clone(), value.rows);
            if let Some(name) = &value.name {
                b.rename(new, name);
            }
            map.insert(id, new);
        }
    }
    for node in graph.nodes() {
        add(&mut b, graph, node, open, &mut map)?;
    }
    let outputs: Vec<ValueId> = graph.outputs().iter().map(|o| map[o]).collect();
    Ok((b.finish(&outputs), map))
}

fn add(
    b: &mut Builder,
    graph: &Graph,
    node: &Node,
    open: &dyn Fn(&Node) -> bool,
    map: &mut HashMap<ValueId, ValueId>,
) -> Result<()> {
    let inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
    b.set_origin(Some(node.origin()));
    let start = b.nodes().len();
    let body = if open(node) { node.op.lower(b, &inputs).map_err(|e| located(node, e))? } else { None };
    let outputs = match body {
        None => b.node(Arc::clone(&node.op), &inputs).map_err(|e| located(node, e))?,
        Some(outputs) if b.nodes()[start..].iter().any(open) => {
            // A body may hold composites of its own.
            let (flat, inner) = lower(&b.clone().finish(&outputs), open)?;
            *b = Builder::from(flat);
            for value in map.values_mut() {
                *value = inner[value];
            }
            outputs.iter().map(|o| inner[o]).collect()
        }
        Some(outputs) => outputs,
    };
    for (old, &new) in node.outputs.iter().zip(&outputs) {
        if let Some(name) = &graph.value(*old).name
            && b.value(new).name.is_none()
        {
            b.rename(new, name);
        }
        map.insert(*old, new);
    }
    Ok(())
}
