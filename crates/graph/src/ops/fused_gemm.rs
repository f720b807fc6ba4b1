//! FusedGemm of ONNX Runtime: an activation function of Gemm.

use std::sync::Arc;

use super::Gemm;
use super::activation::Activation;
use super::composite::through_body;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;

/// FusedGemm's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "FusedGemm",
    domain: "com.microsoft",
    since: 1,
    summary: "an activation function of alpha · op(A) · op(B) + beta · C",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(2, 3)?;
        let gemm = Gemm {
            alpha: node.float("alpha")?.unwrap_or(1.0),
            beta: node.float("beta")?.unwrap_or(1.0),
            transpose_a: node.flag("transA", false)?,
            transpose_b: node.flag("transB", false)?,
        };
        let name = node.text("activation")?.unwrap_or_default();
        let number = |name: &str| Ok(node.float(name)?.into_iter().collect::<Vec<f32>>());
        let (alphas, betas) = (number("activation_alpha")?, number("activation_beta")?);
        match Activation::read(&[name], &alphas, &betas)?.as_slice() {
            &[activation] => Ok(Arc::new(FusedGemm { gemm, activation })),
            _ => refuse!("it needs one activation"),
        }
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// An activation function of alpha · op(A) · op(B) + beta · C.
#[derive(Clone, Debug)]
pub struct FusedGemm {
    /// The product.
    pub gemm: Gemm,
    /// The function.
    pub activation: Activation,
}

impl Operator for FusedGemm {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = self.gemm.attributes();
        found.set("activation", Attribute::Text(self.activation.name().to_owned()));
        let (alpha, beta) = self.activation.numbers();
        for (name, number) in [("activation_alpha", alpha), ("activation_beta", beta)] {
            if let Some(number) = number {
                found.set(name, Attribute::Float(number));
            }
        }
        found
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let product = b.node(Arc::new(self.gemm), inputs)?[0];
        Ok(Some(vec![self.activation.apply(b, product)?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::super::Gemm;
    use super::super::activation::Activation;
    use super::FusedGemm;
    use crate::cases::{Case, f64s};

    pub(super) fn cases() -> Vec<Case> {
        let op = |activation| Case::new(FusedGemm { gemm: Gemm::default(), activation });
        vec![
            op(Activation::LeakyRelu { alpha: 0.5 })
                .input(f64s(&[1, 2], &[1.0, 2.0]))
                .input(f64s(&[2, 2], &[1.0, -2.0, 3.0, -4.0]))
                .input(f64s(&[2], &[1.0, 2.0]))
                .expect(f64s(&[1, 2], &[8.0, -4.0])),
            op(Activation::Tanh).random(&[3, 4]).random(&[4, 2]),
        ]
    }
}
