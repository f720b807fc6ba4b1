//! What the window functions share: a sum of cosines over a given length.

use super::support::said;
use crate::build::{Builder, makeable};
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// a − b · cos(2πk/n) + c · cos(4πk/n) for each k below the size, where n is the size or, unless the window is periodic, one less.
pub(crate) fn window(
    b: &mut Builder,
    size: ValueId,
    periodic: bool,
    to: DType,
    [level, first, second]: [f64; 3],
) -> OpResult<ValueId> {
    let given = b.constant(size).and_then(Tensor::to_i64);
    let size = match given.as_deref() {
        Some(&[n]) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
        other => refuse!("its size is {}, expected one constant number from 0 on", said(other)),
    };
    makeable(&[size], DType::F64)?;
    let n = if periodic { size as f64 } else { size as f64 - 1.0 };
    let value = |k: usize| {
        if n == 0.0 {
            return 1.0;
        }
        let angle = std::f64::consts::TAU * k as f64 / n;
        level - first * angle.cos() + second * (2.0 * angle).cos()
    };
    let wide = b.constant_value(Tensor::vector((0..size).map(value).collect::<Vec<f64>>()));
    b.cast(wide, to)
}

/// A window function as an operator: its struct, its entry in the table and its cases, from the factors of its cosines and its values for four
/// elements, periodic.
macro_rules! cosine_window {
    ($name:ident, $since:literal, $summary:literal, $factors:expr, $four:expr) => {
        /// The operator's entry in the table.
        pub static DEFINITION: crate::operator::Definition = crate::operator::Definition {
            name: stringify!($name),
            domain: "",
            since: $since,
            summary: $summary,
            derivative: "its input is constant",
            import: |node| {
                node.expect_inputs(1, 1)?;
                let dtype = super::convert::dtype;
                let to = node.int("output_datatype")?.map_or(Ok(crate::tensor::DType::F32), dtype)?;
                Ok(std::sync::Arc::new($name { periodic: node.flag("periodic", true)?, to }))
            },
            #[cfg(test)]
            cases: tests::cases,
        };

        #[doc = concat!($summary, ".")]
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Whether the window goes on from its end to its beginning.
            pub periodic: bool,
            /// The type of its elements.
            pub to: crate::tensor::DType,
        }

        impl crate::operator::Operator for $name {
            fn definition(&self) -> &'static crate::operator::Definition {
                &DEFINITION
            }

            fn attributes(&self) -> crate::attributes::Attributes {
                use crate::attributes::Attribute::Int;
                crate::attributes::Attributes::new()
                    .with("periodic", Int(i64::from(self.periodic)))
                    .with("output_datatype", Int(super::convert::code(self.to)))
            }

            fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
                crate::operator::Kind::Constant
            }

            fn lower(
                &self,
                b: &mut crate::build::Builder,
                inputs: &[Option<crate::graph::ValueId>],
            ) -> crate::error::OpResult<Option<Vec<crate::graph::ValueId>>> {
                let &[Some(size)] = inputs else { crate::refuse!("it needs one input") };
                Ok(Some(vec![super::cosines::window(b, size, self.periodic, self.to, $factors)?]))
            }

            super::composite::through_body!();
        }

        #[cfg(test)]
        mod tests {
            use crate::cases::{Case, f64s};
            use crate::tensor::{DType, Tensor};

            pub(super) fn cases() -> Vec<Case> {
                let of = |periodic, size: i64| {
                    Case::new(super::$name { periodic, to: DType::F64 }).input(Tensor::scalar(size))
                };
                let four: [f64; 4] = $four;
                let closed: Vec<f64> = four.into_iter().chain([four[0]]).collect();
                vec![of(true, 4).expect(f64s(&[4], &four)), of(false, 5).expect(f64s(&[5], &closed))]
            }
        }
    };
}

pub(crate) use cosine_window;
