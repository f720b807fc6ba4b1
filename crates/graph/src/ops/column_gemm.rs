//! ColumnGemm, of Pellucid's own: alpha · W · X + b, where each column of X is a record. Small networks run on many points in this form, in
//! which the points lie side by side and fill the vector registers, however narrow the layers.

use std::sync::Arc;

use super::support::{arg, data, fact, no_type, optional, out, steps, view};
use super::{Gemm, composite};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Kernel, Kind, Operator, Then};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Element, View, ViewMut};
use pellucid_kernels::Real;
use pellucid_kernels::matrix::{After, Finish, PackedLeft, product_left};

/// ColumnGemm's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "ColumnGemm",
    domain: "pellucid",
    since: 1,
    summary: "alpha · W · X + b, where each column of X is a record",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        Ok(Arc::new(ColumnGemm { alpha: node.float("alpha")?.unwrap_or(1.0) }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// alpha · W · X + b for a matrix X of a record in each column; inputs are X, W and b.
#[derive(Clone, Copy, Debug)]
pub struct ColumnGemm {
    /// The factor of the product.
    pub alpha: f32,
}

impl ColumnGemm {
    fn compute<T: Real + Element>(
        &self,
        packed: Option<&PackedLeft<T>>,
        after: After<'_, T>,
        inputs: &[Option<View<'_>>],
        outputs: &mut [ViewMut<'_>],
    ) -> OpResult<()> {
        let (&[_, width], &[m, k]) = (view(inputs, 0)?.shape, view(inputs, 1)?.shape) else {
            refuse!("X and W must be matrices")
        };
        let bias = if inputs.get(2).is_some_and(Option::is_some) { Some(data::<T>(inputs, 2)?) } else { None };
        let finish = Finish { bias, after, ..Finish::new(T::of(f64::from(self.alpha)), T::ZERO) };
        let right = (data::<T>(inputs, 0)?, width);
        match packed {
            Some(left) => product_left(left, right, finish, out(outputs, 0)?),
            None => {
                let left = PackedLeft::new(data(inputs, 1)?, m, k, false);
                product_left(&left, right, finish, out(outputs, 0)?);
            }
        }
        Ok(())
    }
}

/// A ColumnGemm whose constant left factor is laid out.
#[derive(Debug)]
struct Ready<T> {
    gemm: ColumnGemm,
    left: Arc<PackedLeft<T>>,
    then: Option<Then>,
    /// The number of its own inputs, behind which a gate stands.
    own: usize,
}

impl<T: Real + Element> Ready<T> {
    fn kernel(gemm: ColumnGemm, inputs: &[Option<Arg<'_>>], then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        if !super::product::is_for_products(then) {
            return Ok(None);
        }
        let w = arg(inputs, 1)?;
        let Some((w, values)) = w.constant.and_then(|t| Some((t, t.as_slice::<T>()?))) else { return Ok(None) };
        let &[m, k] = w.shape() else { refuse!("W {:?} must be a matrix", w.shape()) };
        let left = w.form((m, k), || PackedLeft::new(values, m, k, false));
        Ok(Some(Box::new(Self { gemm, left, then, own: inputs.len() })))
    }
}

impl<T: Real + Element> Kernel for Ready<T> {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let after = match self.then {
            None => After::Nothing,
            Some(Then::Relu) => After::Relu,
            Some(_) => After::Gate(data(inputs, self.own)?),
        };
        self.gemm.compute(Some(&self.left), after, inputs.get(..self.own).unwrap_or(inputs), outputs)
    }
}

impl Operator for ColumnGemm {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", Attribute::Float(self.alpha))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let (x, w) = (fact(inputs, 0)?, fact(inputs, 1)?);
        let (&[k, width], &[m, k2]) = (&x.shape[..], &w.shape[..]) else {
            refuse!("X {:?} and W {:?} must be matrices", x.shape, w.shape)
        };
        if k != k2 || x.dtype != w.dtype {
            refuse!("X is {x} and W {w}; expected one type and as many rows as columns");
        }
        if let Some(b) = optional(inputs, 2)
            && *b.fact != Fact::new(x.dtype, &[m])
        {
            refuse!("b is {}, expected {m} numbers of type {}", b.fact, x.dtype);
        }
        Ok(vec![Fact::new(x.dtype, &[m, width])])
    }

    fn kind(&self, active: &[bool]) -> Kind {
        let on = |i: usize| active.get(i).copied().unwrap_or(false);
        if on(0) && on(1) { Kind::Product } else { Kind::Affine }
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        composite::rows(self, site)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let [Some(x), Some(w), rest @ ..] = inputs else { refuse!("it needs X and W") };
        let mut factors = vec![*w, *x];
        if let Some(bias) = rest.first().copied().flatten() {
            let size = b.shape(bias).first().copied().unwrap_or(1);
            factors.push(b.reshape(bias, &[size, 1])?);
        }
        Ok(Some(vec![b.push(Gemm { alpha: self.alpha, ..Gemm::default() }, &factors)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        match view(inputs, 0)?.data.dtype() {
            DType::F32 => self.compute::<f32>(None, After::Nothing, inputs, outputs),
            DType::F64 => self.compute::<f64>(None, After::Nothing, inputs, outputs),
            other => no_type(other),
        }
    }

    fn work(&self, inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let inner = fact(inputs, 0).ok().and_then(|x| x.shape.first().copied());
        steps([outputs.first().map_or(0, Fact::len), inner.unwrap_or(1).max(1)])
    }

    fn prepare(&self, inputs: &[Option<Arg<'_>>], then: Option<Then>) -> OpResult<Option<Box<dyn Kernel>>> {
        match fact(inputs, 0)?.dtype {
            DType::F32 => Ready::<f32>::kernel(*self, inputs, then),
            DType::F64 => Ready::<f64>::kernel(*self, inputs, then),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ColumnGemm;
    use crate::cases::{Case, f64s};
    use crate::rows::Rows;

    pub(super) fn cases() -> Vec<Case> {
        let of = |alpha| Case::new(ColumnGemm { alpha });
        vec![
            of(2.0)
                .input(f64s(&[2, 1], &[1.0, 2.0]))
                .input(f64s(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
                .input(f64s(&[3], &[10.0, 20.0, 30.0]))
                .expect(f64s(&[3, 1], &[12.0, 24.0, 36.0]))
                .rows_at(0, Rows::plain(1)),
            of(1.0).random(&[5, 4]).random(&[3, 5]).random(&[3]).rows_at(0, Rows::plain(1)),
            of(0.5).random(&[7, 2]).random(&[13, 7]).rows_at(0, Rows::plain(1)),
            of(1.0).random(&[5, 4]).random(&[3, 5]).rows(&[0]).mixes(),
        ]
    }
}
