//! Where attribution starts: which inputs of the model are explained, for inputs of ids the outputs of their embeddings, and for whole numbers
//! that are turned into floats those floats.

use pellucid_graph::{Attribute, DType, Graph, Node, ValueId};

use crate::error::{Error, Result};
use crate::explanation::{InputUse, Source};
use crate::frame::{Frame, Setup};
use crate::spec::{InputBaseline, Role, Spec};

/// Inputs that by convention say what kind of token stands where, rather than which token.
const BESIDE_TOKENS: [&str; 3] = ["position_ids", "segment_ids", "token_type_ids"];

/// Operators that hand ids on as they are, in another shape or order or integer type.
const MOVES: [&str; 10] =
    ["Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose"];

/// A value from which attributions start.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The input that it belongs to.
    pub(crate) input: usize,
    /// The input itself, the output of its embedding, or the floats that it becomes.
    pub(crate) value: ValueId,
    pub(crate) embedding: Option<Embedding>,
}

/// A table from which an input's ids take rows, or where its whole numbers become floats.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    pub(crate) layer: String,
    /// The shape of a row of the table; empty for floats.
    pub(crate) vector: Vec<usize>,
    /// The ids as the table is asked for them.
    pub(crate) ids: ValueId,
}

/// The shape that each element of an input gets, and the elements.
type Opened = (Vec<usize>, ValueId);

/// How a method treats inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It follows gradients from the inputs, or a line between two of them.
    Gradient,
    /// It only replaces values.
    Replaces,
    /// It attributes to a layer.
    Layer,
}

