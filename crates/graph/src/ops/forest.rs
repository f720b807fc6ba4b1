//! Decision trees as TreeEnsemble and its two older forms give them, checked and ready to be walked.

use std::collections::{HashMap, HashSet};

use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::import::Import;
use crate::refuse;
use crate::tensor::Tensor;

/// Why there is no gradient, in the table and in messages.
pub(crate) const DERIVATIVE: &str =
    "none: a forest's scores are steps; gradients are refused, perturbations work";

/// How the leaves that a row reaches become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// In the order of TreeEnsemble's numbers.
pub(crate) const AGGREGATES: [(Aggregate, &str); 4] = [
    (Aggregate::Average, "AVERAGE"),
    (Aggregate::Sum, "SUM"),
    (Aggregate::Min, "MIN"),
    (Aggregate::Max, "MAX"),
];

/// When a row goes to the true branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

/// In the order of TreeEnsemble's numbers.
pub(crate) const MODES: [(Mode, &str); 6] = [
    (Mode::LessOrEqual, "BRANCH_LEQ"),
    (Mode::Less, "BRANCH_LT"),
    (Mode::GreaterOrEqual, "BRANCH_GTE"),
    (Mode::Greater, "BRANCH_GT"),
    (Mode::Equal, "BRANCH_EQ"),
    (Mode::NotEqual, "BRANCH_NEQ"),
];

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Child {
    /// To another branch, by position.
    Branch(usize),
    /// To a leaf: from one position among the weights to another.
    Leaf(usize, usize),
}

/// A comparison of one feature with one number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) feature: usize,
    pub(crate) mode: Mode,
    pub(crate) value: f64,
    /// Whether a missing feature, NaN, goes to the true branch.
    pub(crate) missing: bool,
    pub(crate) children: [Child; 2],
}

/// Decision trees.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    pub(crate) splits: Vec<Split>,
    /// What leaves add to which target.
    pub(crate) weights: Vec<(usize, f64)>,
    pub(crate) roots: Vec<Child>,
    pub(crate) targets: usize,
    pub(crate) aggregate: Aggregate,
}

impl Forest {
    /// The columns that a row must have.
    pub(crate) fn columns(&self) -> usize {
        self.splits.iter().map(|s| s.feature + 1).max().unwrap_or(0)
    }

    /// Refuses branches that lead back to themselves, and targets that there are not.
    pub(crate) fn check(self) -> OpResult<Self> {
        if let Some((target, _)) = self.weights.iter().find(|(t, _)| *t >= self.targets) {
            refuse!("a leaf adds to target {target} of {}", self.targets);
        }
        let mut above = vec![0usize; self.splits.len()];
        let branches = |split: &Split| split.children.into_iter().filter_map(branch);
        self.splits.iter().flat_map(branches).for_each(|i| above[i] += 1);
        let mut free: Vec<usize> = (0..above.len()).filter(|&i| above[i] == 0).collect();
        let mut seen = 0;
        while let Some(i) = free.pop() {
            seen += 1;
            for child in branches(&self.splits[i]) {
                above[child] -= 1;
                if above[child] == 0 {
                    free.push(child);
                }
            }
        }
        if seen < self.splits.len() {
            refuse!("a tree's branch leads back to itself");
        }
        Ok(self)
    }

    /// The scores of a row, of which `feature` gives the numbers.
    pub(crate) fn scores(&self, feature: impl Fn(usize) -> f64, scores: &mut [f64], reached: &mut [bool]) {
        scores.fill(0.0);
        reached.fill(false);
        for &root in &self.roots {
            let (start, end) = self.leaf(root, &feature);
            for &(target, weight) in &self.weights[start..end] {
                let score = &mut scores[target];
                *score = match self.aggregate {
                    _ if !reached[target] => weight,
                    Aggregate::Sum | Aggregate::Average => *score + weight,
                    Aggregate::Min => score.min(weight),
                    Aggregate::Max => score.max(weight),
                };
                reached[target] = true;
            }
        }
        if self.aggregate == Aggregate::Average {
            scores.iter_mut().for_each(|s| *s /= self.roots.len().max(1) as f64);
        }
    }

    fn leaf(&self, root: Child, feature: &impl Fn(usize) -> f64) -> (usize, usize) {
        let mut at = root;
        loop {
            match at {
                Child::Leaf(start, end) => return (start, end),
                Child::Branch(i) => {
                    let split = &self.splits[i];
                    let v = feature(split.feature);
                    let holds = match split.mode {
                        Mode::LessOrEqual => v <= split.value,
                        Mode::Less => v < split.value,
                        Mode::GreaterOrEqual => v >= split.value,
                        Mode::Greater => v > split.value,
                        Mode::Equal => v == split.value,
                        Mode::NotEqual => v != split.value,
                    };
                    at = split.children[usize::from(!(holds || (split.missing && v.is_nan())))];
                }
            }
        }
    }

