//! Unique: the elements that differ, or the slices along an axis, each once. Its input must be constant, since it gives the output's size.
//!
//! Further outputs are where each stands first, which of them each element is, and how often each is there. NaN equals NaN, and is largest.

use std::cmp::Ordering;
use std::sync::Arc;

use super::support::{GIVES_THE_SIZE, arg, axis as checked_axis, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, SliceMut, View, ViewMut};

/// Unique's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Unique",
    domain: "",
    since: 11,
    summary: "the elements or slices that differ, each once",
    derivative: "its input is constant",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(Unique { axis: node.int("axis")?, sorted: node.flag("sorted", true)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// What differs, each once.
#[derive(Clone, Copy, Debug)]
pub struct Unique {
    /// Along which axis slices are compared; elements are where it is `None`.
    pub axis: Option<i64>,
    /// Whether they are sorted, rather than in the order in which they come first.
    pub sorted: bool,
}

/// What was found: where each one stands first, which one every slice is, and how often each is there.
struct Found {
    first: Vec<usize>,
    which: Vec<usize>,
    count: Vec<usize>,
}

/// How many slices there are, in how many parts each lies, and how long a part is.
#[derive(Clone, Copy)]
struct Slices {
    outer: usize,
    size: usize,
    inner: usize,
}

fn order<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let nan = |v: &T| v.partial_cmp(v).is_none();
    a.partial_cmp(b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

impl Unique {
    fn slices(self, shape: &[usize]) -> OpResult<Slices> {
        Ok(match self.axis {
            None => Slices { outer: 1, size: shape.iter().product(), inner: 1 },
            Some(axis) => {
                let axis = checked_axis(axis, shape.len())?;
                let product = |part: &[usize]| part.iter().product();
                Slices {
                    outer: product(&shape[..axis]),
                    size: shape[axis],
                    inner: product(&shape[axis + 1..]),
                }
            }
        })
    }

    fn find<T: PartialOrd>(self, x: &[T], s: Slices) -> Found {
        let compare = |&i: &usize, &j: &usize| {
            for o in 0..s.outer {
                for k in 0..s.inner {
                    let at = |i: usize| &x[(o * s.size + i) * s.inner + k];
                    match order(at(i), at(j)) {
                        Ordering::Equal => {}
                        other => return other,
                    }
                }
            }
            Ordering::Equal
        };
        let mut sorted: Vec<usize> = (0..s.size).collect();
        sorted.sort_by(compare);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in sorted {
            match groups.last_mut() {
                // The sort is stable, so that a group's first is the one that stands first.
                Some(group) if compare(&group[0], &i).is_eq() => group.push(i),
                _ => groups.push(vec![i]),
            }
        }
        if !self.sorted {
            groups.sort_by_key(|g| g[0]);
        }
        let mut which = vec![0; s.size];
        for (n, group) in groups.iter().enumerate() {
            group.iter().for_each(|&i| which[i] = n);
        }
        Found {
            first: groups.iter().map(|g| g[0]).collect(),
            which,
            count: groups.iter().map(Vec::len).collect(),
        }
    }

    fn found(self, x: View<'_>) -> OpResult<(Slices, Found)> {
        let slices = self.slices(x.shape)?;
        Ok((slices, crate::each_type!(x.data, Slice, v => self.find(v, slices))))
    }
}

impl Operator for Unique {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let found = Attributes::new().with("sorted", Attribute::Int(i64::from(self.sorted)));
        match self.axis {
            Some(axis) => found.with("axis", Attribute::Int(axis)),
            None => found,
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = arg(inputs, 0)?;
        let Some(tensor) = x.constant else {
            refuse!("its input {GIVES_THE_SIZE}")
        };
        let (slices, found) = self.found(tensor.view())?;
        let n = found.first.len();
        let mut shape = x.fact.shape.clone();
        match self.axis {
            Some(axis) => {
                let axis = checked_axis(axis, shape.len())?;
                shape[axis] = n;
            }
            None => shape = vec![n],
        }
        let list = |n: usize| Fact::new(DType::I64, &[n]);
        Ok(vec![Fact::new(x.fact.dtype, &shape), list(n), list(slices.size), list(n)])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[])?;
        site.all(None)
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let (s, found) = self.found(x)?;
        let Some((values, lists)) = outputs.split_first_mut() else { refuse!("output 0 is missing") };
        let n = found.first.len();
        same_type!(x.data, &mut values.data, |xs, o| {
            for outer in 0..s.outer {
                for (to, &from) in found.first.iter().enumerate() {
                    let (to, from) = ((outer * n + to) * s.inner, (outer * s.size + from) * s.inner);
                    o[to..to + s.inner].clone_from_slice(&xs[from..from + s.inner]);
                }
            }
        });
        for (output, list) in lists.iter_mut().zip([&found.first, &found.which, &found.count]) {
            let SliceMut::I64(o) = &mut output.data else { refuse!("a list is not of type int64") };
            o.iter_mut().zip(list).for_each(|(o, &v)| *o = v as i64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Unique;
    use crate::cases::{Case, f64s, i64s, strings};

    pub(super) fn cases() -> Vec<Case> {
        let of = |axis, sorted| Case::new(Unique { axis, sorted }).fixed(&[0]).rows(&[]);
        let x = || f64s(&[6], &[2.0, 1.0, 1.0, 3.0, 4.0, 3.0]);
        vec![
            of(None, true)
                .input(x())
                .expect(f64s(&[4], &[1.0, 2.0, 3.0, 4.0]))
                .expect(i64s(&[1, 0, 3, 4]))
                .expect(i64s(&[1, 0, 0, 2, 3, 2]))
                .expect(i64s(&[2, 1, 2, 1])),
            of(None, false)
                .input(x())
                .expect(f64s(&[4], &[2.0, 1.0, 3.0, 4.0]))
                .expect(i64s(&[0, 1, 3, 4]))
                .expect(i64s(&[0, 1, 1, 2, 3, 2]))
                .expect(i64s(&[1, 2, 2, 1])),
            of(Some(1), true)
                .input(f64s(&[2, 3], &[1.0, 0.0, 1.0, 5.0, 7.0, 5.0]))
                .expect(f64s(&[2, 2], &[0.0, 1.0, 7.0, 5.0]))
                .expect(i64s(&[1, 0]))
                .expect(i64s(&[1, 0, 1]))
                .expect(i64s(&[1, 2])),
            of(None, true).input(strings(&[3], &["b", "a", "b"])).expect(strings(&[2], &["a", "b"])),
            of(None, true)
                .input(f64s(&[3], &[f64::NAN, 1.0, f64::NAN]))
                .expect(f64s(&[2], &[1.0, f64::NAN]))
                .expect(i64s(&[1, 0])),
        ]
    }
}
