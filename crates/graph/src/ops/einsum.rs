//! Einsum: products of elements summed over labels, in Einstein's notation.
//!
//! Its body takes the operands one after the other: what only one of them has and the result has not is summed, two are brought
//! together by a matrix product or, where nothing is summed between them, element by element.

use std::sync::Arc;

use super::composite::runs_through_body;
use super::equation::{Equation, Label};
use super::support::fact;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite, same_in_all_rows};

/// Einsum's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Einsum",
    domain: "",
    since: 12,
    summary: "products of elements summed over labels, in Einstein's notation",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(1, usize::MAX)?;
        match node.text("equation")? {
            Some(equation) => Ok(Arc::new(Einsum { equation })),
            None => refuse!("attribute equation is missing"),
        }
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Products of elements summed over labels.
#[derive(Clone, Debug)]
pub struct Einsum {
    /// The labels of operands and result, as `bij,bjk->bik`.
    pub equation: String,
}

/// An operand: its value, and the labels of its axes.
struct Operand {
    value: ValueId,
    labels: Vec<Label>,
}

impl Operand {
    /// The sum over those labels that nobody else needs.
    fn summed(mut self, b: &mut Builder, needed: impl Fn(Label) -> bool) -> OpResult<Self> {
        let axes: Vec<usize> = (0..self.labels.len()).filter(|&a| !needed(self.labels[a])).collect();
        self.value = b.reduce_sum(self.value, &axes, false)?;
        self.labels.retain(|&l| needed(l));
        Ok(self)
    }

    /// The axes in the order of `labels`.
    fn ordered(&self, b: &mut Builder, labels: &[Label]) -> OpResult<ValueId> {
        let place = |l: &Label| self.labels.iter().position(|k| k == l);
        let order: Vec<usize> = labels
            .iter()
            .map(place)
            .collect::<Option<_>>()
            .ok_or_else(|| OpError("an operand lacks a label".to_owned()))?;
        b.transpose(self.value, &order)
    }

    /// Without axes of size one that stand for a larger one, and without a label twice.
    fn plain(mut self, b: &mut Builder, size: impl Fn(Label) -> OpResult<usize>) -> OpResult<Self> {
        let shape = b.shape(self.value).to_vec();
        let mut kept = Vec::with_capacity(shape.len());
        for (axis, &label) in self.labels.iter().enumerate() {
            if shape[axis] == size(label)? {
                kept.push(axis);
            }
        }
        let shape: Vec<usize> = kept.iter().map(|&a| shape[a]).collect();
        self.value = b.reshape(self.value, &shape)?;
        self.labels = kept.iter().map(|&a| self.labels[a]).collect();
        while let Some((first, second)) = twice(&self.labels) {
            self = self.diagonal(b, first, second)?;
        }
        Ok(self)
    }

    /// The elements at which two axes have the same position; they become one axis, the last.
    fn diagonal(mut self, b: &mut Builder, first: usize, second: usize) -> OpResult<Self> {
        let label = self.labels[first];
        let others: Vec<usize> = (0..self.labels.len()).filter(|&a| a != first && a != second).collect();
        let x = b.transpose(self.value, &[&others[..], &[first, second]].concat())?;
        let mut shape: Vec<usize> = b.shape(x).to_vec();
        let (rank, size) = (others.len(), shape[others.len()]);
        shape.truncate(rank);
        shape.push(size * size);
        let flat = b.reshape(x, &shape)?;
        let lists = [0, i64::MAX, rank as i64, size as i64 + 1].map(|v| b.integers(&[v]));
        self.value = b.push(super::Slice, &[flat, lists[0], lists[1], lists[2], lists[3]])?;
        self.labels = others.iter().map(|&a| self.labels[a]).chain([label]).collect();
        Ok(self)
    }
}

/// The first two axes with the same label.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len())
        .find_map(|i| labels[i + 1..].iter().position(|l| *l == labels[i]).map(|j| (i, i + 1 + j)))
}

