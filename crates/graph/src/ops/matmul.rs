//! MatMul: the matrix product over the last two dimensions, the others broadcast; a vector is a row on the left, a column on the
//! right. Integers wrap.

use std::sync::Arc;

use super::gemm::Gemm;
use super::product::{Product, Right};
use super::support::{arg, broadcast_shape, data, fact, no_type, out, steps, view};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kernel, Kind, Operator, Site, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite, same_in_all_rows};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::{Real, broadcast, matrix};

/// MatMul's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MatMul",
    domain: "",
    since: 1,
    summary: "the matrix product over the last two dimensions, the others broadcast",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 2)?;
        Ok(Arc::new(MatMul))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The matrix product over the last two dimensions.
#[derive(Clone, Copy, Debug)]
pub struct MatMul;

/// The shapes of a product, vectors made matrices.
#[derive(Clone, Debug)]
struct Sizes {
    a: Vec<usize>,
    b: Vec<usize>,
    /// The broadcast leading dimensions.
    batch: Vec<usize>,
    m: usize,
    n: usize,
    k: usize,
    /// Whether A, and whether B, is a vector.
    vectors: (bool, bool),
}

impl Sizes {
    fn new(a: &[usize], b: &[usize]) -> OpResult<Self> {
        if a.is_empty() || b.is_empty() {
            refuse!("A {a:?} and B {b:?} must have dimensions");
        }
        let vectors = (a.len() == 1, b.len() == 1);
        let left = if vectors.0 { vec![1, a[0]] } else { a.to_vec() };
        let right = if vectors.1 { vec![b[0], 1] } else { b.to_vec() };
        let (m, k) = (left[left.len() - 2], left[left.len() - 1]);
        let (k2, n) = (right[right.len() - 2], right[right.len() - 1]);
        if k != k2 {
            refuse!("A {a:?} and B {b:?} have different inner sizes, {k} and {k2}");
        }
        let batch =
            broadcast_shape(&[&left[..left.len() - 2], &right[..right.len() - 2]]).ok_or_else(|| {
                OpError(format!("the leading dimensions of A {a:?} and B {b:?} do not broadcast"))
            })?;
        Ok(Self { a: left, b: right, batch, m, n, k, vectors })
    }

    fn a_batch(&self) -> &[usize] {
        &self.a[..self.a.len() - 2]
    }

    fn b_batch(&self) -> &[usize] {
        &self.b[..self.b.len() - 2]
    }

    /// The shape of the result with vectors kept as matrices.
    fn full(&self) -> Vec<usize> {
        self.batch.iter().copied().chain([self.m, self.n]).collect()
    }

    fn shape(&self) -> Vec<usize> {
        let mut shape = self.batch.clone();
        if !self.vectors.0 {
            shape.push(self.m);
        }
        if !self.vectors.1 {
            shape.push(self.n);
        }
        shape
    }

    /// Calls `body` with the flat positions of each product's matrices and its numbers of rows. Where B is one matrix, all of A's
    /// rows are one product.
    fn each(&self, mut body: impl FnMut(usize, usize, usize, usize)) {
        let rows: usize = self.batch.iter().product();
        if self.b_batch().iter().all(|&d| d == 1) {
            body(0, 0, 0, rows * self.m);
            return;
        }
        let (a, b, o) = (self.m * self.k, self.k * self.n, self.m * self.n);
        broadcast::walk(&self.batch, [self.a_batch(), self.b_batch()], |at, [i, j], run, [si, sj]| {
            for r in 0..run {
                body((i + si * r) * a, (j + sj * r) * b, (at + r) * o, self.m);
            }
        });
    }
}

impl MatMul {
    /// Whether a constant, an input more behind its own, is added to each row on the way: [`Operator::prepare`] takes it as input 2.
    pub fn takes_bias(b: &Fact, bias: &Fact) -> bool {
        let [.., _, n] = b.shape[..] else { return false };
        b.dtype.is_float() && b.dtype == bias.dtype && b.shape.len() == 2 && bias.shape == [n]
    }

