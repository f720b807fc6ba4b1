//! Split: an axis cut into parts, of given sizes or as equal as can be, the last smaller.

use std::sync::Arc;

use super::support::{axis, fact, integers, integers_of_view, same_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::layout::{Strides, copy};

/// Split's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Split",
    domain: "",
    since: 2,
    summary: "an axis cut into parts",
    derivative: "everywhere",
    import: |node| {
        if node.opset < 13 {
            node.ints_to_input("split", 1)?;
        }
        node.expect_inputs(1, 2)?;
        let parts = match node.int("num_outputs")? {
            Some(n) if usize::try_from(n) != Ok(node.outputs) => {
                refuse!("attribute num_outputs is {n}, and it has {} outputs", node.outputs)
            }
            _ if !node.has(1) => Some(node.outputs),
            _ => None,
        };
        Ok(Arc::new(Split { axis: node.int("axis")?.unwrap_or(0), parts }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// An axis cut into parts.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// The number of parts; `None` where input 1 gives their sizes.
    pub parts: Option<usize>,
}

impl Split {
    /// The sizes of the parts.
    fn sizes(self, size: usize, given: Option<Vec<i64>>) -> OpResult<Vec<usize>> {
        let Some(given) = given else {
            let parts = self.parts.filter(|&n| n > 0);
            let n =
                parts.ok_or_else(|| OpError("neither sizes nor a number of parts is given".to_owned()))?;
            let each = size.div_ceil(n);
            if n > 1 && each * (n - 1) > size {
                refuse!("an axis of {size} cannot be cut into {n} parts of {each}");
            }
            return Ok((0..n).map(|i| each.min(size - i * each)).collect());
        };
        let sizes: Vec<usize> = given
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| OpError(format!("sizes {given:?} have one of {d}"))))
            .collect::<OpResult<_>>()?;
        if sizes.iter().try_fold(0usize, |sum, &d| sum.checked_add(d)) != Some(size) {
            refuse!("sizes {given:?} do not sum to the {size} of the axis");
        }
        Ok(sizes)
    }
}

impl Operator for Split {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new().with("axis", Attribute::Int(self.axis));
        match self.parts {
            Some(n) => attributes.with("num_outputs", Attribute::Int(n as i64)),
            None => attributes,
        }
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        let sizes = self.sizes(x.shape[axis], integers(inputs, 1, "sizes")?)?;
        let part = |size: usize| {
            let mut shape = x.shape.clone();
            shape[axis] = size;
            Fact { dtype: x.dtype, shape }
        };
        Ok(sizes.into_iter().map(part).collect())
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Route
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(x) = site.input(0) else { return site.all(None) };
        let Some(rows) = x.rows else { return site.all(None) };
        let axis = axis(self.axis, x.fact.shape.len())?;
        let mut start = 0;
        let mut found = Vec::with_capacity(site.outputs.len());
        for part in site.outputs {
            let size = part.shape[axis];
            found.push(Some(rows::window(rows, axis, (start, size), x.fact.shape[axis], site.rows)?));
            start += size as i64;
        }
        Ok(found)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let x = site.input(0)?;
        let axis = axis(self.axis, b.shape(x).len())?;
        let size = b.shape(x)[axis];
        let mut found = vec![None; site.inputs.len()];
        let given: Vec<ValueId> = site.cotangents.iter().copied().flatten().collect();
        if let &[one] = given.as_slice() {
            let before = site.outputs.iter().zip(site.cotangents).take_while(|(_, g)| g.is_none());
            let start: usize = before.map(|(&o, _)| b.shape(o)[axis]).sum();
            let after = size - start - b.shape(one)[axis];
            found[0] = Some(b.pad_axis(one, axis, start, after)?);
        } else if !given.is_empty() {
            let mut parts = Vec::with_capacity(site.outputs.len());
            for (&o, g) in site.outputs.iter().zip(site.cotangents) {
                parts.push(match g {
                    Some(g) => *g,
                    None => b.zeros_like(o)?,
                });
            }
            found[0] = Some(b.concat(&parts, axis)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let axis = axis(self.axis, x.shape.len())?;
        let sizes = self.sizes(x.shape[axis], integers_of_view(inputs, 1)?)?;
        let outer: usize = x.shape[..axis].iter().product();
        let inner: usize = x.shape[axis + 1..].iter().product();
        let row = (x.shape[axis] * inner) as isize;
        let mut start = 0;
        for (output, size) in outputs.iter_mut().zip(sizes) {
            let part = size * inner;
            same_type!(x.data, &mut output.data, |xs, o| copy(
                &[outer, part],
                (xs, Strides { start, steps: &[row, 1] }),
                (o, Strides { start: 0, steps: &[part as isize, 1] })
            ));
            start += part;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Split;
    use crate::attributes::{Attribute, Attributes};
    use crate::build::Builder;
    use crate::cases::{Case, evaluate, f64s, i64s, refusal, strings};
    use crate::differentiate::{differentiate, no_rule};
    use crate::graph::Fact;
    use crate::rows::Rows;
    use crate::tensor::DType;
    use std::sync::Arc;

    pub(super) fn cases() -> Vec<Case> {
        let into = |axis, parts| Case::new(Split { axis, parts });
        let old =
            Attributes::new().with("axis", Attribute::Int(1)).with("split", Attribute::Ints(vec![1, 2]));
        let new = Attributes::new().with("num_outputs", Attribute::Int(2));
        let x = || f64s(&[1, 3], &[1.0, 2.0, 3.0]);
        vec![
            into(-1, None)
                .input(x())
                .input(i64s(&[1, 0, 2]))
                .expect(f64s(&[1, 1], &[1.0]))
                .expect(f64s(&[1, 0], &[]))
                .expect(f64s(&[1, 2], &[2.0, 3.0])),
            Case::imported_with("Split", 11, &old, vec![x()], 2)
                .expect(f64s(&[1, 1], &[1.0]))
                .expect(f64s(&[1, 2], &[2.0, 3.0])),
            Case::imported_with("Split", 18, &new, vec![strings(&[3], &["a", "b", "c"])], 2)
                .expect(strings(&[2], &["a", "b"]))
                .expect(strings(&[1], &["c"])),
            Case::imported_with("Split", 13, &Attributes::new(), vec![i64s(&[1, 2])], 2)
                .expect(i64s(&[1]))
                .expect(i64s(&[2])),
            into(1, Some(3)).random(&[3, 6, 2]),
            into(1, Some(2)).random(&[3, 0, 2]),
            into(0, Some(2)).random(&[4, 2]).rows(&[0]).mixes(),
            into(0, Some(1)).random(&[4, 2]).rows(&[0]),
            into(0, None)
                .random(&[12, 2])
                .input(i64s(&[4, 8]))
                .rows_at(0, Rows { axis: 0, outer: 3, inner: 2 }),
        ]
    }

    #[test]
    fn bad_sizes_are_refused() {
        let x = || f64s(&[4], &[1.0; 4]);
        let sizes = |list: &[i64]| refusal(Split { axis: 0, parts: None }, &[x(), i64s(list)]);
        assert!(sizes(&[1, 2]).contains("do not sum"));
        assert!(sizes(&[5, -1]).contains("one of -1"));
        assert!(sizes(&[i64::MAX, i64::MAX, 6]).contains("do not sum"));
        assert!(refusal(Split { axis: 0, parts: Some(3) }, &[f64s(&[1], &[1.0])]).contains("cannot be cut"));
        assert!(refusal(Split { axis: 0, parts: Some(0) }, &[x()]).contains("neither"));
    }

    #[test]
    fn parts_that_the_target_does_not_need_have_no_cotangent() {
        for wanted in [vec![1], vec![0, 2]] {
            let mut b = Builder::new(1);
            let x = b.input("x", Fact::new(DType::F64, &[6]));
            let parts = b.node(Arc::new(Split { axis: 0, parts: Some(3) }), &[Some(x)]).unwrap();
            let seed = b.constant_value(f64s(&[2], &[1.0, 10.0]));
            let seeds: Vec<_> = wanted.iter().map(|&i| (parts[i], seed)).collect();
            let g = differentiate(&mut b, &seeds, &[x], &mut no_rule).unwrap()[0].unwrap();
            let graph = b.finish(&[g]);
            let mut want = [0.0; 6];
            for i in wanted {
                want[2 * i..2 * i + 2].copy_from_slice(&[1.0, 10.0]);
            }
            assert_eq!(evaluate(&graph, &[(x, f64s(&[6], &[0.0; 6]))], &[g])[0], f64s(&[6], &want));
        }
    }
}
