//! From a network with open shapes to a graph for batches of one size.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::build::{Builder, MOST_ELEMENTS};
use crate::error::{Error, ErrorKind, OpResult, Result};
use crate::graph::{Fact, FileOperator, Graph, Origin, ValueId};
use crate::network::{Dim, Network, NetworkNode};
use crate::operator::Operator;
use crate::ops::Identity;
use crate::rows::{Rows, RowsInput, RowsSite};
use crate::tensor::{DType, Tensor, span};
use crate::units::Recognised;

/// How to specialise a network.
#[derive(Clone, Debug, Default)]
pub struct Specialisation {
    /// The number of rows in a batch.
    pub rows: usize,
    /// The type that floats are computed in; as the file says where it is `None`.
    pub precision: Option<DType>,
    /// Sizes for symbolic dimensions other than the batch, by name.
    pub sizes: BTreeMap<String, usize>,
    /// Whole shapes for inputs that are declared without one, by name.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Values for inputs that are the same for all rows, by name.
    pub known: BTreeMap<String, Tensor>,
}

/// The operators of deep networks whose derivative jumps: what rounding moves across a kink gets another one.
const KINKED: [&str; 11] = [
    "Relu",
    "LeakyRelu",
    "PRelu",
    "ThresholdedRelu",
    "Clip",
    "HardSigmoid",
    "HardSwish",
    "MaxPool",
    "FusedConv",
    "Max",
    "Min",
];

/// A convolution in single precision takes its sums in double where more kinks than this lie behind it, one after the other: the error of a sum
/// moves elements across their kinks in all layers behind. The integrals of a ResNet50, 50 kinks deep, then are 0.7e-2 from exact ones rather than 1.3e-2
/// (`benches/README.md`), for the time of ten convolutions of 53.
const MOST_KINKS: usize = 40;

/// A node that refuses its inputs at some sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub operator: &'static str,
    /// The operator's domain; empty for ONNX's own.
    pub domain: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

/// A specialised network.
#[derive(Clone, Debug)]
pub struct Specialised {
    /// The graph.
    pub graph: Graph,
    /// Where each value of the network went, by position there; `None` for values that no output needs or that lie inside a unit.
    pub values: Vec<Option<ValueId>>,
    /// The units that were recognised, in the order of the graph.
    pub units: Vec<Recognised>,
}

impl Network {
    /// Where the rows of an input lie: along its first axis, unless it has none or its value is known.
    pub fn input_rows(&self, input: usize) -> Option<Rows> {
        let declared = self.symbols[input].declared.as_ref()?;
        match declared.shape.as_deref() {
            Some([]) => None,
            _ => Some(Rows::BATCH),
        }
    }

    /// The batch size that the file fixes, where it fixes one.
    pub fn fixed_rows(&self) -> Option<usize> {
        self.inputs.iter().find_map(|&i| {
            match self.symbols[i].declared.as_ref()?.shape.as_deref()?.first()? {
                Dim::Fixed(n) => Some(*n),
                _ => None,
            }
        })
    }

    /// The graph that computes the values at `targets`, for batches of one size and with every shape a number.
    ///
    /// What is constant is computed at once. Nodes that the targets do not need are left out, unsupported ones among them. Composites
    /// that only run through their bodies are replaced by them. Units that the file spells out become single operators, unless a target lies
    /// inside.
    pub fn specialise(&self, how: &Specialisation, targets: &[usize]) -> Result<Specialised> {
        self.laid_out(how, targets, |_, error| Err(error))
    }

    /// The graph of as many of the values at `targets` as can be computed, and every node that refuses its inputs; what needs such a node, or one
    /// whose operator is missing, is left out.
    pub fn specialise_leniently(
        &self,
        how: &Specialisation,
        targets: &[usize],
    ) -> Result<(Specialised, Vec<Refusal>)> {
        let beyond = self.beyond_gaps();
        let targets: Vec<usize> = targets.iter().copied().filter(|&t| !beyond[t]).collect();
        let mut refusals = Vec::new();
        let found = self.laid_out(how, &targets, |node, error| {
            let Ok(op) = &node.op else { return Err(error) };
            let definition = op.definition();
            let message = match error.kind() {
                ErrorKind::Operator { message, .. } => message.clone(),
                _ => error.to_string(),
            };
            let (operator, domain) = (definition.name, definition.domain);
            refusals.push(Refusal { node: node.name.clone(), operator, domain, message });
            Ok(())
        })?;
        Ok((found, refusals))
    }

