//! What Max and Min share: types, rows, the derivative with its ties.

use super::elementwise::share;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Cotangents, Kind, Site};

/// `extreme!(greater)`: what follows from the comparison that the chosen element wins.
macro_rules! extreme {
    ($wins:ident) => {
        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            crate::ops::support::as_broadcast(inputs)
        }

        fn kind(&self, active: &[bool]) -> crate::operator::Kind {
            crate::ops::extreme::kind(active)
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            crate::rows::elementwise(site)
        }

        fn derivative(
            &self,
            b: &mut crate::build::Builder,
            site: &crate::operator::Site<'_>,
        ) -> crate::error::OpResult<Option<crate::operator::Cotangents>> {
            crate::ops::extreme::derivative(b, site, crate::build::Builder::$wins)
        }
    };
}

pub(crate) use extreme;

/// One input beside constants is passed on or not, element by element.
pub(crate) fn kind(active: &[bool]) -> Kind {
    if active.iter().filter(|a| **a).count() > 1 { Kind::Select } else { Kind::Elementwise }
}

/// The chosen input's, at a tie shared in equal parts. Of two inputs each is compared with the other, so that a NaN gets nothing.
pub(crate) fn derivative(
    b: &mut Builder,
    site: &Site<'_>,
    wins: impl Fn(&mut Builder, ValueId, ValueId) -> OpResult<ValueId>,
) -> OpResult<Option<Cotangents>> {
    let mut found = vec![None; site.inputs.len()];
    let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
    if let &[Some(x), Some(y)] = site.inputs {
        let tied = b.equal(x, y)?;
        for (i, (x, y)) in [(x, y), (y, x)].into_iter().enumerate().filter(|(i, _)| site.active(*i)) {
            let wins = wins(b, x, y)?;
            let part = share(b, g, wins, tied)?;
            let shape = b.shape(x).to_vec();
            found[i] = Some(b.unbroadcast(part, &shape)?);
        }
        return Ok(Some(found));
    }
    let part = equal_parts(b, g, site)?;
    for i in (0..site.inputs.len()).filter(|&i| site.active(i)) {
        let x = site.input(i)?;
        let chosen = b.equal(x, site.outputs[0])?;
        let own = b.masked(chosen, part)?;
        let shape = b.shape(x).to_vec();
        found[i] = Some(b.unbroadcast(own, &shape)?);
    }
    Ok(Some(found))
}

/// What each of the inputs that equal the first output gets of its cotangent: as much as the others.
fn equal_parts(b: &mut Builder, g: ValueId, site: &Site<'_>) -> OpResult<ValueId> {
    let one = b.scalar_like(g, 1.0)?;
    let mut count = None;
    for i in 0..site.inputs.len() {
        let chosen = b.equal(site.input(i)?, site.outputs[0])?;
        let here = b.masked(chosen, one)?;
        count = Some(match count {
            Some(before) => b.add(before, here)?,
            None => here,
        });
    }
    match count {
        Some(count) => b.div(g, count),
        None => Ok(g),
    }
}

/// Random cases of both operators.
#[cfg(test)]
pub(crate) fn awkward<O: crate::operator::Operator + Copy + 'static>(op: O) -> Vec<crate::cases::Case> {
    use crate::cases::{Case, f64s};
    vec![
        Case::new(op).random(&[3, 5]),
        Case::new(op).random(&[3, 4]).input(f64s(&[], &[0.25])).fixed(&[1]),
        Case::new(op).random(&[3, 1, 4]).random(&[2, 1]),
        Case::new(op).random(&[3, 4]).random(&[1, 4]).random(&[3, 1]).rows(&[0, 2]),
    ]
}

/// A test of both operators.
#[cfg(test)]
pub(crate) fn ties_are_shared<O: crate::operator::Operator + Copy + 'static>(op: O) {
    use crate::cases::{f64s, gradients};
    let x = || f64s(&[2], &[1.0, 2.0]);
    assert_eq!(gradients(op, &[x(), x()], &[]), [f64s(&[2], &[0.5; 2]), f64s(&[2], &[0.5; 2])]);
    assert_eq!(gradients(op, &[x(), x(), x(), x()], &[])[3], f64s(&[2], &[0.25; 2]));
}
