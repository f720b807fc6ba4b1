//! Adding nodes to a graph.
//!
//! Each node is checked as it is added: its operator infers the outputs' types and shapes, and what is constant is computed at
//! once. The shorthand for single operators that derivatives are written with is in [`crate::emit`].

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{ErrorKind, OpError, OpResult, Result};
use crate::graph::{Fact, Graph, Node, Origin, Value, ValueId};
use crate::operator::{Arg, Operator};
use crate::rows::Rows;
use crate::tensor::{Buffer, DType, Tensor, View, ViewMut, elements, span};

/// The most elements that a value may have: 2³¹ bytes of `f64`, well above any layer, well below any memory.
pub(crate) const MOST_ELEMENTS: usize = 1 << 28;

/// The most bytes of a constant that an operator makes up: a mask, a window, a grid.
const MOST_MADE: usize = 1 << 28;

/// Refuses to make up a constant that is too large.
pub(crate) fn makeable(shape: &[usize], dtype: DType) -> OpResult<()> {
    match span(shape).and_then(|n| n.checked_mul(dtype.size())) {
        Some(bytes) if bytes <= MOST_MADE => Ok(()),
        _ => crate::refuse!(
            "it would make up a constant of shape {shape:?}, which has more than {MOST_MADE} bytes"
        ),
    }
}

/// What may still be computed while a graph is built. A constant that would exceed it is computed when the graph runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of computed constants. Each byte of a constant that is given brings [`Budget::BYTES_PER_BYTE`] more.
    pub bytes: usize,
    /// Steps of [`Operator::work`].
    pub work: u64,
}

impl Budget {
    /// How many bytes may be computed from each that is given: weights are cast, transposed and scaled on their way.
    pub const BYTES_PER_BYTE: usize = 8;

    /// Enough to find out shapes: what is computed for them is small.
    pub(crate) const SKETCH: Self = Self { bytes: 1 << 24, work: 1 << 24 };

    /// Takes what a node needs; false, and nothing taken, where that is not there.
    fn take(&mut self, bytes: usize, work: u64) -> bool {
        match (self.bytes.checked_sub(bytes), self.work.checked_sub(work)) {
            (Some(bytes), Some(work)) => {
                *self = Self { bytes, work };
                true
            }
            _ => false,
        }
    }
}

impl Default for Budget {
    /// 256 MiB beyond what weights bring, and work of a few seconds at most.
    fn default() -> Self {
        Self { bytes: 1 << 28, work: 1 << 33 }
    }
}

/// A graph being built. Reads as a [`Graph`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    graph: Graph,
    origin: Option<Origin>,
    budget: Budget,
    /// The same for constants of whole batches, apart from it: a network's values at a baseline leave room for all others.
    for_rows: Budget,
}

impl Deref for Builder {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl From<Graph> for Builder {
    /// A builder that goes on from a graph.
    fn from(graph: Graph) -> Self {
        let budget = graph.values.iter().filter_map(|v| v.constant.as_ref()).fold(Budget::default(), given);
        Self { graph, origin: None, budget, for_rows: budget }
    }
}

impl Builder {
    /// An empty graph for batches of `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self::with_budget(rows, Budget::default())
    }

    /// An empty graph for batches of `rows` rows, in which no more than `budget` is computed ahead.
    pub fn with_budget(rows: usize, budget: Budget) -> Self {
        Self { graph: Graph { rows, ..Graph::default() }, origin: None, budget, for_rows: budget }
    }

    /// A builder that goes on from a graph to find out shapes.
    pub(crate) fn sketch(graph: Graph) -> Self {
        Self { graph, origin: None, budget: Budget::SKETCH, for_rows: Budget::SKETCH }
    }

    /// Ends the building, with `outputs` as the graph's outputs.
    pub fn finish(mut self, outputs: &[ValueId]) -> Graph {
        self.graph.outputs = outputs.to_vec();
        self.graph
    }

    fn add_value(&mut self, value: Value) -> ValueId {
        let id = ValueId(self.graph.values.len() as u32);
        self.graph.values.push(value);
        id
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, fact: Fact) -> ValueId {
        let id = self.add_value(Value { name: None, fact, constant: None, rows: None, producer: None });
        self.graph.inputs.push(id);
        self.rename(id, name);
        id
    }

    /// Adds a constant.
    pub fn constant_value(&mut self, tensor: Tensor) -> ValueId {
        self.constant_of_rows(tensor, None)
    }

