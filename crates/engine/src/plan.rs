//! A graph made ready to run: steps in order, and a place in the workspace for every value.

use std::collections::HashMap;
use std::sync::Arc;

use pellucid_graph::lower::lower;
use pellucid_graph::{
    Arg, Buffer, DType, Fact, Graph, Node, Slice, SliceMut, Tensor, ValueId, View, ViewMut,
};

use pellucid_kernels::Aligned;

use crate::error::{Error, Result};
use crate::fuse::{self, Run, Step};
use crate::lives::Lives;
use crate::profile::Profile;

/// The most bytes that a plan takes while it runs.
const MOST_BYTES: usize = 1 << 34;

/// Bytes of a value that are worth giving back and having again.
const LARGE: usize = 1 << 20;

/// Where a value lies while a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A buffer of the workspace.
    Slot(usize),
    /// A constant of the plan.
    Constant(usize),
}

#[derive(Debug)]
struct Placed {
    name: Arc<str>,
    operator: &'static str,
    run: Run,
    inputs: Vec<Option<(Place, usize)>>,
    outputs: Vec<(usize, usize)>,
}

/// A graph made ready to run on one thread at a time, in a [`Workspace`] of its own for each thread.
#[derive(Debug)]
pub struct Plan {
    rows: usize,
    work: u64,
    uses: f64,
    steps: Vec<Placed>,
    facts: Vec<Fact>,
    constants: Vec<Tensor>,
    slots: Vec<(DType, usize)>,
    inputs: Vec<(Place, usize)>,
    outputs: Vec<(Place, usize)>,
}

/// The memory in which a plan runs.
#[derive(Debug)]
pub struct Workspace {
    slots: Vec<Room>,
}

/// The elements of a slot. Floats begin at a line of the cache.
#[derive(Debug)]
enum Room {
    F32(Aligned<f32>),
    F64(Aligned<f64>),
    Other(Buffer),
}

impl Room {
    /// What nothing lies in.
    const NONE: Self = Self::Other(Buffer::Bool(Vec::new()));

    fn new((dtype, len): (DType, usize)) -> Self {
        match dtype {
            DType::F32 => Self::F32(Aligned::zeros(len)),
            DType::F64 => Self::F64(Aligned::zeros(len)),
            other => Self::Other(Buffer::zeros(other, len)),
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::Other(Buffer::Bool(v)) if v.is_empty())
    }

    fn get(&self, len: usize) -> Slice<'_> {
        match self {
            Self::F32(v) => Slice::F32(&v[..len]),
            Self::F64(v) => Slice::F64(&v[..len]),
            Self::Other(buffer) => buffer.as_slice().range(0..len),
        }
    }

    fn get_mut(&mut self, len: usize) -> SliceMut<'_> {
        match self {
            Self::F32(v) => SliceMut::F32(&mut v[..len]),
            Self::F64(v) => SliceMut::F64(&mut v[..len]),
            Self::Other(buffer) => buffer.as_slice_mut().range(0..len),
        }
    }
}

impl Plan {
    /// Plans the computation of a graph's outputs from its inputs, which stay what they are until they are written again.
    pub fn new(graph: &Graph) -> Result<Self> {
        Self::of(graph, true)
    }

    /// The same of a graph whose inputs are written before each run.
    pub(crate) fn fed_anew(graph: &Graph) -> Result<Self> {
        Self::of(graph, false)
    }

