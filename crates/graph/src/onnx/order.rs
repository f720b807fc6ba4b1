//! An order of nodes in which each comes after those that feed it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::inline;
use super::proto::{AttributeProto, GraphProto, NodeProto};
use crate::error::{ErrorKind, Result};

/// The order of `nodes`: that of the file where it already is one, else the nearest to it. An error names a node of a circle.
pub(super) fn topological(nodes: &[NodeProto]) -> Result<Vec<usize>> {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            producer.entry(output).or_insert(i);
        }
    }
    let feeders: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let mut names: HashSet<&str> = node.input.iter().map(String::as_str).collect();
            captured(&node.attribute, &mut names);
            let mut found: Vec<usize> = names.iter().filter_map(|n| producer.get(n).copied()).collect();
            found.sort_unstable();
            found.dedup();
            found
        })
        .collect();
    if feeders.iter().enumerate().all(|(i, f)| f.iter().all(|&j| j < i)) {
        return Ok((0..nodes.len()).collect());
    }
    let mut waiting: Vec<usize> = feeders.iter().map(Vec::len).collect();
    let mut fed: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, list) in feeders.iter().enumerate() {
        for &j in list {
            fed[j].push(i);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &j in &fed[i] {
            waiting[j] -= 1;
            if waiting[j] == 0 {
                ready.push(Reverse(j));
            }
        }
    }
    match (0..nodes.len()).find(|&i| waiting[i] > 0) {
        None => Ok(order),
        Some(stuck) => Err(ErrorKind::Cycle(label(&nodes[in_circle(stuck, &feeders, &waiting)])).into()),
    }
}

/// A node of the circle that is found by walking back from a node that waits for ever.
fn in_circle(start: usize, feeders: &[Vec<usize>], waiting: &[usize]) -> usize {
    let mut seen = HashSet::new();
    let mut at = start;
    while seen.insert(at) {
        match feeders[at].iter().find(|&&j| waiting[j] > 0) {
            Some(&j) => at = j,
            None => break,
        }
    }
    at
}

/// What a node is called: its name, or its first output's.
pub(super) fn label(node: &NodeProto) -> String {
    match &node.name {
        Some(name) if !name.is_empty() => name.clone(),
        _ => node.output.iter().find(|o| !o.is_empty()).cloned().unwrap_or_default(),
    }
}

/// The names that graphs inside a node's attributes read from around them. Nesting is bounded by the decoder.
fn captured<'a>(attributes: &'a [AttributeProto], names: &mut HashSet<&'a str>) {
    let graphs = attributes.iter().flat_map(|a| a.g.iter().chain(&a.graphs));
    for graph in graphs {
        graph_reads(graph, names);
    }
}

fn graph_reads<'a>(graph: &'a GraphProto, names: &mut HashSet<&'a str>) {
    let mut read: HashSet<&str> = graph.output.iter().filter_map(|o| o.name.as_deref()).collect();
    for node in &graph.node {
        read.extend(node.input.iter().map(String::as_str));
        captured(&node.attribute, &mut read);
    }
    // What it calls its own may have the name of something around it.
    let own = inline::defined(graph).chain(graph.input.iter().filter_map(|i| i.name.as_deref()));
    own.for_each(|name| {
        read.remove(name);
    });
    names.extend(read);
}

/// The names that a graph reads from around it, in order and each once.
pub(super) fn reads(graph: &GraphProto) -> Vec<&str> {
    let mut names = HashSet::new();
    graph_reads(graph, &mut names);
    let mut names: Vec<&str> = names.into_iter().filter(|n| !n.is_empty()).collect();
    names.sort_unstable();
    names
}
