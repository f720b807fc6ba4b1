//! Reading a model: from a file's bytes to a checked [`Network`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::external::Folder;
use super::inline::{self, Functions, Names, Placed};
use super::module::{self, Weights};
use super::node;
use super::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto, tensor_shape_proto, type_proto};
use super::tensor::{self, Read};
use super::{NEWEST_OPSET, foreign, measure, order};
use crate::attributes::Attributes;
use crate::build::MOST_ELEMENTS;
use crate::error::{ErrorKind, Result};
use crate::import::ImportInput;
use crate::network::{Declared, Dim, Gap, Network, NetworkNode, Symbol};
use crate::tensor::Tensor;

/// The most bytes of a file; a message of Protocol Buffers cannot have more, larger weights stand in files beside it.
const MOST_BYTES: u64 = 1 << 31;

impl Network {
    /// Reads an ONNX file, and the files beside it that hold its weights, if there are such.
    ///
    /// Operators that are not supported do not stop the load: they are [`Network::gaps`]. Errors: the file cannot be read, is
    /// another kind of file (the message says how to convert it), is truncated, or contradicts itself.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(ErrorKind::NotOnnx(foreign::folder(path)).into());
        }
        let failed = |source| ErrorKind::Io { path: path.display().to_string(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 == MOST_BYTES {
            return Err(ErrorKind::TooLarge(format!(
                "{} has 2 GiB or more, which an ONNX file cannot have; its weights belong in a file beside it",
                path.display()
            ))
            .into());
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        decode(Bytes::from(bytes), Some(path), Some(folder))
    }

    /// Reads an ONNX model from memory. Weights that it keeps in files of their own are looked for in `folder`.
    pub fn from_bytes(bytes: &[u8], folder: Option<&Path>) -> Result<Self> {
        decode(Bytes::copy_from_slice(bytes), None, folder)
    }
}

fn decode(bytes: Bytes, path: Option<&Path>, folder: Option<&Path>) -> Result<Network> {
    if let Some(other) = foreign::recognise(&bytes, path) {
        return Err(ErrorKind::NotOnnx(other).into());
    }
    if let Some(total) = measure::too_many(&bytes) {
        return Err(ErrorKind::TooLarge(format!(
            "its messages would take about {total} bytes, from a file of {}",
            bytes.len()
        ))
        .into());
    }
    let model = ModelProto::decode(bytes.clone())
        .map_err(|e| ErrorKind::NotOnnx(foreign::guess(&bytes, path, &e.to_string())))?;
    if model.graph.is_none() {
        return Err(ErrorKind::NotOnnx(foreign::guess(&bytes, path, "it has no graph")).into());
    }
    drop(bytes);
    from_model(model, folder)
}

/// Reads a model that is decoded already.
pub(super) fn from_model(model: ModelProto, folder: Option<&Path>) -> Result<Network> {
    let mut network = Network::new();
    let mut opsets = HashMap::new();
    for import in &model.opset_import {
        let domain = node::domain_of(import.domain.as_deref());
        let version = import.version.unwrap_or(1);
        // Where a domain is imported twice, the newer version holds.
        let entry = opsets.entry(domain.to_owned()).or_insert(version);
        *entry = version.max(*entry);
    }
    if let Some(&version) = opsets.get("")
        && version > NEWEST_OPSET
    {
        network.warnings.push(format!(
            "the model uses operator set {version}; the newest whose operators are known is {NEWEST_OPSET}, later changes are not"
        ));
    }
    if !model.training_info.is_empty() {
        network.warnings.push("the model's training information is left aside".to_owned());
    }
    network.producer = [&model.producer_name, &model.producer_version]
        .into_iter()
        .flatten()
        .filter(|s| !s.is_empty())
        .fold(String::new(), |all, part| if all.is_empty() { part.clone() } else { format!("{all} {part}") });
    for entry in model.metadata_props {
        network.metadata.insert(entry.key.unwrap_or_default(), entry.value.unwrap_or_default());
    }
    network.opsets = opsets.iter().map(|(d, v)| (d.clone(), *v)).collect::<BTreeMap<_, _>>();
    let graph = model.graph.unwrap_or_default();
    let functions = Functions::new(&model.functions, opsets);
    let mut names = Names::default();
    // What the file names stays as it is named; names that are made keep clear of all of them.
    graph
        .input
        .iter()
        .chain(&graph.output)
        .filter_map(|v| v.name.as_deref())
        .chain(inline::defined(&graph))
        .for_each(|name| {
            names.take(name);
        });
    let nodes = functions.expand(&graph.node, 0, &mut names)?;
    let weights = Weights::of(&graph);
    let folder = Folder::new(folder);
    let mut reader = Reader { network, folder, functions: &functions, weights: &weights, names, depth: 0 };
    reader.graph(&graph, nodes)?;
    let mut network = reader.network;
    widened(&mut network);
    Ok(network)
}

/// Says that floats of 16 bits are computed wider, where there are such.
fn widened(network: &mut Network) {
    let mut kinds: Vec<&str> =
        network.symbols.iter().filter_map(|s| s.declared.as_ref()?.widened_from).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if !kinds.is_empty() {
        network.warnings.push(format!(
            "the file has values of type {}; they are widened to float32 and computed so, or in float64 where that is asked for",
            kinds.join(" and ")
        ));
    }
}

/// A file's graph as it becomes a network.
pub(super) struct Reader<'a> {
    pub(super) network: Network,
    pub(super) folder: Folder,
    pub(super) functions: &'a Functions<'a>,
    pub(super) weights: &'a Weights<'a>,
    /// Every name of a value in the file, so that made-up names can keep clear of them.
    pub(super) names: Names,
    /// In how many branches this one lies.
    pub(super) depth: usize,
}

