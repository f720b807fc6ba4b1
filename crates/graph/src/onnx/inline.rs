//! Functions that a file defines, put in the place of the nodes that call them, and names that keep clear of each other.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::node::domain_of;
use super::order;
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use crate::error::{ErrorKind, Result};
use crate::ops;

/// How deep functions may call each other.
const MOST_DEPTH: usize = 32;

/// The most nodes that calls may grow to.
const MOST_NODES: usize = 1 << 18;

/// The most bytes that they may take, as a file would hold them.
const MOST_BYTES: usize = 1 << 31;

/// The functions of a file, and the operator sets that each imports.
#[derive(Debug, Default)]
pub(super) struct Functions<'a> {
    by_name: HashMap<(String, String, String), (&'a FunctionProto, usize)>,
    /// The operator sets of the model, and of each function behind it.
    pub(super) opsets: Vec<HashMap<String, i64>>,
}

/// A node, and by position which operator sets it is written in.
pub(super) type Placed = (NodeProto, usize);

/// Calls as they are replaced.
#[derive(Default)]
struct Expansion {
    /// The functions whose nodes are being put in, by their operator sets.
    calls: Vec<usize>,
    found: Vec<Placed>,
    nodes: usize,
    bytes: usize,
}

impl<'a> Functions<'a> {
    /// The functions of a model that imports `opsets`.
    pub(super) fn new(functions: &'a [FunctionProto], opsets: HashMap<String, i64>) -> Self {
        let mut found = Self { by_name: HashMap::new(), opsets: vec![opsets] };
        for f in functions {
            let mut own = found.opsets[0].clone();
            for import in &f.opset_import {
                own.insert(domain_of(import.domain.as_deref()).to_owned(), import.version.unwrap_or(1));
            }
            let key = key(f.domain.as_deref(), f.name.as_deref(), f.overload.as_deref());
            found.by_name.insert(key, (f, found.opsets.len()));
            found.opsets.push(own);
        }
        found
    }

    /// The nodes with every call replaced by the function's own nodes. An operator that is known here stays, whatever the file defines.
    pub(super) fn expand(
        &self,
        nodes: &[NodeProto],
        opsets: usize,
        names: &mut Names,
    ) -> Result<Vec<Placed>> {
        let mut expansion = Expansion::default();
        for node in nodes {
            self.add(node, opsets, names, &mut expansion)?;
        }
        Ok(expansion.found)
    }

    fn add(
        &self,
        node: &NodeProto,
        opsets: usize,
        names: &mut Names,
        expansion: &mut Expansion,
    ) -> Result<()> {
        let Some(&(function, own)) = self.called(node) else {
            expansion.found.push((node.clone(), opsets));
            return Ok(());
        };
        let calls = &expansion.calls;
        let label = order::label(node);
        let name = function.name.as_deref().unwrap_or_default();
        if calls.contains(&own) {
            return Err(ErrorKind::Cycle(format!("{label}: the function {name} calls itself")).into());
        }
        if calls.len() >= MOST_DEPTH {
            return Err(ErrorKind::TooLarge(format!(
                "node {label}: functions call each other more than {MOST_DEPTH} deep"
            ))
            .into());
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return Err(ErrorKind::Malformed(format!(
                "node {label} calls the function {name} with {} inputs and {} outputs, it has {} and {}",
                node.input.len(),
                node.output.len(),
                function.input.len(),
                function.output.len()
            ))
            .into());
        }
        let mut map: HashMap<String, String> = HashMap::new();
        for (i, formal) in function.input.iter().enumerate() {
            map.insert(formal.clone(), node.input.get(i).cloned().unwrap_or_default());
        }
        let mut handed_through = Vec::new();
        for (formal, actual) in function.output.iter().zip(&node.output).filter(|(_, a)| !a.is_empty()) {
            match map.get(formal) {
                Some(source) => handed_through.push((source.clone(), actual.clone())),
                None => {
                    map.insert(formal.clone(), actual.clone());
                }
            }
        }
        let prefix = format!("{label}/");
        expansion.calls.push(own);
        for inner in &function.node {
            let mut copy = renamed(inner, &mut map, &prefix, names);
            copy.name = Some(format!("{prefix}{}", order::label(inner)));
            if copy.metadata_props.is_empty() {
                copy.metadata_props.clone_from(&node.metadata_props);
            }
            copy.attribute = copy.attribute.iter().filter_map(|a| given(a, node, function)).collect();
            expansion.nodes += 1;
            expansion.bytes += copy.encoded_len();
            if expansion.nodes > MOST_NODES || expansion.bytes > MOST_BYTES {
                return Err(ErrorKind::TooLarge(format!(
                    "its functions grow to more than {MOST_NODES} nodes or {MOST_BYTES} bytes"
                ))
                .into());
            }
            self.add(&copy, own, names, expansion)?;
        }
        expansion.calls.pop();
        expansion.found.extend(handed_through.into_iter().map(|(from, to)| (identity(from, to), opsets)));
        Ok(())
    }