    /// A kernel for factors that are read from tensors of the given shapes as if their axes had been moved: `orders` has, for each axis of a
    /// factor, the one that it is in the tensor. It gives the bits of the product of moved copies. `None` where it cannot be had.
    pub fn of_moved(shapes: [&[usize]; 2], orders: [&[usize]; 2]) -> Option<Box<dyn Kernel>> {
        let moved = |i: usize| -> Vec<usize> { orders[i].iter().map(|&a| shapes[i][a]).collect() };
        let sizes = Sizes::new(&moved(0), &moved(1)).ok()?;
        let empty = [sizes.m, sizes.n, sizes.k].contains(&0) || sizes.batch.contains(&0);
        if sizes.vectors != (false, false) || empty {
            return None;
        }
        let factor = |i: usize| Factor::new(shapes[i], orders[i], &sizes.batch);
        let (a, b) = (factor(0)?, factor(1)?);
        Some(Box::new(Moved { a, b, batch: sizes.batch }))
    }

    fn floats<T: Real + Element>(
        right: Option<&matrix::Packed<T>>,
        after: matrix::After<'_, T>,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let sizes = Sizes::new(view(inputs, 0)?.shape, view(inputs, 1)?.shape)?;
        let (a, b) = (data::<T>(inputs, 0)?, data::<T>(inputs, 1)?);
        let bias = if inputs.len() > 2 { Some(data::<T>(inputs, 2)?) } else { None };
        let out = out::<T>(outputs, 0)?;
        sizes.each(|i, j, at, m| {
            let after = match after {
                matrix::After::Gate(gate) => matrix::After::Gate(&gate[at..]),
                other => other,
            };
            let finish = matrix::Finish { after, bias, ..matrix::Finish::new(T::ONE, T::ZERO) };
            let left = (&a[i..], matrix::Matrix::new(m, sizes.k));
            match right {
                Some(right) => matrix::product_packed(left, right, finish, &mut out[at..]),
                None => matrix::product(left, (&b[j..], matrix::Matrix::new(sizes.k, sizes.n)), finish, &mut out[at..]),
            }
        });
        Ok(())
    }

    fn integers<T: Element + Copy>(
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
        multiply_add: impl Fn(T, T, T) -> T,
    ) -> OpResult<()> {
        let sizes = Sizes::new(view(inputs, 0)?.shape, view(inputs, 1)?.shape)?;
        let (a, b) = (data::<T>(inputs, 0)?, data::<T>(inputs, 1)?);
        let out = out::<T>(outputs, 0)?;
        out.fill(T::default());
        let (n, k) = (sizes.n, sizes.k);
        sizes.each(|i, j, at, m| {
            for row in 0..m {
                let sums = &mut out[at + row * n..at + (row + 1) * n];
                for p in 0..k {
                    let factor = a[i + row * k + p];
                    for (sum, &v) in sums.iter_mut().zip(&b[j + p * n..]) {
                        *sum = multiply_add(factor, v, *sum);
                    }
                }
            }
        });
        Ok(())
    }
}

/// A MatMul whose constant right factor, one matrix, is laid out.
#[derive(Debug)]
struct Ready(Product);

impl Kernel for Ready {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match &self.0.right {
            Right::F32(right) => MatMul::floats(right.as_deref(), self.0.after(inputs)?, self.0.own(inputs), outputs),
            Right::F64(right) => MatMul::floats(right.as_deref(), self.0.after(inputs)?, self.0.own(inputs), outputs),
        }
    }
}

/// A MatMul of float tensors whose factors are read as if their axes had been moved.
#[derive(Debug)]
struct Moved {
    a: Factor,
    b: Factor,
    batch: Vec<usize>,
}

/// A factor's matrices, and how far apart they are along each axis of the batch.
#[derive(Debug)]
struct Factor {
    is: matrix::Matrix,
    apart: Vec<usize>,
}

