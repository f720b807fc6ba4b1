//! Writing a network or a graph as an ONNX file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::module::{SCOPES, scopes_of};
use super::proto::{GraphProto, NodeProto, ValueInfoProto};
use super::{encode, write_whole};
use crate::EXPORT_OPSET;
use crate::attributes::{Attribute, Branch};
use crate::error::{ErrorKind, Result};
use crate::graph::{Graph, ValueId};
use crate::network::{Dim, Network};
use crate::operator::{Operator, Part, Wire};

impl Network {
    /// The network as an ONNX file. The same network gives the same bytes.
    ///
    /// Values keep their names and open sizes; weights that were widened when they were read are written wide. A node without an
    /// operator ([`Network::gaps`]) cannot be written, and is an error.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut domains = Domains::default();
        let graph = self.proto(&mut domains, false)?;
        encode::model(graph, &self.metadata, domains.versions(&self.opsets))
    }

    /// The network as a graph. One that lies inside a node has no inputs of its own: it reads values from outside by their names.
    fn proto(&self, domains: &mut Domains, inside: bool) -> Result<GraphProto> {
        let mut graph = GraphProto { name: inside.then(|| "branch".to_owned()), ..GraphProto::default() };
        let name = |symbol: &Option<usize>| symbol.map_or_else(String::new, |s| self.symbols[s].name.clone());
        let mut made: HashSet<String> = HashSet::new();
        let mut fresh = |wanted: String| {
            let mut name = wanted;
            while self.names.contains_key(&name) || !made.insert(name.clone()) {
                name.push('_');
            }
            name
        };
        for node in &self.nodes {
            let op = node.op.as_ref().map_err(|gap| ErrorKind::Unsupported {
                node: node.name.clone(),
                operator: gap.operator.clone(),
                opset: gap.opset,
                reason: format!("{}; a model with it cannot be written", gap.reason),
            })?;
            let mut proto = node_proto(&**op, &node.name, domains)?;
            // What branches read from outside is not listed among a node's inputs.
            let own = node.inputs.len() - captured(&**op).min(node.inputs.len());
            proto.input = node.inputs.iter().take(own).map(name).collect();
            proto.output = node.outputs.iter().map(name).collect();
            if let Some(module) = &node.module {
                proto.metadata_props = vec![encode::entry(SCOPES, &scopes_of(module, op.definition().name))];
            }
            match op.spelled_out() {
                Some(parts) => graph.node.extend(spelled(&proto, &parts, &mut fresh)?),
                None => graph.node.push(proto),
            }
        }
        for (i, symbol) in self.symbols.iter().enumerate() {
            if let Some(tensor) = symbol.constant.as_ref().filter(|_| !(inside && self.inputs.contains(&i))) {
                graph.initializer.push(encode::tensor(&symbol.name, tensor));
            }
        }
        let info = |&i: &usize| {
            let symbol = &self.symbols[i];
            match (&symbol.declared, &symbol.constant) {
                (Some(d), _) => Some(encode::value_info(&symbol.name, d.dtype, d.shape.as_deref())),
                (None, Some(t)) => {
                    let shape: Vec<Dim> = t.shape().iter().map(|&d| Dim::Fixed(d)).collect();
                    Some(encode::value_info(&symbol.name, t.dtype(), Some(&shape)))
                }
                (None, None) => None,
            }
        };
        if inside {
            let unknown = |i: &usize| ValueInfoProto {
                name: Some(self.symbols[*i].name.clone()),
                ..ValueInfoProto::default()
            };
            graph.output = self.outputs.iter().map(|i| info(i).unwrap_or_else(|| unknown(i))).collect();
            return Ok(graph);
        }
        for (positions, what, infos) in
            [(&self.inputs, "input", &mut graph.input), (&self.outputs, "output", &mut graph.output)]
        {
            for position in positions {
                infos.push(info(position).ok_or_else(|| {
                    let name = &self.symbols[*position].name;
                    ErrorKind::Malformed(format!(
                        "the type of {what} {name:?} is not known, so it cannot be written"
                    ))
                })?);
            }
        }
        let ends: HashSet<usize> = self.inputs.iter().chain(&self.outputs).copied().collect();
        graph.value_info = (0..self.symbols.len())
            .filter(|i| !ends.contains(i) && self.symbols[*i].constant.is_none())
            .filter_map(|i| info(&i))
            .collect();
        Ok(graph)
    }

    /// Writes the network to an ONNX file, whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path, &self.to_bytes()?)
    }
}