impl Setup<'_> {
    fn way(&self) -> Way {
        match self.spec.method {
            // The path that conductance integrates along lies between inputs.
            crate::spec::Method::LayerConductance { .. } => Way::Gradient,
            _ if self.spec.method.info().has_layer => Way::Layer,
            crate::spec::Method::FeatureAblation {} => Way::Replaces,
            _ => Way::Gradient,
        }
    }

    /// The part that the specification gives an input.
    pub(crate) fn role(&self, input: usize) -> Role {
        let names = self.model.input_names();
        names.get(input).and_then(|n| self.spec.inputs.get(*n)).map_or(Role::Automatic, |i| i.role)
    }

    /// The baseline that the specification gives an input alone.
    pub(crate) fn own_baseline(&self, input: usize) -> Option<InputBaseline> {
        let names = self.model.input_names();
        names.get(input).and_then(|n| self.spec.inputs.get(*n)?.baseline.clone())
    }

    /// The values from which attributions start, in the order of the inputs; an error that says what to do where there is none.
    pub(crate) fn starts(&self, frame: &Frame) -> Result<Vec<Start>> {
        let names = self.model.input_names();
        let graph: &Graph = &frame.b;
        let read = read(frame);
        let found: Vec<Vec<Start>> =
            (0..frame.inputs.len()).map(|i| self.embeddings(frame, &read, i)).collect();
        let embeds = found.iter().any(|f| !f.is_empty());
        let way = self.way();
        let counts = |i: usize| {
            if embeds || way == Way::Replaces { Vec::new() } else { self.as_floats(frame, &read, i) }
        };
        let mut list = Vec::new();
        let mut beside = Vec::new();
        // What whole numbers become, where nothing else can be explained and each of those inputs becomes floats.
        let mut counted = Some(Vec::new());
        for (i, embeddings) in found.into_iter().enumerate() {
            let value = frame.inputs[i];
            let dtype = graph.fact(value).dtype;
            let itself = Start { input: i, value, embedding: None };
            let embedded = !embeddings.is_empty();
            match self.role(i) {
                Role::Fixed => {}
                Role::Automatic if graph.constant(value).is_some() => {}
                Role::Explained if graph.constant(value).is_some() => {
                    return Err(self.refusal(format!("its input {:?} is one value for all rows", names[i])));
                }
                _ if dtype.is_float() => list.push(itself),
                Role::Automatic if embedded && BESIDE_TOKENS.contains(&names[i]) => beside.extend(embeddings),
                _ if embedded => list.extend(embeddings),
                Role::Automatic if way == Way::Replaces && !embeds => list.push(itself),
                Role::Automatic if way == Way::Layer && self.own_baseline(i).is_some() => list.push(itself),
                Role::Automatic => match (counts(i), &mut counted) {
                    (floats, Some(all)) if !floats.is_empty() => all.extend(floats),
                    _ => counted = None,
                },
                Role::Explained if way != Way::Gradient => list.push(itself),
                Role::Explained => {
                    let floats = counts(i);
                    if floats.is_empty() {
                        return Err(self.refusal(format!(
                            "its input {:?} is of {dtype} and {}; hold it fixed, use feature_ablation, or a layer method",
                            names[i],
                            why_not_embedded(graph, value)
                        )));
                    }
                    list.extend(floats);
                }
            }
        }
        if list.is_empty() {
            list = if beside.is_empty() { counted.unwrap_or_default() } else { beside };
        }
        // A layer's values and their gradient start at no input.
        if list.is_empty() && (way != Way::Layer || self.spec.method.info().has_baseline) {
            return Err(self.refusal(self.nothing_to_explain(graph, &frame.inputs)));
        }
        Ok(list)
    }

    fn refusal(&self, reason: String) -> Error {
        Error::Refused { method: self.spec.method.info().title, reason }
    }

    fn nothing_to_explain(&self, graph: &Graph, inputs: &[ValueId]) -> String {
        // Inputs with the same in their way are named together.
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        let mut quantised = false;
        for (i, (name, &x)) in self.model.input_names().iter().zip(inputs).enumerate() {
            let reason = match (self.role(i), quantised_embedding(graph, x)) {
                (Role::Fixed, _) => "held fixed".to_owned(),
                _ if graph.constant(x).is_some() => "one value for all rows".to_owned(),
                (_, Some(embedding)) => {
                    quantised = true;
                    format!("of {} and {embedding}", graph.fact(x).dtype)
                }
                _ if inputs.len() > 1 => format!("of {} and read by no embedding", graph.fact(x).dtype),
                _ => format!("of {} and {}", graph.fact(x).dtype, why_not_embedded(graph, x)),
            };
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(format!("{name:?}")),
                None => reasons.push((reason, vec![format!("{name:?}")])),
            }
        }
        let each = reasons.iter().map(|(reason, names)| match names.as_slice() {
            [one] => format!("{one} is {reason}"),
            [first, .., last] if names.len() > 4 => {
                format!("{first} to {last} ({} inputs) are {reason}", names.len())
            }
            _ => format!("{} are {reason}", names.join(", ")),
        });
        let each: Vec<String> = each.collect();
        let all_fixed = (0..inputs.len()).all(|i| self.role(i) == Role::Fixed);
        let advice = match (all_fixed, quantised) {
            (true, _) => "hold fewer of them",
            (_, true) => {
                "use feature_ablation, with a tile of 1 (--tile 1) where its rows mix, or give the model before it was quantised"
            }
            _ => "use feature_ablation, or a layer method",
        };
        format!("no gradient reaches its inputs: {}; {advice}", each.join("; "))
    }

    /// The embeddings that an input of ids names rows of, in the order of the graph: those that are asked for the ids as they are, or, where there is none, for
    /// what is computed from each id for itself, as where it lies behind those of other columns. Those of which only the size is read do not count.
    fn embeddings(&self, frame: &Frame, read: &[bool], input: usize) -> Vec<Start> {
        let (graph, x): (&Graph, ValueId) = (&frame.b, frame.inputs[input]);
        if !is_integer(graph.fact(x).dtype) {
            return Vec::new();
        }
        let moved = self.starts_by(frame, read, input, table_and_ids, |node, same| moves(graph, node, same));
        // What only replaces values may as well replace the ids.
        if !moved.is_empty() || self.way() == Way::Replaces {
            return moved;
        }
        self.starts_by(frame, read, input, table_and_ids, |node, same| {
            let is_same = |v: ValueId| same[v.index()];
            node.op.definition().is_elementwise()
                && node.present().any(is_same)
                && node.present().all(|v| is_same(v) || graph.constant(v).is_some())
                && node.outputs.iter().all(|o| {
                    let fact = graph.fact(*o);
                    fact.shape == graph.shape(x) && (is_integer(fact.dtype) || fact.dtype == DType::Bool)
                })
        })
    }

    /// The floats that an input of whole numbers is turned into, element by element.
    fn as_floats(&self, frame: &Frame, read: &[bool], input: usize) -> Vec<Start> {
        let graph: &Graph = &frame.b;
        if !is_integer(graph.fact(frame.inputs[input]).dtype) {
            return Vec::new();
        }
        // Attributions lie where the elements do.
        let stays = |node: &Node| matches!(node.op.definition().name, "Cast" | "Identity");
        self.starts_by(frame, read, input, cast_to_floats, |node, same| {
            stays(node) && moves(graph, node, same)
        })
    }

    /// The nodes that open an input, as `opens` says of one with the shape that each element gets and what it opens, or what nodes make of the input
    /// that hand it on.
    fn starts_by(
        &self,
        frame: &Frame,
        read: &[bool],
        input: usize,
        opens: fn(&Graph, &Node) -> Option<Opened>,
        hands_on: impl Fn(&Node, &[bool]) -> bool,
    ) -> Vec<Start> {
        let (graph, x): (&Graph, ValueId) = (&frame.b, frame.inputs[input]);
        let mut same = vec![false; graph.values().count()];
        same[x.index()] = true;
        let mut found = Vec::new();
        for node in graph.nodes() {
            if let Some((vector, ids)) = opens(graph, node).filter(|(_, ids)| same[ids.index()]) {
                let value = node.outputs[0];
                if !read[value.index()] {
                    continue;
                }
                let layer = self.layer_called(graph, node, value);
                found.push(Start { input, value, embedding: Some(Embedding { layer, vector, ids }) });
            } else if hands_on(node, &same) {
                node.outputs.iter().for_each(|o| same[o.index()] = true);
            }
        }
        found
    }

    /// What a person calls the output of a node: its module's path, where that leads to it, its name, or the node's.
    fn layer_called(&self, graph: &Graph, node: &Node, value: ValueId) -> String {
        let network = self.model.network();
        let Some(name) = graph.value(value).name.as_deref() else { return node.name.to_string() };
        let module = network.resolve(name).ok().and_then(|symbol| {
            let made = network.nodes().iter().find(|n| n.outputs.contains(&Some(symbol)))?;
            let module = made.module.as_ref()?;
            (network.resolve(module).ok()? == symbol).then(|| module.clone())
        });
        module.unwrap_or_else(|| name.to_owned())
    }

    /// What attributions that start at `starts` belong to.
    pub(crate) fn sources(&self, starts: &[Start]) -> Vec<Source> {
        let names = self.model.input_names();
        let one = |s: &Start| Source {
            name: names[s.input].to_owned(),
            embedding: s.embedding.as_ref().map(|e| e.layer.clone()),
            vector: s.embedding.as_ref().map_or_else(Vec::new, |e| e.vector.clone()),
        };
        starts.iter().map(one).collect()
    }

    /// What part each input plays when attributions start at `starts`.
    pub(crate) fn uses(&self, starts: &[Start]) -> Vec<InputUse> {
        let of = |i: usize| starts.iter().filter(move |s| s.input == i);
        let names = self.model.input_names();
        let one = |(i, name): (usize, &&str)| InputUse {
            name: (*name).to_owned(),
            explained: of(i).next().is_some(),
            embeddings: of(i).filter_map(|s| s.embedding.as_ref().map(|e| e.layer.clone())).collect(),
        };
        names.iter().enumerate().map(one).collect()
    }
}

