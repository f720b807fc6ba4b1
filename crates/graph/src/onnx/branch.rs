//! Nodes that hold two graphs, of which a condition chooses one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::external::Folder;
use super::inline;
use super::order;
use super::proto::{GraphProto, NodeProto};
use super::read::Reader;
use crate::attributes::{Attribute, Attributes, Branch};
use crate::error::{ErrorKind, Result};
use crate::network::Network;
use crate::tensor::Tensor;

/// How deep branches may lie in branches.
const MOST_BRANCHES: usize = 16;

impl Reader<'_> {
    /// A node with two branches: where its condition is constant, the chosen one's nodes take its place; else both are read as networks
    /// of their own, in which the values that they read from outside are inputs.
    pub(super) fn branches(
        &mut self,
        proto: &NodeProto,
        label: String,
        attributes: &mut Attributes,
        opsets: usize,
    ) -> Result<()> {
        if self.depth >= MOST_BRANCHES {
            return Err(ErrorKind::TooLarge(format!(
                "node {label} lies in more than {MOST_BRANCHES} branches"
            ))
            .into());
        }
        let named = |name: &str| {
            proto.attribute.iter().find(|a| a.name.as_deref() == Some(name)).and_then(|a| a.g.as_ref())
        };
        let (Some(yes), Some(no), [condition]) =
            (named("then_branch"), named("else_branch"), proto.input.as_slice())
        else {
            return Err(
                ErrorKind::Malformed(format!("node {label} has not one input and two branches")).into()
            );
        };
        for graph in [yes, no] {
            let weight = |name: &str| graph.initializer.iter().any(|t| t.name.as_deref() == Some(name));
            let mut names = graph.input.iter().map(|i| i.name.as_deref().unwrap_or_default());
            if let Some(name) = names.find(|name| !weight(name)) {
                return Err(ErrorKind::Malformed(format!(
                    "a branch of node {label} has an input, {name:?}; branches read what lies around them instead"
                ))
                .into());
            }
        }
        let known =
            self.network.names.get(condition).and_then(|&s| self.network.symbols[s].constant.as_ref());
        let known = known.and_then(Tensor::as_slice::<bool>).and_then(|v| v.first().copied());
        if let Some(condition) = known {
            return self.branch(proto, &label, if condition { yes } else { no }, opsets);
        }
        let mut captured: Vec<String> = Vec::new();
        for graph in [yes, no] {
            for name in order::reads(graph) {
                if self.network.names.contains_key(name) && !captured.iter().any(|c| c == name) {
                    captured.push(name.to_owned());
                }
            }
        }
        for (name, graph) in [("then_branch", yes), ("else_branch", no)] {
            let network = self.network_of(graph, &captured, opsets)?;
            attributes.set(name, Attribute::Graph(Branch(Arc::new(network))));
        }
        let mut node = proto.clone();
        node.input.extend(captured);
        self.operator(&node, label, attributes, opsets)
    }

    /// Puts the nodes of a graph in the place of the node that holds it.
    fn branch(&mut self, node: &NodeProto, label: &str, graph: &GraphProto, opsets: usize) -> Result<()> {
        if node.output.len() > graph.output.len() {
            return Err(ErrorKind::Malformed(format!(
                "node {label} has {} outputs, its branch {}",
                node.output.len(),
                graph.output.len()
            ))
            .into());
        }
        let own: HashSet<&str> =
            graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
        let mut map: HashMap<String, String> = HashMap::new();
        let mut handed_through = Vec::new();
        for (info, actual) in graph.output.iter().zip(&node.output).filter(|(_, a)| !a.is_empty()) {
            let name = info.name.as_deref().unwrap_or_default();
            if own.contains(name) && !map.contains_key(name) {
                map.insert(name.to_owned(), actual.clone());
            } else {
                handed_through.push((name.to_owned(), actual.clone()));
            }
        }
        // What lies around the graph keeps its name.
        for name in order::reads(graph) {
            map.entry(name.to_owned()).or_insert_with(|| name.to_owned());
        }
        let prefix = format!("{label}/");
        let mut copy = graph.clone();
        for tensor in &mut copy.initializer {
            if let Some(name) = &mut tensor.name {
                *name = map
                    .entry(name.clone())
                    .or_insert_with_key(|n| self.names.fresh(format!("{prefix}{n}")))
                    .clone();
            }
        }
        copy.sparse_initializer.clear();
        self.initializers(&copy)?;
        let mut nodes = Vec::with_capacity(graph.node.len());
        for inner in &graph.node {
            let mut inner = inline::renamed(inner, &mut map, &prefix, &mut self.names);
            inner.name = Some(format!("{prefix}{}", order::label(&inner)));
            nodes.push(inner);
        }
        for (from, to) in handed_through {
            let from = map.get(&from).cloned().unwrap_or(from);
            nodes.push(inline::identity(from, to));
        }
        let nodes = self.functions.expand(&nodes, opsets, &mut self.names)?;
        self.depth += 1;
        self.nodes(nodes)?;
        self.depth -= 1;
        Ok(())
    }

    /// A graph inside a node as a network of its own. Its inputs are the captured values.
    fn network_of(&mut self, graph: &GraphProto, captured: &[String], opsets: usize) -> Result<Network> {
        let mut network = Network::new();
        for name in captured {
            let outer = &self.network.symbols[self.network.names[name]];
            let symbol = network.add_symbol(outer.clone())?;
            network.inputs.push(symbol);
        }
        let nodes = self.functions.expand(&graph.node, opsets, &mut self.names)?;
        let mut inner = Reader {
            network,
            folder: Folder::none(),
            functions: self.functions,
            weights: self.weights,
            names: std::mem::take(&mut self.names),
            depth: self.depth + 1,
        };
        std::mem::swap(&mut inner.folder, &mut self.folder);
        let read = inner.graph(graph, nodes);
        self.names = std::mem::take(&mut inner.names);
        std::mem::swap(&mut inner.folder, &mut self.folder);
        read?;
        Ok(inner.network)
    }
}
