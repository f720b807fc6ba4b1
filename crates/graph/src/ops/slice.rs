//! Slice: along some axes, every step-th element from a start to before an end; a negative step runs backwards.

use std::sync::Arc;

use super::support::{
    axis, fact, integers, integers_of_site, integers_of_value, integers_of_view, output, same_type, view,
};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{Tensor, View, ViewMut};
use pellucid_kernels::layout::{Strides, copy, row_major};

/// Slice's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Slice",
    domain: "",
    since: 1,
    summary: "every step-th element from a start to before an end, along some axes",
    derivative: "everywhere",
    import: |node| {
        if node.opset < 10 {
            node.expect_inputs(1, 1)?;
            for (i, name) in ["starts", "ends", "axes"].into_iter().enumerate() {
                node.ints_to_input(name, i + 1)?;
            }
        }
        node.expect_inputs(3, 5)?;
        Ok(Arc::new(Slice))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Parts of axes: inputs 1 to 4 name starts, ends, axes (all where left out) and steps (1 where left out).
#[derive(Clone, Copy, Debug)]
pub struct Slice;

/// What is taken of one axis: positions `start + k · step` for `k` below `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: usize,
    size: usize,
    step: i64,
}

impl Part {
    /// From the numbers as given: negative ones count from the end, and what lies outside is cut off.
    fn new(start: i64, end: i64, step: i64, size: usize) -> OpResult<Self> {
        let n = size as i64;
        let from_end = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
        let (start, end) = (from_end(start), from_end(end));
        let (start, length) = match step {
            0 => refuse!("a step is 0"),
            1.. => {
                let start = start.clamp(0, n);
                (start, end.clamp(0, n) - start)
            }
            _ if n == 0 => (0, 0),
            _ => {
                let start = start.clamp(0, n - 1);
                (start, start - end.clamp(-1, n - 1))
            }
        };
        let size = (length.max(0) as u64).div_ceil(step.unsigned_abs());
        Ok(Self { start: start as usize, size: size as usize, step })
    }
}

/// What is taken of every axis, from the lists that the inputs hold.
fn parts(shape: &[usize], lists: [Option<Vec<i64>>; 4]) -> OpResult<Vec<Part>> {
    let [starts, ends, axes, steps] = lists;
    let (Some(starts), Some(ends)) = (starts, ends) else { refuse!("its starts or ends are missing") };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        refuse!("starts {starts:?}, ends {ends:?}, axes {axes:?} and steps {steps:?} differ in length");
    }
    let mut found: Vec<Part> = shape.iter().map(|&size| Part { start: 0, size, step: 1 }).collect();
    let mut seen = vec![false; shape.len()];
    for i in 0..starts.len() {
        let a = axis(axes[i], shape.len())?;
        if std::mem::replace(&mut seen[a], true) {
            refuse!("axis {a} is named twice in {axes:?}");
        }
        found[a] = Part::new(starts[i], ends[i], steps[i], shape[a])?;
    }
    Ok(found)
}

impl Operator for Slice {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let list = |i, what| integers(inputs, i, what);
        let lists = [list(1, "starts")?, list(2, "ends")?, list(3, "axes")?, list(4, "steps")?];
        let shape: Vec<usize> = parts(&x.shape, lists)?.iter().map(|p| p.size).collect();
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let list = |i| integers_of_site(site, i);
        let parts = parts(&x.fact.shape, [list(1)?, list(2)?, list(3)?, list(4)?])?;
        let (part, size) = (parts[rows.axis], x.fact.shape[rows.axis]);
        if part.step != 1 && part.size > 1 && site.rows * rows.inner > 1 {
            refuse!(
                "it takes positions of axis {}, which holds the rows, by steps of {}",
                rows.axis,
                part.step
            );
        }
        site.all(Some(rows::window(rows, rows.axis, (part.start as i64, part.size), size, site.rows)?))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(mut g) = site.cotangents[0] else { return Ok(Some(found)) };
        let shape = b.shape(site.input(0)?).to_vec();
        let lists = [1, 2, 3, 4].map(|i| integers_of_value(b, site, i));
        let [starts, ends, axes, steps] = lists;
        let rank = shape.len();
        let (mut before, mut after) = (vec![0i64; rank], vec![0i64; rank]);
        for (axis, part) in parts(&shape, [starts?, ends?, axes?, steps?])?.into_iter().enumerate() {
            let (mut first, step) = (part.start as i64, part.step.unsigned_abs() as usize);
            if part.size == 0 {
                after[axis] = shape[axis] as i64;
                continue;
            }
            if part.step < 0 && part.size > 1 {
                g = b.flip(g, axis)?;
                first -= (part.size as i64 - 1) * step as i64;
            }
            let step = if part.size > 1 { step } else { 1 };
            g = spread(b, g, axis, step)?;
            before[axis] = first;
            after[axis] = shape[axis] as i64 - first - (part.size * step) as i64;
        }
        found[0] = Some(b.pad(g, &before, &after)?);
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let output = output(outputs, 0)?;
        let list = |i| integers_of_view(inputs, i);
        let parts = parts(x.shape, [list(1)?, list(2)?, list(3)?, list(4)?])?;
        let (mut from, to) = (row_major(x.shape), row_major(output.shape));
        let mut start = 0;
        for (step, part) in from.iter_mut().zip(&parts) {
            start += part.start * *step as usize;
            // A step that is not taken may be out of all proportion.
            *step *= if part.size > 1 { part.step as isize } else { 1 };
        }
        let shape = output.shape;
        same_type!(x.data, &mut output.data, |xs, o| copy(
            shape,
            (xs, Strides { start, steps: &from }),
            (o, Strides { start: 0, steps: &to })
        ));
        Ok(())
    }
}