fn is_integer(dtype: DType) -> bool {
    !dtype.is_float() && !matches!(dtype, DType::Bool | DType::String)
}

/// The values of which more than the size is read.
fn read(frame: &Frame) -> Vec<bool> {
    let graph: &Graph = &frame.b;
    let mut found = vec![false; graph.values().count()];
    let readers = graph.nodes().iter().filter(|n| !matches!(n.op.definition().name, "Shape" | "Size"));
    readers.flat_map(Node::present).chain(frame.layer).chain(frame.targets.iter().copied()).for_each(|v| {
        found[v.index()] = true;
    });
    found
}

/// Whether a node hands whole numbers on as they are.
fn moves(graph: &Graph, node: &Node, same: &[bool]) -> bool {
    MOVES.contains(&node.op.definition().name)
        && node.outputs.iter().all(|o| is_integer(graph.fact(*o).dtype))
        && node.inputs.first().copied().flatten().is_some_and(|v| same[v.index()])
}

/// For a node that takes rows of a constant table of floats: the shape of a row, and the ids.
fn table_and_ids(graph: &Graph, node: &Node) -> Option<Opened> {
    let &[Some(table), Some(ids)] = node.inputs.as_slice() else { return None };
    let first = matches!(node.op.attributes().get("axis"), None | Some(Attribute::Int(0)));
    let rows = graph.constant(table).is_some_and(|t| t.dtype().is_float() && !t.shape().is_empty());
    let is_taken = node.op.definition().name == "Gather" && first && rows;
    is_taken.then(|| (graph.shape(table)[1..].to_vec(), ids))
}

