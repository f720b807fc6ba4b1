//! DeepLIFT's rule for max pooling: what rises goes to the element that is chosen, what falls to the one that was chosen in the reference.

use pellucid_graph::{Builder, Cotangents, OpResult, Site, ValueId, ops};

use super::rescale::divided;
use super::{Reference, Rule};

/// y − y' = (max(y, y') − y') + (y − max(y, y')): the first part belongs to the element that the window chooses, the second to the one that
/// it chooses in the reference, each over that element's difference. Where the chosen element is among the largest of the reference too, all
/// is its own. Windows that overlap add up.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolDifference {
    /// Below which difference of an element the derivative is taken.
    pub eps: f64,
    /// Whether a pool that stands directly behind an activation passes the plain derivative, as in Captum 0.9.
    pub plain_behind_activations: bool,
}

/// What Captum replaces the backward pass of.
const ACTIVATIONS: [&str; 8] =
    ["Elu", "GlobalMaxPool", "LeakyRelu", "MaxPool", "Relu", "Sigmoid", "Softplus", "Tanh"];

fn behind_activation(b: &Builder, x: ValueId) -> bool {
    let producer = b.value(x).producer.map(|node| b.nodes()[node].op.definition().name);
    producer.is_some_and(|name| ACTIVATIONS.contains(&name))
}

impl Rule for MaxPoolDifference {
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        let Some(reference) = reference else { return Ok(None) };
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let (x, y) = (site.input(0)?, site.outputs[0]);
        let Some(window) = ops::max_pool::window_of(&**site.op, b.shape(x))? else { return Ok(None) };
        if self.plain_behind_activations && behind_activation(b, x) {
            return Ok(Some(vec![Some(b.push(ops::MaxPoolScatter { window }, &[g, x])?)]));
        }
        let (x0, y0) = (reference.of(x), reference.of(y));
        let gather = ops::MaxPoolGather { window: window.clone() };
        let difference = b.sub(x, x0)?;
        let most = b.push(ops::Max, &[y, y0])?;
        let (whole, rise, fall) = (b.sub(y, y0)?, b.sub(most, y0)?, b.sub(y, most)?);
        let nothing = b.scalar_like(g, 0.0)?;
        let before = b.push(gather.clone(), &[x0, x])?;
        let both = b.equal(before, y0)?;
        let here = b.select(both, whole, rise)?;
        let there = b.select(both, nothing, fall)?;
        let mut part = |chosen_in: ValueId, change: ValueId, otherwise: ValueId| -> OpResult<ValueId> {
            let own = b.push(gather.clone(), &[difference, chosen_in])?;
            let (small, ratio) = divided(b, change, own, self.eps)?;
            let scaled = b.mul(g, ratio)?;
            let share = b.select(small, otherwise, scaled)?;
            b.push(ops::MaxPoolScatter { window: window.clone() }, &[share, chosen_in])
        };
        let (up, down) = (part(x, here, g)?, part(x0, there, nothing)?);
        Ok(Some(vec![Some(b.add(up, down)?)]))
    }
}