    /// The graph of the values at `targets`. What is done about a node that refuses is `refused`'s to say; where that goes on, the graph
    /// is one of those targets that do not need the node.
    fn laid_out(
        &self,
        how: &Specialisation,
        targets: &[usize],
        mut refused: impl FnMut(&NetworkNode, Error) -> Result<()>,
    ) -> Result<Specialised> {
        let (wanted, needed) = self.needed(targets);
        let behind = self.kinks_behind();
        let mut b = Builder::new(how.rows);
        let mut values: Vec<Option<ValueId>> = vec![None; self.symbols.len()];
        for (i, symbol) in self.symbols.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            if let Some(tensor) = symbol.constant.as_ref().or_else(|| how.known.get(&symbol.name)) {
                let tensor = how.precision.map_or_else(|| tensor.clone(), |p| tensor.with_precision(p));
                let id = b.constant_value(tensor);
                b.rename(id, &symbol.name);
                values[i] = Some(id);
            }
        }
        for &i in &self.inputs {
            if values[i].is_none() {
                let fact = self.input_fact(i, how)?;
                values[i] = Some(b.input(&self.symbols[i].name, fact));
            }
        }
        let mut beyond = vec![false; self.symbols.len()];
        for (node, _) in self.nodes.iter().zip(&needed).filter(|(_, needed)| **needed) {
            let reachable = !node.inputs.iter().flatten().any(|&i| beyond[i]);
            let made = if reachable {
                self.add(&mut b, node, (how.precision, &behind), &values)
            } else {
                Ok(Vec::new())
            };
            let made = made.or_else(|error| refused(node, error).map(|()| Vec::new()))?;
            if made.is_empty() {
                node.outputs.iter().flatten().for_each(|&o| beyond[o] = true);
            }
            for (symbol, id) in made {
                let id = self.named(&mut b, node, id, symbol)?;
                values[symbol] = Some(id);
            }
        }
        b.set_origin(None);
        let mut outputs = Vec::with_capacity(targets.len());
        for &t in targets.iter().filter(|t| !beyond[**t]) {
            match values[t] {
                Some(id) => outputs.push(id),
                None => {
                    let name = &self.symbols[t].name;
                    return Err(ErrorKind::Malformed(format!("nothing computes {name:?}")).into());
                }
            }
        }
        let graph = b.finish(&outputs);
        Ok(match crate::units::recognise(&graph)? {
            Some((graph, map, units)) => {
                let values = values.into_iter().map(|v| v.and_then(|v| map.get(&v).copied())).collect();
                Specialised { graph, values, units }
            }
            None => Specialised { graph, values, units: Vec::new() },
        })
    }

    /// Which values and which nodes the values at `targets` need.
    fn needed(&self, targets: &[usize]) -> (Vec<bool>, Vec<bool>) {
        let mut wanted = vec![false; self.symbols.len()];
        for &t in targets {
            wanted[t] = true;
        }
        let mut needed = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().flatten().any(|&o| wanted[o]) {
                needed[i] = true;
                node.inputs.iter().flatten().for_each(|&v| wanted[v] = true);
            }
        }
        (wanted, needed)
    }

    /// Adds the nodes of a network that lies inside a node to a graph, with values for its inputs, and gives its outputs.
    pub(crate) fn emit(
        &self,
        b: &mut Builder,
        inputs: &[Option<ValueId>],
        precision: Option<DType>,
    ) -> Result<Vec<ValueId>> {
        let (wanted, needed) = self.needed(&self.outputs);
        let mut values: Vec<Option<ValueId>> = vec![None; self.symbols.len()];
        for (&symbol, &value) in self.inputs.iter().zip(inputs) {
            values[symbol] = value;
        }
        for (i, symbol) in self.symbols.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            if let (None, Some(tensor)) = (values[i], &symbol.constant) {
                values[i] = Some(
                    b.constant_value(precision.map_or_else(|| tensor.clone(), |p| tensor.with_precision(p))),
                );
            }
        }
        let behind = self.kinks_behind();
        for (node, _) in self.nodes.iter().zip(&needed).filter(|(_, needed)| **needed) {
            for (symbol, id) in self.add(b, node, (precision, &behind), &values)? {
                values[symbol] = Some(id);
            }
        }
        let missing = |o: usize| ErrorKind::Malformed(format!("nothing computes {:?}", self.symbols[o].name));
        self.outputs.iter().map(|&o| values[o].ok_or_else(|| missing(o).into())).collect()
    }

    /// Adds one node: which symbols it gives, and where they went.
    fn add(
        &self,
        b: &mut Builder,
        node: &NetworkNode,
        (precision, behind): (Option<DType>, &[usize]),
        values: &[Option<ValueId>],
    ) -> Result<Vec<(usize, ValueId)>> {
        let op = node.op.as_ref().map_err(|gap| ErrorKind::Unsupported {
            node: node.name.clone(),
            operator: if gap.domain.is_empty() {
                gap.operator.clone()
            } else {
                format!("{}.{}", gap.domain, gap.operator)
            },
            opset: gap.opset,
            reason: gap.reason.clone(),
        })?;
        let op = precision.and_then(|p| op.with_precision(p)).unwrap_or_else(|| Arc::clone(op));
        // A FusedConv's own lies behind its sums.
        let own = usize::from(is_kinked(node));
        let in_double = node.outputs.iter().flatten().any(|&o| behind[o] + own > MOST_KINKS);
        let op = if in_double { op.with_sums_in_double().unwrap_or(op) } else { op };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            match input {
                None => inputs.push(None),
                Some(i) => match values[*i] {
                    Some(id) => inputs.push(Some(id)),
                    None => {
                        let message = format!("its input {:?} is never computed", self.symbols[*i].name);
                        return Err(self.refused(node, &op, message));
                    }
                },
            }
        }
        let of = self.opset_of(&op).map(|opset| FileOperator { name: op.definition().name, opset });
        b.set_origin(Some(Origin { name: Arc::from(node.name.as_str()), of }));
        // A composite that only runs through its body is its body from here on.
        let body =
            if op.runs() { None } else { op.lower(b, &inputs).map_err(|e| self.refused(node, &op, e.0))? };
        let outputs = match body {
            Some(outputs) => outputs,
            None => b.node(Arc::clone(&op), &inputs).map_err(|e| self.refused(node, &op, e.0))?,
        };
        Ok(node.outputs.iter().zip(&outputs).filter_map(|(symbol, &id)| Some(((*symbol)?, id))).collect())
    }

    /// How many operators with a kink a value goes through on its longest way.
    fn kinks_behind(&self) -> Vec<usize> {
        let mut behind = vec![0; self.symbols.len()];
        for node in self.nodes.iter().rev() {
            let most = node.outputs.iter().flatten().map(|&o| behind[o]).max().unwrap_or(0);
            for &i in node.inputs.iter().flatten() {
                behind[i] = behind[i].max(most + usize::from(is_kinked(node)));
            }
        }
        behind
    }

    fn opset_of(&self, op: &Arc<dyn Operator>) -> Option<i64> {
        self.opsets.get(op.definition().domain).copied()
    }

    fn refused(&self, node: &NetworkNode, op: &Arc<dyn Operator>, message: String) -> crate::Error {
        let (operator, opset) = (op.definition().name, self.opset_of(op));
        ErrorKind::Operator { node: node.name.clone(), operator, opset, message }.into()
    }

    /// The value under the name of its symbol: itself, or, where a body handed through what has a name already, a copy.
    fn named(&self, b: &mut Builder, node: &NetworkNode, id: ValueId, symbol: usize) -> Result<ValueId> {
        let id = match (b.value(id).name.is_some(), b.constant(id).cloned()) {
            (false, _) => id,
            (true, Some(tensor)) => b.constant_value(tensor),
            (true, None) => b.push(Identity, &[id]).map_err(|e| ErrorKind::Operator {
                node: node.name.clone(),
                operator: "Identity",
                opset: None,
                message: e.0,
            })?,
        };
        b.rename(id, &self.symbols[symbol].name);
        Ok(id)
    }

    fn input_fact(&self, input: usize, how: &Specialisation) -> Result<Fact> {
        let symbol = &self.symbols[input];
        let bad = |message: String| ErrorKind::Input { name: symbol.name.clone(), message };
        let declared =
            symbol.declared.as_ref().ok_or_else(|| bad("the file does not say its type".to_owned()))?;
        let dtype = match how.precision {
            Some(p) if declared.dtype.is_float() => p,
            _ => declared.dtype,
        };
        let bounded = |shape: &[usize]| match span(shape) {
            Some(n) if n <= MOST_ELEMENTS => Ok(Fact::new(dtype, shape)),
            _ => Err(bad(format!("a shape of {shape:?} has more than {MOST_ELEMENTS} elements")).into()),
        };
        if let Some(shape) = how.shapes.get(&symbol.name) {
            return bounded(shape);
        }
        let dims = declared.shape.as_ref().ok_or_else(|| {
            bad("the file does not say its shape; give data, from which it follows".to_owned())
        })?;
        let batch = self.batch_symbols();
        let mut shape = Vec::with_capacity(dims.len());
        for (axis, dim) in dims.iter().enumerate() {
            shape.push(match dim {
                Dim::Fixed(n) => *n,
                _ if axis == 0 => how.rows,
                Dim::Symbol(name) => match how.sizes.get(name) {
                    Some(&n) => n,
                    None if batch.contains_key(name.as_str()) => how.rows,
                    None => {
                        return Err(bad(format!("the size of dimension {axis} ({name}) is open; give data, from which it follows")).into());
                    }
                },
                Dim::Unknown => {
                    return Err(bad(format!("the size of dimension {axis} is open; give data, from which it follows")).into());
                }
            });
        }
        bounded(&shape)
    }

    fn batch_symbols(&self) -> HashMap<&str, ()> {
        self.inputs
            .iter()
            .filter_map(|&i| match self.symbols[i].declared.as_ref()?.shape.as_ref()?.first()? {
                Dim::Symbol(name) => Some((name.as_str(), ())),
                _ => None,
            })
            .collect()
    }
}

