//! Lays the points of a small network side by side: a graph whose values hold a point in each row becomes one whose values hold it in each
//! column.
//!
//! Then every operator runs along the points, and fills the vector registers however narrow a layer is. A graph with an operator that
//! has no such form stays as it is.

use std::collections::HashMap;
use std::sync::Arc;

use pellucid_graph::lower::lower;
use pellucid_graph::rows::{RowsInput, same_in_all_rows};
use pellucid_graph::{Attribute, Builder, Fact, Graph, Node, Rows, Tensor, ValueId, ops};

/// The same computation with the points of all inputs and outputs along the last axis; `None` where it has none, or would gain nothing. Outputs
/// that are constant stay as they are.
pub(crate) fn columns(graph: &Graph) -> Option<Graph> {
    let (graph, _) = lower(graph, &|node| !node.op.runs()).ok()?;
    let given = graph.inputs().iter().map(|&id| (id, Rows::BATCH)).collect();
    let rows = graph.rows_of_values(&given).ok()?;
    let needed = graph.needed(graph.outputs(), &[]);
    let mut rewrite =
        Rewrite { b: Builder::new(graph.rows()), map: HashMap::new(), graph: &graph, products: 0 };
    for &id in graph.inputs() {
        let fact = graph.fact(id);
        if fact.shape.first() != Some(&graph.rows()) {
            return None;
        }
        let turned = Fact::new(fact.dtype, &turned(&fact.shape));
        let new = rewrite.b.input(&graph.label(id), turned);
        rewrite.map.insert(id, new);
    }
    for (node, _) in graph.nodes().iter().zip(&needed).filter(|(_, needed)| **needed) {
        let [output] = node.outputs[..] else { return None };
        let definition = node.op.definition();
        let known = definition.is_elementwise() || definition.domain.is_empty();
        if rows[output.index()] != Some(Rows::BATCH) || !known {
            return None;
        }
        rewrite.b.set_origin(Some(node.origin()));
        let new = rewrite.node(node, output)?;
        if rewrite.b.shape(new) != turned(graph.shape(output)) {
            return None;
        }
        rewrite.map.insert(output, new);
    }
    let outputs: Option<Vec<ValueId>> = graph.outputs().iter().map(|id| rewrite.output(*id)).collect();
    (rewrite.products > 0).then_some(rewrite.b.finish(&outputs?))
}

/// A shape with its first axis behind the others.
fn turned(shape: &[usize]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if !shape.is_empty() {
        shape.rotate_left(1);
    }
    shape
}

struct Rewrite<'a> {
    b: Builder,
    map: HashMap<ValueId, ValueId>,
    graph: &'a Graph,
    products: usize,
}