/// `step − 1` zeros behind each element of an axis.
fn spread(b: &mut Builder, x: crate::ValueId, axis: usize, step: usize) -> OpResult<crate::ValueId> {
    if step == 1 {
        return Ok(x);
    }
    let mut shape = b.shape(x).to_vec();
    let size = shape[axis];
    shape.insert(axis + 1, 1);
    let apart = b.reshape(x, &shape)?;
    let spread = b.pad_axis(apart, axis + 1, 0, step - 1)?;
    shape.remove(axis + 1);
    shape[axis] = size * step;
    b.reshape(spread, &shape)
}

/// The integers that mean a whole axis backwards.
pub(crate) fn backwards() -> [Tensor; 3] {
    [-1, i64::MIN, -1].map(|v| Tensor::vector(vec![v]))
}

#[cfg(test)]
mod tests {
    use super::{Part, Slice};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, bools, f64s, i64s, refusal, strings};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let x = || f64s(&[2, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let of = |shape: &[usize], lists: [&[i64]; 4]| {
            lists.iter().fold(Case::new(Slice).random(shape), |case, list| case.input(i64s(list)))
        };
        let old = Attributes::new()
            .with("starts", Attribute::Ints(vec![0, 1]))
            .with("ends", Attribute::Ints(vec![-1, 1000]));
        vec![
            Case::new(Slice)
                .input(x())
                .input(i64s(&[1, 0]))
                .input(i64s(&[2, 3]))
                .input(i64s(&[0, 1]))
                .input(i64s(&[1, 2]))
                .expect(f64s(&[1, 2], &[5.0, 7.0])),
            Case::new(Slice)
                .input(x())
                .input(i64s(&[0, 1]))
                .input(i64s(&[-1, 1000]))
                .expect(f64s(&[1, 3], &[2.0, 3.0, 4.0])),
            Case::imported("Slice", 9, &old, vec![x()]).expect(f64s(&[1, 3], &[2.0, 3.0, 4.0])),
            Case::new(Slice)
                .input(x())
                .input(i64s(&[-1]))
                .input(i64s(&[i64::MIN]))
                .input(i64s(&[-1]))
                .input(i64s(&[-3]))
                .expect(f64s(&[2, 2], &[4.0, 1.0, 8.0, 5.0])),
            of(&[3, 9, 5], [&[7, -2], &[1, 0], &[1, 2], &[-3, -1]]),
            of(&[3, 9, 5], [&[1, 4], &[8, 2], &[1, -1], &[3, -7]]),
            of(&[3, 10], [&[0], &[10], &[1], &[4]]),
            of(&[3, 5], [&[4], &[2], &[1], &[1]]),
            of(&[3, 5], [&[0], &[i64::MAX], &[1], &[i64::MAX]]),
            of(&[3, 5], [&[i64::MAX], &[i64::MIN], &[1], &[i64::MIN]]),
            of(&[3, 0], [&[-1], &[i64::MIN], &[1], &[-1]]),
            of(&[3, 5], [&[0], &[2], &[0], &[1]]).rows(&[0]).mixes(),
            of(&[3, 5], [&[-1], &[i64::MIN], &[0], &[-1]]).rows(&[0]).mixes(),
            of(&[12, 2], [&[4], &[12], &[0], &[1]]).rows_at(0, Rows { axis: 0, outer: 3, inner: 2 }),
            of(&[12, 2], [&[2], &[6], &[0], &[1]]).rows_at(0, Rows { axis: 0, outer: 3, inner: 2 }).mixes(),
            Case::new(Slice)
                .input(strings(&[3], &["a", "b", "c"]))
                .input(i64s(&[1]))
                .input(i64s(&[3]))
                .expect(strings(&[2], &["b", "c"])),
            Case::new(Slice)
                .input(bools(&[2, 2], &[true, false, false, true]))
                .input(i64s(&[1]))
                .input(i64s(&[2]))
                .input(i64s(&[-1]))
                .expect(bools(&[2, 1], &[false, true])),
        ]
    }

    #[test]
    fn ends_are_cut_off_as_python_cuts_them() {
        let part = |start, end, step| Part::new(start, end, step, 5).unwrap();
        for (part, want) in [
            (part(-7, 9, 2), (0, 3)),
            (part(9, -9, -2), (4, 3)),
            (part(3, 3, 1), (3, 0)),
            (part(3, 4, -1), (3, 0)),
            (part(i64::MIN, i64::MAX, i64::MAX), (0, 1)),
        ] {
            assert_eq!((part.start, part.size), want);
        }
    }

    #[test]
    fn bad_lists_are_refused() {
        let x = || f64s(&[2], &[1.0, 2.0]);
        let of = |lists: [&[i64]; 4]| {
            let [a, b, c, d] = lists.map(i64s);
            refusal(Slice, &[x(), a, b, c, d])
        };
        assert!(of([&[0], &[1], &[0], &[0]]).contains("a step is 0"));
        assert!(of([&[0], &[1], &[1], &[1]]).contains("outside a tensor of 1 dimensions"));
        assert!(of([&[0, 0], &[1, 1], &[0, -1], &[1, 1]]).contains("named twice"));
        assert!(of([&[0, 0], &[1], &[0], &[1]]).contains("differ in length"));
    }
}
