//! Guided backpropagation (Springenberg et al. 2014): a Relu passes what is positive forward and backward.

use pellucid_graph::{Builder, Cotangents, OpResult, Site};

use super::{Reference, Rule};

/// relu(g) where the Relu's input is positive.
#[derive(Clone, Copy, Debug)]
pub struct Guided;

impl Rule for Guided {
    fn apply(&self, b: &mut Builder, site: &Site<'_>, _: Option<&Reference>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let on = b.positive(site.input(0)?)?;
        let positive = b.relu(g)?;
        Ok(Some(vec![Some(b.masked(on, positive)?)]))
    }
}