    /// The trees of TreeEnsembleRegressor (`target`) or TreeEnsembleClassifier (`class`).
    pub(crate) fn read(node: &Import<'_>, what: &str, targets: usize) -> OpResult<Self> {
        let list = |name: &str| Ok::<_, OpError>(node.ints(name)?.unwrap_or_default());
        let trees = list("nodes_treeids")?;
        let n = trees.len();
        let of_nodes = |name: &str| match list(name)? {
            list if list.len() == n => Ok(list),
            list => refuse!("it has {} {name} for {n} nodes", list.len()),
        };
        let (ids, features) = (of_nodes("nodes_nodeids")?, of_nodes("nodes_featureids")?);
        let children = [of_nodes("nodes_truenodeids")?, of_nodes("nodes_falsenodeids")?];
        let values = numbers(node, "nodes_values")?;
        let modes = node.texts("nodes_modes")?.unwrap_or_default();
        let missing = list("nodes_missing_value_tracks_true")?;
        if values.len() != n || modes.len() != n || !(missing.is_empty() || missing.len() == n) {
            refuse!("it has {} values and {} modes for {n} nodes", values.len(), modes.len());
        }
        let mut places = HashMap::with_capacity(n);
        for (i, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
            if places.insert(key, i).is_some() {
                refuse!("tree {} has two nodes {}", key.0, key.1);
            }
        }
        let (weights, leaves) = leaves(node, what, &places, n)?;
        // Branches are numbered among themselves.
        let is_leaf: Vec<bool> = modes.iter().map(|m| m == "LEAF").collect();
        let mut numbers = vec![0; n];
        let mut count = 0;
        for (number, leaf) in numbers.iter_mut().zip(&is_leaf) {
            *number = count;
            count += usize::from(!leaf);
        }
        let child = |i: usize| {
            if is_leaf[i] { Child::Leaf(leaves[i], leaves[i + 1]) } else { Child::Branch(numbers[i]) }
        };
        let mut below = HashSet::new();
        let mut splits = Vec::with_capacity(count);
        for i in (0..n).filter(|&i| !is_leaf[i]) {
            let mode = MODES.iter().find(|(_, name)| *name == modes[i]).map(|(mode, _)| *mode);
            let mode = mode.ok_or_else(|| OpError(format!("a node's mode is {:?}", modes[i])))?;
            let follow = |list: &[i64]| match places.get(&(trees[i], list[i])) {
                Some(&at) => Ok(at),
                None => refuse!(
                    "node {} of tree {} leads to node {}, which is not there",
                    ids[i],
                    trees[i],
                    list[i]
                ),
            };
            let [yes, no] = [follow(&children[0])?, follow(&children[1])?];
            below.extend([yes, no]);
            splits.push(Split {
                feature: place(features[i], "feature")?,
                mode,
                value: values[i],
                missing: missing.get(i) == Some(&1),
                children: [child(yes), child(no)],
            });
        }
        let mut started = HashSet::new();
        let first = |&i: &usize| !below.contains(&i) && started.insert(trees[i]);
        let roots: Vec<Child> = (0..n).filter(first).map(child).collect();
        if roots.len() != trees.iter().collect::<HashSet<_>>().len() {
            refuse!("a tree has no root");
        }
        let name = node.text("aggregate_function")?.unwrap_or_else(|| "SUM".to_owned());
        let aggregate = AGGREGATES.iter().find(|(_, n)| *n == name).map(|(a, _)| *a);
        let aggregate =
            aggregate.ok_or_else(|| OpError(format!("attribute aggregate_function is {name:?}")))?;
        Self { splits, weights, roots, targets, aggregate }.check()
    }