impl Graph {
    /// The graph as an ONNX file for its fixed number of rows, with `metadata` in it. The same graph gives the same bytes.
    ///
    /// Values without a name get one; nodes and constants that no output needs are left out.
    pub fn to_bytes(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let needed = self.needed(self.outputs(), &[]);
        let mut used: HashSet<ValueId> = self.outputs().iter().copied().collect();
        let nodes = || self.nodes().iter().enumerate().filter(|(i, _)| needed[*i]).map(|(_, n)| n);
        used.extend(nodes().flat_map(|n| n.present()));
        let mut names = Names::new(self);
        let mut graph = GraphProto::default();
        let mut domains = Domains::default();
        for (id, value) in self.values().filter(|(id, _)| used.contains(id)) {
            if let Some(tensor) = &value.constant {
                graph.initializer.push(encode::tensor(&names.of(id), tensor));
            }
        }
        for &id in self.inputs() {
            graph.input.push(self.info(&names.of(id), id));
        }
        for node in nodes() {
            let label = names.fresh(&node.name);
            let mut proto = node_proto(&*node.op, &label, &mut domains)?;
            proto.input = node.inputs.iter().map(|v| v.map_or_else(String::new, |v| names.of(v))).collect();
            proto.output = node.outputs.iter().map(|&o| names.of(o)).collect();
            match node.op.spelled_out() {
                Some(parts) => graph.node.extend(spelled(&proto, &parts, &mut |name| names.fresh(&name))?),
                None => graph.node.push(proto),
            }
        }
        let mut given = HashSet::new();
        for &id in self.outputs() {
            let mut name = names.of(id);
            // An output must be computed, and under a name of its own.
            if self.value(id).producer.is_none() || !given.insert(id) {
                let copy = names.fresh(&name);
                graph.node.push(NodeProto {
                    name: Some(copy.clone()),
                    op_type: Some("Identity".to_owned()),
                    input: vec![name],
                    output: vec![copy.clone()],
                    ..NodeProto::default()
                });
                name = copy;
            }
            graph.output.push(self.info(&name, id));
        }
        encode::model(graph, metadata, domains.versions(&BTreeMap::new()))
    }

    /// Writes the graph to an ONNX file, whole or not at all; see [`Graph::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>, metadata: &BTreeMap<String, String>) -> Result<()> {
        write_whole(path, &self.to_bytes(metadata)?)
    }

    fn info(&self, name: &str, id: ValueId) -> ValueInfoProto {
        let shape: Vec<Dim> = self.shape(id).iter().map(|&d| Dim::Fixed(d)).collect();
        encode::value_info(name, self.fact(id).dtype, Some(&shape))
    }
}

fn node_proto(op: &dyn Operator, label: &str, domains: &mut Domains) -> Result<NodeProto> {
    let definition = op.definition();
    let newest = domains.used.entry(definition.domain).or_insert(definition.since);
    *newest = definition.since.max(*newest);
    Ok(NodeProto {
        name: Some(label.to_owned()),
        op_type: Some(definition.name.to_owned()),
        domain: (!definition.domain.is_empty()).then(|| definition.domain.to_owned()),
        attribute: encode::attributes(&op.attributes(), label, &mut |network| network.proto(domains, true))?,
        ..NodeProto::default()
    })
}

