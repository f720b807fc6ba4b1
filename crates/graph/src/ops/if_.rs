//! If: one of two graphs, as a condition says, which must be constant once shapes are known.
//!
//! Where the condition is constant in the file, the reader puts the chosen branch's nodes in the place of this one already. Inputs behind
//! the condition are the values that the branches read from outside.

use std::sync::Arc;

use super::composite::through_body;
use crate::attributes::{Attribute, Attributes, Branch};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// If's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "If",
    domain: "",
    since: 1,
    summary: "one of two graphs, by a condition that is constant once shapes are known",
    derivative: "that of the chosen graph",
    import: |node| {
        let branch =
            |name: &str| node.graph(name)?.ok_or_else(|| OpError(format!("attribute {name} is missing")));
        Ok(Arc::new(If { branches: [branch("then_branch")?, branch("else_branch")?], precision: None }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// One of two graphs.
#[derive(Clone, Debug)]
pub struct If {
    /// The graph for true and the one for false.
    pub branches: [Branch; 2],
    /// The type that floats are computed in; as the file says where it is `None`.
    pub precision: Option<DType>,
}

impl Operator for If {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("then_branch", Attribute::Graph(self.branches[0].clone()))
            .with("else_branch", Attribute::Graph(self.branches[1].clone()))
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Other
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let Some((&Some(condition), captured)) = inputs.split_first() else { refuse!("it has no condition") };
        let known = b.constant(condition).and_then(Tensor::as_slice::<bool>).and_then(|v| v.first().copied());
        let Some(holds) = known else {
            refuse!(
                "its condition is computed from the data; only a branch that shapes or constants choose is taken: export the model with one \
                 branch fixed (PyTorch: traced, in evaluation mode), or, where it follows from constants, have onnxsim or ONNX Runtime \
                 (ORT_ENABLE_BASIC and optimized_model_filepath) fold them"
            )
        };
        let Branch(network) = &self.branches[usize::from(!holds)];
        network.emit(b, captured, self.precision).map(Some).map_err(|e| OpError(format!("inside it, {e}")))
    }

    fn with_precision(&self, precision: DType) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Self { precision: Some(precision), ..self.clone() }))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::If;
    use crate::attributes::Branch;
    use crate::build::Builder;
    use crate::cases::{Case, bools, f64s};
    use crate::graph::Fact;
    use crate::network::Network;
    use crate::operator::Operator;
    use crate::ops::{Add, Mul};
    use crate::tensor::DType;

    /// x · x, or x + 10.
    fn op() -> If {
        let build = |add: bool| {
            let mut network = Network::new();
            let x = network.add_input("x", DType::F64, &[]).unwrap();
            let ten = network.add_constant("ten", f64s(&[], &[10.0])).unwrap();
            let y = match add {
                true => network.add_node("sum", Add, &[x, ten], "y"),
                false => network.add_node("square", Mul, &[x, x], "y"),
            };
            network.add_output(y.unwrap(), DType::F64, &[]);
            Branch(Arc::new(network))
        };
        If { branches: [build(false), build(true)], precision: None }
    }

    pub(super) fn cases() -> Vec<Case> {
        let of = |condition| Case::new(op()).input(bools(&[1], &[condition]));
        vec![
            of(true).input(f64s(&[2], &[2.0, 3.0])).expect(f64s(&[2], &[4.0, 9.0])).rows(&[1]),
            of(false).input(f64s(&[2], &[2.0, 3.0])).expect(f64s(&[2], &[12.0, 13.0])).rows(&[1]),
        ]
    }

    #[test]
    fn a_condition_of_the_data_is_refused() {
        let mut b = Builder::new(1);
        let inputs = [b.input("c", Fact::new(DType::Bool, &[])), b.input("x", Fact::new(DType::F64, &[2]))];
        let error = op().lower(&mut b, &inputs.map(Some)).unwrap_err();
        for part in ["computed from the data", "evaluation mode", "onnxsim"] {
            assert!(error.0.contains(part), "{error}");
        }
    }
}