impl Rewrite<'_> {
    fn output(&mut self, id: ValueId) -> Option<ValueId> {
        match self.graph.constant(id) {
            Some(tensor) => Some(self.b.constant_value(tensor.clone())),
            None => self.map.get(&id).copied(),
        }
    }

    fn node(&mut self, node: &Node, output: ValueId) -> Option<ValueId> {
        let name = node.op.definition().name;
        let shape = self.graph.shape(output).to_vec();
        if node.op.definition().is_elementwise() {
            let inputs: Option<Vec<_>> = node
                .inputs
                .iter()
                .map(|v| v.map_or(Some(None), |v| self.operand(v, shape.len()).map(Some)))
                .collect();
            return self.b.node(Arc::clone(&node.op), &inputs?).ok()?.first().copied();
        }
        let first = node.inputs.first().copied().flatten()?;
        let x = *self.map.get(&first)?;
        let rank = self.graph.shape(first).len();
        let axis = |default: i64| -> Option<i64> {
            let axis = match node.op.attributes().get("axis") {
                Some(Attribute::Int(a)) => *a,
                _ => default,
            };
            behind_points(axis, rank)
        };
        match name {
            "Gemm" | "MatMul" => self.product(node, x),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.b.reshape(x, &turned(&shape)).ok(),
            "Expand" if shape.len() == rank => self.b.expand(x, &turned(&shape)).ok(),
            "Softmax" if rank == 2 => {
                self.b.push(ops::Softmax { axis: axis(-1)?, flatten: false }, &[x]).ok()
            }
            "LogSoftmax" if rank == 2 => {
                self.b.push(ops::LogSoftmax { axis: axis(-1)?, flatten: false }, &[x]).ok()
            }
            "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" => self.with_axes(node, x, 1, rank),
            "Slice" => self.with_axes(node, x, 3, rank),
            "Gather" => {
                let indices = self.constant(node, 1)?.clone();
                let indices = self.b.constant_value(indices);
                self.b.push(ops::Gather { axis: axis(0)? }, &[x, indices]).ok()
            }
            "Concat" => {
                let inputs: Option<Vec<ValueId>> =
                    node.present().map(|v| self.map.get(&v).copied()).collect();
                self.b.push(ops::Concat { axis: axis(0)? }, &inputs?).ok()
            }
            _ => None,
        }
    }

    fn constant(&self, node: &Node, i: usize) -> Option<&Tensor> {
        self.graph.constant(node.inputs.get(i).copied().flatten()?)
    }

    /// An input of an elementwise operator whose output has `rank` dimensions.
    fn operand(&mut self, v: ValueId, rank: usize) -> Option<ValueId> {
        let own = self.graph.shape(v);
        if let Some(&new) = self.map.get(&v) {
            return (own.len() == rank).then_some(new);
        }
        let tensor = self.graph.constant(v)?;
        let held = self.b.constant_value(tensor.clone());
        if tensor.shape().iter().all(|&n| n == 1) {
            return Some(held);
        }
        let mut shape = vec![1; rank.checked_sub(own.len())?];
        shape.extend(own);
        let mut all = self.b.reshape(held, &shape).ok()?;
        if shape[0] != 1 {
            let input = RowsInput { fact: self.graph.fact(v), rows: None, constant: Some(tensor) };
            if shape[0] != self.graph.rows() || !same_in_all_rows(&input, Rows::BATCH, shape[0]) {
                return None;
            }
            all = self.b.narrow(all, 0, 0, 1).ok()?;
            shape[0] = 1;
        }
        self.b.reshape(all, &turned(&shape)).ok()
    }

    /// The operator with its constant input `i` of axes counted behind the points.
    fn with_axes(&mut self, node: &Node, x: ValueId, i: usize, rank: usize) -> Option<ValueId> {
        let axes: Option<Vec<i64>> =
            self.constant(node, i)?.to_i64()?.into_iter().map(|a| behind_points(a, rank)).collect();
        let axes = self.b.integers(&axes?);
        let mut inputs = vec![Some(x)];
        for (k, v) in node.inputs.iter().enumerate().skip(1) {
            inputs.push(match v {
                Some(_) if k == i => Some(axes),
                Some(v) => {
                    let tensor = self.graph.constant(*v)?.clone();
                    Some(self.b.constant_value(tensor))
                }
                None => None,
            });
        }
        self.b.node(Arc::clone(&node.op), &inputs).ok()?.first().copied()
    }

    /// A product with constant weights.
    fn product(&mut self, node: &Node, x: ValueId) -> Option<ValueId> {
        let attributes = node.op.attributes();
        let number = |name: &str| match attributes.get(name) {
            Some(Attribute::Float(v)) => *v,
            _ => 1.0,
        };
        let flag = |name: &str| matches!(attributes.get(name), Some(Attribute::Int(1)));
        let weights = self.constant(node, 1)?.clone();
        let (&[w0, w1], 2) = (weights.shape(), self.b.shape(x).len()) else { return None };
        if flag("transA") || (number("beta") != 1.0 && node.inputs.len() > 2) {
            return None;
        }
        let mut w = self.b.constant_value(weights);
        let mut n = w0;
        if !flag("transB") {
            w = self.b.transpose_matrix(w).ok()?;
            n = w1;
        }
        let mut inputs = vec![Some(x), Some(w)];
        if let Some(bias) = node.inputs.get(2).copied().flatten() {
            self.graph.constant(bias)?;
            let bias = self.operand(bias, 2)?;
            let size = self.b.fact(bias).len();
            let bias = self.b.reshape(bias, &[size]).ok()?;
            inputs.push(Some(self.b.expand(bias, &[n]).ok()?));
        }
        self.products += 1;
        let op = ops::ColumnGemm { alpha: number("alpha") };
        self.b.node(Arc::new(op), &inputs).ok()?.first().copied()
    }
}

/// An axis that is not that of the points, counted without it.
fn behind_points(axis: i64, rank: usize) -> Option<i64> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    (axis >= 1).then_some(axis - 1)
}

#[cfg(test)]
mod tests {
    use pellucid_graph::DType;
    use pellucid_graph::evaluate::evaluate;

    use super::*;

    const ROWS: usize = 5;

    fn number(seed: usize, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        Tensor::new(
            shape,
            (0..n).map(|i| ((i * 37 + seed * 11) % 23) as f64 / 11.0 - 1.0).collect::<Vec<f64>>(),
        )
        .unwrap()
    }

    fn input(b: &mut Builder, shape: &[usize]) -> ValueId {
        b.input("", Fact::new(DType::F64, shape))
    }