    /// The trees as TreeEnsembleRegressor has them.
    pub(crate) fn attributes(&self) -> Attributes {
        let mut ints: HashMap<&str, Vec<i64>> = HashMap::new();
        let (mut values, mut modes, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (tree, &root) in self.roots.iter().enumerate() {
            let mut ids: HashMap<Child, i64> = HashMap::from([(root, 0)]);
            let mut waiting = vec![root];
            while let Some(child) = waiting.pop() {
                let id = ids[&child];
                let mut add = |name, value| ints.entry(name).or_default().push(value);
                add("nodes_treeids", tree as i64);
                add("nodes_nodeids", id);
                match child {
                    Child::Leaf(start, end) => {
                        for name in ["nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"] {
                            add(name, 0);
                        }
                        add("nodes_missing_value_tracks_true", 0);
                        values.push(0.0);
                        modes.push("LEAF".to_owned());
                        for &(target, weight) in &self.weights[start..end] {
                            add("target_treeids", tree as i64);
                            add("target_nodeids", id);
                            add("target_ids", target as i64);
                            weights.push(weight);
                        }
                    }
                    Child::Branch(i) => {
                        let split = &self.splits[i];
                        add("nodes_featureids", split.feature as i64);
                        add("nodes_missing_value_tracks_true", i64::from(split.missing));
                        for (name, next) in [
                            ("nodes_truenodeids", split.children[0]),
                            ("nodes_falsenodeids", split.children[1]),
                        ] {
                            let fresh = ids.len() as i64;
                            let next_id = *ids.entry(next).or_insert_with(|| {
                                waiting.push(next);
                                fresh
                            });
                            add(name, next_id);
                        }
                        values.push(split.value);
                        let name = MODES.iter().find(|(mode, _)| *mode == split.mode).map_or("", |(_, n)| n);
                        modes.push(name.to_owned());
                    }
                }
            }
        }
        let name = AGGREGATES.iter().find(|(a, _)| *a == self.aggregate).map_or("SUM", |(_, n)| n);
        let mut found = Attributes::new()
            .with("aggregate_function", Attribute::Text(name.to_owned()))
            .with("n_targets", Attribute::Int(self.targets as i64))
            .with("nodes_modes", Attribute::Texts(modes));
        write_numbers(&mut found, "nodes_values", &values);
        write_numbers(&mut found, "target_weights", &weights);
        let mut ints: Vec<(&str, Vec<i64>)> = ints.into_iter().collect();
        ints.sort_unstable();
        ints.into_iter().for_each(|(name, list)| found.set(name, Attribute::Ints(list)));
        found
    }
}

fn branch(child: Child) -> Option<usize> {
    match child {
        Child::Branch(i) => Some(i),
        Child::Leaf(..) => None,
    }
}

/// A number of the file that is a position.
pub(crate) fn place(number: i64, what: &str) -> OpResult<usize> {
    match usize::try_from(number) {
        Ok(n) if n < 1 << 31 => Ok(n),
        _ => refuse!("a {what}'s number is {number}"),
    }
}

/// A list of numbers, given as floats or, under the name with `_as_tensor`, as a tensor.
pub(crate) fn numbers(node: &Import<'_>, name: &str) -> OpResult<Vec<f64>> {
    let tensor = node.tensor(&format!("{name}_as_tensor"))?;
    match (node.floats(name)?.filter(|v| !v.is_empty()), tensor) {
        (Some(list), _) => Ok(list.into_iter().map(f64::from).collect()),
        (None, Some(tensor)) => {
            tensor.to_f64().ok_or_else(|| OpError(format!("attribute {name}_as_tensor holds no numbers")))
        }
        (None, None) => Ok(Vec::new()),
    }
}

/// Floats where they hold the numbers, else a tensor.
pub(crate) fn write_numbers(to: &mut Attributes, name: &str, values: &[f64]) {
    if values.iter().all(|&v| f64::from(v as f32) == v || v.is_nan()) {
        to.set(name, Attribute::Floats(values.iter().map(|&v| v as f32).collect()));
    } else {
        to.set(&format!("{name}_as_tensor"), Attribute::Tensor(Tensor::vector(values.to_vec())));
    }
}

type Leaves = (Vec<(usize, f64)>, Vec<usize>);

/// What leaves add, node by node, and where each node's part begins.
fn leaves(node: &Import<'_>, what: &str, places: &HashMap<(i64, i64), usize>, n: usize) -> OpResult<Leaves> {
    let list = |name: &str| Ok::<_, OpError>(node.ints(&format!("{what}_{name}"))?.unwrap_or_default());
    let (trees, nodes, targets) = (list("treeids")?, list("nodeids")?, list("ids")?);
    let weights = numbers(node, &format!("{what}_weights"))?;
    if [nodes.len(), targets.len(), weights.len()] != [trees.len(); 3] {
        refuse!("its lists {what}_treeids, _nodeids, _ids and _weights differ in length");
    }
    let mut entries = Vec::with_capacity(trees.len());
    for i in 0..trees.len() {
        let Some(&at) = places.get(&(trees[i], nodes[i])) else {
            refuse!("a leaf's weight is for node {} of tree {}, which is not there", nodes[i], trees[i]);
        };
        entries.push((at, place(targets[i], "target")?, weights[i]));
    }
    entries.sort_by_key(|&(at, _, _)| at);
    let starts = (0..=n).map(|i| entries.partition_point(|&(at, _, _)| at < i)).collect();
    Ok((entries.into_iter().map(|(_, target, weight)| (target, weight)).collect(), starts))
}
