//! Gemm: alpha · op(A) · op(B) + beta · C, with matrices A [M, K], B [K, N] and C broadcast to [M, N].

use std::sync::Arc;

use super::product::{Product, Right};
use super::support::{arg, broadcast_shape, data, fact, no_type, optional, out, steps, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::operator::{Arg, Cotangents, Definition, Kernel, Kind, Operator, Site, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::{Real, broadcast, matrix};

/// Gemm's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Gemm",
    domain: "",
    since: 7,
    summary: "alpha · op(A) · op(B) + beta · C",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        Ok(Arc::new(Gemm {
            alpha: node.float("alpha")?.unwrap_or(1.0),
            beta: node.float("beta")?.unwrap_or(1.0),
            transpose_a: node.flag("transA", false)?,
            transpose_b: node.flag("transB", false)?,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// alpha · op(A) · op(B) + beta · C.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    /// The factor of the product.
    pub alpha: f32,
    /// The factor of C.
    pub beta: f32,
    /// Whether A is given as its transpose.
    pub transpose_a: bool,
    /// Whether B is given as its transpose.
    pub transpose_b: bool,
}

impl Default for Gemm {
    /// A plain product.
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b: false }
    }
}

impl Gemm {
    /// Rows, columns and inner size of the product.
    fn sizes(&self, a: &[usize], b: &[usize]) -> OpResult<(usize, usize, usize)> {
        let (&[a0, a1], &[b0, b1]) = (a, b) else { refuse!("A {a:?} and B {b:?} must be matrices") };
        let (m, k) = if self.transpose_a { (a1, a0) } else { (a0, a1) };
        let (k2, n) = if self.transpose_b { (b1, b0) } else { (b0, b1) };
        if k != k2 {
            refuse!("A {a:?} and B {b:?} have different inner sizes, {k} and {k2}");
        }
        Ok((m, n, k))
    }

    fn compute<T: Real + Element>(
        &self,
        right: Option<&matrix::Packed<T>>,
        after: matrix::After<'_, T>,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let (a, b) = (view(inputs, 0)?, view(inputs, 1)?);
        let (m, n, k) = self.sizes(a.shape, b.shape)?;
        let o = out::<T>(outputs, 0)?;
        let mut finish = matrix::Finish { after, ..matrix::Finish::new(T::of(f64::from(self.alpha)), T::ZERO) };
        if let Some(c) = inputs.get(2).copied().flatten() {
            let values = data::<T>(inputs, 2)?;
            if self.beta == 1.0 && c.shape.last() == Some(&n) && values.len() == n {
                finish.bias = Some(values);
            } else {
                let beta = T::of(f64::from(self.beta));
                broadcast::walk(&[m, n], [c.shape], |at, [from], run, [step]| {
                    for (i, o) in o[at..at + run].iter_mut().enumerate() {
                        *o = beta * values[from + step * i];
                    }
                });
                finish.beta = T::ONE;
            }
        }
        let left = (data(inputs, 0)?, matrix::Matrix::new(m, k).stored(self.transpose_a));
        match right {
            Some(right) => matrix::product_packed(left, right, finish, o),
            None => matrix::product(left, (data(inputs, 1)?, matrix::Matrix::new(k, n).stored(self.transpose_b)), finish, o),
        }
        Ok(())
    }
}

/// A Gemm whose constant right factor is laid out.
#[derive(Debug)]
struct Ready {
    gemm: Gemm,
    product: Product,
}

impl Kernel for Ready {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match &self.product.right {
            Right::F32(right) => self.gemm.compute(right.as_deref(), self.product.after(inputs)?, self.product.own(inputs), outputs),
            Right::F64(right) => self.gemm.compute(right.as_deref(), self.product.after(inputs)?, self.product.own(inputs), outputs),
        }
    }
}

impl Operator for Gemm {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("alpha", Attribute::Float(self.alpha))
            .with("beta", Attribute::Float(self.beta))
            .with("transA", Attribute::Int(i64::from(self.transpose_a)))
            .with("transB", Attribute::Int(i64::from(self.transpose_b)))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (a, b) = (fact(inputs, 0)?, fact(inputs, 1)?);
        let (m, n, _) = self.sizes(&a.shape, &b.shape)?;
        for (i, x) in inputs.iter().enumerate().filter_map(|(i, x)| x.map(|x| (i, x))) {
            if x.fact.dtype != a.dtype {
                refuse!("input {i} is of type {}, input 0 of {}", x.fact.dtype, a.dtype);
            }
        }
        if let Some(c) = optional(inputs, 2)
            && broadcast_shape(&[&c.fact.shape, &[m, n]]) != Some(vec![m, n])
        {
            refuse!("C {:?} does not broadcast to [{m}, {n}]", c.fact.shape);
        }
        Ok(vec![Fact::new(a.dtype, &[m, n])])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        let on = |i: usize| active.get(i).copied().unwrap_or(false);
        if on(0) && on(1) { Kind::Product } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let along = |i: usize, transposed: bool| {
            site.rows_of(i).map(|r| (r, if transposed { 1 - r.axis } else { r.axis }))
        };
        let found = match (along(0, self.transpose_a), along(1, self.transpose_b)) {
            (Some((r, 0)), None) => Rows { axis: 0, ..r },
            (None, Some((r, 1))) => Rows { axis: 1, ..r },
            (None, None) => {
                let Some(c) = site.input(2) else { return site.all(None) };
                let Some(r) = c.rows else { return site.all(None) };
                let found = Rows { axis: r.axis + 2 - c.fact.shape.len(), ..r };
                let (i, transposed) =
                    if found.axis == 0 { (0, self.transpose_a) } else { (1, self.transpose_b) };
                let factor =
                    site.input(i).map(|x| (x, Rows { axis: found.axis ^ usize::from(transposed), ..found }));
                if factor.is_none_or(|(x, rows)| !crate::rows::same_in_all_rows(&x, rows, site.rows)) {
                    refuse!("a factor that is not computed from the batch has a value for each row");
                }
                found
            }
            _ => refuse!("it sums over the rows, or multiplies two batches"),
        };
        if let Some(c) = site.input(2) {
            let own = (found.axis + c.fact.shape.len()).checked_sub(2).map(|a| (a, c.fact.shape[a]));
            match (c.rows, own) {
                (Some(r), Some((a, _))) if r == (Rows { axis: a, ..found }) => {}
                (Some(_), _) => refuse!("C holds its rows along another axis"),
                (None, Some((a, size)))
                    if size != 1
                        && !crate::rows::same_in_all_rows(&c, Rows { axis: a, ..found }, site.rows) =>
                {
                    refuse!("C has a value for each row")
                }
                _ => {}
            }
        }
        site.all(Some(found))
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None; site.inputs.len()])) };
        let (left, right) = (site.input(0)?, site.input(1)?);
        let product =
            |transpose_a, transpose_b| Self { alpha: self.alpha, beta: 1.0, transpose_a, transpose_b };
        let mut found = vec![None; site.inputs.len()];
        if site.active(0) {
            found[0] = Some(if self.transpose_a {
                b.push(product(self.transpose_b, true), &[right, g])?
            } else {
                b.push(product(false, !self.transpose_b), &[g, right])?
            });
        }
        if site.active(1) {
            found[1] = Some(if self.transpose_b {
                b.push(product(true, self.transpose_a), &[g, left])?
            } else {
                b.push(product(!self.transpose_a, false), &[left, g])?
            });
        }
        if site.active(2) {
            let c = site.input(2)?;
            let shape = b.shape(c).to_vec();
            let sum = b.unbroadcast(g, &shape)?;
            found[2] = Some(if self.beta == 1.0 { sum } else { b.scale(sum, f64::from(self.beta))? });
        }
        Ok(Some(found))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.compute::<f32>(None, matrix::After::Nothing, inputs, outputs),
            DType::F64 => self.compute::<f64>(None, matrix::After::Nothing, inputs, outputs),
            other => no_type(other),
        }
    }

    fn work(&self, inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let inner = fact(inputs, 0).ok().and_then(|a| a.shape.get(usize::from(!self.transpose_a)).copied());
        steps([outputs.first().map_or(0, Fact::len), inner.unwrap_or(1).max(1)])
    }

    fn prepare(&self, inputs: &[Option<Arg<'_>>], then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        let b = arg(inputs, 1)?;
        let (_, n, k) = self.sizes(&fact(inputs, 0)?.shape, &b.fact.shape)?;
        let product = Product::new(b, matrix::Matrix::new(k, n).stored(self.transpose_b), then, inputs.len());
        Ok(product.map(|product| Box::new(Ready { gemm: *self, product }) as Box<dyn Kernel>))
    }
}

