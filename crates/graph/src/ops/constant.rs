//! Constant: a tensor that the node itself holds, in one of several forms.

use std::sync::Arc;

use super::support::output;
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::graph::Fact;
use crate::import::Import;
use crate::operator::{Arg, Definition, Kind, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Tensor, View, ViewMut};

/// Constant's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Constant",
    domain: "",
    since: 1,
    summary: "a tensor that the node holds",
    derivative: "it has no inputs",
    import: |node| {
        node.expect_inputs(0, 0)?;
        Ok(Arc::new(Constant { value: held(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// A tensor that the node holds.
#[derive(Clone, Debug)]
pub struct Constant {
    /// The tensor.
    pub value: Tensor,
}

/// The value in whichever form the node gives it.
fn held(node: &Import<'_>) -> OpResult<Tensor> {
    let forms = [
        node.tensor("value")?,
        node.float("value_float")?.map(Tensor::scalar),
        node.floats("value_floats")?.map(Tensor::vector),
        node.int("value_int")?.map(Tensor::scalar),
        node.ints("value_ints")?.map(Tensor::vector),
        node.text("value_string")?.map(Tensor::scalar),
        node.texts("value_strings")?.map(Tensor::vector),
    ];
    if node.attributes.get("sparse_value").is_some() {
        refuse!("sparse constants are not supported");
    }
    let mut given = forms.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => refuse!("it holds no value"),
        (Some(_), Some(_)) => refuse!("it holds more than one value"),
    }
}

impl Operator for Constant {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("value", Attribute::Tensor(self.value.clone()))
    }

    fn infer(&self, _inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        Ok(vec![Fact::new(self.value.dtype(), self.value.shape())])
    }

    fn known(&self, _inputs: &[Option<Arg<'_>>]) -> Option<Vec<Tensor>> {
        Some(vec![self.value.clone()])
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Constant
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.all(None)
    }

    fn run(&self, _inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        if !output(outputs, 0)?.data.copy_from(self.value.view().data) {
            refuse!("its output is not of the type and size of its value");
        }
        Ok(())
    }

    fn with_precision(&self, precision: DType) -> Option<Arc<dyn Operator>> {
        let changes = self.value.dtype().is_float() && self.value.dtype() != precision;
        changes.then(|| Arc::new(Self { value: self.value.with_precision(precision) }) as Arc<dyn Operator>)
    }
}

#[cfg(test)]
mod tests {
    use super::{Constant, DEFINITION};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::import::Import;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let form = |name: &str, value: Attribute| {
            Case::imported("Constant", 13, &Attributes::new().with(name, value), vec![])
        };
        let texts = |list: &[&str]| Attribute::Texts(list.iter().map(|&s| s.to_owned()).collect());
        vec![
            Case::new(Constant { value: f64s(&[2], &[1.0, 2.0]) }).expect(f64s(&[2], &[1.0, 2.0])),
            form("value", Attribute::Tensor(f64s(&[1, 1], &[3.0]))).expect(f64s(&[1, 1], &[3.0])),
            form("value_float", Attribute::Float(0.5)).expect(Tensor::scalar(0.5f32)),
            form("value_floats", Attribute::Floats(vec![0.5])).expect(Tensor::vector(vec![0.5f32])),
            form("value_int", Attribute::Int(-3)).expect(Tensor::scalar(-3i64)),
            form("value_ints", Attribute::Ints(vec![])).expect(i64s(&[])),
            form("value_string", Attribute::Text("a".to_owned())).expect(strings(&[], &["a"])),
            form("value_strings", texts(&["a", "b"])).expect(strings(&[2], &["a", "b"])),
        ]
    }

    fn refused(attributes: &Attributes) -> String {
        let mut node = Import { operator: "Constant", opset: 13, attributes, inputs: vec![], outputs: 1 };
        (DEFINITION.import)(&mut node).unwrap_err().0
    }

    #[test]
    fn one_value_is_expected() {
        assert!(refused(&Attributes::new()).contains("no value"));
        let two =
            Attributes::new().with("value_int", Attribute::Int(1)).with("value_float", Attribute::Float(1.0));
        assert!(refused(&two).contains("more than one"));
        let sparse = Attributes::new().with("sparse_value", Attribute::Other("SPARSE_TENSOR"));
        assert!(refused(&sparse).contains("sparse"));
        assert!(refused(&Attributes::new().with("value", Attribute::Int(1))).contains("expected tensor"));
    }
}