    fn of(graph: &Graph, stay: bool) -> Result<Self> {
        let (graph, _) = lower(graph, &|node| !node.op.runs())?;
        let (steps, same) = fuse::steps(&graph)?;
        // A value that lies where another does.
        let lies = |v: ValueId| same.get(&v).copied().unwrap_or(v);
        let mut lives = Lives::default();
        for &v in graph.inputs() {
            lives.begin(v, graph.fact(v), 0);
        }
        for (i, step) in steps.iter().enumerate() {
            step.outputs.iter().for_each(|&v| lives.begin(v, graph.fact(v), i));
            step.inputs.iter().flatten().for_each(|&v| lives.reach(lies(v), i));
        }
        let inputs = if stay { graph.inputs() } else { &[] };
        inputs.iter().chain(graph.outputs()).for_each(|&v| lives.reach(lies(v), usize::MAX));
        let (slots, slot_of) = lives.slots();
        let mut plan = Self {
            rows: graph.rows(),
            work: work(&graph),
            uses: uses_of_weights(&graph),
            steps: Vec::with_capacity(steps.len()),
            facts: Vec::new(),
            constants: Vec::new(),
            slots,
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let mut facts: HashMap<ValueId, usize> = HashMap::new();
        let mut fact_of = |plan: &mut Self, v: ValueId| {
            *facts.entry(v).or_insert_with(|| {
                plan.facts.push(graph.fact(v).clone());
                plan.facts.len() - 1
            })
        };
        for &v in graph.inputs() {
            let fact = fact_of(&mut plan, v);
            plan.inputs.push((Place::Slot(slot_of[&v]), fact));
        }
        let mut constants: HashMap<ValueId, usize> = HashMap::new();
        let mut place = |plan: &mut Self, v: ValueId| match graph.constant(v) {
            Some(tensor) => Place::Constant(*constants.entry(v).or_insert_with(|| {
                plan.constants.push(tensor.clone());
                plan.constants.len() - 1
            })),
            None => Place::Slot(slot_of[&lies(v)]),
        };
        for step in steps {
            let read = step.inputs.iter();
            let inputs = read.map(|v| v.map(|v| (place(&mut plan, v), fact_of(&mut plan, v)))).collect();
            let written = step.outputs.iter();
            let outputs = written.map(|&v| (slot_of[&v], fact_of(&mut plan, v))).collect();
            let Step { name, operator, run, .. } = step;
            plan.steps.push(Placed { name, operator, run, inputs, outputs });
        }
        for &v in graph.outputs() {
            let entry = (place(&mut plan, v), fact_of(&mut plan, v));
            plan.outputs.push(entry);
        }
        if plan.bytes() > MOST_BYTES {
            return Err(too_large(&graph, &plan));
        }
        Ok(plan)
    }

    /// The number of rows in a batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The types and shapes of the inputs.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &Fact> {
        self.inputs.iter().map(|&(_, f)| &self.facts[f])
    }

    /// The types and shapes of the outputs.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Fact> {
        self.outputs.iter().map(|&(_, f)| &self.facts[f])
    }

    /// The bytes that a workspace takes.
    pub fn bytes(&self) -> usize {
        self.slots.iter().fold(0, |n, (dtype, len)| n.saturating_add(dtype.size().saturating_mul(*len)))
    }

    /// About how many steps a run takes: elements read and written, or multiplications where these are more.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// How often each row uses a weight: the median over all weights. A batch in which they are used seldom waits for them to come from memory.
    pub fn uses_of_weights(&self) -> f64 {
        self.uses
    }

    /// The number of operators that run.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Memory to run in, all zero.
    pub fn workspace(&self) -> Workspace {
        Workspace { slots: self.slots.iter().copied().map(Room::new).collect() }
    }

    /// Lets go of what is large and holds neither inputs nor outputs, until the next run.
    pub(crate) fn let_go(&self, workspace: &mut Workspace) {
        let is_kept = |slot| self.inputs.iter().chain(&self.outputs).any(|x| x.0 == Place::Slot(slot));
        for (i, (room, (dtype, len))) in workspace.slots.iter_mut().zip(&self.slots).enumerate() {
            if dtype.size() * len >= LARGE && !is_kept(i) {
                *room = Room::NONE;
            }
        }
    }

    /// An input's elements, to be written before a run.
    pub fn input<'a>(&self, workspace: &'a mut Workspace, i: usize) -> SliceMut<'a> {
        let (place, fact) = self.inputs[i];
        let Place::Slot(slot) = place else { unreachable!("inputs have slots") };
        workspace.slots[slot].get_mut(self.facts[fact].len())
    }

    /// An output's elements after a run.
    pub fn output<'a>(&'a self, workspace: &'a Workspace, i: usize) -> Slice<'a> {
        let (place, fact) = self.outputs[i];
        self.view(workspace, place, fact).data
    }

    fn view<'a>(&'a self, workspace: &'a Workspace, place: Place, fact: usize) -> View<'a> {
        let fact = &self.facts[fact];
        match place {
            Place::Slot(slot) => View { shape: &fact.shape, data: workspace.slots[slot].get(fact.len()) },
            Place::Constant(c) => self.constants[c].view(),
        }
    }

    /// Runs all steps once.
    pub fn run(&self, workspace: &mut Workspace, mut profile: Option<&mut Profile>) -> Result<()> {
        for (room, slot) in workspace.slots.iter_mut().zip(&self.slots) {
            if room.is_none() {
                *room = Room::new(*slot);
            }
        }
        let mut taken: Vec<Room> = Vec::new();
        for (i, step) in self.steps.iter().enumerate() {
            let start = profile.as_ref().map(|_| std::time::Instant::now());
            // The outputs' buffers leave the workspace for the time of the step, so that its inputs can be read beside them.
            taken.clear();
            for &(slot, _) in &step.outputs {
                taken.push(std::mem::replace(&mut workspace.slots[slot], Room::NONE));
            }
            let result = {
                let inputs: Vec<Option<View<'_>>> = step
                    .inputs
                    .iter()
                    .map(|x| x.map(|(place, fact)| self.view(workspace, place, fact)))
                    .collect();
                let mut outputs: Vec<ViewMut<'_>> = taken
                    .iter_mut()
                    .zip(&step.outputs)
                    .map(|(room, &(_, fact))| {
                        let fact = &self.facts[fact];
                        ViewMut { shape: &fact.shape, data: room.get_mut(fact.len()) }
                    })
                    .collect();
                step.run.run(&inputs, &mut outputs)
            };
            for (room, &(slot, _)) in taken.drain(..).zip(&step.outputs) {
                workspace.slots[slot] = room;
            }
            result.map_err(|e| Error::Run {
                node: step.name.to_string(),
                operator: step.operator,
                message: e.0,
            })?;
            if let (Some(profile), Some(start)) = (profile.as_deref_mut(), start) {
                profile.add(i, &step.name, step.operator, start.elapsed());
            }
        }
        Ok(())
    }
}

