//! Pad: elements put around axes (a constant, reflected, the edge's, or wrapped around); negative numbers take elements away.

use std::sync::Arc;

use super::positions;
use super::support::{
    axis, fact, integers, integers_of_site, integers_of_value, integers_of_view, optional, output, same_type,
    view,
};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{Element, Tensor, View, ViewMut};
use pellucid_kernels::layout::{Strides, copy, pick, row_major};

/// Pad's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Pad",
    domain: "",
    since: 2,
    summary: "elements put around axes, or taken away",
    derivative: "everywhere",
    import: |node| {
        let mode = Mode::parse(node.text("mode")?.as_deref().unwrap_or("constant"))?;
        if node.opset < 11 {
            node.expect_inputs(1, 1)?;
            node.ints_to_input("pads", 1)?;
            if let Some(value) = node.float("value")? {
                node.set_input(2, Tensor::scalar(value));
            }
        }
        node.expect_inputs(2, 4)?;
        Ok(Arc::new(Pad { mode }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What is put around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One value, input 2; zero, false or empty where it is left out.
    Constant,
    /// The elements mirrored at the first and the last, which are not repeated.
    Reflect,
    /// The first and the last element.
    Edge,
    /// The elements over again, from the other end.
    Wrap,
}

impl Mode {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Constant, "constant"),
        (Self::Reflect, "reflect"),
        (Self::Edge, "edge"),
        (Self::Wrap, "wrap"),
    ];

    fn parse(name: &str) -> OpResult<Self> {
        match Self::ALL.iter().find(|(_, n)| *n == name) {
            Some((mode, _)) => Ok(*mode),
            None => refuse!("attribute mode is {name:?}, expected constant, reflect, edge or wrap"),
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("constant", |(_, name)| name)
    }
}

/// Elements put around axes: input 1 names how many before and after each of the axes in input 3, or of all.
#[derive(Clone, Copy, Debug)]
pub struct Pad {
    /// What is put around.
    pub mode: Mode,
}

/// How many elements come before and after each axis.
fn pads(rank: usize, pads: Option<Vec<i64>>, axes: Option<Vec<i64>>) -> OpResult<Vec<(i64, i64)>> {
    let pads = pads.ok_or_else(|| OpError("its pads are missing".to_owned()))?;
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    if pads.len() != 2 * axes.len() {
        refuse!("{} pads for {} axes, expected two for each", pads.len(), axes.len());
    }
    let mut found = vec![(0, 0); rank];
    let mut seen = vec![false; rank];
    for (i, &a) in axes.iter().enumerate() {
        let a = axis(a, rank)?;
        if std::mem::replace(&mut seen[a], true) {
            refuse!("axis {a} is named twice in {axes:?}");
        }
        found[a] = (pads[i], pads[axes.len() + i]);
    }
    Ok(found)
}

/// The size of an axis with its pads.
fn padded(size: usize, (before, after): (i64, i64)) -> OpResult<usize> {
    (size as i64)
        .checked_add(before)
        .and_then(|n| n.checked_add(after))
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| OpError(format!("pads of {before} and {after} do not suit an axis of {size}")))
}

impl Pad {
    /// For each position of a padded axis, the position it is taken from. What is taken away goes first.
    fn table(self, size: usize, (before, after): (i64, i64)) -> OpResult<Vec<usize>> {
        let out = padded(size, (before, after))?;
        let first = before.min(0).unsigned_abs() as usize;
        let left = size as i64 + before.min(0) + after.min(0);
        if left <= 0 && out > 0 {
            refuse!("pads of {before} and {after} leave nothing of an axis of {size} to repeat");
        }
        let (n, shift) = (left, before.max(0));
        let from = |i: i64| match self.mode {
            Mode::Constant | Mode::Edge => i.clamp(0, n - 1),
            Mode::Wrap => i.rem_euclid(n),
            Mode::Reflect if n == 1 => 0,
            Mode::Reflect => {
                let i = i.rem_euclid(2 * (n - 1));
                i.min(2 * (n - 1) - i)
            }
        };
        Ok((0..out as i64).map(|i| first + from(i - shift) as usize).collect())
    }

