//! Evaluating a graph one operator at a time: slow, simple, and what faster ways are held against.

use std::collections::HashMap;

use crate::build::{Builder, located, run_alone};
use crate::error::{ErrorKind, OpError, OpResult, Result};
use crate::graph::{Fact, Graph, Node, ValueId};
use crate::tensor::{Tensor, View};

/// The values at `targets`, from values for `inputs`; those need not be the graph's inputs, but must suffice.
///
/// Nothing is fused and no memory is planned: each node runs by itself, a composite through its fused `run` where it has one, else
/// through its body. A value is kept until its last reader has run.
pub fn evaluate(graph: &Graph, inputs: &[(ValueId, Tensor)], targets: &[ValueId]) -> Result<Vec<Tensor>> {
    let mut values: HashMap<ValueId, Tensor> = HashMap::new();
    let mut given = Vec::with_capacity(inputs.len());
    for (id, tensor) in inputs {
        let (fact, actual) = (graph.fact(*id), Fact::new(tensor.dtype(), tensor.shape()));
        if *fact != actual {
            let message = format!("expected {fact}, got {actual}");
            return Err(ErrorKind::Input { name: graph.label(*id), message }.into());
        }
        values.insert(*id, tensor.clone());
        given.push(*id);
    }
    let needed = graph.needed(targets, &given);
    let mut readers: HashMap<ValueId, usize> = HashMap::new();
    for (node, _) in graph.nodes().iter().zip(&needed).filter(|(_, needed)| **needed) {
        node.present().for_each(|v| *readers.entry(v).or_default() += 1);
    }
    for &target in targets {
        *readers.entry(target).or_default() += 1;
    }
    let find = |values: &HashMap<ValueId, Tensor>, id: ValueId| -> Result<Tensor> {
        let found = values.get(&id).or_else(|| graph.constant(id)).cloned();
        let message = || "it is needed, and no value is given for it".to_owned();
        found.ok_or_else(|| ErrorKind::Input { name: graph.label(id), message: message() }.into())
    };
    for (node, _) in graph.nodes().iter().zip(&needed).filter(|(_, needed)| **needed) {
        let args: Vec<Option<Tensor>> =
            node.inputs.iter().map(|v| v.map(|v| find(&values, v)).transpose()).collect::<Result<_>>()?;
        let facts: Vec<Fact> = node.outputs.iter().map(|&o| graph.fact(o).clone()).collect();
        let results = run(graph, node, &args, &facts)?;
        for v in node.present() {
            if let Some(left) = readers.get_mut(&v) {
                *left -= 1;
                if *left == 0 {
                    values.remove(&v);
                }
            }
        }
        for (&id, tensor) in node.outputs.iter().zip(results) {
            if readers.contains_key(&id) && !given.contains(&id) {
                values.insert(id, tensor);
            }
        }
    }
    targets.iter().map(|&t| find(&values, t)).collect()
}

fn run(graph: &Graph, node: &Node, args: &[Option<Tensor>], facts: &[Fact]) -> Result<Vec<Tensor>> {
    if node.op.runs() {
        let views: Vec<Option<View<'_>>> = args.iter().map(|t| t.as_ref().map(Tensor::view)).collect();
        return run_alone(&*node.op, &views, facts).map_err(|e| located(node, e));
    }
    let mut b = Builder::new(graph.rows());
    let ids: Vec<Option<ValueId>> =
        args.iter().map(|t| t.as_ref().map(|t| b.constant_value(t.clone()))).collect();
    let body = || -> OpResult<(Graph, Vec<ValueId>)> {
        let outputs = node.op.lower(&mut b, &ids)?;
        let outputs = outputs.ok_or_else(|| OpError("it neither runs nor has a body".to_owned()))?;
        Ok((b.finish(&outputs), outputs))
    };
    let (body, outputs) = body().map_err(|e| located(node, e))?;
    evaluate(&body, &[], &outputs)
}

#[cfg(test)]
mod tests {
    use super::evaluate;
    use crate::build::Builder;
    use crate::error::ErrorKind;
    use crate::graph::Fact;
    use crate::ops::{Add, Relu};
    use crate::tensor::{DType, Tensor};

    #[test]
    fn values_follow_from_inputs_or_from_values_between() {
        let mut b = Builder::new(1);
        let x = b.input("x", Fact::new(DType::F64, &[2]));
        let h = b.push(Relu, &[x]).unwrap();
        let y = b.push(Add, &[h, h]).unwrap();
        let graph = b.finish(&[y]);
        let value = |a: f64, b: f64| Tensor::vector(vec![a, b]);
        assert_eq!(
            evaluate(&graph, &[(x, value(-1.0, 2.0))], &[y, h]).unwrap(),
            [value(0.0, 4.0), value(0.0, 2.0)]
        );
        assert_eq!(
            evaluate(&graph, &[(h, value(3.0, 4.0))], &[y, h]).unwrap(),
            [value(6.0, 8.0), value(3.0, 4.0)]
        );
        let missing = evaluate(&graph, &[], &[y]).unwrap_err();
        assert!(matches!(missing.kind(), ErrorKind::Input { name, .. } if name == "x"), "{missing}");
        let wrong = evaluate(&graph, &[(x, Tensor::vector(vec![1.0f32]))], &[y]).unwrap_err();
        assert!(wrong.to_string().contains("expected float64[2], got float32[1]"), "{wrong}");
    }
}