/// Two operands made one, which keeps the labels that are needed later.
fn combined(b: &mut Builder, x: Operand, y: Operand, needed: impl Fn(Label) -> bool) -> OpResult<Operand> {
    let x = {
        let own = |l: Label| needed(l) || y.labels.contains(&l);
        x.summed(b, own)?
    };
    let y = {
        let own = |l: Label| needed(l) || x.labels.contains(&l);
        y.summed(b, own)?
    };
    let both = |wanted: bool| -> Vec<Label> {
        x.labels.iter().filter(|l| y.labels.contains(l) && needed(**l) == wanted).copied().collect()
    };
    let (batch, inner) = (both(true), both(false));
    let left: Vec<Label> = x.labels.iter().filter(|l| !y.labels.contains(l)).copied().collect();
    let right: Vec<Label> = y.labels.iter().filter(|l| !x.labels.contains(l)).copied().collect();
    let labels = [&batch[..], &left, &right].concat();
    let a = x.ordered(b, &[&batch[..], &left, &inner].concat())?;
    let c = y.ordered(b, &[&batch[..], &inner, &right].concat())?;
    let (a_shape, c_shape) = (b.shape(a).to_vec(), b.shape(c).to_vec());
    let (lead, a_rest) = a_shape.split_at(batch.len());
    let (rows, inner_sizes) = a_rest.split_at(left.len());
    let columns = &c_shape[batch.len() + inner.len()..];
    let size = |sizes: &[usize]| sizes.iter().product::<usize>();
    let value = if inner.is_empty() || (left.is_empty() && right.is_empty()) {
        let ones = vec![1; left.len()];
        let c = b.reshape(c, &[lead, &ones[..], inner_sizes, columns].concat())?;
        let ones = vec![1; columns.len()];
        let a = b.reshape(a, &[lead, rows, inner_sizes, &ones[..]].concat())?;
        let product = b.mul(a, c)?;
        let summed: Vec<usize> = (0..inner.len()).map(|i| batch.len() + left.len() + i).collect();
        b.reduce_sum(product, &summed, false)?
    } else {
        let a = b.reshape(a, &[lead, &[size(rows), size(inner_sizes)]].concat())?;
        let c = b.reshape(c, &[lead, &[size(inner_sizes), size(columns)]].concat())?;
        let product = b.matmul(a, c)?;
        b.reshape(product, &[lead, rows, columns].concat())?
    };
    Ok(Operand { value, labels })
}

impl Operator for Einsum {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("equation", Attribute::Text(self.equation.clone()))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let dtype = fact(inputs, 0)?.dtype;
        let mut shapes: Vec<&[usize]> = Vec::with_capacity(inputs.len());
        for i in 0..inputs.len() {
            let x = fact(inputs, i)?;
            if x.dtype != dtype {
                refuse!("input {i} is of type {}, input 0 of {dtype}", x.dtype);
            }
            shapes.push(&x.shape);
        }
        let equation = Equation::parse(&self.equation, &shapes)?;
        // Labels that are summed must agree too.
        for &label in equation.operands.iter().flatten() {
            equation.size(label, &shapes)?;
        }
        let shape: Vec<usize> =
            equation.result.iter().map(|&l| equation.size(l, &shapes)).collect::<OpResult<_>>()?;
        Ok(vec![Fact::new(dtype, &shape)])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Product } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let inputs: Vec<_> = site.inputs.iter().flatten().collect();
        let shapes: Vec<&[usize]> = inputs.iter().map(|x| x.fact.shape.as_slice()).collect();
        let equation = Equation::parse(&self.equation, &shapes)?;
        let mut found: Option<(Label, Rows)> = None;
        for (x, labels) in inputs.iter().zip(&equation.operands) {
            let Some(rows) = x.rows else { continue };
            let label = labels[rows.axis];
            let alike = |(l, r): (Label, Rows)| (l, r.outer, r.inner) == (label, rows.outer, rows.inner);
            if found.is_some_and(|other| !alike(other)) {
                refuse!("two inputs hold their rows along different labels");
            }
            found = Some((label, rows));
        }
        let Some((label, rows)) = found else { return site.all(None) };
        let Some(axis) = equation.result.iter().position(|l| *l == label) else {
            refuse!("it sums over the rows")
        };
        for (x, labels) in inputs.iter().zip(&equation.operands) {
            let places: Vec<usize> = (0..labels.len()).filter(|&a| labels[a] == label).collect();
            let apart = match (x.rows, places.as_slice()) {
                (Some(r), &[axis]) => r.axis == axis,
                (None, &[axis]) => {
                    x.fact.shape[axis] == 1 || same_in_all_rows(x, Rows { axis, ..rows }, site.rows)
                }
                (None, []) => true,
                _ => false,
            };
            if !apart {
                refuse!("an input has a value for each row, or takes the rows twice");
            }
        }
        site.all(Some(Rows { axis, ..rows }))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        super::composite::check(self, b, inputs)?;
        let values: Vec<ValueId> = inputs.iter().copied().flatten().collect();
        let shapes: Vec<Vec<usize>> = values.iter().map(|&v| b.shape(v).to_vec()).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let equation = Equation::parse(&self.equation, &shapes)?;
        let mut operands = Vec::with_capacity(values.len());
        for (&value, labels) in values.iter().zip(&equation.operands) {
            let operand = Operand { value, labels: labels.clone() };
            operands.push(operand.plain(b, |l| equation.size(l, &shapes))?);
        }
        let mut rest = operands.into_iter();
        let Some(mut all) = rest.next() else { refuse!("it has no inputs") };
        while let Some(next) = rest.next() {
            let later: Vec<Label> = rest.as_slice().iter().flat_map(|o| o.labels.clone()).collect();
            all = combined(b, all, next, |l| equation.result.contains(&l) || later.contains(&l))?;
        }
        let all = all.summed(b, |l| equation.result.contains(&l))?;
        Ok(Some(vec![all.ordered(b, &equation.result)?]))
    }

    runs_through_body!();
}