impl Factor {
    /// `order` has, for each axis of the factor, the one that it is in the tensor that is read. `None` where no rows would be side by side.
    fn new(shape: &[usize], order: &[usize], batch: &[usize]) -> Option<Self> {
        let mut steps = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            steps[axis - 1] = steps[axis] * shape[axis];
        }
        let axes: Vec<(usize, usize)> = order.iter().map(|&a| (shape[a], steps[a])).collect();
        let (&[(rows, down), (columns, along)], lead) = (axes.last_chunk()?, &axes[..axes.len().checked_sub(2)?]);
        let is = matrix::Matrix::new(rows, columns);
        let is = match (along == 1 || columns == 1, down == 1 || rows == 1) {
            (true, _) => is.rows_apart(down),
            (_, true) => is.stored(true).rows_apart(along),
            _ => return None,
        };
        let missing = batch.len().checked_sub(lead.len())?;
        let apart = lead.iter().map(|&(size, step)| if size == 1 { 0 } else { step });
        Some(Self { is, apart: std::iter::repeat_n(0, missing).chain(apart).collect() })
    }
}

impl Moved {
    fn floats<T: Real + Element>(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let (a, b) = (data::<T>(inputs, 0)?, data::<T>(inputs, 1)?);
        let size = self.a.is.rows * self.b.is.columns;
        let mut index = vec![0; self.batch.len()];
        for out in out::<T>(outputs, 0)?.chunks_exact_mut(size.max(1)) {
            let at = |factor: &Factor| -> usize { factor.apart.iter().zip(&index).map(|(a, i)| a * i).sum() };
            let (left, right) = ((&a[at(&self.a)..], self.a.is), (&b[at(&self.b)..], self.b.is));
            matrix::product(left, right, matrix::Finish::new(T::ONE, T::ZERO), out);
            for (i, n) in index.iter_mut().zip(&self.batch).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        Ok(())
    }
}

impl Kernel for Moved {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.floats::<f32>(inputs, outputs),
            DType::F64 => self.floats::<f64>(inputs, outputs),
            other => no_type(other),
        }
    }
}

/// Where an input's rows lie in the output, and whether along a leading dimension.
fn placed(rows: Rows, left: bool, sizes: &Sizes) -> OpResult<(Rows, bool)> {
    let (shape, vector) = if left { (&sizes.a, sizes.vectors.0) } else { (&sizes.b, sizes.vectors.1) };
    let lead = shape.len() - 2;
    let (own, inner) = if left { (lead, lead + 1) } else { (lead + 1, lead) };
    // A vector has only the inner axis.
    if vector || rows.axis == inner {
        refuse!("it sums over the rows");
    }
    let batch = sizes.batch.len();
    if rows.axis == own {
        let axis = if left || sizes.vectors.0 { batch } else { batch + 1 };
        return Ok((Rows { axis, ..rows }, false));
    }
    Ok((Rows { axis: rows.axis + batch - lead, ..rows }, true))
}