    fn value<T: Element>(inputs: &[Option<View<'_>>]) -> OpResult<T> {
        let Some(value) = inputs.get(2).copied().flatten() else { return Ok(T::default()) };
        // An attribute of the older form is a 32-bit float, whatever the data.
        match value.to_tensor().with_precision(T::DTYPE).as_slice::<T>() {
            Some([value]) => Ok(value.clone()),
            _ => refuse!("its value is of type {}, its data of {}", value.data.dtype(), T::DTYPE),
        }
    }

    fn constant<T: Element>(
        x: (&[T], &[usize]),
        pads: &[(i64, i64)],
        (out, out_shape): (&mut [T], &[usize]),
        value: T,
    ) {
        out.fill(value);
        let (mut from, mut to, mut shape) = (0, 0, Vec::with_capacity(pads.len()));
        let (x_steps, out_steps) = (row_major(x.1), row_major(out_shape));
        for (axis, &(before, _)) in pads.iter().enumerate() {
            // Positions of the output that the input covers.
            let (size, length) = (x.1[axis] as i64, out_shape[axis] as i64);
            let (start, end) = (before.clamp(0, length), size.saturating_add(before).clamp(0, length));
            if end <= start {
                return;
            }
            shape.push((end - start) as usize);
            from += (start - before) as usize * x_steps[axis] as usize;
            to += start as usize * out_steps[axis] as usize;
        }
        copy(
            &shape,
            (x.0, Strides { start: from, steps: &x_steps }),
            (out, Strides { start: to, steps: &out_steps }),
        );
    }
}

impl Operator for Pad {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("mode", Attribute::Text(self.mode.name().to_owned()))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let pads = pads(x.shape.len(), integers(inputs, 1, "pads")?, integers(inputs, 3, "axes")?)?;
        if let Some(value) = optional(inputs, 2) {
            let alike = value.fact.dtype == x.dtype || (value.fact.dtype.is_float() && x.dtype.is_float());
            if !alike || value.fact.len() != 1 {
                refuse!("its value is {}, expected one element of type {}", value.fact, x.dtype);
            }
        }
        let mut shape = Vec::with_capacity(pads.len());
        for (&size, &pads) in x.shape.iter().zip(&pads) {
            shape.push(padded(size, pads)?);
            let left = size as i64 + pads.0.min(0).saturating_add(pads.1.min(0));
            if self.mode != Mode::Constant && left <= 0 && shape.last() != Some(&0) {
                refuse!("pads of {} and {} leave nothing of an axis of {size} to repeat", pads.0, pads.1);
            }
        }
        Ok(vec![Fact::new(x.dtype, &shape)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let pads = pads(x.fact.shape.len(), integers_of_site(site, 1)?, integers_of_site(site, 3)?)?;
        let (size, (before, after)) = (x.fact.shape[rows.axis], pads[rows.axis]);
        if self.mode != Mode::Constant && (before, after) != (0, 0) {
            refuse!("it pads axis {}, which holds the rows", rows.axis);
        }
        let length = padded(size, (before, after))?;
        site.all(Some(rows::window(rows, rows.axis, (-before, length), size, site.rows)?))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let mut found = vec![None; site.inputs.len()];
        let Some(g) = site.cotangents[0] else { return Ok(Some(found)) };
        let shape = b.shape(site.input(0)?).to_vec();
        let pads = pads(shape.len(), integers_of_value(b, site, 1)?, integers_of_value(b, site, 3)?)?;
        if site.active(0) {
            let mut back = g;
            if self.mode == Mode::Constant {
                let (before, after): (Vec<i64>, Vec<i64>) = pads.iter().map(|&(b, a)| (-b, -a)).unzip();
                back = b.pad(back, &before, &after)?;
            } else {
                for (axis, &pads) in pads.iter().enumerate().filter(|(_, p)| **p != (0, 0)) {
                    back =
                        positions::transposed(b, back, axis, shape[axis], &self.table(shape[axis], pads)?)?;
                }
            }
            found[0] = Some(back);
        }
        if site.active(2) && self.mode == Mode::Constant {
            let value = site.input(2)?;
            let around = self.around(b, site, g)?;
            let all: Vec<usize> = (0..shape.len()).collect();
            let sum = b.reduce_sum(around, &all, false)?;
            let shape = b.shape(value).to_vec();
            found[2] = Some(b.reshape(sum, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let output = output(outputs, 0)?;
        let pads = pads(x.shape.len(), integers_of_view(inputs, 1)?, integers_of_view(inputs, 3)?)?;
        let shape = output.shape;
        if self.mode == Mode::Constant {
            same_type!(x.data, &mut output.data, |xs, o| {
                let value = Self::value(inputs)?;
                Self::constant((xs, x.shape), &pads, (o, shape), value);
            });
            return Ok(());
        }
        let steps = row_major(x.shape);
        let mut tables = Vec::with_capacity(pads.len());
        for (axis, &pads) in pads.iter().enumerate() {
            let table = self.table(x.shape[axis], pads)?;
            tables.push(table.into_iter().map(|i| i * steps[axis] as usize).collect());
        }
        same_type!(x.data, &mut output.data, |xs, o| pick(xs, &tables, o));
        Ok(())
    }
}

impl Pad {
    /// The elements of a cotangent where the value was put, zero elsewhere.
    fn around(self, b: &mut Builder, site: &Site<'_>, g: ValueId) -> OpResult<ValueId> {
        let nothing = b.zeros_like(site.input(0)?)?;
        let one = b.scalar_like(g, 1.0)?;
        let inputs: Vec<Option<ValueId>> = (0..site.inputs.len())
            .map(|i| match i {
                0 => Some(nothing),
                2 => Some(one),
                _ => site.inputs[i],
            })
            .collect();
        let mask = b.node(Arc::new(self), &inputs)?;
        b.mul(g, mask[0])
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Pad};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, bools, f64s, i64s, refusal, strings};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let mode = |mode| Case::new(Pad { mode });
        let row = |n: usize| f64s(&[n], &[1.0, 2.0, 3.0, 4.0][..n]);
        let old = Attributes::new()
            .with("pads", Attribute::Ints(vec![1, -1]))
            .with("value", Attribute::Float(9.0))
            .with("mode", Attribute::Text("constant".to_owned()));
        let mut cases = vec![
            mode(Mode::Constant)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(i64s(&[1, 0, -1, 2]))
                .input(f64s(&[], &[9.0]))
                .expect(f64s(&[2, 4], &[9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 9.0, 9.0])),
            Case::imported("Pad", 10, &old, vec![row(3)]).expect(f64s(&[3], &[9.0, 1.0, 2.0])).fixed(&[2]),
            mode(Mode::Reflect)
                .input(row(3))
                .input(i64s(&[2, 5]))
                .expect(f64s(&[10], &[3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0])),
            mode(Mode::Reflect)
                .input(row(4))
                .input(i64s(&[-1, 2]))
                .expect(f64s(&[5], &[2.0, 3.0, 4.0, 3.0, 2.0])),
            mode(Mode::Reflect).input(row(1)).input(i64s(&[1, 2])).expect(f64s(&[4], &[1.0; 4])),
            mode(Mode::Edge)
                .input(row(3))
                .input(i64s(&[2, 1]))
                .expect(f64s(&[6], &[1.0, 1.0, 1.0, 2.0, 3.0, 3.0])),
            mode(Mode::Wrap)
                .input(row(3))
                .input(i64s(&[4, 2]))
                .expect(f64s(&[9], &[3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0])),
            mode(Mode::Constant).random(&[3, 2]).input(i64s(&[0, -3, 0, 5])).input(f64s(&[1], &[2.0])),
            mode(Mode::Constant).random(&[3, 2]).input(i64s(&[0, 5, 0, -4])).random(&[]).rows(&[0]),
            mode(Mode::Constant).random(&[3, 0]).input(i64s(&[0, 1, 0, 1])),
            mode(Mode::Constant).random(&[3, 2]).input(i64s(&[1, 0, 0, 0])).rows(&[0]).mixes(),
            mode(Mode::Constant)
                .random(&[6, 2])
                .input(i64s(&[6, 0, -3, 0]))
                .rows_at(0, Rows { axis: 0, outer: 2, inner: 1 }),
            mode(Mode::Edge).random(&[3, 2]).input(i64s(&[3, 0, 0, 0])).rows(&[0]).mixes(),
            mode(Mode::Constant).random(&[]).input(i64s(&[])),
            mode(Mode::Constant)
                .input(bools(&[1], &[true]))
                .input(i64s(&[1, 1]))
                .expect(bools(&[3], &[false, true, false])),
            mode(Mode::Edge)
                .input(strings(&[1], &["a"]))
                .input(i64s(&[1, 0]))
                .expect(strings(&[2], &["a", "a"])),
            mode(Mode::Constant)
                .input(Tensor::vector(vec![1u8]))
                .input(i64s(&[0, 1]))
                .input(Tensor::scalar(7u8))
                .expect(Tensor::vector(vec![1u8, 7])),
        ];
        for all in [Mode::Constant, Mode::Reflect, Mode::Edge, Mode::Wrap] {
            cases.push(mode(all).random(&[2, 3, 4]).input(i64s(&[0, 2, -1, 0, 3, 9])));
            cases.push(mode(all).random(&[2, 3, 4]).input(i64s(&[1, 2])).missing().input(i64s(&[-2])));
        }
        cases
    }

    #[test]
    fn bad_pads_are_refused() {
        let x = || f64s(&[2], &[1.0, 2.0]);
        let of = |mode, pads: &[i64]| refusal(Pad { mode }, &[x(), i64s(pads)]);
        assert!(of(Mode::Constant, &[-2, -1]).contains("do not suit an axis of 2"));
        assert!(of(Mode::Constant, &[i64::MAX, i64::MAX]).contains("do not suit"));
        assert!(of(Mode::Constant, &[1 << 40, 0]).contains("more than"));
        assert!(of(Mode::Edge, &[1 << 40, 0]).contains("more than"));
        assert!(of(Mode::Edge, &[-2, 3]).contains("leave nothing"));
        assert!(of(Mode::Constant, &[1]).contains("expected two for each"));
        let message = refusal(Pad { mode: Mode::Constant }, &[x(), i64s(&[1, 1]), i64s(&[0])]);
        assert!(message.contains("expected one element"), "{message}");
    }
}
