//! What is in a model: its inputs, outputs and layers with shapes, parameters and kinds, what can be explained from where, and what it lacks.

mod probe;

use std::collections::{BTreeMap, HashMap};

use pellucid::graph::attributes::Attribute;
use pellucid::graph::network::{Declared, NetworkNode};
use pellucid::graph::{Network, Operator, Recognised};
use pellucid::{InputUse, Survey};
use pellucid_data::image::ImageSteps;
use serde::Serialize;

use self::probe::Probe;
use crate::model::OpenModel;

/// A model's contents.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// The file's name.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// What wrote the file.
    pub producer: String,
    /// Imported operator sets: domain, empty for ONNX's own, and version.
    pub opsets: BTreeMap<String, i64>,
    /// The inputs.
    pub inputs: Vec<Port>,
    /// The outputs.
    pub outputs: Vec<Port>,
    /// The classes, where the file names them.
    pub classes: Vec<String>,
    /// The columns of the table that the model takes, where the file names them.
    pub columns: Vec<String>,
    /// How pictures are prepared, where the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageSteps>,
    /// Rows that train, validate and test, where the file says so.
    pub split: Option<[u64; 3]>,
    /// The numbers that were learned.
    pub parameters: u64,
    /// The nodes in order.
    pub layers: Vec<Layer>,
    /// Every method, and from where it works. Empty where the file does not say the shape of an input.
    pub methods: Vec<Reach>,
    /// Whether rows of a batch influence each other, so that the model is explained one row at a time.
    pub one_row: bool,
    /// The nodes whose operator cannot be run, those that refuse their inputs, and those that no gradient passes.
    pub gaps: Vec<Missing>,
    /// What is worth knowing about the file.
    pub warnings: Vec<String>,
}

/// An input or an output.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its elements' type.
    #[serde(rename = "type")]
    pub dtype: String,
    /// Its shape, as declared.
    pub shape: Vec<String>,
}

/// A node.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// What `--layer` takes: the path of its module, where that leads to its first output; else that output's name.
    pub name: String,
    /// The node's name.
    pub node: String,
    /// The path of its module, where the file says so; else its node's name.
    pub path: String,
    /// Its operator.
    pub operator: String,
    /// How rules and optimisations see it.
    pub kind: String,
    /// The shape of its first output, the rows as `N`; empty where it is not known.
    pub shape: Vec<String>,
    /// The numbers it learned.
    pub parameters: u64,
    /// The unit that it and the nodes before it spell out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The name of the layer whose unit it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Whether its first output is the same for all rows of one shape: a size, a mask, a scaled weight.
    pub constant: bool,
    /// Whether it has values of floats that depend on an input, for layer activation.
    pub values: bool,
    /// Whether the output's gradient reaches it too, for the other layer methods.
    pub gradient: bool,
}

/// Several nodes that are one operator.
#[derive(Clone, Debug, Serialize)]
pub struct Unit {
    /// The operator.
    pub operator: String,
    /// How rules and optimisations see it.
    pub kind: String,
    /// How many nodes it is spelled out in.
    pub nodes: usize,
}

/// How far a method reaches.
#[derive(Clone, Debug, Serialize)]
pub struct Reach {
    /// The method.
    pub method: String,
    /// The inputs that it explains, with embeddings where it starts there.
    pub inputs: Vec<InputUse>,
    /// How many layers it can attribute to; 0 where it attributes to inputs.
    pub layers: usize,
    /// Why it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a node lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Its operator: it cannot be run.
    Operator,
    /// Inputs that its operator takes: it refuses their types or sizes.
    Inputs,
    /// A gradient: it can be run, and no gradient passes it.
    Gradient,
}

/// A node that cannot be run, or that no gradient passes.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// What it lacks.
    pub lacks: Lack,
    /// The node.
    pub node: String,
    /// Its operator, with the domain where that is not ONNX's own.
    pub operator: String,
    /// The version of the operator set.
    pub opset: i64,
    /// Why, and what to do.
    pub reason: String,
}