/// For a node that turns whole numbers into floats: no shape of their own, and the numbers.
fn cast_to_floats(graph: &Graph, node: &Node) -> Option<Opened> {
    let (&[Some(x)], &[y]) = (node.inputs.as_slice(), node.outputs.as_slice()) else { return None };
    (node.op.definition().name == "Cast" && graph.fact(y).dtype.is_float()).then(|| (Vec::new(), x))
}

/// How an embedding whose table is quantised reads an input of ids, where one does: its rows become floats in an operator that no gradient passes.
fn quantised_embedding(graph: &Graph, x: ValueId) -> Option<String> {
    if !is_integer(graph.fact(x).dtype) {
        return None;
    }
    let active = graph.dependents(&[x]);
    let is_table = |v: ValueId| graph.constant(v).is_some_and(|t| is_integer(t.dtype()));
    let by_ids = |v: ValueId| active[v.index()] && is_integer(graph.fact(v).dtype);
    graph.nodes().iter().find_map(|gather| {
        let &[Some(table), Some(ids)] = gather.inputs.as_slice() else { return None };
        if gather.op.definition().name != "Gather" || !is_table(table) || !by_ids(ids) {
            return None;
        }
        let widens = |n: &&Node| n.op.refuses_gradients() && n.inputs.first() == Some(&gather.outputs.first().copied());
        let widening = graph.nodes().iter().find(widens)?;
        Some(format!(
            "read by Gather (node {:?}), an embedding whose table is quantised: {} (node {:?}) lets no gradient pass",
            gather.name,
            widening.op.definition().name,
            widening.name
        ))
    })
}

/// Why attribution cannot start behind an input that is not of floats: what it becomes floats in.
fn why_not_embedded(graph: &Graph, x: ValueId) -> String {
    if let Some(found) = quantised_embedding(graph, x) {
        return found;
    }
    let active = graph.dependents(&[x]);
    let becomes = graph.nodes().iter().find(|n| {
        let reads = n.present().any(|v| active[v.index()] && !graph.fact(v).dtype.is_float());
        reads && n.outputs.iter().any(|o| graph.fact(*o).dtype.is_float())
    });
    match becomes {
        Some(n) => format!("read by {} (node {:?}), which is no embedding", n.op.definition().name, n.name),
        None => "read by nothing that turns it into floats".to_owned(),
    }
}

/// Whether every name for which the specification says something is an input of the model.
pub(crate) fn check_inputs(spec: &Spec, names: &[&str]) -> Result<()> {
    match spec.inputs.keys().find(|n| !names.contains(&n.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::Spec(format!(
            "the specification speaks of an input {name:?}; the model's inputs are {}",
            names.join(", ")
        ))),
    }
}