    /// Puts the first axis last.
    fn turn(t: &Tensor) -> Tensor {
        let (rows, values) = (t.shape()[0], t.to_f64().unwrap());
        let each = values.len() / rows;
        Tensor::new(
            &turned(t.shape()),
            (0..values.len()).map(|i| values[i % rows * each + i / rows]).collect::<Vec<f64>>(),
        )
        .unwrap()
    }

    /// Each with a name: what is computed from a value of [ROWS, 6] that a product gave.
    type Form = fn(&mut Builder, ValueId) -> Option<ValueId>;

    const FORMS: [(&str, Form); 12] = [
        ("relu", |b, x| b.relu(x).ok()),
        ("a bias for each row of one batch", |b, x| {
            let c = b.constant_value(number(3, &[6]));
            b.add(x, c).ok()
        }),
        ("a constant that repeats for each row", |b, x| {
            let c = b.constant_value(
                Tensor::new(&[ROWS, 6], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0f64].repeat(ROWS)).unwrap(),
            );
            b.mul(x, c).ok()
        }),
        ("a second product", |b, x| {
            let w = b.constant_value(number(4, &[6, 2]));
            b.matmul(x, w).ok()
        }),
        ("a Gemm with one number as its bias", |b, x| {
            let (w, c) = (b.constant_value(number(5, &[6, 7])), b.constant_value(number(6, &[1])));
            b.push(ops::Gemm { alpha: 0.5, ..ops::Gemm::default() }, &[x, w, c]).ok()
        }),
        ("softmax", |b, x| b.push(ops::Softmax { axis: -1, flatten: false }, &[x]).ok()),
        ("a sum over the features", |b, x| b.reduce_sum(x, &[1], true).ok()),
        ("one that is dropped", |b, x| b.reduce_sum(x, &[1], false).ok()),
        ("a part", |b, x| b.narrow(x, 1, 2, 3).ok()),
        ("both beside each other", |b, x| b.concat(&[x, x], 1).ok()),
        ("a picture", |b, x| b.reshape(x, &[ROWS, 2, 3]).ok()),
        ("a column spread", |b, x| {
            let x = b.narrow(x, 1, 0, 1).ok()?;
            b.expand(x, &[ROWS, 4]).ok()
        }),
    ];

    #[test]
    fn every_form_gives_the_same_turned() {
        for (name, form) in FORMS {
            let mut b = Builder::new(ROWS);
            let x = input(&mut b, &[ROWS, 4]);
            let w = b.constant_value(number(1, &[4, 6]));
            let y = b.matmul(x, w).unwrap();
            let y = form(&mut b, y).unwrap_or_else(|| panic!("{name} is no form"));
            let graph = b.finish(&[y]);
            let turned = columns(&graph).unwrap_or_else(|| panic!("{name} was not turned"));
            let data = number(2, &[ROWS, 4]);
            let want = evaluate(&graph, &[(graph.inputs()[0], data.clone())], graph.outputs()).unwrap();
            let found = evaluate(&turned, &[(turned.inputs()[0], turn(&data))], turned.outputs()).unwrap();
            let want = turn(&want[0]);
            assert_eq!(want.shape(), found[0].shape(), "{name}");
            let pairs = want.to_f64().unwrap().into_iter().zip(found[0].to_f64().unwrap());
            for (want, found) in pairs {
                assert!((want - found).abs() < 1e-14, "{name}: {found}, expected {want}");
            }
        }
    }

    #[test]
    fn what_has_no_such_form_stays() {
        let graph = |f: &dyn Fn(&mut Builder, ValueId) -> ValueId| {
            let mut b = Builder::new(ROWS);
            let x = input(&mut b, &[ROWS, 4]);
            let y = f(&mut b, x);
            b.finish(&[y])
        };
        // No product; other numbers for each row; a product of two values.
        assert!(columns(&graph(&|b, x| b.relu(x).unwrap())).is_none());
        let uneven = |b: &mut Builder, x| {
            let w = b.constant_value(number(1, &[4, 4]));
            let y = b.matmul(x, w).unwrap();
            let c = b.constant_value(number(2, &[ROWS, 4]));
            b.add(y, c).unwrap()
        };
        assert!(columns(&graph(&uneven)).is_none());
        let across = |b: &mut Builder, x| {
            let column = b.reshape(x, &[ROWS, 4, 1]).unwrap();
            let row = b.reshape(x, &[ROWS, 1, 4]).unwrap();
            b.matmul(column, row).unwrap()
        };
        assert!(columns(&graph(&across)).is_none());
    }
}
