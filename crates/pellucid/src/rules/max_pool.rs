//! DeepLIFT's rule for max pooling, in the form of SHAP and Captum: what rises goes to the element that is chosen, what falls to the one that
//! was chosen in the reference.

use pellucid_graph::{Builder, Cotangents, OpResult, Site, ValueId, ops};

use super::{Reference, Rule};

/// y − y' = (max(y, y') − y') + (y − max(y, y')): the first part belongs to the element that the window chooses, the second to the one that
/// it chooses in the reference, each over that element's difference. Windows that overlap add up.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolDifference {
    /// Below which difference of an element the derivative is taken.
    pub eps: f64,
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
        let (x0, y0) = (reference.of(x), reference.of(y));
        let difference = b.sub(x, x0)?;
        let most = b.push(ops::Max, &[y, y0])?;
        let (rise, fall) = (b.sub(most, y0)?, b.sub(y, most)?);
        let nothing = b.scalar_like(g, 0.0)?;
        let mut part = |chosen_in: ValueId, change: ValueId, otherwise: ValueId| -> OpResult<ValueId> {
            let gather = ops::MaxPoolGather { window: window.clone() };
            let own = b.push(gather, &[difference, chosen_in])?;
            let size = b.abs(own)?;
            let least = b.scalar_like(own, self.eps)?;
            let small = b.less(size, least)?;
            // The divisor is made harmless where the quotient is not used.
            let one = b.scalar_like(own, 1.0)?;
            let divisor = b.select(small, one, own)?;
            let ratio = b.div(change, divisor)?;
            let scaled = b.mul(g, ratio)?;
            let share = b.select(small, otherwise, scaled)?;
            b.push(ops::MaxPoolScatter { window: window.clone() }, &[share, chosen_in])
        };
        let (up, down) = (part(x, rise, g)?, part(x0, fall, nothing)?);
        Ok(Some(vec![Some(b.add(up, down)?)]))
    }
}
