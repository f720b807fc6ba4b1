//! LogSoftmax: x less the logarithm of the sum of exp(x) along an axis, computed without overflow.
//!
//! Opsets before 13 normalize all axes from the named one on together, and name the second where none is given; later ones
//! normalize one axis, and name the last.

use std::sync::Arc;

use super::soft::{self, Along};
use super::support::float_as_input;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{View, ViewMut};
use pellucid_kernels::normalize;

/// LogSoftmax's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LogSoftmax",
    domain: "",
    since: 1,
    summary: "x less the logarithm of the sum of exp(x) along an axis",
    derivative: "everywhere",
    import: |node| {
        let Along { axis, flatten } = Along::import(node)?;
        Ok(Arc::new(LogSoftmax { axis, flatten }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// x less the logarithm of the sum of exp(x) along an axis.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax {
    /// The axis; counted from the end where negative.
    pub axis: i64,
    /// Whether all axes from this one on are normalized together, as opsets before 13 have it.
    pub flatten: bool,
}

impl LogSoftmax {
    fn along(&self) -> Along {
        Along { axis: self.axis, flatten: self.flatten }
    }
}

impl Operator for LogSoftmax {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.along().attributes()
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        self.along().check(inputs)?;
        float_as_input(inputs)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Normalize
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows::along(site, &self.along().axes_of_site(site)?)
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let total = self.along().sum(b, g)?;
        let probability = b.exp(site.outputs[0])?;
        let product = b.mul(probability, total)?;
        Ok(Some(vec![Some(b.sub(g, product)?)]))
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        self.along().lower(b, inputs, |b, x| b.push(Self { axis: -1, flatten: false }, &[x]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        soft::run(self.along(), inputs, outputs, normalize::log_softmax, normalize::log_softmax)
    }
}

#[cfg(test)]
mod tests {
    use super::DEFINITION;
    use super::LogSoftmax;
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s};
    use crate::import::{Import, ImportInput};

    pub(super) fn cases() -> Vec<Case> {
        let along = |axis| LogSoftmax { axis, flatten: false };
        let from = |axis| LogSoftmax { axis, flatten: true };
        let (third, two_thirds) = (1.0 / 3.0f64, 2.0 / 3.0f64);
        vec![
            Case::new(along(-1))
                .input(f64s(&[2, 2], &[0.0, 2.0f64.ln(), 1000.0, -1000.0]))
                .expect(f64s(&[2, 2], &[third.ln(), two_thirds.ln(), 0.0, -2000.0])),
            Case::new(along(1)).random(&[2, 3, 4]),
            Case::new(along(-1)).random(&[3, 17]),
            Case::new(along(0)).random(&[3, 4]).mixes().rows(&[0]),
            Case::new(from(1)).random(&[2, 3, 4]),
            Case::new(from(-1)).random(&[2, 3, 4]),
            Case::new(from(2)).random(&[2, 3]),
            Case::new(along(0)).random(&[1]),
        ]
    }

    #[test]
    fn the_opset_says_what_the_axis_means() {
        let read = |opset, attributes: &Attributes| {
            let inputs = vec![ImportInput::Value(0, None)];
            let mut node = Import { operator: "LogSoftmax", opset, attributes, inputs, outputs: 1 };
            let op = (DEFINITION.import)(&mut node).unwrap();
            (format!("{op:?}"), op.attributes())
        };
        let none = Attributes::new();
        assert_eq!(read(12, &none).0, "LogSoftmax { axis: 1, flatten: true }");
        assert_eq!(read(13, &none).0, "LogSoftmax { axis: -1, flatten: false }");
        let (old, attributes) = read(11, &none.with("axis", Attribute::Int(2)));
        assert_eq!(old, "LogSoftmax { axis: 2, flatten: true }");
        assert_eq!(read(crate::EXPORT_OPSET, &attributes).0, old);
    }
}