/// Looks into a model.
pub fn inspect(model: &OpenModel) -> Contents {
    let network = model.model().network();
    let seen = See::new(network);
    let survey = seen.probe.as_ref().and_then(|p| p.inputs(network)).map(|i| model.model().survey(&i));
    let layers = layers_of(network, &seen, survey.as_ref());
    let port = |symbol: &usize| {
        let symbol = &network.symbols()[*symbol];
        Port {
            name: symbol.name.clone(),
            dtype: symbol
                .declared
                .as_ref()
                .map_or("?", |d| d.widened_from.unwrap_or(d.dtype.name()))
                .to_owned(),
            shape: symbol.declared.as_ref().and_then(declared).unwrap_or_default(),
        }
    };
    Contents {
        file: model.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: model.model().sha256().to_owned(),
        producer: network.producer.clone(),
        opsets: network.opsets.clone(),
        inputs: network.inputs().iter().map(port).collect(),
        outputs: network.outputs().iter().map(port).collect(),
        classes: model.class_names().to_vec(),
        columns: model
            .preprocessing()
            .map(|s| s.sources().iter().map(|c| c.name.clone()).collect())
            .unwrap_or_default(),
        images: model.images().map(|i| i.steps.clone()),
        split: model.metadata().and_then(|m| m.split.as_ref()).map(|s| s.counts),
        parameters: layers.iter().map(|l| l.parameters).sum(),
        layers,
        methods: survey.as_ref().map(reaches).unwrap_or_default(),
        one_row: survey.as_ref().is_some_and(|s| s.one_row),
        gaps: gaps(model, &seen, survey.as_ref()),
        warnings: network.warnings.clone(),
    }
}

/// What is seen of a network at some sizes.
struct See {
    /// The sizes, those at which the least is refused; `None` where the file does not say the rank of an input.
    probe: Option<Probe>,
    /// The shape of every value: as it comes out, else as the file declares it.
    shapes: Vec<Option<Vec<String>>>,
    /// Whether a value is the same for all rows of one shape.
    constant: Vec<bool>,
    /// The units that the nodes spell out, on the way to the outputs.
    units: Vec<Recognised>,
}

impl See {
    fn new(network: &Network) -> Self {
        let mut shapes: Vec<Option<Vec<String>>> =
            network.symbols().iter().map(|s| s.declared.as_ref().and_then(declared)).collect();
        let mut constant = vec![false; shapes.len()];
        let targets: Vec<usize> =
            network.nodes().iter().flat_map(|n| n.outputs.iter().flatten().copied()).collect();
        let probes = Probe::all(network);
        let mut best = probes.first().cloned();
        let mut fewest = usize::MAX;
        for probe in probes {
            let both =
                [0, 1].map(|which| network.specialise_leniently(&probe.specialisation(which), &targets));
            let [Ok((one, refusals)), Ok((other, others))] = both else { continue };
            // Sizes at which less is refused show more of the network.
            let refused = refusals.len().max(others.len());
            if refused >= fewest {
                continue;
            }
            for &symbol in &targets {
                if let (Some(a), Some(b)) = (one.values[symbol], other.values[symbol]) {
                    shapes[symbol] = Some(probe.shape(one.graph.shape(a), other.graph.shape(b)));
                    constant[symbol] = one.graph.constant(a).is_some();
                }
            }
            (best, fewest) = (Some(probe), refused);
            if refused == 0 {
                break;
            }
        }
        let whole =
            best.as_ref().map(|p| network.specialise_leniently(&p.specialisation(0), network.outputs()));
        let units = whole.and_then(Result::ok).map(|(w, _)| w.units).unwrap_or_default();
        Self { probe: best, shapes, constant, units }
    }
}

