//! What Gemm and MatMul share when they are made ready: a constant right factor laid out once, and what is done to each element.

use std::sync::Arc;

use super::support::data;
use crate::error::OpResult;
use crate::operator::{Arg, Then};
use crate::tensor::{DType, Element, View};
use pellucid_kernels::{Real, matrix};

/// How a matrix product is finished, and its right factor where that is constant.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) right: Right,
    then: Option<Then>,
    /// The position of a gate among the inputs.
    gate: usize,
}

/// A constant right factor, laid out; or only the type of one that is not constant.
#[derive(Debug)]
pub(super) enum Right {
    F32(Option<Arc<matrix::Packed<f32>>>),
    F64(Option<Arc<matrix::Packed<f64>>>),
}

/// Whether a product can do it on the way.
pub(super) fn is_for_products(then: Option<Then>) -> bool {
    matches!(then, None | Some(Then::Relu | Then::Gate))
}

impl Product {
    /// `None` where nothing would be gained, or the elements are not floats.
    pub(super) fn new(b: Arg<'_>, is: matrix::Matrix, then: Option<Then>, gate: usize) -> Option<Self> {
        if b.constant.is_none() && then.is_none() || !is_for_products(then) {
            return None;
        }
        fn packed<T: Real + Element>(b: Arg<'_>, is: matrix::Matrix) -> Option<Arc<matrix::Packed<T>>> {
            let (tensor, elements) = (b.constant?, b.constant?.as_slice()?);
            Some(tensor.form(is, || matrix::Packed::new(elements, is)))
        }
        let right = match b.fact.dtype {
            DType::F32 => Right::F32(packed(b, is)),
            DType::F64 => Right::F64(packed(b, is)),
            _ => return None,
        };
        Some(Self { right, then, gate })
    }

    /// The operator's own inputs, without a gate.
    pub(super) fn own<'a, 'b>(&self, inputs: &'b [Option<View<'a>>]) -> &'b [Option<View<'a>>] {
        inputs.get(..self.gate).unwrap_or(inputs)
    }

    /// What is done to each element.
    pub(super) fn after<'a, T: Element>(
        &self,
        inputs: &[Option<View<'a>>],
    ) -> OpResult<matrix::After<'a, T>> {
        Ok(match self.then {
            None => matrix::After::Nothing,
            Some(Then::Relu) => matrix::After::Relu,
            Some(_) => matrix::After::Gate(data(inputs, self.gate)?),
        })
    }
}
