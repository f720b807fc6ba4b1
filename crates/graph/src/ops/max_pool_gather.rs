//! MaxPoolGather, of Pellucid's own: the elements of input 0 at the places where MaxPool chooses those of input 1. With
//! [`super::MaxPoolScatter`], its transpose, it carries derivatives and differences through MaxPool.

use std::sync::Arc;

use super::max_pool::{axes, pooled};
use super::support::{data, fact, no_type, out, view};
use super::window::{self, Window};
use super::{GatherElements, MaxPool, MaxPoolScatter, Mod};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, Tensor, View, ViewMut};
use pellucid_kernels::{Real, pool};

/// MaxPoolGather's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MaxPoolGather",
    domain: "pellucid",
    since: 1,
    summary: "the elements of input 0 at the places where MaxPool chooses those of input 1",
    derivative: "with respect to input 0; 0 with respect to input 1",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(MaxPoolGather { window: Window::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The elements of input 0 where MaxPool chooses those of input 1.
#[derive(Clone, Debug)]
pub struct MaxPoolGather {
    /// MaxPool's window.
    pub window: Window,
}

/// The places that MaxPool of `x` chooses within each channel, of shape [records, channels, windows], and the size of a channel.
pub(super) fn places(b: &mut Builder, window: &Window, x: ValueId) -> OpResult<(ValueId, usize)> {
    let op = MaxPool { window: window.clone(), column_major: false, indices: true };
    let outputs = b.node(Arc::new(op), &[Some(x)])?;
    let &[_, indices] = &outputs[..] else { refuse!("MaxPool gives no places") };
    let shape = b.shape(indices).to_vec();
    let plane = b.shape(x)[2..].iter().product::<usize>();
    let size = b.constant_value(Tensor::scalar(plane as i64));
    let within = b.push(Mod { fmod: false }, &[indices, size])?;
    let flat = [shape[0], shape[1], shape[2..].iter().product()];
    Ok((b.reshape(within, &flat)?, plane))
}

/// The cotangents of input 0 through the transposed operator, which has the same input 1; that has none.
pub(super) fn transposed(b: &mut Builder, site: &Site<'_>, transpose: impl Operator) -> OpResult<Option<Cotangents>> {
    let back = match site.cotangents[0] {
        Some(g) if site.active(0) => Some(b.push(transpose, &[g, site.input(1)?])?),
        _ => None,
    };
    Ok(Some(vec![back, None]))
}

/// The kind where input 0 is active, whose elements move to places that input 1 chooses.
pub(super) fn kind_of_pair(active: &[bool], first: Kind) -> Kind {
    match active {
        [true, false] => first,
        [false, true] => Kind::Constant,
        _ => Kind::Other,
    }
}

/// A MaxPool's window of a case.
#[cfg(test)]
pub(super) fn window_of(kernel: &[usize], strides: &[usize], pads: &[usize]) -> Window {
    Window { kernel: kernel.to_vec(), strides: strides.to_vec(), pads: pads.to_vec(), ..Window::default() }
}

impl MaxPoolGather {
    fn compute<T: Real + Element>(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let axes = axes(&self.window, view(inputs, 1)?.shape)?;
        let (values, out) = (data::<T>(inputs, 0)?, out::<T>(outputs, 0)?);
        pool::places(data::<T>(inputs, 1)?, &axes, |o, place| {
            out[o] = values.get(place).copied().unwrap_or(T::ZERO);
        });
        Ok(())
    }
}

impl Operator for MaxPoolGather {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.window.attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (values, x) = (fact(inputs, 0)?, fact(inputs, 1)?);
        if values != x {
            refuse!("input 0 is {values}, input 1 {x}; expected the same");
        }
        Ok(vec![Fact::new(x.dtype, &pooled(&self.window, &x.shape)?)])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        kind_of_pair(active, Kind::Route)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows_of_pair(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        transposed(b, site, MaxPoolScatter { window: self.window.clone() })
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let [Some(values), Some(x)] = *inputs else { refuse!("an input is missing") };
        let shape = pooled(&self.window, b.shape(x))?;
        let (places, plane) = places(b, &self.window, x)?;
        let flat = b.reshape(values, &[shape[0], shape[1], plane])?;
        let found = b.push(GatherElements { axis: 2 }, &[flat, places])?;
        Ok(Some(vec![b.reshape(found, &shape)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 1)?.data.dtype() {
            DType::F32 => self.compute::<f32>(inputs, outputs),
            DType::F64 => self.compute::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MaxPoolGather, window_of};
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let of = |kernel: &[usize], strides: &[usize], pads: &[usize]| {
            Case::new(MaxPoolGather { window: window_of(kernel, strides, pads) })
        };
        vec![
            of(&[2], &[], &[])
                .input(f64s(&[1, 1, 3], &[10.0, 20.0, 30.0]))
                .input(f64s(&[1, 1, 3], &[2.0, 1.0, 2.0]))
                .expect(f64s(&[1, 1, 2], &[10.0, 30.0]))
                .fixed(&[1]),
            of(&[3, 2], &[2, 1], &[1, 0, 1, 1]).random(&[2, 3, 5, 4]).random(&[2, 3, 5, 4]).rows(&[0, 1]),
            of(&[2, 2, 2], &[], &[]).random(&[1, 2, 3, 2, 4]).random(&[1, 2, 3, 2, 4]),
            of(&[2], &[], &[]).random(&[2, 3, 5]).random(&[2, 3, 5]).rows(&[0]).mixes(),
        ]
    }
}
