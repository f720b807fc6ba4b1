//! DeepLIFT's rescale rule (Shrikumar et al. 2017) for elementwise operators, and exact difference rules for products.

use pellucid_graph::{Attribute, Builder, Cotangents, Kind, OpError, OpResult, Site, ValueId, ops};

use super::{Reference, Rule};

/// Where a difference is smaller than `eps`, and the ratio of a change to it, which is to be used elsewhere.
pub(super) fn divided(
    b: &mut Builder,
    change: ValueId,
    difference: ValueId,
    eps: f64,
) -> OpResult<(ValueId, ValueId)> {
    let size = b.abs(difference)?;
    let least = b.scalar_like(difference, eps)?;
    let small = b.less(size, least)?;
    // The divisor is made harmless where the quotient is not used.
    let one = b.scalar_like(difference, 1.0)?;
    let divisor = b.select(small, one, difference)?;
    Ok((small, b.div(change, divisor)?))
}

/// The ratio of differences Δy / Δx; the derivative where |Δx| is below `eps`.
#[derive(Clone, Copy, Debug)]
pub struct DividedDifference {
    /// Below which difference the derivative is taken.
    pub eps: f64,
}

impl Rule for DividedDifference {
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        let Some(reference) = reference else { return Ok(None) };
        let active: Vec<usize> = (0..site.inputs.len()).filter(|&i| site.active(i)).collect();
        let [i] = active[..] else { return Ok(None) };
        let (x, y) = (site.input(i)?, site.outputs[0]);
        if b.shape(x) != b.shape(y) {
            return Ok(None);
        }
        let Some(plain) = site.op.derivative(b, site)? else { return Ok(None) };
        let (Some(g), Some(derivative)) = (site.cotangents[0], plain[i]) else { return Ok(Some(plain)) };
        let dx = b.sub(x, reference.of(x))?;
        let dy = b.sub(y, reference.of(y))?;
        let (small, ratio) = divided(b, dy, dx, self.eps)?;
        let scaled = b.mul(g, ratio)?;
        let mut found = vec![None; site.inputs.len()];
        found[i] = Some(b.select(small, derivative, scaled)?);
        Ok(Some(found))
    }
}

/// x·y − x'·y' = (x − x')·(y + y')/2 + (y − y')·(x + x')/2: each factor is multiplied by the mean of the other.
#[derive(Clone, Copy, Debug)]
pub struct ProductDifference;

impl Rule for ProductDifference {
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        let Some(reference) = reference else { return Ok(None) };
        if site.cotangents[0].is_none() {
            return Ok(None);
        }
        // The derivative of a bilinear operator at the mean of both runs is the rule.
        let mut means = Vec::with_capacity(site.inputs.len());
        for x in site.inputs {
            means.push(match x {
                Some(x) if reference.of(*x) != *x => {
                    let sum = b.add(*x, reference.of(*x))?;
                    Some(b.scale(sum, 0.5)?)
                }
                other => *other,
            });
        }
        site.op.derivative(b, &Site { inputs: &means, ..*site })
    }
}

/// A quotient x / y with an active divisor: x/y − x'/y' shared between both by the mean value of each partial difference.
#[derive(Clone, Copy, Debug)]
pub struct QuotientDifference;

impl Rule for QuotientDifference {
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        let Some(reference) = reference else { return Ok(None) };
        let (Some(g), true) = (site.cotangents[0], site.active(1)) else { return Ok(None) };
        let (x, y) = (site.input(0)?, site.input(1)?);
        let (x0, y0) = (reference.of(x), reference.of(y));
        let mut found = vec![None, None];
        if site.active(0) {
            // (x − x') · (1/y + 1/y') / 2
            let (inverse, inverse0) = (b.reciprocal(y)?, b.reciprocal(y0)?);
            let sum = b.add(inverse, inverse0)?;
            let mean = b.scale(sum, 0.5)?;
            let product = b.mul(g, mean)?;
            let shape = b.shape(x).to_vec();
            found[0] = Some(b.unbroadcast(product, &shape)?);
        }
        // (y − y') · −(x + x') / (2 y y')
        let sum = b.add(x, x0)?;
        let mean = b.scale(sum, -0.5)?;
        let square = b.mul(y, y0)?;
        let factor = b.div(mean, square)?;
        let product = b.mul(g, factor)?;
        let shape = b.shape(y).to_vec();
        found[1] = Some(b.unbroadcast(product, &shape)?);
        Ok(Some(found))
    }
}

/// Softmax as exponentials over their sum: the exponential by its divided difference, the quotient as [`QuotientDifference`] shares it.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxDifference {
    /// Below which difference the exponential's derivative is taken.
    pub eps: f64,
}

impl Rule for SoftmaxDifference {
    fn apply(
        &self,
        b: &mut Builder,
        site: &Site<'_>,
        reference: Option<&Reference>,
    ) -> OpResult<Option<Cotangents>> {
        let Some(reference) = reference else { return Ok(None) };
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let x = site.input(0)?;
        let x0 = reference.of(x);
        let rank = b.shape(x).len();
        let axis = match site.op.attributes().get("axis") {
            Some(Attribute::Int(a)) if *a < 0 => (rank as i64 + a) as usize,
            Some(Attribute::Int(a)) => *a as usize,
            _ => rank.saturating_sub(1),
        };
        // Softmax does not change when both runs are shifted alike; the larger maximum keeps the exponentials finite.
        let axes = b.integers(&[axis as i64]);
        let largest = b.push(ops::ReduceMax { keep: true, noop_with_empty_axes: false }, &[x, axes])?;
        let largest0 = b.push(ops::ReduceMax { keep: true, noop_with_empty_axes: false }, &[x0, axes])?;
        let shift = b.push(ops::Max, &[largest, largest0])?;
        let (z, z0) = (b.sub(x, shift)?, b.sub(x0, shift)?);
        let (e, e0) = (b.exp(z)?, b.exp(z0)?);
        let (s, s0) = (b.reduce_sum(e, &[axis], true)?, b.reduce_sum(e0, &[axis], true)?);
        let (inverse, inverse0) = (b.reciprocal(s)?, b.reciprocal(s0)?);
        let inverses = b.add(inverse, inverse0)?;
        let mean_inverse = b.scale(inverses, 0.5)?;
        let direct = b.mul(g, mean_inverse)?;
        let both = b.add(e, e0)?;
        let weighted = b.mul(g, both)?;
        let total = b.reduce_sum(weighted, &[axis], true)?;
        let product = b.mul(inverse, inverse0)?;
        let shared = b.mul(total, product)?;
        let shared = b.scale(shared, -0.5)?;
        let through = b.add(direct, shared)?;
        let dx = b.sub(x, x0)?;
        let de = b.sub(e, e0)?;
        let (small, ratio) = divided(b, de, dx, self.eps)?;
        let slope = b.select(small, e, ratio)?;
        Ok(Some(vec![Some(b.mul(through, slope)?)]))
    }
}

/// Refuses, by name, every operator for which no difference rule stands before it and whose own derivative does not carry differences exactly.
#[derive(Clone, Copy, Debug)]
pub struct RefuseOthers;

impl Rule for RefuseOthers {
    fn apply(&self, _: &mut Builder, site: &Site<'_>, _: Option<&Reference>) -> OpResult<Option<Cotangents>> {
        match site.op.kind(site.active) {
            Kind::Affine | Kind::Route | Kind::Constant => Ok(None),
            kind => Err(OpError(format!("DeepLIFT has no rule for it here (its kind is {kind:?})"))),
        }
    }
}