/// The nodes that are written for one, with its name and module on each.
fn spelled(
    node: &NodeProto,
    parts: &[Part],
    fresh: &mut dyn FnMut(String) -> String,
) -> Result<Vec<NodeProto>> {
    let label = node.name.clone().unwrap_or_default();
    let mut made: Vec<String> = Vec::with_capacity(parts.len());
    let mut found = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let read = |wire: &Wire| match *wire {
            Wire::Input(i) => node.input.get(i).cloned().unwrap_or_default(),
            Wire::Made(i) => made.get(i).cloned().unwrap_or_default(),
        };
        let input = part.inputs.iter().map(read).collect();
        let is_last = i + 1 == parts.len();
        let output = if is_last {
            node.output.first().cloned().unwrap_or_default()
        } else {
            fresh(format!("{label}/{i}"))
        };
        let no_graph = &mut |_: &Network| Ok(GraphProto::default());
        found.push(NodeProto {
            name: Some(if is_last { label.clone() } else { output.clone() }),
            op_type: Some(part.operator.to_owned()),
            attribute: encode::attributes(&part.attributes, &label, no_graph)?,
            input,
            output: vec![output.clone()],
            metadata_props: node.metadata_props.clone(),
            ..NodeProto::default()
        });
        made.push(output);
    }
    Ok(found)
}

/// How many of a node's inputs are values that graphs inside it read from outside.
fn captured(op: &dyn Operator) -> usize {
    let attributes = op.attributes();
    let graphs = attributes.iter().filter_map(|(_, a)| match a {
        Attribute::Graph(Branch(network)) => Some(network.inputs.len()),
        _ => None,
    });
    graphs.max().unwrap_or(0)
}

/// The operator sets of the nodes that were written.
#[derive(Default)]
struct Domains {
    used: BTreeMap<&'static str, i64>,
}

impl Domains {
    /// ONNX's own in the version that is written, or a later one where an operator is that new; each other domain in the version that
    /// the file said, else that of its operators.
    fn versions(self, said: &BTreeMap<String, i64>) -> Vec<(String, i64)> {
        let own = self.used.get("").copied().unwrap_or(0).max(EXPORT_OPSET);
        let others = self.used.into_iter().filter(|(domain, _)| !domain.is_empty());
        let version = |domain: &str, since: i64| said.get(domain).copied().unwrap_or(since.max(1));
        std::iter::once((String::new(), own))
            .chain(others.map(|(domain, since)| (domain.to_owned(), version(domain, since))))
            .collect()
    }
}

/// Unique names for the values and nodes of a graph.
struct Names {
    values: HashMap<ValueId, String>,
    taken: HashSet<String>,
    /// The next number for a name that is asked for again.
    numbers: HashMap<String, usize>,
}

impl Names {
    fn new(graph: &Graph) -> Self {
        let mut names = Self { values: HashMap::new(), taken: HashSet::new(), numbers: HashMap::new() };
        // Inputs and outputs have the first claim on their names.
        let ends = graph.inputs().iter().chain(graph.outputs()).copied();
        for id in ends.chain(graph.values().map(|(id, _)| id)) {
            if let Some(name) = graph.value(id).name.as_deref()
                && !names.values.contains_key(&id)
                && names.taken.insert(name.to_owned())
            {
                names.values.insert(id, name.to_owned());
            }
        }
        names
    }

    fn of(&mut self, id: ValueId) -> String {
        if let Some(name) = self.values.get(&id) {
            return name.clone();
        }
        let name = self.fresh(&format!("value_{}", id.index()));
        self.values.insert(id, name.clone());
        name
    }

    /// `wanted`, or that with a number behind it, whichever is free.
    fn fresh(&mut self, wanted: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let number = self.numbers.entry(wanted.to_owned()).or_insert(0);
        loop {
            *number += 1;
            let name = format!("{wanted}_{number}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
