//! Spares steps that only move elements: products read through transposes, and sums of padded values are written in place.

use std::collections::HashMap;

use pellucid_graph::error::{OpError, OpResult};
use pellucid_graph::{
    Attribute, Attributes, Element, Graph, Kernel, Slice, SliceMut, ValueId, View, ViewMut,
};

use crate::gate::is_zero;

/// For each axis of a transpose's output, the one of its input.
pub(crate) fn order(attributes: &Attributes, rank: usize) -> Option<Vec<usize>> {
    match attributes.get("perm") {
        Some(Attribute::Ints(order)) => order.iter().map(|&a| usize::try_from(a).ok()).collect(),
        Some(_) => None,
        None => Some((0..rank).rev().collect()),
    }
}

/// A value with zeros before and after it along one axis.
#[derive(Clone, Debug)]
pub(crate) struct Padded {
    pub(crate) value: ValueId,
    axis: usize,
    /// Where it begins and ends.
    from: usize,
    to: usize,
}

impl Padded {
    /// What a Pad of these inputs gives; `None` where that is not such a value.
    pub(crate) fn of(graph: &Graph, inputs: &[Option<ValueId>], attributes: &Attributes) -> Option<Self> {
        let input = |i: usize| inputs.get(i).copied().flatten();
        let is_constant = attributes.get("mode").is_none_or(|m| *m == Attribute::Text("constant".into()));
        let zero = input(2).is_none() || is_zero(graph, input(2));
        let value = input(0)?;
        let shape = graph.shape(value);
        let pads = graph.constant(input(1)?)?.to_i64()?;
        if !is_constant || !zero || input(3).is_some() || pads.len() != 2 * shape.len() {
            return None;
        }
        let padded: Vec<usize> =
            (0..shape.len()).filter(|&a| pads[a] != 0 || pads[shape.len() + a] != 0).collect();
        let [axis] = padded[..] else { return None };
        let (before, after) = (usize::try_from(pads[axis]).ok()?, pads[shape.len() + axis]);
        (after >= 0).then_some(Self { value, axis, from: before, to: before + shape[axis] })
    }
}

/// The sum of values that are padded along one axis and nowhere meet.
#[derive(Debug)]
pub(crate) struct Side {
    outer: usize,
    inner: usize,
    size: usize,
    /// Where each value begins and ends along the axis, in order; and which input it is.
    parts: Vec<(usize, usize, usize)>,
}

impl Side {
    /// `None` where the values meet or lie along different axes.
    pub(crate) fn new(shape: &[usize], values: &[Padded]) -> Option<Self> {
        let axis = values.first()?.axis;
        let mut parts: Vec<_> = values.iter().enumerate().map(|(i, v)| (v.from, v.to, i)).collect();
        parts.sort_unstable();
        let apart = parts.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        (apart && values.iter().all(|v| v.axis == axis)).then(|| Self {
            outer: shape[..axis].iter().product(),
            inner: shape[axis + 1..].iter().product(),
            size: shape[axis],
            parts,
        })
    }

    fn write<T: Element + Copy + Default + std::ops::Add<Output = T>>(&self, inputs: &[&[T]], out: &mut [T]) {
        for (o, out) in out.chunks_exact_mut((self.size * self.inner).max(1)).enumerate().take(self.outer) {
            let mut done = 0;
            for &(from, to, i) in &self.parts {
                let (from, to) = (from * self.inner, to * self.inner);
                out[done..from].fill(T::default());
                let value = &inputs[i][o * (to - from)..][..to - from];
                // What is added to a zero loses the sign of its own.
                out[from..to].iter_mut().zip(value).for_each(|(o, v)| *o = T::default() + *v);
                done = to;
            }
            out[done..].fill(T::default());
        }
    }
}

impl Kernel for Side {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let wrong = || OpError("values side by side are of floats of one type".into());
        let [output] = outputs else { return Err(wrong()) };
        let views = || inputs.iter().map(|x| x.map(|x| x.data));
        match &mut output.data {
            SliceMut::F32(out) => {
                let values = views().map(|x| if let Some(Slice::F32(x)) = x { Some(x) } else { None });
                self.write(&values.collect::<Option<Vec<_>>>().ok_or_else(wrong)?, out);
            }
            SliceMut::F64(out) => {
                let values = views().map(|x| if let Some(Slice::F64(x)) = x { Some(x) } else { None });
                self.write(&values.collect::<Option<Vec<_>>>().ok_or_else(wrong)?, out);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Sums of padded values, by what gives them.
pub(crate) type Sums = HashMap<ValueId, Vec<Padded>>;
