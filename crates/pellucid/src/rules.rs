//! Rule tables: what takes the place of operators' own derivatives.
//!
//! A table is an ordered list of selectors and rules. For each node the first entry whose selector matches and whose rule answers decides;
//! where none does, the operator's own derivative stands. A rule sees one node, and, where the method has one, the same node's values in a
//! second run.

mod guided;
mod max_pool;
mod rescale;

use std::collections::HashMap;

use pellucid_graph::{Builder, Cotangents, Kind, Node, OpResult, Site, ValueId};

pub use guided::Guided;
pub use max_pool::MaxPoolDifference;
pub use rescale::{
    DividedDifference, ProductDifference, QuotientDifference, RefuseOthers, SoftmaxDifference,
};

/// The values of a second run of the same model, by those of the first.
#[derive(Clone, Debug, Default)]
pub struct Reference(HashMap<ValueId, ValueId>);

impl Reference {
    /// From where each value that differs went.
    pub fn new(map: HashMap<ValueId, ValueId>) -> Self {
        Self(map)
    }

    /// The value in the second run; the same where the runs share it.
    pub fn of(&self, value: ValueId) -> ValueId {
        self.0.get(&value).copied().unwrap_or(value)
    }
}

/// Gives the cotangents of a node's inputs in place of its derivative.
pub trait Rule: std::fmt::Debug {
    /// The cotangents; `None` where the rule does not apply to this node after all.
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>>;
}

/// Which nodes an entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// Nodes of these operators.
    Operators(&'static [&'static str]),
    /// Nodes whose dependence on the source is of this kind.
    OfKind(Kind),
    /// Nodes with this name.
    Named(String),
    /// Every node.
    Any,
}

impl Selector {
    fn matches(&self, node: &Node, site: &Site<'_>) -> bool {
        match self {
            Self::Operators(names) => names.contains(&site.op.definition().name),
            Self::OfKind(kind) => site.op.kind(site.active) == *kind,
            Self::Named(name) => &*node.name == name,
            Self::Any => true,
        }
    }
}

/// An ordered list of selectors and rules.
#[derive(Debug, Default)]
pub struct RuleTable(Vec<(Selector, Box<dyn Rule>)>);

impl RuleTable {
    /// A table without entries: plain derivatives.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more entry, behind the others.
    #[must_use]
    pub fn with(mut self, selector: Selector, rule: impl Rule + 'static) -> Self {
        self.0.push((selector, Box::new(rule)));
        self
    }

    /// The cotangents by the first entry that answers.
    pub fn apply(
        &self,
        b: &mut Builder,
        node: &Node,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        for (selector, rule) in &self.0 {
            if selector.matches(node, site)
                && let Some(found) = rule.apply(b, site, reference)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
