//! The affine prefix: how far from some values every path is affine.

use crate::graph::{Graph, ValueId};
use crate::operator::Kind;

impl Graph {
    /// The values behind which the way from `sources` to `targets` is no longer affine: each of them is an affine function of the sources,
    /// the other values held fixed, and together they are all that the targets see of the sources. A source that is used
    /// beyond an affine operator is itself among them. No value of `stops` is passed.
    pub fn affine_prefix(&self, sources: &[ValueId], targets: &[ValueId], stops: &[ValueId]) -> Vec<ValueId> {
        let active = self.dependents(sources);
        let needed = self.needed(targets, &[]);
        let mut affine = vec![false; self.values.len()];
        for s in sources {
            affine[s.index()] = true;
        }
        let mut cut = Vec::new();
        let mut add = |v: ValueId| {
            if !cut.contains(&v) {
                cut.push(v);
            }
        };
        for (node, _) in self.nodes.iter().zip(&needed).filter(|(_, n)| **n) {
            let is_active = |v: &ValueId| active[v.index()];
            if !node.present().any(|v| is_active(&v)) {
                continue;
            }
            let open = node.present().filter(is_active).all(|v| affine[v.index()] && !stops.contains(&v));
            if open && matches!(self.kind(node, &active), Kind::Affine | Kind::Route) {
                node.outputs.iter().for_each(|o| affine[o.index()] = true);
            } else {
                node.present().filter(|v| is_active(v) && affine[v.index()]).for_each(&mut add);
            }
        }
        targets.iter().copied().filter(|t| affine[t.index()]).for_each(&mut add);
        cut
    }
}