impl Graph {
    /// Where the rows of every value lie, from those of the inputs; an error naming the node that mixes rows. A single row mixes with none.
    ///
    /// Values that are computed from constants alone, when the graph runs, have rows where those constants have some.
    pub fn rows_of_values(&self, inputs: &HashMap<ValueId, Rows>) -> Result<Vec<Option<Rows>>> {
        let mut rows: Vec<Option<Rows>> = vec![None; self.values.len()];
        for (id, r) in inputs {
            rows[id.index()] = Some(*r);
        }
        for node in &self.nodes {
            let outputs: Vec<&Fact> = node.outputs.iter().map(|o| self.fact(*o)).collect();
            let own = |v: ValueId| rows[v.index()];
            let with_constants = |v: ValueId| own(v).or_else(|| self.rows_of_constant(v));
            let ask = |place: &dyn Fn(ValueId) -> Option<Rows>| {
                self.rows_of_node(&*node.op, &node.inputs, &outputs, place)
            };
            let asked = if node.present().any(|v| own(v).is_some()) {
                // A constant that is the same for all rows may stand where no rows may.
                ask(&own).or_else(|e| ask(&with_constants).map_err(|_| e))
            } else if node.present().any(|v| with_constants(v).is_some()) {
                Ok(ask(&with_constants).unwrap_or_default())
            } else {
                continue;
            };
            let found = match asked {
                Ok(found) => found,
                Err(e) => {
                    let (operator, opset, reason) = node.said(e.0);
                    return Err(
                        ErrorKind::RowsMix { node: node.name.to_string(), operator, opset, reason }.into()
                    );
                }
            };
            for (o, r) in node.outputs.iter().zip(found) {
                rows[o.index()] = r;
            }
        }
        Ok(rows)
    }

