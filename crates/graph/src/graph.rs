//! The graph: named values of known type and shape, and the nodes that compute them.
//!
//! A graph is immutable, single assignment and topologically ordered; each node was checked when it was added. What a file says,
//! with shapes still open, is a [`crate::Network`].

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::operator::{Kind, Operator};
use crate::rows::Rows;
use crate::tensor::{DType, Tensor, elements};

/// The type and shape of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fact {
    /// The elements' type.
    pub dtype: DType,
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
}

impl Fact {
    /// A type and shape.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, shape: shape.to_vec() }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        elements(&self.shape).unwrap_or(usize::MAX)
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

/// A value of a graph, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) u32);

impl ValueId {
    /// Its number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value: an input, a constant, or an output of a node.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name in the file; values that a transformation added have none.
    pub name: Option<Arc<str>>,
    /// Type and shape.
    pub fact: Fact,
    /// Its elements, where they are constant.
    pub constant: Option<Tensor>,
    /// Where the rows of a constant lie that was given for a whole batch, or computed from such; they all have the same elements.
    pub rows: Option<Rows>,
    /// The node that computes it, by position.
    pub producer: Option<usize>,
}

/// A node: an operator between values.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the file, or that of the node from which it was derived.
    pub name: Arc<str>,
    /// The operator of that node; `None` where there is no file behind it.
    pub of: Option<FileOperator>,
    /// What it does.
    pub op: Arc<dyn Operator>,
    /// Its inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Its outputs.
    pub outputs: Vec<ValueId>,
}

/// The operator of a node of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOperator {
    /// Its name.
    pub name: &'static str,
    /// The version of its operator set that the file imports.
    pub opset: i64,
}

/// The node of a file that nodes of a graph come from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its name.
    pub name: Arc<str>,
    /// Its operator; `None` where there is no file.
    pub of: Option<FileOperator>,
}

impl From<&str> for Origin {
    fn from(name: &str) -> Self {
        Self { name: name.into(), of: None }
    }
}

impl Node {
    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        Origin { name: Arc::clone(&self.name), of: self.of }
    }

    /// The operator that errors name, the file's where there is one, its opset, and `message` with the operator inside that it is about.
    pub(crate) fn said(&self, message: String) -> (&'static str, Option<i64>, String) {
        let own = self.op.definition().name;
        match self.of {
            None => (own, None, message),
            Some(of) if of.name == own => (own, Some(of.opset), message),
            Some(of) => (of.name, Some(of.opset), format!("inside it, {own}: {message}")),
        }
    }

    /// Its inputs that are there.
    pub fn present(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.inputs.iter().copied().flatten()
    }
}

/// Values and nodes, in an order in which they can be computed.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    pub(crate) names: HashMap<Arc<str>, ValueId>,
    /// The number of rows in the batch for which it was specialised.
    pub(crate) rows: usize,
}

impl Graph {
    /// A value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The type and shape of a value.
    pub fn fact(&self, id: ValueId) -> &Fact {
        &self.values[id.index()].fact
    }

