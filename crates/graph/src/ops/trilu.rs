//! Trilu: the upper or the lower triangle of matrices, zero elsewhere; k moves the diagonal up.

use std::sync::Arc;

use super::support::{
    fact, integers, integers_of_site, integers_of_value, integers_of_view, output, same_type, view,
};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Trilu's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Trilu",
    domain: "",
    since: 14,
    summary: "the upper or the lower triangle of matrices, zero elsewhere",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, 2)?;
        Ok(Arc::new(Trilu { upper: node.flag("upper", true)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The upper or the lower triangle of matrices; input 1 says how far above the main diagonal it is cut.
#[derive(Clone, Copy, Debug)]
pub struct Trilu {
    /// Whether the upper triangle stays, rather than the lower.
    pub upper: bool,
}

fn diagonal(list: Option<&[i64]>) -> OpResult<i64> {
    match list {
        None => Ok(0),
        Some(&[k]) => Ok(k),
        Some(list) => refuse!("its k (input 1) is {list:?}, expected one number"),
    }
}

impl Operator for Trilu {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("upper", Attribute::Int(i64::from(self.upper)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if x.shape.len() < 2 {
            refuse!("an input of shape {:?} is not of matrices", x.shape);
        }
        diagonal(integers(inputs, 1, "k")?.as_deref())?;
        Ok(vec![x.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        diagonal(integers_of_site(site, 1)?.as_deref())?;
        let rank = site.outputs.first().map_or(2, |o| o.shape.len());
        rows::along(site, &[rank - 2, rank - 1])
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        diagonal(integers_of_value(b, site, 1)?.as_deref())?;
        let inputs: Vec<Option<ValueId>> =
            [Some(g)].into_iter().chain(site.inputs.iter().skip(1).copied()).collect();
        found[0] = b.node(Arc::new(*self), &inputs)?.first().copied();
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let k = diagonal(integers_of_view(inputs, 1)?.as_deref())?;
        let &[.., rows, columns] = x.shape else { refuse!("its input is not of matrices") };
        if rows * columns == 0 {
            return Ok(());
        }
        same_type!(x.data, &mut output(outputs, 0)?.data, |xs, o| {
            for (i, (x, o)) in xs.chunks_exact(columns).zip(o.chunks_exact_mut(columns)).enumerate() {
                // The columns of the upper triangle start at the diagonal, those of the lower end behind it.
                let from = ((i % rows) as i64).saturating_add(k);
                let behind = |v: i64| v.clamp(0, columns as i64) as usize;
                let kept = if self.upper { behind(from)..columns } else { 0..behind(from.saturating_add(1)) };
                o[..kept.start].fill(Default::default());
                o[kept.end..].fill(Default::default());
                o[kept.clone()].clone_from_slice(&x[kept]);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Trilu;
    use crate::cases::{Case, bools, f64s, i64s, refusal};
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let triangle = |upper| Case::new(Trilu { upper });
        let x = || f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let k = |k: i64| Tensor::scalar(k);
        vec![
            triangle(true).input(x()).expect(f64s(&[2, 3], &[1.0, 2.0, 3.0, 0.0, 5.0, 6.0])),
            triangle(false).input(x()).expect(f64s(&[2, 3], &[1.0, 0.0, 0.0, 4.0, 5.0, 0.0])),
            triangle(true).input(x()).input(k(1)).expect(f64s(&[2, 3], &[0.0, 2.0, 3.0, 0.0, 0.0, 6.0])),
            triangle(false).input(x()).input(k(-1)).expect(f64s(&[2, 3], &[0.0, 0.0, 0.0, 4.0, 0.0, 0.0])),
            triangle(true).random(&[2, 3, 5, 4]).input(i64s(&[-2])).rows(&[0]),
            triangle(false).random(&[2, 4, 3]).input(k(i64::MAX)).rows(&[0]),
            triangle(false).random(&[2, 4, 3]).input(k(i64::MIN)),
            triangle(true).random(&[3, 3]).rows(&[0]).mixes(),
            triangle(true).random(&[2, 0, 3]),
            triangle(false).input(bools(&[1, 2], &[true, true])).expect(bools(&[1, 2], &[true, false])),
        ]
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        assert!(refusal(Trilu { upper: true }, &[f64s(&[2], &[1.0, 2.0])]).contains("not of matrices"));
        let x = f64s(&[1, 1], &[1.0]);
        assert!(refusal(Trilu { upper: true }, &[x, i64s(&[0, 1])]).contains("expected one number"));
    }
}
