//! What is in a model: its inputs, outputs and layers with shapes, parameters and kinds, and the operators that it lacks.

use std::collections::BTreeMap;

use pellucid::graph::{DType, Dim, Network, Specialisation, network::Declared};
use pellucid_data::image::ImageSteps;
use serde::Serialize;

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
    /// The nodes whose operator cannot be run.
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
    /// What `--layer` takes: the name of its first output.
    pub name: String,
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
}

/// A node that cannot be run.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
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
    let shapes = shapes(network);
    let mut seen = vec![false; network.symbols().len()];
    let layers: Vec<Layer> = network
        .nodes()
        .iter()
        .map(|node| {
            // A constant that several nodes share is counted with the first.
            let mut parameters = 0u64;
            for &symbol in node.inputs.iter().flatten() {
                let constant = network.symbols()[symbol].constant.as_ref();
                if let Some(tensor) = constant.filter(|t| t.dtype().is_float() && !seen[symbol]) {
                    seen[symbol] = true;
                    parameters += tensor.len() as u64;
                }
            }
            let first = node.outputs.iter().flatten().copied().next();
            Layer {
                name: first.map_or_else(|| node.name.clone(), |s| network.symbols()[s].name.clone()),
                path: node.module.clone().unwrap_or_else(|| node.name.clone()),
                operator: match &node.op {
                    Ok(op) => op.definition().name.to_owned(),
                    Err(gap) => gap.operator.clone(),
                },
                kind: match &node.op {
                    Ok(op) => {
                        let active: Vec<bool> = node
                            .inputs
                            .iter()
                            .map(|i| i.is_some_and(|s| network.symbols()[s].constant.is_none()))
                            .collect();
                        format!("{:?}", op.kind(&active))
                    }
                    Err(_) => "missing".to_owned(),
                },
                shape: first.and_then(|s| shapes[s].clone()).unwrap_or_default(),
                parameters,
            }
        })
        .collect();
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
        classes: model.class_names(),
        columns: model
            .preprocessing()
            .map(|s| s.sources().iter().map(|c| c.name.clone()).collect())
            .unwrap_or_default(),
        images: model.images().map(|i| i.steps.clone()),
        split: model.metadata().and_then(|m| m.split.as_ref()).map(|s| s.counts),
        parameters: layers.iter().map(|l| l.parameters).sum(),
        layers,
        gaps: network
            .gaps()
            .map(|(node, gap)| Missing {
                node: node.name.clone(),
                operator: if gap.domain.is_empty() {
                    gap.operator.clone()
                } else {
                    format!("{}.{}", gap.domain, gap.operator)
                },
                opset: gap.opset,
                reason: gap.reason.clone(),
            })
            .collect(),
        warnings: network.warnings.clone(),
    }
}

fn declared(declared: &Declared) -> Option<Vec<String>> {
    Some(declared.shape.as_ref()?.iter().map(ToString::to_string).collect())
}

/// The shape of every value: as it comes out for a few rows, else as the file declares it.
fn shapes(network: &Network) -> Vec<Option<Vec<String>>> {
    // A number of rows that is no usual size of anything else.
    const ROWS: usize = 7;
    let mut shapes: Vec<Option<Vec<String>>> =
        network.symbols().iter().map(|s| s.declared.as_ref().and_then(declared)).collect();
    let rows = network.fixed_rows().unwrap_or(ROWS);
    let broken = broken(network);
    let targets: Vec<usize> = network
        .nodes()
        .iter()
        .flat_map(|n| n.outputs.iter().flatten().copied())
        .filter(|&s| !broken[s])
        .collect();
    let known = network.inputs().iter().all(|&i| {
        let shape = network.symbols()[i].declared.as_ref().and_then(|d| d.shape.as_ref());
        shape.is_some_and(|dims| dims.iter().skip(1).all(|d| matches!(d, Dim::Fixed(_))))
    });
    if !known || targets.is_empty() {
        return shapes;
    }
    let how = Specialisation { rows, precision: Some(DType::F32), ..Specialisation::default() };
    let Ok(specialised) = network.specialise(&how, &targets) else { return shapes };
    for &symbol in &targets {
        let Some(id) = specialised.values[symbol] else { continue };
        let shape = specialised.graph.shape(id);
        let size = |(axis, n): (usize, &usize)| match (axis, *n) {
            (0, n) if n == rows => "N".to_owned(),
            (_, n) => n.to_string(),
        };
        shapes[symbol] = Some(shape.iter().enumerate().map(size).collect());
    }
    shapes
}

/// The values that cannot be computed: for want of an operator, theirs or one before.
fn broken(network: &Network) -> Vec<bool> {
    let mut broken = vec![false; network.symbols().len()];
    for node in network.nodes() {
        let bad = node.op.is_err() || node.inputs.iter().flatten().any(|&i| broken[i]);
        node.outputs.iter().flatten().for_each(|&o| broken[o] = bad);
    }
    broken
}
