//! Where the gradient of some values reaches in a graph, and where it cannot pass.

use std::collections::HashMap;
use std::sync::Arc;

use crate::build::Builder;
use crate::differentiate::{no_rule, visit};
use crate::error::ErrorKind;
use crate::graph::{Graph, Node, ValueId};
use crate::network::{Network, NetworkNode};
use crate::operator::{Definition, Kind};
use crate::specialise::Specialised;

/// A node that the gradient would have to pass and cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The node.
    pub node: Arc<str>,
    /// Its operator.
    pub operator: &'static str,
    /// The operator's domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Why, and what works all the same.
    pub reason: String,
}

/// How far a gradient reaches.
#[derive(Clone, Debug)]
pub struct Flow {
    /// For each value, by position: whether the targets have a gradient with respect to it that can be computed. It may be zero.
    pub reaches: Vec<bool>,
    /// Every node in the way, in the order of the graph.
    pub obstacles: Vec<Obstacle>,
}

/// What stands between the targets and a value.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// A chain of nodes with slopes leads there.
    slopes: bool,
    /// A node that refuses gradients lies on some way, with a slope or without.
    refused: bool,
    /// A node without a derivative lies on a way of slopes.
    lacking: bool,
}

/// Finds where the gradient of `targets` reaches. Each node on the way is differentiated once, on its own, nothing is run.
pub fn flow(graph: &Graph, targets: &[ValueId]) -> Flow {
    let active = graph.dependents(graph.inputs());
    let needed = graph.needed(targets, &[]);
    let mut ways = vec![Way::default(); graph.values().count()];
    for &t in targets {
        ways[t.index()].slopes = graph.fact(t).dtype.is_float();
    }
    let mut scratch = Builder::sketch(graph.clone());
    let mut obstacles = Vec::new();
    for (node, _) in graph.nodes().iter().zip(&needed).rev().filter(|(_, needed)| **needed) {
        let of_outputs = |what: fn(&Way) -> bool| node.outputs.iter().any(|o| what(&ways[o.index()]));
        let depends = node.present().any(|v| active[v.index()]);
        if !depends {
            continue;
        }
        let refuses = node.op.refuses_gradients();
        let mut way = Way {
            slopes: of_outputs(|w| w.slopes),
            refused: refuses || of_outputs(|w| w.refused),
            lacking: of_outputs(|w| w.lacking),
        };
        let is_float = |v: ValueId| active[v.index()] && graph.fact(v).dtype.is_float();
        let flags: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(is_float)).collect();
        let has_slope = flags.contains(&true) && node.op.kind(&flags) != Kind::Constant;
        if refuses {
            obstacles.push(obstacle(node, node.op.definition().derivative));
        } else if way.slopes
            && has_slope
            && let Some(reason) = trial(&mut scratch, node, &active, &ways)
        {
            obstacles.push(obstacle(node, &reason));
            way.lacking = true;
        }
        for v in node.present() {
            let known = &mut ways[v.index()];
            known.refused |= way.refused;
            if is_float(v) && (has_slope || refuses) {
                known.slopes |= way.slopes;
                known.lacking |= way.lacking;
            }
        }
    }
    obstacles.reverse();
    let reaches = ways.iter().map(|w| w.slopes && !w.refused && !w.lacking).collect();
    Flow { reaches, obstacles }
}

fn obstacle(node: &Node, reason: &str) -> Obstacle {
    obstacle_at(Arc::clone(&node.name), node.op.definition(), reason)
}

fn obstacle_at(node: Arc<str>, definition: &'static Definition, reason: &str) -> Obstacle {
    let reason = reason.trim_start_matches("none: ").to_owned();
    Obstacle { node, operator: definition.name, domain: definition.domain, reason }
}

impl Network {
    /// Every node that the gradient of the value at `target` would have to pass on its way to the inputs and cannot, as far as that can be told where
    /// operators are missing or refuse their inputs: of what `known` could compute, as in [`flow`]; behind that, the nodes that let no gradient pass
    /// whatever the sizes of their inputs.
    pub fn obstacles(&self, target: usize, known: Option<&Specialised>) -> Vec<Obstacle> {
        let value = |symbol: usize| known.and_then(|k| k.values.get(symbol).copied().flatten());
        let depends = self.depends_on_elements();
        let mut wanted = vec![false; self.symbols().len()];
        wanted.get_mut(target).into_iter().for_each(|w| *w = true);
        let mut edge: Vec<ValueId> = Vec::new();
        let mut beyond = Vec::new();
        for node in self.nodes().iter().rev() {
            let asked = node.outputs.iter().flatten().filter(|o| wanted[**o]);
            let (there, lacking): (Vec<_>, Vec<_>) = asked.map(|&o| value(o)).partition(Option::is_some);
            edge.extend(there.into_iter().flatten());
            if !lacking.is_empty() {
                node.inputs.iter().flatten().for_each(|&i| wanted[i] = true);
                beyond.extend(stops_gradients(node, &depends));
            }
        }
        beyond.reverse();
        let mut found = known.map(|k| flow(&k.graph, &edge).obstacles).unwrap_or_default();
        found.extend(beyond);
        found
    }
}

