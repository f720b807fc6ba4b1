//! MaxPoolScatter, of Pellucid's own: each element of input 0 added to the place where MaxPool chooses one of input 1. It is the
//! derivative of MaxPool, and the transpose of [`super::MaxPoolGather`].

use std::sync::Arc;

use super::max_pool::{axes, pooled};
use super::max_pool_gather::{kind_of_pair, places, transposed};
use super::scatter::Reduction;
use super::support::{data, fact, no_type, out, view};
use super::window::{self, Window};
use super::{MaxPoolGather, ScatterElements};
use crate::attributes::Attributes;
use crate::build::{Builder, filled};
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::{Real, pool};

/// MaxPoolScatter's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MaxPoolScatter",
    domain: "pellucid",
    since: 1,
    summary: "each element of input 0 added to the place where MaxPool chooses one of input 1",
    derivative: "with respect to input 0; 0 with respect to input 1",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(MaxPoolScatter { window: Window::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Each element of input 0 added where MaxPool chooses one of input 1.
#[derive(Clone, Debug)]
pub struct MaxPoolScatter {
    /// MaxPool's window.
    pub window: Window,
}

impl MaxPoolScatter {
    fn compute<T: Real + Element>(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let axes = axes(&self.window, view(inputs, 1)?.shape)?;
        let (values, out) = (data::<T>(inputs, 0)?, out::<T>(outputs, 0)?);
        out.fill(T::ZERO);
        pool::places(data::<T>(inputs, 1)?, &axes, |o, place| {
            if let Some(sum) = out.get_mut(place) {
                *sum += values[o];
            }
        });
        Ok(())
    }
}

impl Operator for MaxPoolScatter {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.window.attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (values, x) = (fact(inputs, 0)?, fact(inputs, 1)?);
        let expected = Fact::new(x.dtype, &pooled(&self.window, &x.shape)?);
        if *values != expected {
            refuse!("input 0 is {values}, expected {expected}");
        }
        Ok(vec![x.clone()])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        kind_of_pair(active, Kind::Affine)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        window::rows_of_pair(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        transposed(b, site, MaxPoolGather { window: self.window.clone() })
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let [Some(values), Some(x)] = *inputs else { refuse!("an input is missing") };
        let shape = b.shape(x).to_vec();
        let dtype = b.fact(x).dtype;
        let (places, plane) = places(b, &self.window, x)?;
        let flat = b.shape(places).to_vec();
        let values = b.reshape(values, &flat)?;
        let zeros = filled(dtype, &[shape[0], shape[1], plane], 0.0)
            .ok_or_else(|| OpError(format!("no zeros of type {dtype}")))?;
        let zeros = b.constant_value(zeros);
        let add = ScatterElements { axis: 2, reduction: Reduction::Add };
        let sum = b.push(add, &[zeros, places, values])?;
        Ok(Some(vec![b.reshape(sum, &shape)?]))
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
    use super::MaxPoolScatter;
    use crate::cases::{Case, f64s};
    use crate::ops::max_pool_gather::window_of;

    pub(super) fn cases() -> Vec<Case> {
        let of = |kernel: &[usize], strides: &[usize], pads: &[usize]| {
            Case::new(MaxPoolScatter { window: window_of(kernel, strides, pads) })
        };
        vec![
            of(&[2], &[], &[])
                .input(f64s(&[1, 1, 3], &[10.0, 20.0, 30.0]))
                .input(f64s(&[1, 1, 4], &[2.0, 1.0, 3.0, 2.0]))
                .expect(f64s(&[1, 1, 4], &[10.0, 0.0, 50.0, 0.0]))
                .fixed(&[1]),
            of(&[3, 2], &[2, 1], &[1, 0, 1, 1]).random(&[2, 3, 3, 4]).random(&[2, 3, 5, 4]).rows(&[0, 1]),
            of(&[2, 2, 2], &[], &[]).random(&[1, 2, 2, 1, 3]).random(&[1, 2, 3, 2, 4]),
            of(&[2], &[], &[]).random(&[2, 3, 4]).random(&[2, 3, 5]).rows(&[0]).mixes(),
        ]
    }
}