    /// The shape of a value.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id.index()].fact.shape
    }

    /// The elements of a value, where they are constant.
    pub fn constant(&self, id: ValueId) -> Option<&Tensor> {
        self.values[id.index()].constant.as_ref()
    }

    /// All values, in order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(i, v)| (ValueId(i as u32), v))
    }

    /// All nodes, each after those that feed it.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The inputs.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The number of rows in the batch for which it was specialised.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The value of a name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// What a value is called in messages: its name, or its number.
    pub fn label(&self, id: ValueId) -> String {
        self.value(id).name.as_deref().map_or_else(|| format!("#{}", id.0), str::to_owned)
    }

    /// For each value, whether it depends on one of `sources`; the sources themselves do. Values computed from a source and
    /// values between two sources both count.
    pub fn dependents(&self, sources: &[ValueId]) -> Vec<bool> {
        let mut active = vec![false; self.values.len()];
        for &s in sources {
            active[s.index()] = true;
        }
        for node in &self.nodes {
            if node.present().any(|v| active[v.index()]) {
                for &o in &node.outputs {
                    active[o.index()] = true;
                }
            }
        }
        active
    }

    /// For each node, whether one of `targets` needs it, when the values in `known` are given.
    pub fn needed(&self, targets: &[ValueId], known: &[ValueId]) -> Vec<bool> {
        let mut wanted = vec![false; self.values.len()];
        let mut nodes = vec![false; self.nodes.len()];
        for &t in targets {
            wanted[t.index()] = true;
        }
        for &k in known {
            wanted[k.index()] = false;
        }
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().any(|o| wanted[o.index()]) {
                nodes[i] = true;
                for v in node.present() {
                    wanted[v.index()] = !known.contains(&v);
                }
            }
        }
        nodes
    }

    /// How a node's outputs depend on those of its inputs that `active` marks.
    pub fn kind(&self, node: &Node, active: &[bool]) -> Kind {
        let flags: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(|v| active[v.index()])).collect();
        node.op.kind(&flags)
    }

    /// The part between `sources` and `targets`: the sources become inputs in their order, before those other inputs that the
    /// targets still need. Also gives where each value went.
    pub fn slice(
        &self,
        sources: &[ValueId],
        targets: &[ValueId],
    ) -> Result<(Self, HashMap<ValueId, ValueId>)> {
        let mut graph = Self { rows: self.rows, ..Self::default() };
        let mut map: HashMap<ValueId, ValueId> = HashMap::new();
        let needed = self.needed(targets, sources);
        let copy = |graph: &mut Self, id: ValueId, producer: Option<usize>, constant: bool| {
            let old = self.value(id);
            let new = ValueId(graph.values.len() as u32);
            if let Some(name) = &old.name {
                graph.names.insert(Arc::clone(name), new);
            }
            graph.values.push(Value {
                name: old.name.clone(),
                fact: old.fact.clone(),
                constant: if constant { old.constant.clone() } else { None },
                rows: old.rows.filter(|_| constant),
                producer,
            });
            new
        };
        for &s in sources {
            if map.contains_key(&s) {
                continue;
            }
            let new = copy(&mut graph, s, None, false);
            graph.inputs.push(new);
            map.insert(s, new);
        }
        let mut wanted: Vec<ValueId> = targets.to_vec();
        wanted
            .extend(self.nodes.iter().enumerate().filter(|(i, _)| needed[*i]).flat_map(|(_, n)| n.present()));
        for id in self.inputs.iter().copied().filter(|id| wanted.contains(id)) {
            if let std::collections::hash_map::Entry::Vacant(entry) = map.entry(id) {
                let new = copy(&mut graph, id, None, false);
                graph.inputs.push(new);
                entry.insert(new);
            }
        }
        for &id in &wanted {
            if self.value(id).constant.is_some() && !map.contains_key(&id) {
                let new = copy(&mut graph, id, None, true);
                map.insert(id, new);
            }
        }
        for (_, node) in self.nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            let position = graph.nodes.len();
            let outputs: Vec<ValueId> = node
                .outputs
                .iter()
                .map(|o| {
                    let new = copy(&mut graph, *o, Some(position), false);
                    // A source is given, so it is not also computed under its own name.
                    map.entry(*o).or_insert(new);
                    new
                })
                .collect();
            for (old, &new) in node.outputs.iter().zip(&outputs) {
                if map[old] != new
                    && let Some(name) = graph.values[new.index()].name.take()
                {
                    graph.names.insert(name, map[old]);
                }
            }
            let inputs = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
            graph.nodes.push(Node {
                name: Arc::clone(&node.name),
                of: node.of,
                op: Arc::clone(&node.op),
                inputs,
                outputs,
            });
        }
        for t in targets {
            let Some(&new) = map.get(t) else {
                return Err(
                    ErrorKind::Malformed(format!("value {} is never computed", self.label(*t))).into()
                );
            };
            graph.outputs.push(new);
        }
        Ok((graph, map))
    }
}
