//! Where: elements of x where a condition holds, else those of y; broadcast as numpy does.

use std::sync::Arc;

use super::support::{broadcast, broadcast_of, data, fact, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};
use pellucid_kernels::broadcast::select;

/// Where's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Where",
    domain: "",
    since: 9,
    summary: "x where the condition holds, else y; broadcast",
    derivative: "that of the chosen input",
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(Where))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x where the condition holds, else y.
#[derive(Clone, Copy, Debug)]
pub struct Where;

impl Operator for Where {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let condition = fact(inputs, 0)?;
        if condition.dtype != DType::Bool || inputs.len() != 3 {
            refuse!("its condition is of type {}, expected bool, with two inputs behind it", condition.dtype);
        }
        let dtype = broadcast(&inputs[1..])?.dtype;
        Ok(vec![Fact { dtype, shape: broadcast_of(inputs)? }])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.first() == Some(&true) { Kind::Constant } else { Kind::Route }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::elementwise(site)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; 3])) };
        let condition = site.input(0)?;
        let zero = b.scalar_like(g, 0.0)?;
        let mut found = vec![None; 3];
        for i in [1, 2] {
            if site.active(i) {
                let (yes, no) = if i == 1 { (g, zero) } else { (zero, g) };
                let chosen = b.select(condition, yes, no)?;
                let shape = b.shape(site.input(i)?).to_vec();
                found[i] = Some(b.unbroadcast(chosen, &shape)?);
            }
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let condition = (data::<bool>(inputs, 0)?, view(inputs, 0)?.shape);
        let (x, y) = (view(inputs, 1)?, view(inputs, 2)?);
        let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
        let shape = output.shape;
        macro_rules! go {
            ($($variant:ident),*) => {
                match (x.data, y.data, &mut output.data) {
                    $((Slice::$variant(xs), Slice::$variant(ys), SliceMut::$variant(o)) => {
                        select(condition, (xs, x.shape), (ys, y.shape), (o, shape));
                    })*
                    _ => refuse!("its inputs are of types {} and {}", x.data.dtype(), y.data.dtype()),
                }
            };
        }
        go!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, String);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Where;
    use crate::cases::{Case, bools, f64s};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Where)
                .input(bools(&[2, 2], &[true, false, false, true]))
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, 20.0]))
                .expect(f64s(&[2, 2], &[1.0, 20.0, 10.0, 4.0])),
            Case::new(Where).input(bools(&[3, 1], &[true, false, true])).random(&[3, 4]).random(&[]),
        ]
    }
}