    /// Adds a constant for a whole batch, whose rows lie at `rows` and all have the same elements.
    pub fn constant_of_rows(&mut self, tensor: Tensor, rows: Option<Rows>) -> ValueId {
        let budget = if rows.is_some() { &mut self.for_rows } else { &mut self.budget };
        *budget = given(*budget, &tensor);
        self.computed_value(tensor, rows)
    }

    fn computed_value(&mut self, tensor: Tensor, rows: Option<Rows>) -> ValueId {
        let fact = Fact::new(tensor.dtype(), tensor.shape());
        self.add_value(Value { name: None, fact, constant: Some(tensor), rows, producer: None })
    }

    /// Gives a value a name, in place of the one it had.
    pub fn rename(&mut self, id: ValueId, name: &str) {
        let name: Arc<str> = Arc::from(name);
        self.graph.values[id.index()].name = Some(Arc::clone(&name));
        self.graph.names.insert(name, id);
    }

    /// Where the nodes come from that are added from here on.
    pub fn set_origin(&mut self, origin: Option<Origin>) -> Option<Origin> {
        std::mem::replace(&mut self.origin, origin)
    }

    /// Adds a node and gives its outputs.
    pub fn node(&mut self, op: Arc<dyn Operator>, inputs: &[Option<ValueId>]) -> OpResult<Vec<ValueId>> {
        let args: Vec<Option<Arg<'_>>> = inputs
            .iter()
            .map(|v| {
                v.map(|v| {
                    let value = self.graph.value(v);
                    Arg { fact: &value.fact, constant: value.constant.as_ref() }
                })
            })
            .collect();
        let facts = op.infer(&args)?;
        for fact in &facts {
            if span(&fact.shape).is_none_or(|n| n > MOST_ELEMENTS) {
                crate::refuse!("an output of shape {:?} has more than {MOST_ELEMENTS} elements", fact.shape);
            }
        }
        if !op.runs() && args.iter().flatten().all(|a| a.constant.is_some()) {
            // A composite of constants is computed through its body.
            if let Some(outputs) = op.lower(self, inputs)? {
                return Ok(outputs);
            }
            crate::refuse!("it neither runs nor has a body");
        }
        let known = match op.known(&args) {
            Some(known) => Some(known),
            None => {
                let of_rows = inputs.iter().flatten().any(|v| self.graph.value(*v).rows.is_some());
                let budget = if of_rows { &mut self.for_rows } else { &mut self.budget };
                fold(&*op, &args, &facts, budget)?
            }
        };
        if let Some(tensors) = known {
            let rows = self.graph.rows_of_constants(&*op, inputs, &facts);
            let place = |i: usize| rows.get(i).copied().flatten();
            return Ok(tensors
                .into_iter()
                .enumerate()
                .map(|(i, t)| self.computed_value(t, place(i)))
                .collect());
        }
        let position = self.graph.nodes.len();
        let outputs: Vec<ValueId> = facts
            .into_iter()
            .map(|fact| {
                self.add_value(Value {
                    name: None,
                    fact,
                    constant: None,
                    rows: None,
                    producer: Some(position),
                })
            })
            .collect();
        let Origin { name, of } = self.origin.clone().unwrap_or_else(|| op.definition().name.into());
        self.graph.nodes.push(Node { name, of, op, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }

    /// Adds a node with all inputs present and one output of interest, the first.
    pub fn push<O: Operator>(&mut self, op: O, inputs: &[ValueId]) -> OpResult<ValueId> {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        let outputs = self.node(Arc::new(op), &inputs)?;
        outputs.first().copied().ok_or_else(|| OpError("the operator has no output".to_owned()))
    }

    /// Computes the nodes between some values and `target` once more with those values replaced, and gives where every value
    /// that changed went.
    pub fn replay(
        &mut self,
        replaced: &[(ValueId, ValueId)],
        targets: &[ValueId],
    ) -> Result<HashMap<ValueId, ValueId>> {
        let mut map: HashMap<ValueId, ValueId> = replaced.iter().copied().collect();
        for node in self.nodes_to_replay(replaced, targets) {
            self.replay_node(&node, &mut map)?;
        }
        Ok(map)
    }

    /// The same where only `targets` are asked for: gives where those went that changed. Constants that are computed on the way are let go of when
    /// nobody will read them.
    pub fn replay_targets(
        &mut self,
        replaced: &[(ValueId, ValueId)],
        targets: &[ValueId],
    ) -> Result<HashMap<ValueId, ValueId>> {
        let nodes = self.nodes_to_replay(replaced, targets);
        let mut readers: HashMap<ValueId, usize> = HashMap::new();
        nodes.iter().flat_map(Node::present).chain(targets.iter().copied()).for_each(|v| {
            *readers.entry(v).or_default() += 1;
        });
        let first = self.graph.values.len();
        let mut map: HashMap<ValueId, ValueId> = replaced.iter().copied().collect();
        // How many values went to one.
        let mut held: HashMap<ValueId, usize> = HashMap::new();
        for node in nodes {
            let own = self.graph.values.len();
            self.replay_node(&node, &mut map)?;
            let outputs: Vec<ValueId> = node.outputs.iter().filter_map(|o| map.get(o).copied()).collect();
            outputs.iter().for_each(|o| *held.entry(*o).or_default() += 1);
            if outputs.iter().any(|o| self.constant(*o).is_none()) {
                // A node that runs will read its inputs then.
                continue;
            }
            for id in (own..self.graph.values.len()).filter(|id| !outputs.iter().any(|o| o.index() == *id)) {
                self.graph.values[id].constant = None;
            }
            for v in node.present() {
                let Some(count) = readers.get_mut(&v) else { continue };
                *count -= 1;
                let Some(new) = map.get(&v).filter(|new| *count == 0 && new.index() >= first) else {
                    continue;
                };
                let holders = held.entry(*new).or_default();
                *holders = holders.saturating_sub(1);
                if *holders == 0 {
                    self.graph.values[new.index()].constant = None;
                }
            }
        }
        map.retain(|v, _| targets.contains(v));
        Ok(map)
    }

    /// The nodes between some values and `targets`.
    fn nodes_to_replay(&self, replaced: &[(ValueId, ValueId)], targets: &[ValueId]) -> Vec<Node> {
        let sources: Vec<ValueId> = replaced.iter().map(|&(from, _)| from).collect();
        let active = self.dependents(&sources);
        let needed = self.needed(targets, &sources);
        let nodes = self.nodes().iter().enumerate();
        let between = nodes.filter(|(i, n)| needed[*i] && n.outputs.iter().any(|o| active[o.index()]));
        between.map(|(_, n)| n.clone()).collect()
    }

    /// Adds a node once more, on the values that its inputs went to, and puts down where its outputs went.
    fn replay_node(&mut self, node: &Node, map: &mut HashMap<ValueId, ValueId>) -> Result<()> {
        let inputs: Vec<Option<ValueId>> =
            node.inputs.iter().map(|v| v.map(|v| map.get(&v).copied().unwrap_or(v))).collect();
        let before = self.set_origin(Some(node.origin()));
        let outputs = self.node(Arc::clone(&node.op), &inputs).map_err(|e| located(node, e));
        self.set_origin(before);
        for (old, new) in node.outputs.iter().zip(outputs?) {
            map.entry(*old).or_insert(new);
        }
        Ok(())
    }
}

/// The error of an operator with the node where it happened.
pub fn located(node: &Node, error: OpError) -> crate::Error {
    let (operator, opset, message) = node.said(error.0);
    ErrorKind::Operator { node: node.name.to_string(), operator, opset, message }.into()
}

/// A budget with what a given constant brings.
fn given(budget: Budget, tensor: &Tensor) -> Budget {
    let more = tensor.len().saturating_mul(tensor.dtype().size()).saturating_mul(Budget::BYTES_PER_BYTE);
    Budget { bytes: budget.bytes.saturating_add(more), ..budget }
}

fn fold(
    op: &dyn Operator,
    args: &[Option<Arg<'_>>],
    facts: &[Fact],
    budget: &mut Budget,
) -> OpResult<Option<Vec<Tensor>>> {
    if !op.runs() || args.iter().flatten().any(|a| a.constant.is_none()) {
        return Ok(None);
    }
    let bytes = facts.iter().fold(0usize, |n, f| n.saturating_add(f.len().saturating_mul(f.dtype.size())));
    if !budget.take(bytes, op.work(args, facts)) {
        return Ok(None);
    }
    let views: Vec<Option<View<'_>>> =
        args.iter().map(|a| a.and_then(|a| a.constant).map(Tensor::view)).collect();
    Ok(Some(run_alone(op, &views, facts)?))
}

/// Runs one operator on its own, with outputs of the given types and shapes.
pub fn run_alone(op: &dyn Operator, inputs: &[Option<View<'_>>], facts: &[Fact]) -> OpResult<Vec<Tensor>> {
    let mut buffers: Vec<Buffer> = facts.iter().map(|f| Buffer::zeros(f.dtype, f.len())).collect();
    let mut outputs: Vec<ViewMut<'_>> = buffers
        .iter_mut()
        .zip(facts)
        .map(|(b, f)| ViewMut { shape: &f.shape, data: b.as_slice_mut() })
        .collect();
    op.run(inputs, &mut outputs)?;
    drop(outputs);
    buffers
        .into_iter()
        .zip(facts)
        .map(|(b, f)| {
            Tensor::from_buffer(&f.shape, b).ok_or_else(|| OpError("an output changed its size".to_owned()))
        })
        .collect()
}

/// A float type's tensor of one element repeated.
pub fn filled(dtype: DType, shape: &[usize], value: f64) -> Option<Tensor> {
    let n = elements(shape)?;
    match dtype {
        DType::F32 => Tensor::new(shape, vec![value as f32; n]),
        DType::F64 => Tensor::new(shape, vec![value; n]),
        DType::I64 => Tensor::new(shape, vec![value as i64; n]),
        DType::I32 => Tensor::new(shape, vec![value as i32; n]),
        DType::Bool => Tensor::new(shape, vec![value != 0.0; n]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_compute_from_a_constant_batch_has_its_rows() {
        let build = |rows: Option<Rows>| {
            let mut b = Builder::with_budget(4, Budget { bytes: 1 << 20, work: 0 });
            let x = b.input("x", Fact::new(DType::F64, &[4, 6]));
            let base = b.constant_of_rows(Tensor::zeros(DType::F64, &[4, 6]).unwrap(), rows);
            let weights = b.constant_value(Tensor::new(&[3, 5], vec![0.5; 15]).unwrap());
            let [here, there] = [x, base].map(|v| {
                let parts = b.reshape(v, &[4, 2, 3]).unwrap();
                let turned = b.transpose(parts, &[1, 0, 2]).unwrap();
                let product = b.matmul(turned, weights).unwrap();
                b.tanh(product).unwrap()
            });
            assert!(b.constant(there).is_none());
            let less = b.sub(here, there).unwrap();
            let graph = b.finish(&[less, there]);
            let found = graph.rows_of_values(&HashMap::from([(x, Rows::BATCH)]));
            found.map(|rows| [less, there].map(|v| rows[v.index()]))
        };
        assert_eq!(build(Some(Rows::BATCH)).unwrap(), [Some(Rows::plain(1)); 2]);
        let message = build(None).unwrap_err().to_string();
        assert!(message.contains("mixes the rows"), "{message}");
    }

    #[test]
    fn what_is_computed_on_the_way_is_let_go_of() {
        let start = || {
            let mut b = Builder::new(2);
            let x = b.input("x", Fact::new(DType::F64, &[2, 3]));
            let held = b.input("held", Fact::new(DType::F64, &[2, 3]));
            let twice = b.scale(x, 2.0).unwrap();
            let bent = b.relu(twice).unwrap();
            let sum = b.add(bent, twice).unwrap();
            // Read by one that runs.
            let product = b.mul(sum, held).unwrap();
            let minus = b.constant_value(Tensor::new(&[2, 3], vec![-1.0; 6]).unwrap());
            (b, x, minus, [bent, product], [twice, sum])
        };
        let (mut all, x, minus, targets, between) = start();
        let whole = all.replay(&[(x, minus)], &targets).unwrap();
        let (mut b, x, minus, targets, _) = start();
        let map = b.replay_targets(&[(x, minus)], &targets).unwrap();
        assert!(targets.iter().all(|t| map[t] == whole[t]) && map.len() == 2);
        let [bent, product] = targets;
        assert_eq!(b.constant(map[&bent]), Some(&Tensor::new(&[2, 3], vec![0.0; 6]).unwrap()));
        assert!(b.constant(map[&product]).is_none() && b.constant(minus).is_some());
        let [twice, sum] = between.map(|v| whole[&v]);
        assert!(all.constant(twice).is_some() && b.constant(twice).is_none());
        assert_eq!(b.constant(sum), Some(&Tensor::new(&[2, 3], vec![-2.0; 6]).unwrap()));
    }
}