/// A node that lets no gradient pass whatever the sizes of its inputs.
fn stops_gradients(node: &NetworkNode, depends: &[bool]) -> Option<Obstacle> {
    let op = node.op.as_ref().ok()?;
    let flags: Vec<bool> = node.inputs.iter().map(|i| i.is_some_and(|i| depends[i])).collect();
    let lacks = || op.kind(&flags) != Kind::Constant && op.definition().lacks_derivative().is_some();
    let stops = flags.contains(&true) && (op.refuses_gradients() || lacks());
    let definition = op.definition();
    stops.then(|| obstacle_at(Arc::from(node.name.as_str()), definition, definition.derivative))
}

/// Why a node's derivative cannot be emitted; `None` where it can.
fn trial(b: &mut Builder, node: &Node, active: &[bool], ways: &[Way]) -> Option<String> {
    let mut cotangents: HashMap<ValueId, ValueId> = HashMap::new();
    for &output in node.outputs.iter().filter(|o| ways[o.index()].slopes) {
        let fact = b.fact(output).clone();
        let seed = b.input(&format!("cotangent:{}", output.index()), fact);
        cotangents.insert(output, seed);
    }
    let error = visit(b, node, active, &mut cotangents, &mut no_rule).err()?;
    Some(match error.kind() {
        ErrorKind::NotDifferentiable { reason, .. } => reason.clone(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::flow;
    use crate::build::Builder;
    use crate::graph::{Fact, ValueId};
    use crate::network::{Dim, Gap, Network};
    use crate::ops::{Add, DequantizeLinear, Det, Relu, Round};
    use crate::specialise::Specialisation;
    use crate::tensor::{DType, Tensor};

    /// A DequantizeLinear, or a Det, and what is missing before or behind it.
    #[test]
    fn what_is_missing_hides_no_obstacle() {
        let mut network = Network::new();
        let x = network.add_input("x", DType::F32, &[Dim::Unknown, Dim::Fixed(3), Dim::Fixed(3)]).unwrap();
        let scale = network.add_constant("scale", Tensor::scalar(0.5f32)).unwrap();
        let form = DequantizeLinear { axis: 1, block: 0 };
        let first = network.add_node("first", Det, &[x], "a").unwrap();
        let missing = network.add_node("missing", Relu, &[first], "b").unwrap();
        let gap = Gap { operator: "Foo".to_owned(), domain: String::new(), opset: 17, reason: String::new() };
        network.nodes[1].op = Err(gap);
        let behind = network.add_node("behind", form, &[missing, scale], "c").unwrap();
        let fixed = network.add_node("fixed", form, &[scale, scale], "d").unwrap();
        let sum = network.add_node("sum", Add, &[behind, fixed], "e").unwrap();
        let beside = network.add_node("beside", Det, &[sum], "f").unwrap();
        network.add_output(sum, DType::F32, &[]);
        network.add_output(beside, DType::F32, &[]);
        let shapes = [("x".to_owned(), vec![1, 3, 3])].into();
        let how = Specialisation { rows: 1, shapes, ..Specialisation::default() };
        let all: Vec<usize> =
            network.nodes().iter().flat_map(|n| n.outputs.iter().flatten().copied()).collect();
        let (known, _) = network.specialise_leniently(&how, &all).unwrap();
        for known in [Some(&known), None] {
            let found = network.obstacles(sum, known);
            let names: Vec<(&str, &str)> = found.iter().map(|o| (&*o.node, o.operator)).collect();
            assert_eq!(names, [("first", "Det"), ("behind", "DequantizeLinear")]);
            assert!(found[1].reason.starts_with("gradients through quantised"), "{found:?}");
        }
    }

    fn start() -> (Builder, ValueId) {
        let mut b = Builder::new(2);
        let x = b.input("x", Fact::new(DType::F64, &[2, 3]));
        (b, x)
    }

    #[test]
    fn a_gradient_reaches_what_the_target_is_made_of() {
        let (mut b, x) = start();
        let h = b.push(Relu, &[x]).unwrap();
        let y = b.mul(h, x).unwrap();
        let beside = b.neg(x).unwrap();
        let flow = flow(&b.finish(&[y, beside]), &[y]);
        let reached = [x, h, y, beside].map(|v| flow.reaches[v.index()]);
        assert_eq!(reached, [true, true, true, false]);
        assert!(flow.obstacles.is_empty());
    }

    #[test]
    fn steps_have_no_slope_and_are_no_obstacle() {
        let (mut b, x) = start();
        let h = b.push(Round, &[x]).unwrap();
        let y = b.mul(h, h).unwrap();
        let flow = flow(&b.finish(&[y]), &[y]);
        assert!(flow.obstacles.is_empty());
        assert_eq!([x, h].map(|v| flow.reaches[v.index()]), [false, true]);
    }

    #[test]
    fn what_refuses_is_named_with_all_that_lies_before_it() {
        let mut b = Builder::new(2);
        let q = b.input("q", Fact::new(DType::I8, &[2, 3]));
        let x = b.input("x", Fact::new(DType::F32, &[2, 3]));
        let scale = b.constant_value(Tensor::scalar(0.5f32));
        b.set_origin(Some("widen".into()));
        let wide = b.push(DequantizeLinear { axis: 1, block: 0 }, &[q, scale]).unwrap();
        let y = b.add(wide, x).unwrap();
        let flow = flow(&b.finish(&[y]), &[y]);
        let [obstacle] = &flow.obstacles[..] else { panic!("{:?}", flow.obstacles) };
        assert_eq!((&*obstacle.node, obstacle.operator), ("widen", "DequantizeLinear"));
        assert!(obstacle.reason.contains("quantised"), "{}", obstacle.reason);
        assert_eq!([wide, x].map(|v| flow.reaches[v.index()]), [true, true]);
    }
}
