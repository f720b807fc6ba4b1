//! MaxUnpool: elements put at the places that MaxPool named, zeros elsewhere. Places are counted through all records and channels.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::ScatterElements;
use super::scatter::Reduction;
use super::support::{expect_indices, fact, integers};
use super::window::{self, Window};
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::build::filled;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{Tensor, elements};

/// MaxUnpool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MaxUnpool",
    domain: "",
    since: 9,
    summary: "elements put at the places that MaxPool named, zeros elsewhere",
    derivative: "everywhere; of elements at one place, that of the last",
    import: |node| {
        node.expect_inputs(2, 3)?;
        Ok(Arc::new(MaxUnpool { window: Window::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Elements put at the places that input 1 names; input 2 may name the output's shape.
#[derive(Clone, Debug)]
pub struct MaxUnpool {
    /// MaxPool's window.
    pub window: Window,
}

impl MaxUnpool {
    /// The shape that MaxPool read, as far as its output and window tell.
    fn unpooled(&self, shape: &[usize]) -> OpResult<Vec<usize>> {
        let (records, channels, spatial) = window::split(shape)?;
        let kernel = self.window.kernel()?;
        window::check_rank(spatial.len(), kernel.len())?;
        let mut found = vec![records, channels];
        for (i, &size) in spatial.iter().enumerate() {
            let (kernel, stride, _) = self.window.steps(kernel, i)?;
            let (before, after) = self.window.pads(i, spatial.len())?;
            let wide = (size as i64 - 1) * stride as i64 + kernel as i64 - before - after;
            match usize::try_from(wide) {
                Ok(wide) => found.push(wide),
                Err(_) => refuse!("its pads take away more than axis {} has", i + 2),
            }
        }
        Ok(found)
    }
}


impl Operator for MaxUnpool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.window.attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, places) = (fact(inputs, 0)?, fact(inputs, 1)?);
        expect_indices(inputs, 1)?;
        if places.shape != x.shape {
            refuse!("its places have shape {:?}, its input {:?}", places.shape, x.shape);
        }
        let unpooled = self.unpooled(&x.shape)?;
        let shape = match integers(inputs, 2, "output_shape")? {
            None => unpooled,
            Some(list) => {
                let sizes: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok()).collect();
                match sizes {
                    Some(sizes) if sizes.len() == unpooled.len() => sizes,
                    _ => refuse!("its output_shape is {list:?}, expected {} sizes", unpooled.len()),
                }
            }
        };
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        if site.rows > 1 && site.inputs.iter().flatten().any(|x| x.rows.is_some()) {
            refuse!("its places count through all records");
        }
        window::rows(site, &[0, 1])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let &[Some(x), Some(places), ..] = inputs else { refuse!("an input is missing") };
        let (count, dtype) = (b.fact(x).len(), b.fact(x).dtype);
        let shape = self.unpooled(b.shape(x))?;
        let size = elements(&shape).filter(|&n| n <= crate::build::MOST_ELEMENTS);
        let zeros = size.and_then(|n| filled(dtype, &[n], 0.0));
        let Some(zeros) = zeros else { refuse!("no zeros of type {dtype} and shape {shape:?}") };
        let zeros = b.constant_value(zeros);
        let (updates, places) = (b.reshape(x, &[count])?, b.reshape(places, &[count])?);
        let put = ScatterElements { axis: 0, reduction: Reduction::None };
        let flat = b.push(put, &[zeros, places, updates])?;
        let laid = b.reshape(flat, &shape)?;
        let wanted = inputs.get(2).copied().flatten().and_then(|v| b.constant(v)).and_then(Tensor::to_i64);
        let after: Vec<i64> = match wanted {
            Some(wanted) => wanted.iter().zip(&shape).map(|(w, n)| w - *n as i64).collect(),
            None => vec![0; shape.len()],
        };
        Ok(Some(vec![b.pad(laid, &vec![0; shape.len()], &after)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::MaxUnpool;
    use crate::cases::{Case, f64s, i64s};
    use crate::ops::window::Window;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |kernel: &[usize], strides: &[usize]| {
            let window = Window { kernel: kernel.to_vec(), strides: strides.to_vec(), ..Window::default() };
            Case::new(MaxUnpool { window })
        };
        let places = |shape: &[usize], data: &[i64]| Tensor::new(shape, data.to_vec()).unwrap();
        vec![
            of(&[2], &[2])
                .input(f64s(&[1, 2, 1], &[5.0, 6.0]))
                .input(places(&[1, 2, 1], &[1, 2]))
                .expect(f64s(&[1, 2, 2], &[0.0, 5.0, 6.0, 0.0])),
            of(&[2], &[2])
                .input(f64s(&[1, 2, 1], &[5.0, 6.0]))
                .input(places(&[1, 2, 1], &[1, 2]))
                .input(i64s(&[1, 2, 3]))
                .expect(f64s(&[1, 2, 3], &[0.0, 5.0, 0.0, 6.0, 0.0, 0.0])),
            of(&[2, 2], &[2, 2]).random(&[1, 1, 2, 2]).input(places(&[1, 1, 2, 2], &[5, 7, 13, 10])),
            of(&[2], &[2]).random(&[2, 1, 1]).input(places(&[2, 1, 1], &[1, 2])).rows(&[0]).mixes(),
        ]
    }
}