    /// Where the rows of constants lie that an operator computes from others, as far as it says so.
    pub(crate) fn rows_of_constants(
        &self,
        op: &dyn Operator,
        inputs: &[Option<ValueId>],
        outputs: &[Fact],
    ) -> Vec<Option<Rows>> {
        let place = |v: ValueId| self.rows_of_constant(v);
        if inputs.iter().flatten().all(|v| place(*v).is_none()) {
            return Vec::new();
        }
        let facts: Vec<&Fact> = outputs.iter().collect();
        self.rows_of_node(op, inputs, &facts, &place).unwrap_or_default()
    }

    /// A single row needs no place.
    fn rows_of_constant(&self, v: ValueId) -> Option<Rows> {
        self.value(v).rows.filter(|_| self.rows > 1)
    }

    /// Where the rows of an operator's outputs lie, from those of its inputs.
    fn rows_of_node(
        &self,
        op: &dyn Operator,
        inputs: &[Option<ValueId>],
        outputs: &[&Fact],
        place: &dyn Fn(ValueId) -> Option<Rows>,
    ) -> OpResult<Vec<Option<Rows>>> {
        let inputs: Vec<Option<RowsInput<'_>>> = inputs
            .iter()
            .map(|v| {
                v.map(|v| {
                    let value = self.value(v);
                    RowsInput { fact: &value.fact, rows: place(v), constant: value.constant.as_ref() }
                })
            })
            .collect();
        // There is nothing to mix a single row with, and a scalar has no axis that an operator could ask for.
        let whole = || outputs.iter().map(|o| Some(Rows::whole(&o.shape))).collect();
        if inputs.iter().flatten().any(|x| x.rows.is_some() && x.fact.shape.is_empty()) {
            if self.rows > 1 {
                crate::refuse!("an input has no axis for {} rows", self.rows);
            }
            return Ok(whole());
        }
        match op.rows(&RowsSite { rows: self.rows, inputs: &inputs, outputs }) {
            Ok(found) if self.rows > 1 => Ok(found),
            // Whose axis is now of another size is the whole too.
            Ok(found) => {
                Ok(found.into_iter().zip(outputs).map(|(r, o)| r.map(|r| r.of_one(&o.shape))).collect())
            }
            Err(_) if self.rows == 1 => Ok(whole()),
            refused => refused,
        }
    }
}

fn is_kinked(node: &NetworkNode) -> bool {
    node.op.as_ref().is_ok_and(|op| KINKED.contains(&op.definition().name))
}