/// The numbers that an operator of `ai.onnx.ml` has in lists of its own, where others have weights: coefficients, thresholds, scales.
fn numbers(op: &dyn Operator) -> u64 {
    if op.definition().domain != "ai.onnx.ml" {
        return 0;
    }
    let length = |name: &str, attribute: &Attribute| match attribute {
        Attribute::Floats(list) if LEARNED.contains(&name) => list.len() as u64,
        _ => 0,
    };
    op.attributes().iter().map(|(name, attribute)| length(name, attribute)).sum()
}

/// The lists of numbers that are learned.
const LEARNED: [&str; 12] = [
    "class_weights",
    "coefficients",
    "imputed_value_floats",
    "intercepts",
    "nodes_values",
    "offset",
    "prob_a",
    "prob_b",
    "rho",
    "scale",
    "support_vectors",
    "target_weights",
];

/// The nodes of a model in order, without what can be explained.
pub fn layers(model: &OpenModel) -> Vec<Layer> {
    let network = model.model().network();
    layers_of(network, &See::new(network), None)
}

fn layers_of(network: &Network, seen: &See, survey: Option<&Survey>) -> Vec<Layer> {
    let names = names_of(network);
    let by_node: HashMap<&str, usize> =
        network.nodes().iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
    // A unit inside the body of one node is no unit of the file.
    let own = |u: &&Recognised| u.inside.iter().any(|n| *n != u.node);
    let mut roots: HashMap<usize, &Recognised> = HashMap::new();
    let mut parts: HashMap<usize, usize> = HashMap::new();
    for unit in seen.units.iter().filter(own) {
        let Some(&root) = by_node.get(&*unit.node) else { continue };
        roots.insert(root, unit);
        parts.extend(unit.inside.iter().filter_map(|n| by_node.get(&**n)).map(|&i| (i, root)));
    }
    let producers: HashMap<usize, usize> = network
        .nodes()
        .iter()
        .enumerate()
        .flat_map(|(i, n)| n.outputs.iter().flatten().map(move |&o| (o, i)))
        .collect();
    let mut counted = vec![false; network.symbols().len()];
    let mut found = Vec::with_capacity(names.len());
    for (i, node) in network.nodes().iter().enumerate() {
        let first = node.outputs.iter().flatten().copied().next();
        let constant = first.is_some_and(|s| seen.constant[s]);
        // A weight is counted with the first node that reads it, whatever transposes or casts it on the way.
        let own = node.op.as_ref().ok().filter(|_| !constant);
        let mut parameters = own.map_or(0, |op| numbers(op.as_ref()));
        let mut waiting: Vec<usize> =
            if constant { Vec::new() } else { node.inputs.iter().flatten().copied().collect() };
        while let Some(symbol) = waiting.pop() {
            let tensor = network.symbols()[symbol].constant.as_ref();
            let made = producers.get(&symbol).filter(|_| seen.constant[symbol]);
            if (tensor.is_none() && made.is_none()) || std::mem::replace(&mut counted[symbol], true) {
                continue;
            }
            // Numbers without dimensions are an operator's arguments.
            parameters += tensor
                .filter(|t| t.dtype().is_float() && !t.shape().is_empty())
                .map_or(0, |t| t.len() as u64);
            waiting
                .extend(made.into_iter().flat_map(|&i| network.nodes()[i].inputs.iter().flatten().copied()));
        }
        let (operator, kind) = match &node.op {
            Ok(op) => {
                let constant = |s: usize| seen.constant[s] || network.symbols()[s].constant.is_some();
                let active: Vec<bool> = node.inputs.iter().map(|i| i.is_some_and(|s| !constant(s))).collect();
                (op.definition().name, format!("{:?}", op.kind(&active)))
            }
            Err(gap) => (gap.operator.as_str(), "missing".to_owned()),
        };
        let is = |of: fn(&Survey) -> &[bool]| survey.zip(first).is_some_and(|(s, v)| of(s)[v]);
        found.push(Layer {
            name: names[i].clone(),
            node: node.name.clone(),
            path: node.module.clone().unwrap_or_else(|| node.name.clone()),
            operator: operator.to_owned(),
            kind,
            shape: first.and_then(|s| seen.shapes[s].clone()).unwrap_or_default(),
            parameters,
            unit: roots.get(&i).map(|u| Unit {
                operator: u.operator.to_owned(),
                kind: format!("{:?}", u.kind),
                nodes: u.inside.len() + 1,
            }),
            part_of: parts.get(&i).map(|&root| names[root].clone()),
            constant,
            values: is(|s| &s.values),
            gradient: is(|s| &s.gradients),
        });
    }
    found
}