#[cfg(test)]
mod tests {
    use super::Einsum;
    use crate::cases::{Case, f64s, refusal};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    fn of(equation: &str) -> Case {
        Case::new(Einsum { equation: equation.to_owned() })
    }

    pub(super) fn cases() -> Vec<Case> {
        let x = || f64s(&[2, 2], &[1.0, -2.0, 3.0, 4.0]);
        let at = |axis| Rows::plain(axis);
        vec![
            of("ii,ij->ji").input(x()).input(x()).expect(f64s(&[2, 2], &[1.0, 12.0, -2.0, 16.0])),
            of("ij,jk").input(x()).input(f64s(&[2, 1], &[1.0, 2.0])).expect(f64s(&[2, 1], &[-3.0, 11.0])),
            of("...i,...i->...")
                .input(x())
                .input(f64s(&[2, 1], &[1.0, 3.0]))
                .expect(f64s(&[2], &[-1.0, 21.0])),
            of("ii").input(x()).expect(f64s(&[], &[5.0])),
            of("ij->").input(x()).expect(f64s(&[], &[6.0])),
            of("i,j->ji").random(&[3]).random(&[2]).rows(&[0]),
            of("bhqd,bhkd->bhqk").random(&[2, 3, 4, 5]).random(&[2, 3, 6, 5]).rows(&[0, 1]),
            of("bqhd,bkhd->bhqk").random(&[2, 3, 4, 5]).random(&[2, 6, 4, 5]).rows(&[0, 1]),
            of("bti,ij->btj").random(&[3, 2, 4]).random(&[4, 5]).rows(&[0]),
            of("b,b->b").random(&[3]).random(&[3]).rows(&[0]).mixes(),
            of("bi,bi->i").random(&[3, 2]).random(&[3, 2]).rows(&[0, 1]).mixes(),
            of("bi,bj->bij").random(&[3, 2]).input(f64s(&[1, 2], &[1.0, 2.0])).rows(&[0]),
            of("tbi,ij,bk->btjk")
                .random(&[2, 3, 4])
                .random(&[4, 5])
                .random(&[3, 2])
                .rows_at(0, at(1))
                .rows_at(2, at(0)),
            of("...ij,kj->...ki").random(&[2, 3, 4, 5]).random(&[6, 5]).rows(&[0]),
            of("a...,...->...a").random(&[2, 3, 4]).random(&[4]),
            of("iij->ji").random(&[3, 3, 2]),
            of("iiji->ij").random(&[2, 2, 3, 2]),
            of("ij,ik,il->jkl").random(&[5, 2]).random(&[5, 3]).random(&[5, 2]),
            of("ij,jk->ik").random(&[0, 2]).random(&[2, 3]),
            of("ij,jk->ik").random(&[2, 0]).random(&[0, 3]),
            of("i,i->")
                .input(Tensor::vector(vec![1i64, 2]))
                .input(Tensor::vector(vec![3i64, 4]))
                .expect(Tensor::scalar(11i64)),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = |equation: &str| Einsum { equation: equation.to_owned() };
        let x = || f64s(&[2], &[1.0, 2.0]);
        assert!(refusal(op("i,i->"), &[x(), f64s(&[3], &[0.0; 3])]).contains("sizes 2 and 3"));
        assert!(refusal(op("i,j"), &[x()]).contains("has 2 operands, the node 1"));
        assert!(refusal(op("i,i"), &[x(), Tensor::vector(vec![1i64, 2])]).contains("of type int64"));
    }
}
