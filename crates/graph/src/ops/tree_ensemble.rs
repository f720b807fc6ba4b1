//! TreeEnsemble: the form of decision trees since ai.onnx.ml 5. A split by membership becomes a chain of splits by equality.

use std::sync::Arc;

use super::composite::through_body;
use super::forest::{AGGREGATES, Child, DERIVATIVE, Forest, MODES, Mode, Split, place};
use super::ml::{DOMAIN, first, forward_only};
use super::post_transform::PostTransform;
use super::tree_ensemble_regressor::scores;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::import::Import;
use crate::operator::{Definition, Operator};
use crate::refuse;
use crate::tensor::Tensor;

/// TreeEnsemble's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TreeEnsemble",
    domain: DOMAIN,
    since: 5,
    summary: "for each target, what the leaves give that a row reaches in decision trees",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(TreeEnsemble {
            attributes: node.attributes.clone(),
            forest: Arc::new(read(node)?),
            post: PostTransform::of_number(node.int("post_transform")?.unwrap_or(0))?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// For each target, what the leaves give that a row reaches.
#[derive(Clone, Debug)]
pub struct TreeEnsemble {
    attributes: Attributes,
    forest: Arc<Forest>,
    post: PostTransform,
}

/// The number that stands for a split by membership.
const MEMBER: i64 = 6;

fn read(node: &Import<'_>) -> OpResult<Forest> {
    let tensor = |name: &str| match node.tensor(name)? {
        Some(t) => t.to_f64().ok_or_else(|| OpError(format!("attribute {name} holds no numbers"))),
        None => Ok(Vec::new()),
    };
    let modes = node.tensor("nodes_modes")?.as_ref().and_then(Tensor::to_i64).unwrap_or_default();
    let n = modes.len();
    let of_nodes = |name: &str| match node.ints(name)?.unwrap_or_default() {
        list if list.len() == n => Ok(list),
        list => refuse!("it has {} {name} for {n} nodes", list.len()),
    };
    let (values, features) = (tensor("nodes_splits")?, of_nodes("nodes_featureids")?);
    if values.len() != n {
        refuse!("it has {} nodes_splits for {n} nodes", values.len());
    }
    let missing = match node.ints("nodes_missing_value_tracks_true")?.unwrap_or_default() {
        list if list.is_empty() || list.len() == n => list,
        list => refuse!("it has {} nodes_missing_value_tracks_true for {n} nodes", list.len()),
    };
    let weights = tensor("leaf_weights")?;
    let targets = node.ints("leaf_targetids")?.unwrap_or_default();
    if targets.len() != weights.len() {
        refuse!("it has {} leaf_targetids for {} leaf_weights", targets.len(), weights.len());
    }
    let children = [
        (of_nodes("nodes_truenodeids")?, of_nodes("nodes_trueleafs")?),
        (of_nodes("nodes_falsenodeids")?, of_nodes("nodes_falseleafs")?),
    ];
    let child = |side: usize, i: usize| {
        let (ids, leaves) = &children[side];
        let (at, is_leaf) = (place(ids[i], "node")?, leaves[i] != 0);
        match is_leaf {
            true if at < weights.len() => Ok(Child::Leaf(at, at + 1)),
            false if at < n => Ok(Child::Branch(at)),
            _ => refuse!("node {i} leads to {} {at}, which is not there", if is_leaf { "leaf" } else { "node" }),
        }
    };
    let members = tensor("membership_values")?;
    let mut groups = members.split(|v| v.is_nan());
    let mut splits = Vec::with_capacity(n);
    let mut chains: Vec<(usize, Vec<f64>)> = Vec::new();
    for i in 0..n {
        let mode = usize::try_from(modes[i]).ok().and_then(|m| MODES.get(m)).map(|(mode, _)| *mode);
        let mode = match (mode, modes[i]) {
            (Some(mode), _) => mode,
            (None, MEMBER) => {
                let group = groups.next().ok_or_else(|| OpError("membership_values end too early".to_owned()))?;
                chains.push((i, group.to_vec()));
                Mode::Equal
            }
            (None, other) => refuse!("a node's mode is {other}"),
        };
        splits.push(Split {
            feature: place(features[i], "feature")?,
            mode,
            value: values[i],
            missing: missing.get(i) == Some(&1),
            children: [child(0, i)?, child(1, i)?],
        });
    }
    for (start, group) in chains {
        let mut at = start;
        splits[start].value = group.first().copied().unwrap_or(f64::NAN);
        for &value in group.iter().skip(1) {
            let next = splits.len();
            splits.push(Split { value, missing: false, ..splits[at] });
            splits[at].children[1] = Child::Branch(next);
            at = next;
        }
    }
    let roots = node.ints("tree_roots")?.unwrap_or_default();
    let root = |&i: &i64| match place(i, "root")? {
        i if i < n => Ok(Child::Branch(i)),
        i => refuse!("tree root {i} is not there"),
    };
    let aggregate = node.int("aggregate_function")?.unwrap_or(1);
    let aggregate = usize::try_from(aggregate)
        .ok()
        .and_then(|i| AGGREGATES.get(i))
        .map(|(a, _)| *a)
        .ok_or_else(|| OpError(format!("attribute aggregate_function is {aggregate}, expected 0 to 3")))?;
    let n_targets = node.int("n_targets")?.unwrap_or(1);
    Forest {
        splits,
        weights: targets
            .iter()
            .zip(&weights)
            .map(|(&t, &w)| Ok((place(t, "target")?, w)))
            .collect::<OpResult<_>>()?,
        roots: roots.iter().map(root).collect::<OpResult<_>>()?,
        targets: place(n_targets, "target")?,
        aggregate,
    }
    .check()
}

impl Operator for TreeEnsemble {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    forward_only!();

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let x = first(inputs)?;
        let float = b.fact(x).dtype;
        if !float.is_float() {
            refuse!("its input is of type {float}, expected floats");
        }
        let scores = scores(b, x, &self.forest, &[], float)?;
        Ok(Some(vec![self.post.emit(b, scores)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s};
    use crate::tensor::Tensor;

    /// x in {1, 2} leads to the first leaf, else x > 5 to the second, else to the third.
    fn of(post: i64) -> Attributes {
        Attributes::new()
            .with("n_targets", A::Int(2))
            .with("post_transform", A::Int(post))
            .with("nodes_modes", A::Tensor(Tensor::vector(vec![6u8, 3])))
            .with("nodes_splits", A::Tensor(f64s(&[2], &[0.0, 5.0])))
            .with("membership_values", A::Tensor(f64s(&[3], &[1.0, 2.0, f64::NAN])))
            .with("nodes_featureids", A::Ints(vec![0, 0]))
            .with("nodes_truenodeids", A::Ints(vec![0, 1]))
            .with("nodes_trueleafs", A::Ints(vec![1, 1]))
            .with("nodes_falsenodeids", A::Ints(vec![1, 2]))
            .with("nodes_falseleafs", A::Ints(vec![0, 1]))
            .with("leaf_targetids", A::Ints(vec![0, 1, 0]))
            .with("leaf_weights", A::Tensor(f64s(&[3], &[0.5, 0.25, -1.0])))
            .with("tree_roots", A::Ints(vec![0]))
    }

    pub(super) fn cases() -> Vec<Case> {
        let case = |post| {
            let x = f64s(&[4, 1], &[2.0, 6.0, 3.0, 1.0]);
            Case::imported("TreeEnsemble", 5, &of(post), vec![x]).fixed(&[0])
        };
        let half = |s: f64| 1.0 / (1.0 + (-s).exp());
        vec![
            case(0).expect(f64s(&[4, 2], &[0.5, 0.0, 0.0, 0.25, -1.0, 0.0, 0.5, 0.0])),
            case(2).expect(f64s(&[4, 2], &[half(0.5), 0.5, 0.5, half(0.25), half(-1.0), 0.5, half(0.5), 0.5])),
        ]
    }

    #[test]
    fn malformed_trees_are_refused() {
        let refused = |attributes: Attributes| {
            crate::cases::import_alone("TreeEnsemble", 5, &attributes).expect_err("it is not refused").0
        };
        let ints = |list: &[i64]| A::Ints(list.to_vec());
        assert!(refused(of(0).with("nodes_falsenodeids", ints(&[0, 2]))).contains("back to itself"));
        assert!(refused(of(0).with("nodes_truenodeids", ints(&[3, 1]))).contains("leaf 3"));
        assert!(refused(of(0).with("tree_roots", ints(&[2]))).contains("root 2"));
        assert!(refused(of(0).with("leaf_targetids", ints(&[0, 1, 2]))).contains("target 2 of 2"));
        assert!(refused(of(9)).contains("post_transform"));
    }
}
