//! What a file says: nodes and named values whose shapes are still open.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::operator::Operator;
use crate::tensor::{DType, Tensor};

/// One size of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A name, such as `batch`; the same name is the same size everywhere.
    Symbol(String),
    /// Not said.
    Unknown,
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbol(s) => f.write_str(s),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// The declared type and shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The elements' type.
    pub dtype: DType,
    /// What the file calls the type, where it was widened (`float16`, `bfloat16`).
    pub widened_from: Option<&'static str>,
    /// The shape; `None` where not even the rank is said.
    pub shape: Option<Vec<Dim>>,
}

/// A value of a network.
#[derive(Clone, Debug, Default)]
pub struct Symbol {
    /// Its name; unique.
    pub name: String,
    /// What the file declares of it.
    pub declared: Option<Declared>,
    /// Its elements, where it is an initializer.
    pub constant: Option<Tensor>,
}

/// An operator that cannot be run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The operator's name.
    pub operator: String,
    /// Its domain; empty for ONNX's own.
    pub domain: String,
    /// The version of the operator set that the model imports.
    pub opset: i64,
    /// Why, and what to do.
    pub reason: String,
}

/// A node of a network.
#[derive(Clone, Debug)]
pub struct NetworkNode {
    /// Its name; made from its first output where the file gives none.
    pub name: String,
    /// The operator, or why there is none.
    pub op: std::result::Result<Arc<dyn Operator>, Gap>,
    /// Its inputs by position in [`Network::symbols`]; `None` where an optional one is left out.
    pub inputs: Vec<Option<usize>>,
    /// Its outputs; `None` where one is not asked for.
    pub outputs: Vec<Option<usize>>,
    /// The module path that the exporter wrote beside it (`layer1.0.conv2`).
    pub module: Option<String>,
}

/// A model as its file describes it: checked, in topological order, with symbolic shapes.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) nodes: Vec<NetworkNode>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) names: HashMap<String, usize>,
    /// Key and value pairs of the file.
    pub metadata: BTreeMap<String, String>,
    /// What wrote the file, if it says so.
    pub producer: String,
    /// Imported operator sets: domain and version.
    pub opsets: BTreeMap<String, i64>,
    /// What is worth knowing about the file and did not stop the load.
    pub warnings: Vec<String>,
}

/// What a layer's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The value, by position in [`Network::symbols`].
    pub symbol: usize,
}

impl Network {
    /// An empty network, to build one in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; an error where the name is taken.
    pub fn add_symbol(&mut self, symbol: Symbol) -> Result<usize> {
        let position = self.symbols.len();
        if self.names.insert(symbol.name.clone(), position).is_some() {
            return Err(ErrorKind::Malformed(format!("two values are named {:?}", symbol.name)).into());
        }
        self.symbols.push(symbol);
        Ok(position)
    }

    /// Adds an input.
    pub fn add_input(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> Result<usize> {
        let declared = Some(Declared { dtype, widened_from: None, shape: Some(shape.to_vec()) });
        let symbol = self.add_symbol(Symbol { name: name.to_owned(), declared, constant: None })?;
        self.inputs.push(symbol);
        Ok(symbol)
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, name: &str, tensor: Tensor) -> Result<usize> {
        self.add_symbol(Symbol { name: name.to_owned(), declared: None, constant: Some(tensor) })
    }

    /// Adds a node with one output, which takes the name `output`, after the nodes that feed it.
    pub fn add_node<O: Operator>(
        &mut self,
        name: &str,
        op: O,
        inputs: &[usize],
        output: &str,
    ) -> Result<usize> {
        let symbol = self.add_symbol(Symbol { name: output.to_owned(), declared: None, constant: None })?;
        self.nodes.push(NetworkNode {
            name: name.to_owned(),
            op: Ok(Arc::new(op)),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(symbol)],
            module: None,
        });
        Ok(symbol)
    }

    /// Makes a value an output, and declares its type and shape.
    pub fn add_output(&mut self, symbol: usize, dtype: DType, shape: &[Dim]) {
        self.symbols[symbol].declared =
            Some(Declared { dtype, widened_from: None, shape: Some(shape.to_vec()) });
        self.outputs.push(symbol);
    }

    /// All values.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// All nodes, each after those that feed it.
    pub fn nodes(&self) -> &[NetworkNode] {
        &self.nodes
    }

