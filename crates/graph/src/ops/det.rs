//! Det: the determinant of each matrix over the last two dimensions, by elimination with the largest pivot of each column.

use std::sync::Arc;

use super::support::{data, float_as_input, no_type, out, view};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::Real;

/// Det's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Det",
    domain: "",
    since: 11,
    summary: "the determinant of each matrix over the last two dimensions",
    derivative: "none: it is computed forward only",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Det))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The determinant of each matrix over the last two dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Det;

fn determinants<T: Real + Element>(inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
    let n = view(inputs, 0)?.shape.last().copied().unwrap_or(0);
    let o = out::<T>(outputs, 0)?;
    if n == 0 {
        o.fill(T::ONE);
        return Ok(());
    }
    for (o, matrix) in o.iter_mut().zip(data::<T>(inputs, 0)?.chunks_exact(n * n)) {
        let mut m = matrix.to_vec();
        let mut product = T::ONE;
        for c in 0..n {
            let mut pivot = c;
            for r in c + 1..n {
                if m[r * n + c].abs() > m[pivot * n + c].abs() {
                    pivot = r;
                }
            }
            if pivot != c {
                (0..n).for_each(|k| m.swap(c * n + k, pivot * n + k));
                product = -product;
            }
            let head = m[c * n + c];
            product *= head;
            if head == T::ZERO {
                break;
            }
            for r in c + 1..n {
                let factor = m[r * n + c] / head;
                for k in c..n {
                    let part = factor * m[c * n + k];
                    m[r * n + k] -= part;
                }
            }
        }
        *o = product;
    }
    Ok(())
}

impl Operator for Det {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = float_as_input(inputs)?.remove(0);
        match x.shape.as_slice() {
            [batch @ .., m, n] if m == n => Ok(vec![Fact::new(x.dtype, batch)]),
            other => refuse!("its input is of shape {other:?}, expected square matrices"),
        }
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let rank = site.input(0).map_or(0, |x| x.fact.shape.len());
        rows::reduce(site, &[rank.saturating_sub(2), rank.saturating_sub(1)], false)
    }

    fn work(&self, inputs: &[Option<Arg<'_>>], _outputs: &[Fact]) -> u64 {
        let shape = inputs.first().and_then(|x| x.as_ref()).map_or(&[][..], |x| &x.fact.shape);
        super::support::steps(shape.iter().chain(shape.last()).copied())
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => determinants::<f32>(inputs, outputs),
            DType::F64 => determinants::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Det;
    use crate::cases::{Case, f64s, refusal};

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Det)
                .input(f64s(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0]))
                .fixed(&[0])
                .expect(f64s(&[2], &[-2.0, -1.0])),
            Case::new(Det).input(f64s(&[2, 2], &[1.0, 2.0, 2.0, 4.0])).fixed(&[0]).expect(f64s(&[], &[0.0])),
            Case::new(Det)
                .input(f64s(&[3, 3], &[0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 3.0, 0.0, 1.0]))
                .fixed(&[0])
                .expect(f64s(&[], &[-2.0])),
        ]
    }

    #[test]
    fn what_is_not_square_is_refused() {
        assert!(refusal(Det, &[f64s(&[1, 2], &[1.0, 2.0])]).contains("square"));
    }
}