impl Operator for MatMul {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (a, b) = (fact(inputs, 0)?, fact(inputs, 1)?);
        if a.dtype != b.dtype {
            refuse!("input 1 is of type {}, input 0 of {}", b.dtype, a.dtype);
        }
        Ok(vec![Fact::new(a.dtype, &Sizes::new(&a.shape, &b.shape)?.shape())])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        if active.iter().filter(|a| **a).count() > 1 { Kind::Product } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let (Some(a), Some(b)) = (site.input(0), site.input(1)) else { refuse!("an input is missing") };
        let sizes = Sizes::new(&a.fact.shape, &b.fact.shape)?;
        let left = a.rows.map(|r| placed(r, true, &sizes)).transpose()?;
        let right = b.rows.map(|r| placed(r, false, &sizes)).transpose()?;
        let (rows, leading) = match (left, right) {
            (None, None) => return site.all(None),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(l), Some(r)) if l == r && l.1 => l,
            _ => refuse!("it multiplies two batches"),
        };
        if leading {
            let (other, lead) = if left.is_none() { (a, sizes.a_batch()) } else { (b, sizes.b_batch()) };
            if let Some(axis) = (rows.axis + lead.len()).checked_sub(sizes.batch.len())
                && other.rows.is_none()
                && lead[axis] != 1
                && !same_in_all_rows(&other, Rows { axis, ..rows }, site.rows)
            {
                refuse!("an input that is not computed from the batch has a value for each row");
            }
            if sizes.batch[rows.axis] != rows.outer * site.rows * rows.inner {
                refuse!("it repeats the axis that holds the rows");
            }
        }
        site.all(Some(rows))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None, None])) };
        let (left, right) = (site.input(0)?, site.input(1)?);
        let sizes = Sizes::new(b.shape(left), b.shape(right))?;
        let g = b.reshape(g, &sizes.full())?;
        let mut found = vec![None, None];
        if site.active(0) {
            let other = b.reshape(right, &sizes.b)?;
            let back = if sizes.b.len() == 2 {
                // One product, which reads the matrix as it lies: weights are not held twice.
                let rows = sizes.batch.iter().product::<usize>() * sizes.m;
                let g = b.reshape(g, &[rows, sizes.n])?;
                times(b, (g, false), (other, true))?
            } else {
                let product = times(b, (g, false), (other, true))?;
                b.unbroadcast(product, &sizes.a)?
            };
            let shape = b.shape(left).to_vec();
            found[0] = Some(b.reshape(back, &shape)?);
        }
        if site.active(1) {
            let rows = sizes.batch.iter().product::<usize>() * sizes.m;
            let back = if sizes.b_batch().iter().all(|&d| d == 1) {
                let a = b.reshape(left, &[rows, sizes.k])?;
                let g = b.reshape(g, &[rows, sizes.n])?;
                let product = times(b, (a, true), (g, false))?;
                b.reshape(product, &sizes.b)?
            } else {
                let other = b.reshape(left, &sizes.a)?;
                let product = times(b, (other, true), (g, false))?;
                b.unbroadcast(product, &sizes.b)?
            };
            let shape = b.shape(right).to_vec();
            found[1] = Some(b.reshape(back, &shape)?);
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => Self::floats::<f32>(None, matrix::After::Nothing, inputs, outputs),
            DType::F64 => Self::floats::<f64>(None, matrix::After::Nothing, inputs, outputs),
            DType::I32 => Self::integers(inputs, outputs, |a: i32, b, c| a.wrapping_mul(b).wrapping_add(c)),
            DType::I64 => Self::integers(inputs, outputs, |a: i64, b, c| a.wrapping_mul(b).wrapping_add(c)),
            DType::U32 => Self::integers(inputs, outputs, |a: u32, b, c| a.wrapping_mul(b).wrapping_add(c)),
            DType::U64 => Self::integers(inputs, outputs, |a: u64, b, c| a.wrapping_mul(b).wrapping_add(c)),
            other => no_type(other),
        }
    }

    fn work(&self, inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let inner = fact(inputs, 0).ok().and_then(|a| a.shape.last().copied()).unwrap_or(1);
        steps([outputs.first().map_or(0, Fact::len), inner.max(1)])
    }

    fn prepare(&self, inputs: &[Option<Arg<'_>>], then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        let mut b = arg(inputs, 1)?;
        let sizes = Sizes::new(&fact(inputs, 0)?.shape, &b.fact.shape)?;
        if sizes.b_batch().iter().any(|&d| d != 1) {
            b.constant = None;
        }
        let product = Product::new(b, matrix::Matrix::new(sizes.k, sizes.n), then, inputs.len());
        Ok(product.map(|product| Box::new(Ready(product)) as Box<dyn Kernel>))
    }
}

/// A product of which either factor may be transposed.
fn times(
    b: &mut Builder,
    (x, x_turned): (ValueId, bool),
    (y, y_turned): (ValueId, bool),
) -> OpResult<ValueId> {
    if b.shape(x).len() == 2 && b.shape(y).len() == 2 {
        return b.push(Gemm { transpose_a: x_turned, transpose_b: y_turned, ..Gemm::default() }, &[x, y]);
    }
    let x = if x_turned { b.transpose_matrix(x)? } else { x };
    let y = if y_turned { b.transpose_matrix(y)? } else { y };
    b.matmul(x, y)
}