/// What `--layer` takes for the first output of each node.
fn names_of(network: &Network) -> Vec<String> {
    let mut modules: HashMap<&str, Option<usize>> = HashMap::new();
    let name = |node: &NetworkNode| {
        let symbol = node.outputs.iter().flatten().copied().next();
        symbol.map_or(&node.name, |s| &network.symbols()[s].name).clone()
    };
    network
        .nodes()
        .iter()
        .map(|node| {
            let first = node.outputs.iter().flatten().copied().next();
            match node.module.as_deref() {
                Some(path) => {
                    let leads = modules.entry(path).or_insert_with(|| network.resolve(path).ok());
                    if first.is_some() && *leads == first { path.to_owned() } else { name(node) }
                }
                None => name(node),
            }
        })
        .collect()
}

fn reaches(survey: &Survey) -> Vec<Reach> {
    let one = |m: &pellucid::MethodReach| Reach {
        method: m.info.name.to_owned(),
        inputs: m.inputs.clone(),
        layers: m.layers,
        reason: m.reason.clone(),
    };
    survey.methods.iter().map(one).collect()
}

fn gaps(model: &OpenModel, seen: &See, survey: Option<&Survey>) -> Vec<Missing> {
    let network = model.model().network();
    let opset = |domain: &str| network.opsets.get(domain).copied().unwrap_or(1);
    let full = |domain: &str, operator: &str| match domain {
        "" => operator.to_owned(),
        _ => format!("{domain}.{operator}"),
    };
    let operators = network.gaps().map(|(node, gap)| Missing {
        lacks: Lack::Operator,
        node: node.name.clone(),
        operator: full(&gap.domain, &gap.operator),
        opset: gap.opset,
        reason: gap.reason.clone(),
    });
    let tried = seen.probe.as_ref().and_then(Probe::tried);
    let refusals = survey.map(|s| s.refusals.as_slice()).unwrap_or_default().iter().map(|r| Missing {
        lacks: Lack::Inputs,
        node: r.node.clone(),
        operator: full(r.domain, r.operator),
        opset: opset(r.domain),
        reason: match &tried {
            Some(tried) => format!("{} (tried with {tried})", r.message),
            None => r.message.clone(),
        },
    });
    let obstacles = match survey {
        Some(survey) => survey.obstacles.clone(),
        None => model.model().obstacles_at_any_size(),
    };
    let gradients = obstacles.iter().map(|o| {
        // What the file calls it, where that is made of other operators.
        let node = network.nodes().iter().find(|n| *n.name == *o.node);
        let definition = node.and_then(|n| Some(n.op.as_ref().ok()?.definition()));
        let (domain, operator) = definition.map_or((o.domain, o.operator), |d| (d.domain, d.name));
        Missing {
            lacks: Lack::Gradient,
            node: o.node.to_string(),
            operator: full(domain, operator),
            opset: opset(domain),
            reason: format!("{}; use feature_ablation, or a layer behind it", o.reason),
        }
    });
    operators.chain(refusals).chain(gradients).collect()
}

fn declared(declared: &Declared) -> Option<Vec<String>> {
    Some(declared.shape.as_ref()?.iter().map(ToString::to_string).collect())
}
