//! A graph made ready to run: steps in order, and a place in the workspace for every value.

use std::collections::HashMap;
use std::sync::Arc;

use pellucid_graph::lower::lower;
use pellucid_graph::{Buffer, DType, Fact, Graph, Slice, SliceMut, Tensor, ValueId, View, ViewMut};

use crate::error::{Error, Result};
use crate::fuse::{self, Run, Step};
use crate::profile::Profile;

/// The most bytes that a plan takes while it runs.
const MOST_BYTES: usize = 1 << 34;

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
    buffers: Vec<Buffer>,
}

impl Plan {
    /// Plans the computation of a graph's outputs from its inputs.
    pub fn new(graph: &Graph) -> Result<Self> {
        let (graph, _) = lower(graph, &|node| !node.op.runs())?;
        let steps = fuse::steps(&graph)?;
        let mut last_use: HashMap<ValueId, usize> = HashMap::new();
        for (i, step) in steps.iter().enumerate() {
            for &v in step.inputs.iter().flatten() {
                last_use.insert(v, i);
            }
        }
        for &v in graph.inputs().iter().chain(graph.outputs()) {
            last_use.insert(v, usize::MAX);
        }
        let mut layout = Layout::default();
        let mut plan = Self {
            rows: graph.rows(),
            steps: Vec::with_capacity(steps.len()),
            facts: Vec::new(),
            constants: Vec::new(),
            slots: Vec::new(),
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
            let slot = layout.take(v, graph.fact(v));
            let fact = fact_of(&mut plan, v);
            plan.inputs.push((Place::Slot(slot), fact));
        }
        let mut constants: HashMap<ValueId, usize> = HashMap::new();
        let mut place = |plan: &mut Self, layout: &Layout, v: ValueId| match graph.constant(v) {
            Some(tensor) => Place::Constant(*constants.entry(v).or_insert_with(|| {
                plan.constants.push(tensor.clone());
                plan.constants.len() - 1
            })),
            None => Place::Slot(layout.place[&v]),
        };
        for (i, step) in steps.into_iter().enumerate() {
            let read = step.inputs.iter();
            let inputs =
                read.map(|v| v.map(|v| (place(&mut plan, &layout, v), fact_of(&mut plan, v)))).collect();
            let written = step.outputs.iter();
            let outputs = written.map(|&v| (layout.take(v, graph.fact(v)), fact_of(&mut plan, v))).collect();
            for &v in step.inputs.iter().flatten().chain(&step.outputs) {
                if last_use.get(&v).is_none_or(|&last| last <= i) {
                    layout.free(v);
                }
            }
            let Step { name, operator, run, .. } = step;
            plan.steps.push(Placed { name, operator, run, inputs, outputs });
        }
        for &v in graph.outputs() {
            let entry = (place(&mut plan, &layout, v), fact_of(&mut plan, v));
            plan.outputs.push(entry);
        }
        plan.slots = layout.slots;
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
        Workspace { buffers: self.slots.iter().map(|&(dtype, len)| Buffer::zeros(dtype, len)).collect() }
    }

    /// An input's elements, to be written before a run. They stay what they are until they are written again.
    pub fn input<'a>(&self, workspace: &'a mut Workspace, i: usize) -> SliceMut<'a> {
        let (place, fact) = self.inputs[i];
        let Place::Slot(slot) = place else { unreachable!("inputs have slots") };
        workspace.buffers[slot].as_slice_mut().range(0..self.facts[fact].len())
    }

    /// An output's elements after a run.
    pub fn output<'a>(&'a self, workspace: &'a Workspace, i: usize) -> Slice<'a> {
        let (place, fact) = self.outputs[i];
        self.view(workspace, place, fact).data
    }

    fn view<'a>(&'a self, workspace: &'a Workspace, place: Place, fact: usize) -> View<'a> {
        let fact = &self.facts[fact];
        match place {
            Place::Slot(slot) => {
                View { shape: &fact.shape, data: workspace.buffers[slot].as_slice().range(0..fact.len()) }
            }
            Place::Constant(c) => self.constants[c].view(),
        }
    }

    /// Runs all steps once.
    pub fn run(&self, workspace: &mut Workspace, mut profile: Option<&mut Profile>) -> Result<()> {
        let mut taken: Vec<Buffer> = Vec::new();
        for (i, step) in self.steps.iter().enumerate() {
            let start = profile.as_ref().map(|_| std::time::Instant::now());
            // The outputs' buffers leave the workspace for the time of the step, so that its inputs can be read beside them.
            taken.clear();
            for &(slot, _) in &step.outputs {
                taken.push(std::mem::replace(&mut workspace.buffers[slot], Buffer::Bool(Vec::new())));
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
                    .map(|(buffer, &(_, fact))| {
                        let fact = &self.facts[fact];
                        ViewMut { shape: &fact.shape, data: buffer.as_slice_mut().range(0..fact.len()) }
                    })
                    .collect();
                step.run.run(&inputs, &mut outputs)
            };
            for (buffer, &(slot, _)) in taken.drain(..).zip(&step.outputs) {
                workspace.buffers[slot] = buffer;
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

fn too_large(graph: &Graph, plan: &Plan) -> Error {
    let outputs = graph.nodes().iter().flat_map(|n| n.outputs.iter().map(move |&o| (&n.name, graph.fact(o))));
    let largest = outputs.max_by_key(|(_, fact)| fact.len().saturating_mul(fact.dtype.size()));
    let (node, shape) = largest.map_or_else(Default::default, |(n, f)| (n.to_string(), f.shape.clone()));
    Error::TooLarge { rows: plan.rows, bytes: plan.bytes(), most: MOST_BYTES, node, shape }
}

/// Slots handed out by lifetime: a slot that is free again serves the next value of its type that it best fits.
#[derive(Debug, Default)]
struct Layout {
    slots: Vec<(DType, usize)>,
    free: Vec<usize>,
    place: HashMap<ValueId, usize>,
}

impl Layout {
    fn take(&mut self, v: ValueId, fact: &Fact) -> usize {
        let len = fact.len();
        let waste = |slot: &usize| self.slots[*slot].1.abs_diff(len);
        let best = self.free.iter().copied().filter(|&s| self.slots[s].0 == fact.dtype).min_by_key(waste);
        let slot = match best {
            Some(slot) => {
                self.free.retain(|&s| s != slot);
                self.slots[slot].1 = self.slots[slot].1.max(len);
                slot
            }
            None => {
                self.slots.push((fact.dtype, len));
                self.slots.len() - 1
            }
        };
        self.place.insert(v, slot);
        slot
    }

    fn free(&mut self, v: ValueId) {
        // An input of the node may stand there twice.
        if let Some(slot) = self.place.remove(&v) {
            self.free.push(slot);
        }
    }
}
