//! Squeeze: dimensions of size one left out, those that axes name or all.

use std::sync::Arc;

use super::support::{axes, fact, integers, integers_of_site, output, view};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};

/// Squeeze's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Squeeze",
    domain: "",
    since: 1,
    summary: "dimensions of size one left out",
    derivative: "everywhere",
    import: |node| {
        node.ints_to_input("axes", 1)?;
        node.expect_inputs(1, 2)?;
        Ok(Arc::new(Squeeze))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Dimensions of size one left out: those that input 1 names, or all.
#[derive(Clone, Copy, Debug)]
pub struct Squeeze;

/// The axes that are left out.
fn gone(shape: &[usize], list: Option<Vec<i64>>) -> OpResult<Vec<usize>> {
    let Some(list) = list else { return Ok((0..shape.len()).filter(|&a| shape[a] == 1).collect()) };
    let found = axes(&list, shape.len())?;
    if let Some(&a) = found.iter().find(|&&a| shape[a] != 1) {
        refuse!("axis {a} of shape {shape:?} is not of size one");
    }
    Ok(found)
}

impl Operator for Squeeze {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let gone = gone(&x.shape, integers(inputs, 1, "axes")?)?;
        let shape: Vec<usize> =
            x.shape.iter().enumerate().filter(|(a, _)| !gone.contains(a)).map(|(_, &d)| d).collect();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let gone = gone(&x.fact.shape, integers_of_site(site, 1)?)?;
        if gone.contains(&rows.axis) {
            return rows::reshape(site);
        }
        let axis = rows.axis - gone.iter().filter(|&&a| a < rows.axis).count();
        site.all(Some(Rows { axis, ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let shape = b.shape(site.input(0)?).to_vec();
        found[0] = Some(b.reshape(g, &shape)?);
        Ok(Some(found))
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
    use super::Squeeze;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let old = Attributes::new().with("axes", Attribute::Ints(vec![1]));
        vec![
            Case::new(Squeeze)
                .input(f64s(&[1, 2, 1], &[1.0, 2.0]))
                .input(i64s(&[-1]))
                .expect(f64s(&[1, 2], &[1.0, 2.0])),
            Case::new(Squeeze).input(f64s(&[1, 2, 1], &[1.0, 2.0])).expect(f64s(&[2], &[1.0, 2.0])),
            Case::imported("Squeeze", 11, &old, vec![f64s(&[2, 1], &[1.0, 2.0])])
                .expect(f64s(&[2], &[1.0, 2.0])),
            Case::new(Squeeze).random(&[3, 1, 4]).input(i64s(&[1])).rows(&[0]),
            Case::new(Squeeze).random(&[1, 6, 2]).rows_at(0, Rows { axis: 1, outer: 3, inner: 1 }),
            Case::new(Squeeze).random(&[1, 3]).input(i64s(&[0])).rows(&[0]),
            Case::new(Squeeze).input(strings(&[1], &["a"])).expect(strings(&[], &["a"])),
        ]
    }

    #[test]
    fn bad_axes_are_refused() {
        let x = || f64s(&[2, 1], &[1.0, 2.0]);
        assert!(refusal(Squeeze, &[x(), i64s(&[0])]).contains("not of size one"));
        assert!(refusal(Squeeze, &[x(), i64s(&[2])]).contains("outside"));
        assert!(refusal(Squeeze, &[x(), i64s(&[1, -1])]).contains("named twice"));
    }
}