    fn called(&self, node: &NodeProto) -> Option<&(&'a FunctionProto, usize)> {
        if self.by_name.is_empty() {
            return None;
        }
        let name = node.op_type.as_deref();
        if ops::find(domain_of(node.domain.as_deref()), name.unwrap_or_default()).is_some() {
            return None;
        }
        self.by_name.get(&key(node.domain.as_deref(), name, node.overload.as_deref()))
    }
}

fn key(domain: Option<&str>, name: Option<&str>, overload: Option<&str>) -> (String, String, String) {
    let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
    (domain_of(domain).to_owned(), text(name), text(overload))
}

/// A node that gives one value another name.
pub(super) fn identity(from: String, to: String) -> NodeProto {
    NodeProto {
        name: Some(format!("{to}/identity")),
        op_type: Some("Identity".to_owned()),
        input: vec![from],
        output: vec![to],
        ..NodeProto::default()
    }
}

/// An attribute of a function's node with the caller's value, or the function's default, where it refers to one; `None` where neither is.
fn given(a: &AttributeProto, caller: &NodeProto, function: &FunctionProto) -> Option<AttributeProto> {
    let mut found = match a.ref_attr_name.as_deref() {
        None | Some("") => a.clone(),
        Some(wanted) => {
            let named = |a: &&AttributeProto| a.name.as_deref() == Some(wanted);
            let value =
                caller.attribute.iter().find(named).or_else(|| function.attribute_proto.iter().find(named));
            AttributeProto { name: a.name.clone(), ..value?.clone() }
        }
    };
    for graph in found.g.iter_mut().chain(&mut found.graphs) {
        for node in &mut graph.node {
            node.attribute = node.attribute.iter().filter_map(|a| given(a, caller, function)).collect();
        }
    }
    Some(found)
}

/// The names of values that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Takes a name; false where it is taken already.
    pub(super) fn take(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    /// Takes `wanted`, or that with something behind it.
    pub(super) fn fresh(&mut self, wanted: String) -> String {
        let mut name = wanted;
        while !self.take(&name) {
            name.push('_');
        }
        name
    }
}

/// A node with its values' names replaced: by those of `map`, else by one of their own under `prefix`.
pub(super) fn renamed(
    node: &NodeProto,
    map: &mut HashMap<String, String>,
    prefix: &str,
    names: &mut Names,
) -> NodeProto {
    let mut copy = node.clone();
    for name in copy.input.iter_mut().chain(&mut copy.output) {
        rename(name, map, prefix, names);
    }
    for a in &mut copy.attribute {
        for graph in a.g.iter_mut().chain(&mut a.graphs) {
            rename_graph(graph, map, prefix, names);
        }
    }
    copy
}

fn rename(name: &mut String, map: &mut HashMap<String, String>, prefix: &str, names: &mut Names) {
    if name.is_empty() {
        return;
    }
    let new = map.entry(name.clone()).or_insert_with_key(|old| names.fresh(format!("{prefix}{old}")));
    name.clone_from(new);
}

/// The same for all names of a graph inside a node. The decoder bounds the nesting.
fn rename_graph(graph: &mut GraphProto, map: &mut HashMap<String, String>, prefix: &str, names: &mut Names) {
    let mut one = |name: &mut Option<String>| {
        if let Some(name) = name {
            rename(name, map, prefix, names);
        }
    };
    graph.initializer.iter_mut().for_each(|t| one(&mut t.name));
    graph.sparse_initializer.iter_mut().filter_map(|t| t.values.as_mut()).for_each(|t| one(&mut t.name));
    graph.input.iter_mut().chain(&mut graph.output).for_each(|v| one(&mut v.name));
    graph.value_info.clear();
    for node in &mut graph.node {
        *node = renamed(node, map, prefix, names);
    }
}

/// The names that a graph defines: its initializers and its nodes' outputs.
pub(super) fn defined(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let sparse = graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref());
    let constants = graph.initializer.iter().chain(sparse).filter_map(|t| t.name.as_deref());
    constants
        .chain(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)))
        .filter(|n| !n.is_empty())
}