#[cfg(test)]
mod tests {
    use super::MatMul;
    use crate::cases::{Case, f64s, refusal};
    use crate::rows::Rows;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let of = |a: &[usize], b: &[usize]| Case::new(MatMul).random(a).random(b);
        let at = |axis, outer, inner| Rows { axis, outer, inner };
        let alike = || f64s(&[2, 3, 1], &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        vec![
            Case::new(MatMul)
                .input(f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .input(f64s(&[2], &[10.0, 1.0]))
                .expect(f64s(&[2], &[12.0, 34.0])),
            of(&[3], &[3]),
            of(&[3], &[2, 3, 4]).rows(&[1]),
            of(&[3], &[3, 4]).rows(&[0]).mixes(),
            of(&[5, 3], &[3, 4]).rows(&[0]),
            of(&[5, 3], &[3, 4]).rows(&[1]).mixes(),
            of(&[5, 3], &[3, 4]).rows_at(1, Rows::plain(1)),
            of(&[3], &[3, 4]).rows_at(1, Rows::plain(1)),
            of(&[4, 4], &[4, 4]).rows_at(0, Rows::plain(0)).rows_at(1, Rows::plain(1)).mixes(),
            of(&[3, 2, 5, 7], &[7, 4]).rows(&[0]),
            of(&[3, 2, 5, 7], &[1, 7, 4]).rows(&[0]),
            of(&[3, 2, 5, 7], &[3, 2, 7, 4]).rows(&[0, 1]),
            of(&[3, 2, 5, 7], &[2, 7, 4]).rows(&[0]),
            of(&[2, 2, 5, 3], &[2, 3, 4]).rows_at(0, Rows::plain(1)).mixes(),
            of(&[2, 2, 5, 3], &[2, 3, 4]).rows_at(0, Rows::plain(1)).rows_at(1, Rows::plain(0)),
            of(&[2, 5, 3], &[2, 3, 4]).rows(&[0]).mixes(),
            of(&[2, 5, 3], &[2, 3, 4]).rows(&[0, 1]),
            Case::new(MatMul).random(&[2, 5, 3]).input(alike()).rows(&[0]),
            of(&[6, 5, 3], &[6, 3, 4]).rows_at(0, at(0, 1, 2)).rows_at(1, at(0, 1, 2)),
            of(&[6, 5, 3], &[6, 3, 4]).rows_at(0, at(0, 1, 2)).rows_at(1, at(0, 2, 1)).mixes(),
            of(&[6, 3], &[3, 4]).rows_at(0, at(0, 3, 1)),
            of(&[3, 1, 2, 5], &[4, 5, 2]),
            of(&[0, 5], &[5, 2]),
            of(&[2, 0], &[0, 2]),
            of(&[0, 2, 3], &[1, 3, 2]),
            Case::new(MatMul)
                .input(Tensor::new(&[2, 2], vec![1i32, 2, 3, 4]).unwrap())
                .input(Tensor::new(&[2, 1], vec![5i32, i32::MAX]).unwrap())
                .expect(Tensor::new(&[2, 1], vec![3i32, 11]).unwrap()),
            Case::new(MatMul)
                .input(Tensor::new(&[2, 1, 2], vec![1u64, 2, 3, 4]).unwrap())
                .input(Tensor::new(&[2, 2, 1], vec![1u64, 1, 2, 2]).unwrap())
                .expect(Tensor::new(&[2, 1, 1], vec![3u64, 14]).unwrap()),
        ]
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let message = refusal(MatMul, &[f64s(&[1, 2], &[1.0, 2.0]), f64s(&[1], &[1.0])]);
        assert!(message.contains("different inner sizes, 2 and 1"), "{message}");
        let message = refusal(MatMul, &[f64s(&[], &[1.0]), f64s(&[1], &[1.0])]);
        assert!(message.contains("must have dimensions"), "{message}");
        let message = refusal(MatMul, &[f64s(&[2, 1, 1], &[1.0; 2]), f64s(&[3, 1, 1], &[1.0; 3])]);
        assert!(message.contains("do not broadcast"), "{message}");
    }
}