    /// The inputs, by position in [`Network::symbols`]. Initializers that the file also lists as inputs are not among them.
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// The outputs, by position in [`Network::symbols`].
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// The inputs' names.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(|&i| self.symbols[i].name.as_str())
    }

    /// The outputs' names.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|&i| self.symbols[i].name.as_str())
    }

    /// The operators that cannot be run, with the nodes that they belong to.
    pub fn gaps(&self) -> impl Iterator<Item = (&NetworkNode, &Gap)> {
        self.nodes.iter().filter_map(|n| n.op.as_ref().err().map(|gap| (n, gap)))
    }

    /// The values that cannot be computed: for want of an operator, theirs or one before.
    pub fn beyond_gaps(&self) -> Vec<bool> {
        let mut beyond = vec![false; self.symbols.len()];
        for node in &self.nodes {
            let bad = node.op.is_err() || node.inputs.iter().flatten().any(|&i| beyond[i]);
            node.outputs.iter().flatten().for_each(|&o| beyond[o] = bad);
        }
        beyond
    }

    /// The value that a name stands for: a tensor's name, a node's name (its first output) or a module path (what the module gives to the
    /// rest of the network); with `:input` behind it, the first input of that node or module. A module that the exporter merged into another
    /// (a convolution and the batch normalization behind it) still has its input, which its weights lead to, but no output.
    pub fn resolve(&self, name: &str) -> Result<usize> {
        if let Some(&symbol) = self.names.get(name) {
            return Ok(symbol);
        }
        let (base, wants_input) = match name.strip_suffix(":input") {
            Some(base) => (base, true),
            None => (name.strip_suffix(":output").unwrap_or(name), false),
        };
        let made =
            self.names.get(base).and_then(|s| self.nodes.iter().find(|n| n.outputs.contains(&Some(*s))));
        let node = made.or_else(|| self.nodes.iter().find(|n| n.name == base));
        let found = match node {
            Some(n) if wants_input => {
                n.inputs.iter().flatten().copied().find(|&i| self.symbols[i].constant.is_none())
            }
            Some(n) => n.outputs.iter().flatten().copied().next(),
            None => {
                self.of_module(base, wants_input).or_else(|| self.of_weights(base).filter(|_| wants_input))
            }
        };
        if let (true, Some(taken)) = (wants_input, found)
            && let Some(front) = self.merged_in_front(base, node, taken)
        {
            let hint = format!(
                "; the exporter merged {front} into {base}, and what both together read is {front}:input"
            );
            return Err(ErrorKind::UnknownName { name: name.to_owned(), hint }.into());
        }
        found.ok_or_else(|| ErrorKind::UnknownName { name: name.to_owned(), hint: self.hint(base) }.into())
    }

    /// What a person should know of the value that a name stands for: that a convolution's output is that of a normalization which the exporter
    /// merged into it. PyTorch's older exporter then gives the weights a name of its own.
    pub fn note_of(&self, name: &str) -> Option<String> {
        let path = name.strip_suffix(":output").unwrap_or(name);
        let node = self.nodes.iter().find(|n| n.module.as_deref() == Some(path) || n.name == path)?;
        let is_convolution =
            node.op.as_ref().is_ok_and(|op| matches!(op.definition().name, "Conv" | "ConvTranspose"));
        let weights = &self.symbols[node.inputs.get(1).copied().flatten()?].name;
        let is_last = self.resolve(name).ok().is_some_and(|v| node.outputs.contains(&Some(v)));
        (is_convolution && is_last && weights.starts_with("onnx::Conv")).then(|| {
            format!(
                "{path}: the exporter merged the normalization behind it into it; its output is that of both"
            )
        })
    }

    /// What a module takes from the rest of the network, first, or gives to it, last. Sizes that are passed along do not count.
    fn of_module(&self, path: &str, wants_input: bool) -> Option<usize> {
        let is_inside = |n: &NetworkNode| n.module.as_deref().is_some_and(|m| is_within(m, path));
        let inside: Vec<&NetworkNode> = self.nodes.iter().filter(|n| is_inside(n)).collect();
        let made: HashSet<usize> = inside.iter().flat_map(|n| n.outputs.iter().flatten().copied()).collect();
        let depends = self.depends_on_elements();
        if wants_input {
            let mut taken = inside.iter().flat_map(|n| n.inputs.iter().flatten().copied());
            return taken.find(|i| !made.contains(i) && depends[*i]);
        }
        let outside = self.nodes.iter().filter(|n| !is_inside(n));
        let mut read: HashSet<usize> = outside.flat_map(|n| n.inputs.iter().flatten().copied()).collect();
        read.extend(&self.outputs);
        let given = || inside.iter().rev().flat_map(|n| n.outputs.iter().flatten().copied());
        given().find(|o| read.contains(o) && depends[*o]).or_else(|| given().next())
    }

    /// The module that the exporter merged into the front of another, so that what lay between them is not computed: the node that takes the
    /// other's input reads its weights, and no node is left of it.
    fn merged_in_front(&self, path: &str, node: Option<&NetworkNode>, taken: usize) -> Option<&str> {
        let own = |n: &&NetworkNode| n.module.as_deref().is_some_and(|m| is_within(m, path));
        let reads = |n: &&NetworkNode| n.inputs.contains(&Some(taken));
        let node = node.or_else(|| self.nodes.iter().filter(own).find(reads))?;
        let path = node.module.as_deref().filter(|m| !is_within(m, path)).unwrap_or(path);
        let constants =
            node.inputs.iter().flatten().map(|&i| &self.symbols[i]).filter(|s| s.constant.is_some());
        let owners = constants.filter_map(|s| s.name.rsplit_once('.')).map(|(owner, _)| owner);
        let is_gone =
            |m: &str| !self.nodes.iter().filter_map(|n| n.module.as_deref()).any(|n| is_within(n, m));
        owners.into_iter().find(|m| !is_within(m, path) && !is_within(path, m) && is_gone(m))
    }

    /// What the first node that reads a weight of a module reads beside it.
    fn of_weights(&self, path: &str) -> Option<usize> {
        let constant = |i: &usize| self.symbols[*i].constant.is_some();
        self.reader_of_weights(path)?.inputs.iter().flatten().copied().find(|i| !constant(i))
    }

    /// The first node that reads a weight of a module itself, of none inside it.
    fn reader_of_weights(&self, path: &str) -> Option<&NetworkNode> {
        let own = |i: &usize| {
            let symbol = &self.symbols[*i];
            let below = symbol.name.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
            symbol.constant.is_some() && below.is_some_and(|leaf| !leaf.contains('.'))
        };
        self.nodes.iter().find(|n| n.inputs.iter().flatten().any(own))
    }

    /// For each value, whether its elements may depend on those of an input, as those of sizes do not.
    pub(crate) fn depends_on_elements(&self) -> Vec<bool> {
        let mut depends = vec![false; self.symbols.len()];
        self.inputs.iter().for_each(|&i| depends[i] = true);
        for node in &self.nodes {
            let sizes = node.op.as_ref().is_ok_and(|op| matches!(op.definition().name, "Shape" | "Size"));
            if !sizes && node.inputs.iter().flatten().any(|&i| depends[i]) {
                node.outputs.iter().flatten().for_each(|&o| depends[o] = true);
            }
        }
        depends
    }

    fn hint(&self, name: &str) -> String {
        if let Some(node) = self.reader_of_weights(name) {
            let module = node.module.as_deref().unwrap_or(&node.name);
            return format!("; the exporter merged it into {module}, and what it reads is {name}:input");
        }
        let mut close: Vec<(usize, &str)> = self
            .nodes
            .iter()
            .flat_map(|n| {
                let outputs = n.outputs.iter().flatten().map(|&o| self.symbols[o].name.as_str());
                outputs.chain(n.module.as_deref())
            })
            .chain(self.input_names())
            .map(|candidate| (distance(name, candidate), candidate))
            .filter(|(d, candidate)| *d <= 2.max(candidate.len() / 3))
            .collect();
        close.sort_unstable();
        close.dedup();
        let names: Vec<&str> = close.into_iter().take(3).map(|(_, n)| n).collect();
        if names.is_empty() { String::new() } else { format!("; close: {}", names.join(", ")) }
    }
}

/// Whether a module is another or lies inside it.
fn is_within(module: &str, other: &str) -> bool {
    module.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Levenshtein's distance, of names of up to 200 characters.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(200).collect(), b.chars().take(200).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