#[cfg(test)]
mod tests {
    use super::Gemm;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let scaled = Gemm { alpha: 0.5, beta: 2.0, transpose_a: false, transpose_b: true };
        vec![
            Case::new(Gemm { transpose_b: true, ..Gemm::default() })
                .input(f64s(&[1, 2], &[1.0, 2.0]))
                .input(f64s(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
                .input(f64s(&[3], &[10.0, 20.0, 30.0]))
                .expect(f64s(&[1, 3], &[11.0, 22.0, 33.0])),
            Case::new(scaled).random(&[4, 5]).random(&[3, 5]).random(&[3]),
            Case::new(scaled).random(&[4, 5]).random(&[3, 5]).random(&[4, 1]).rows(&[0, 2]),
            Case::new(Gemm { transpose_a: true, ..scaled }).random(&[5, 4]).random(&[3, 5]),
            Case::new(Gemm::default()).random(&[1, 7]).random(&[7, 1]).random(&[]),
            Case::new(scaled).random(&[2, 5]).random(&[3, 5]).random(&[2, 3]).rows(&[2]).mixes(),
            Case::new(scaled).input(f64s(&[2, 1], &[3.0, 3.0])).random(&[3, 1]).random(&[2, 3]).rows(&[2]),
            Case::new(scaled)
                .input(f64s(&[1, 2], &[3.0, 3.0]))
                .random(&[3, 2])
                .random(&[1, 3])
                .rows_at(2, Rows::plain(1))
                .mixes(),
        ]
    }
}
