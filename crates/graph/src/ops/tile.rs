//! Tile: x repeated along each axis.

use std::sync::Arc;

use super::support::{
    fact, integers, integers_of_site, integers_of_value, integers_of_view, output, same_type, view,
};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::layout::{Strides, copy, row_major};

/// Tile's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Tile",
    domain: "",
    since: 6,
    summary: "x repeated along each axis",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(Tile))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x repeated along each axis as often as input 1 says.
#[derive(Clone, Copy, Debug)]
pub struct Tile;

fn repeats(rank: usize, list: Option<Vec<i64>>) -> OpResult<Vec<usize>> {
    let list = list.ok_or_else(|| OpError("its repeats are missing".to_owned()))?;
    if list.len() != rank {
        refuse!("{} repeats for {rank} axes", list.len());
    }
    list.iter()
        .map(|&r| usize::try_from(r).map_err(|_| OpError(format!("repeats {list:?} have one of {r}"))))
        .collect()
}

/// For each axis the number of repeats and the size, so that repeating is broadcasting along every other axis.
fn apart(shape: &[usize], repeats: &[usize]) -> Vec<usize> {
    repeats.iter().zip(shape).flat_map(|(&r, &d)| [r, d]).collect()
}

impl Operator for Tile {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let repeats = repeats(x.shape.len(), integers(inputs, 1, "repeats")?)?;
        let shape: Vec<usize> =
            x.shape.iter().zip(&repeats).map(|(d, r)| d.checked_mul(*r)).collect::<Option<_>>().ok_or_else(
                || OpError(format!("repeats {repeats:?} of shape {:?} are too large", x.shape)),
            )?;
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let repeats = repeats(x.fact.shape.len(), integers_of_site(site, 1)?)?;
        site.all(Some(Rows { outer: rows.outer * repeats[rows.axis], ..rows }))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let shape = b.shape(site.input(0)?).to_vec();
        let repeats = repeats(shape.len(), integers_of_value(b, site, 1)?)?;
        let apart = b.reshape(g, &apart(&shape, &repeats))?;
        let axes: Vec<usize> = (0..shape.len()).filter(|&a| repeats[a] != 1).map(|a| 2 * a).collect();
        let sum = b.reduce_sum(apart, &axes, true)?;
        Ok(Some(vec![Some(b.reshape(sum, &shape)?), None]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let repeats = repeats(x.shape.len(), integers_of_view(inputs, 1)?)?;
        let shape = apart(x.shape, &repeats);
        let from: Vec<isize> = row_major(x.shape).into_iter().flat_map(|s| [0, s]).collect();
        let to = row_major(&shape);
        same_type!(x.data, &mut output(outputs, 0)?.data, |xs, o| copy(
            &shape,
            (xs, Strides { start: 0, steps: &from }),
            (o, Strides { start: 0, steps: &to })
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tile;
    use crate::cases::{Case, f64s, i64s, refusal, strings};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        vec![
            Case::new(Tile)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[2, 1]))
                .expect(f64s(&[4, 2], &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0])),
            Case::new(Tile).random(&[3, 2]).input(i64s(&[1, 3])).rows(&[0]),
            Case::new(Tile).random(&[3, 2]).input(i64s(&[2, 3])).rows(&[0]),
            Case::new(Tile)
                .random(&[2, 4, 3])
                .input(i64s(&[3, 2, 1]))
                .rows_at(0, Rows { axis: 1, outer: 1, inner: 2 }),
            Case::new(Tile).random(&[3, 2]).input(i64s(&[1, 0])),
            Case::new(Tile).random(&[]).input(i64s(&[])),
            Case::new(Tile).random(&[1, 1]).input(i64s(&[1, 5])),
            Case::new(Tile).input(strings(&[1], &["a"])).input(i64s(&[2])).expect(strings(&[2], &["a", "a"])),
        ]
    }

    #[test]
    fn bad_repeats_are_refused() {
        let of = |list: &[i64]| refusal(Tile, &[f64s(&[2], &[1.0, 2.0]), i64s(list)]);
        assert!(of(&[-1]).contains("one of -1"));
        assert!(of(&[1, 1]).contains("2 repeats for 1 axes"));
        assert!(of(&[1 << 40]).contains("more than"));
        assert!(of(&[i64::MAX]).contains("more than"));
    }
}
