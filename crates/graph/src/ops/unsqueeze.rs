//! Unsqueeze: dimensions of size one put in, at the places that axes name in the result.

use std::sync::Arc;

use super::support::{axes, fact, integers, integers_of_site, output, view};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Unsqueeze's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Unsqueeze",
    domain: "",
    since: 1,
    summary: "dimensions of size one put in",
    derivative: "everywhere",
    import: |node| {
        node.ints_to_input("axes", 1)?;
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Unsqueeze))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Dimensions of size one put in at the axes of the result that input 1 names.
#[derive(Clone, Copy, Debug)]
pub struct Unsqueeze;

/// For each axis of the result, whether it is new.
fn new_axes(rank: usize, list: Option<Vec<i64>>) -> OpResult<Vec<bool>> {
    let list = list.ok_or_else(|| OpError("its axes are missing".to_owned()))?;
    let total = rank + list.len();
    let mut new = vec![false; total];
    for axis in axes(&list, total)? {
        new[axis] = true;
    }
    Ok(new)
}

impl Operator for Unsqueeze {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let mut sizes = x.shape.iter().copied();
        let shape: Vec<usize> = new_axes(x.shape.len(), integers(inputs, 1, "axes")?)?
            .into_iter()
            .map(|new| if new { 1 } else { sizes.next().unwrap_or(1) })
            .collect();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let new = new_axes(x.fact.shape.len(), integers_of_site(site, 1)?)?;
        let place = new.iter().enumerate().filter(|(_, new)| !**new).nth(rows.axis);
        site.all(place.map(|(axis, _)| Rows { axis, ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        Ok(Some(vec![Some(b.reshape(g, &shape)?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if !output(outputs, 0)?.data.copy_from(view(inputs, 0)?.data) {
            refuse!("its output does not have the input's elements");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Unsqueeze;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, bools, f64s, i64s, refusal};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let old = Attributes::new().with("axes", Attribute::Ints(vec![0, 2]));
        vec![
            Case::new(Unsqueeze)
                .input(f64s(&[2], &[1.0, 2.0]))
                .input(i64s(&[-1, 0]))
                .expect(f64s(&[1, 2, 1], &[1.0, 2.0])),
            Case::imported("Unsqueeze", 11, &old, vec![f64s(&[2], &[1.0, 2.0])])
                .expect(f64s(&[1, 2, 1], &[1.0, 2.0])),
            Case::new(Unsqueeze).random(&[3, 4]).input(i64s(&[0])).rows(&[0]),
            Case::new(Unsqueeze)
                .random(&[2, 6])
                .input(i64s(&[1, 3]))
                .rows_at(0, Rows { axis: 1, outer: 1, inner: 3 }),
            Case::new(Unsqueeze).random(&[]).input(i64s(&[0])),
            Case::new(Unsqueeze).input(Tensor::scalar(true)).input(i64s(&[0])).expect(bools(&[1], &[true])),
        ]
    }

    #[test]
    fn bad_axes_are_refused() {
        let x = || f64s(&[2], &[1.0, 2.0]);
        assert!(refusal(Unsqueeze, &[x(), i64s(&[2])]).contains("outside"));
        assert!(refusal(Unsqueeze, &[x(), i64s(&[1, -2])]).contains("named twice"));
    }
}