impl Reader<'_> {
    pub(super) fn graph(&mut self, graph: &GraphProto, nodes: Vec<Placed>) -> Result<()> {
        self.initializers(graph)?;
        self.inputs(&graph.input)?;
        self.nodes(nodes)?;
        for info in &graph.output {
            let name = info.name.as_deref().unwrap_or_default();
            let Some(&symbol) = self.network.names.get(name) else {
                return Err(ErrorKind::Malformed(format!("output {name:?} is never computed")).into());
            };
            self.declare(symbol, info, "output")?;
            self.network.outputs.push(symbol);
        }
        self.leave_out_unread();
        for info in &graph.value_info {
            if let Some(&symbol) = self.network.names.get(info.name.as_deref().unwrap_or_default()) {
                self.declare(symbol, info, "value")?;
            }
        }
        Ok(())
    }

    /// Outputs behind the last that is read, where an operator is simpler without them.
    fn leave_out_unread(&mut self) {
        let Network { nodes, outputs, .. } = &mut self.network;
        let inputs = nodes.iter().flat_map(|n| n.inputs.iter().flatten());
        let read: HashSet<usize> = inputs.chain(outputs.iter()).copied().collect();
        for node in nodes {
            let last = node.outputs.iter().rposition(|o| o.is_some_and(|o| read.contains(&o)));
            let count = last.map_or(1, |last| last + 1);
            if let Some(simpler) = node.op.as_ref().ok().and_then(|op| op.with_outputs(count)) {
                node.op = Ok(simpler);
                node.outputs.truncate(count);
            }
        }
    }

    pub(super) fn nodes(&mut self, nodes: Vec<Placed>) -> Result<()> {
        let (nodes, opsets): (Vec<NodeProto>, Vec<usize>) = nodes.into_iter().unzip();
        for i in order::topological(&nodes)? {
            self.node(&nodes[i], opsets[i])?;
        }
        Ok(())
    }

    pub(super) fn initializers(&mut self, graph: &GraphProto) -> Result<()> {
        for proto in &graph.initializer {
            let name = proto.name.as_deref().unwrap_or_default();
            let read = tensor::read(proto, &format!("initializer {name:?}"), &mut self.folder)?;
            self.constant(name, read)?;
        }
        for proto in &graph.sparse_initializer {
            let name = proto.values.as_ref().and_then(|v| v.name.as_deref()).unwrap_or_default();
            let read = tensor::read_sparse(proto, &format!("sparse initializer {name:?}"), &mut self.folder)?;
            self.constant(name, read)?;
        }
        Ok(())
    }

    /// Adds a constant; elements that cannot be held become a gap that computes them.
    fn constant(&mut self, name: &str, read: Read) -> Result<()> {
        if name.is_empty() {
            return Err(ErrorKind::Malformed("an initializer has no name".to_owned()).into());
        }
        self.names.take(name);
        match read {
            Read::Tensor(tensor, widened_from) => {
                let declared = widened_from.map(|from| Declared {
                    dtype: tensor.dtype(),
                    widened_from: Some(from),
                    shape: Some(tensor.shape().iter().map(|&d| Dim::Fixed(d)).collect()),
                });
                self.network.add_symbol(Symbol {
                    name: name.to_owned(),
                    declared,
                    constant: Some(tensor),
                })?;
            }
            Read::Unsupported(kind) => {
                let symbol =
                    self.network.add_symbol(Symbol { name: name.to_owned(), ..Symbol::default() })?;
                let gap = Gap {
                    operator: "Constant".to_owned(),
                    domain: String::new(),
                    opset: self.functions.opsets[0].get("").copied().unwrap_or(1),
                    reason: format!("elements of type {kind} are not supported"),
                };
                self.network.nodes.push(NetworkNode {
                    name: name.to_owned(),
                    op: Err(gap),
                    inputs: Vec::new(),
                    outputs: vec![Some(symbol)],
                    module: None,
                });
            }
        }
        Ok(())
    }

    fn inputs(&mut self, infos: &[ValueInfoProto]) -> Result<()> {
        let mut seen = HashSet::new();
        for info in infos {
            let name = info.name.as_deref().unwrap_or_default();
            if name.is_empty() {
                return Err(ErrorKind::Malformed("an input has no name".to_owned()).into());
            }
            if !seen.insert(name) {
                return Err(ErrorKind::Malformed(format!("two inputs are named {name:?}")).into());
            }
            // Older files list their weights as inputs too.
            if self.network.names.contains_key(name) {
                continue;
            }
            self.names.take(name);
            let symbol = self.network.add_symbol(Symbol { name: name.to_owned(), ..Symbol::default() })?;
            self.declare(symbol, info, "input")?;
            let declared = self.network.symbols[symbol].declared.as_ref();
            let fixed =
                declared.and_then(|d| d.shape.as_ref()).into_iter().flatten().filter_map(|d| match d {
                    Dim::Fixed(n) => Some(*n),
                    _ => None,
                });
            if crate::tensor::span(&fixed.collect::<Vec<usize>>()).is_none_or(|n| n > MOST_ELEMENTS) {
                return Err(ErrorKind::TooLarge(format!(
                    "input {name:?} has more than {MOST_ELEMENTS} elements"
                ))
                .into());
            }
            self.network.inputs.push(symbol);
        }
        Ok(())
    }

    /// Notes what the file says of a value's type and shape; types that are not tensors are warned of and left open. `what` says in messages
    /// what the value is.
    fn declare(&mut self, symbol: usize, info: &ValueInfoProto, what: &str) -> Result<()> {
        let target = &mut self.network.symbols[symbol];
        if target.declared.is_some() || target.constant.is_some() {
            return Ok(());
        }
        let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
                Some(type_proto::Value::SequenceType(s)) if is_map(s) => self.network.warnings.push(format!(
                    "value {:?} is a map from labels to scores for each row; it is given as the tensor of its scores, one column for \
                     each label",
                    target.name
                )),
                Some(_) => self.network.warnings.push(format!("value {:?} is not a tensor", target.name)),
                None => {}
            }
            return Ok(());
        };
        let (dtype, widened_from) = match tensor::element_type(tensor.elem_type.unwrap_or(0)) {
            Ok(found) => found,
            Err(kind) => {
                if kind != "undefined" {
                    let name = &target.name;
                    self.network
                        .warnings
                        .push(format!("value {name:?} is of type {kind}, which is not supported"));
                }
                return Ok(());
            }
        };
        let dims = tensor.shape.as_ref().map(|shape| shape.dim.iter().enumerate());
        let sized = |(axis, d)| {
            dim(d).map_err(|n| {
                ErrorKind::Malformed(format!(
                    "dimension {axis} of {what} {:?} has a size of {n}; expected 0 or more, or -1 where it is open",
                    target.name
                ))
            })
        };
        let shape = dims.map(|dims| dims.map(sized).collect::<std::result::Result<_, _>>()).transpose()?;
        target.declared = Some(Declared { dtype, widened_from, shape });
        Ok(())
    }

    fn node(&mut self, proto: &NodeProto, opsets: usize) -> Result<()> {
        let label = match order::label(proto) {
            label if label.is_empty() => {
                format!("{}_{}", proto.op_type.as_deref().unwrap_or("node"), self.network.nodes.len())
            }
            label => label,
        };
        let mut attributes = node::attributes(proto, &label, &mut self.folder)?;
        if proto.op_type.as_deref() == Some("If") && node::domain_of(proto.domain.as_deref()).is_empty() {
            return self.branches(proto, label, &mut attributes, opsets);
        }
        let constant = proto.op_type.as_deref() == Some("Constant")
            && node::domain_of(proto.domain.as_deref()).is_empty()
            && proto.input.is_empty();
        if constant
            && let [output] = proto.output.as_slice()
            && !output.is_empty()
            && let Ok(tensor) = node::constant(&attributes)
        {
            self.network.add_constant(output, tensor)?;
            return Ok(());
        }
        self.operator(proto, label, &attributes, opsets)
    }

    pub(super) fn operator(
        &mut self,
        proto: &NodeProto,
        label: String,
        attributes: &Attributes,
        opsets: usize,
    ) -> Result<()> {
        let mut inputs = Vec::with_capacity(proto.input.len());
        for name in &proto.input {
            inputs.push(if name.is_empty() {
                ImportInput::Missing
            } else {
                let Some(&symbol) = self.network.names.get(name) else {
                    return Err(ErrorKind::Malformed(format!(
                        "node {label} reads {name:?}, which nothing computes"
                    ))
                    .into());
                };
                ImportInput::Value(symbol, self.network.symbols[symbol].constant.clone())
            });
        }
        let given = inputs.clone();
        let (op, inputs) = match node::import(proto, attributes, inputs, &self.functions.opsets[opsets]) {
            Ok((op, inputs)) => (Ok(op), inputs),
            Err(gap) => (Err(gap), given),
        };
        let mut positions = Vec::with_capacity(inputs.len());
        for (i, input) in inputs.into_iter().enumerate() {
            positions.push(match input {
                ImportInput::Missing => None,
                ImportInput::Value(symbol, _) => Some(symbol),
                ImportInput::Constant(tensor) => Some(self.made_constant(&label, i, tensor)?),
            });
        }
        while positions.last() == Some(&None) {
            positions.pop();
        }
        let mut outputs = Vec::with_capacity(proto.output.len());
        for name in &proto.output {
            outputs.push(if name.is_empty() {
                None
            } else {
                Some(self.network.add_symbol(Symbol { name: name.clone(), ..Symbol::default() })?)
            });
        }
        let module = module::module_path(proto, self.weights);
        self.network.nodes.push(NetworkNode { name: label, op, inputs: positions, outputs, module });
        Ok(())
    }

    /// A constant that stands in the file as an attribute of a node, under a name that nothing else has.
    fn made_constant(&mut self, label: &str, input: usize, tensor: Tensor) -> Result<usize> {
        let name = self.names.fresh(format!("{label}:{input}"));
        self.network.add_constant(&name, tensor)
    }
}

/// Whether a sequence is of maps, as ZipMap's output is.
fn is_map(sequence: &type_proto::Sequence) -> bool {
    let element = sequence.elem_type.as_ref().and_then(|t| t.value.as_ref());
    matches!(element, Some(type_proto::Value::MapType(_)))
}

/// A size as the file has it; an error with a number that is none.
fn dim(dim: &tensor_shape_proto::Dimension) -> std::result::Result<Dim, i64> {
    Ok(match &dim.value {
        // Some exporters write an open size so.
        Some(tensor_shape_proto::dimension::Value::DimValue(-1)) => Dim::Unknown,
        Some(tensor_shape_proto::dimension::Value::DimValue(n)) => {
            usize::try_from(*n).map(Dim::Fixed).map_err(|_| *n)?
        }
        Some(tensor_shape_proto::dimension::Value::DimParam(name)) if !name.is_empty() => {
            Dim::Symbol(name.clone())
        }
        _ => Dim::Unknown,
    })
}