/// The inputs and outputs of a node, as its operator is asked about them.
fn facts<'a>(graph: &'a Graph, node: &Node) -> (Vec<Option<Arg<'a>>>, Vec<Fact>) {
    let fact = |v: ValueId| Arg { fact: graph.fact(v), constant: graph.constant(v) };
    let outputs = node.outputs.iter().map(|&o| graph.fact(o).clone()).collect();
    (node.inputs.iter().map(|v| v.map(fact)).collect(), outputs)
}

fn work(graph: &Graph) -> u64 {
    let of = |node: &Node| {
        let (inputs, outputs) = facts(graph, node);
        node.op.work(&inputs, &outputs)
    };
    graph.nodes().iter().map(of).fold(0, u64::saturating_add)
}

fn uses_of_weights(graph: &Graph) -> f64 {
    let mut uses: Vec<(f64, usize)> = Vec::new();
    for node in graph.nodes() {
        let (inputs, outputs) = facts(graph, node);
        let weights = inputs.iter().flatten().filter(|x| x.constant.is_some() && x.fact.shape.len() > 1);
        let weights = weights.map(|x| x.fact.len()).max().unwrap_or(0);
        if weights > 0 {
            let uses_of_each = node.op.work(&inputs, &outputs) as f64 / weights as f64;
            uses.push((uses_of_each / graph.rows().max(1) as f64, weights));
        }
    }
    uses.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = uses.iter().map(|u| u.1 as f64).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let median = uses.iter().find(|(_, weights)| {
        sum += *weights as f64;
        sum >= half
    });
    median.map_or(f64::INFINITY, |m| m.0)
}

fn too_large(graph: &Graph, plan: &Plan) -> Error {
    let outputs = graph.nodes().iter().flat_map(|n| n.outputs.iter().map(move |&o| (&n.name, graph.fact(o))));
    let largest = outputs.max_by_key(|(_, fact)| fact.len().saturating_mul(fact.dtype.size()));
    let (node, shape) = largest.map_or_else(Default::default, |(n, f)| (n.to_string(), f.shape.clone()));
    Error::TooLarge { rows: plan.rows, bytes: plan.bytes(), most: MOST_BYTES, node, shape }
}

#[cfg(test)]
mod tests {
    use pellucid_graph::Builder;

    use super::*;

    #[test]
    fn what_is_let_go_of_is_had_again() {
        let long = LARGE / size_of::<f32>();
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F32, &[1, long]));
        let bent = b.tanh(x).unwrap();
        let total = b.reduce_sum(bent, &[1], true).unwrap();
        let y = b.mul(bent, total).unwrap();
        let last = b.reduce_sum(y, &[1], true).unwrap();
        let plan = Plan::fed_anew(&b.finish(&[last])).unwrap();
        let mut space = plan.workspace();
        let run = |space: &mut Workspace| {
            if let SliceMut::F32(x) = plan.input(space, 0) {
                x.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32).sin());
            }
            plan.run(space, None).unwrap();
            plan.output(space, 0).to_buffer()
        };
        let first = run(&mut space);
        let held = |space: &Workspace| space.slots.iter().filter(|room| !room.is_none()).count();
        let all = held(&space);
        plan.let_go(&mut space);
        assert!(held(&space) < all);
        assert_eq!(plan.output(&space, 0).to_buffer(), first);
        assert_eq!(run(&mut space), first);
    }
}
