//! What composites without a fused `run` share: types, shapes and rows, as their bodies have them.

use std::collections::HashMap;

use crate::build::{Budget, Builder};
use crate::error::{ErrorKind, OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Operator};
use crate::rows::{Rows, RowsSite};
use crate::tensor::Tensor;

/// The types and shapes of the body's outputs.
pub(crate) fn infer(op: &dyn Operator, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    let mut b = Builder::with_budget(1, Budget::SKETCH);
    let ids: Vec<Option<ValueId>> =
        inputs.iter().map(|x| x.map(|x| enter(&mut b, x.fact, x.constant))).collect();
    let outputs = body(op, &mut b, &ids)?;
    Ok(outputs.iter().map(|&o| b.fact(o).clone()).collect())
}

/// Where the rows of the body's outputs lie, or how the body mixes them.
pub(crate) fn rows(op: &dyn Operator, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    let mut b = Builder::with_budget(site.rows, Budget::SKETCH);
    let mut given = HashMap::new();
    let ids: Vec<Option<ValueId>> = site
        .inputs
        .iter()
        .map(|x| {
            x.map(|x| {
                let id = enter(&mut b, x.fact, x.constant.filter(|_| x.rows.is_none()));
                if let Some(rows) = x.rows {
                    given.insert(id, rows);
                }
                id
            })
        })
        .collect();
    let outputs = body(op, &mut b, &ids)?;
    let rows = b.rows_of_values(&given).map_err(|e| match e.kind() {
        ErrorKind::RowsMix { operator, reason, .. } => OpError(format!("inside it, {operator}: {reason}")),
        _ => OpError(e.to_string()),
    })?;
    Ok(outputs.iter().map(|o| rows[o.index()]).collect())
}

/// Refuses inputs that the operator refuses, before a body is made of them that would not notice.
pub(crate) fn check(op: &dyn Operator, b: &Builder, inputs: &[Option<ValueId>]) -> OpResult<()> {
    let arg = |v: ValueId| Arg { fact: b.fact(v), constant: b.constant(v) };
    op.infer(&inputs.iter().map(|v| v.map(arg)).collect::<Vec<_>>()).map(drop)
}

/// A composite without a fused `run` is run through its body, so this is never reached in a plan.
pub(crate) fn no_run(op: &dyn Operator) -> OpResult<()> {
    crate::refuse!("{} is run through its body", op.definition().name)
}

fn enter(b: &mut Builder, fact: &Fact, constant: Option<&Tensor>) -> ValueId {
    match constant {
        Some(tensor) => b.constant_value(tensor.clone()),
        None => b.input("", fact.clone()),
    }
}

fn body(op: &dyn Operator, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Vec<ValueId>> {
    let outputs = op.lower(b, inputs)?;
    outputs.ok_or_else(|| OpError(format!("{} has no body", op.definition().name)))
}

/// The functions of an operator that follow from its `lower`.
macro_rules! through_body {
    () => {
        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            crate::ops::composite::infer(self, inputs)
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            crate::ops::composite::rows(self, site)
        }

        crate::ops::composite::runs_through_body!();
    };
}

pub(crate) use through_body;

/// What of this follows where an operator has its own `infer` and `rows`.
macro_rules! runs_through_body {
    () => {
        fn runs(&self) -> bool {
            false
        }

        fn run(
            &self,
            _inputs: &[Option<crate::tensor::View<'_>>],
            _outputs: &mut [crate::tensor::ViewMut<'_>],
        ) -> crate::error::OpResult<()> {
            crate::ops::composite::no_run(self)
        }
    };
}

pub(crate) use runs_through_body;

/// The functions of an operator that its `form` has; with `floats`, for floats only.
macro_rules! through_form {
    ($($floats:ident)?) => {
        fn attributes(&self) -> crate::attributes::Attributes {
            self.form().attributes()
        }

        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            $(crate::ops::composite::through_form!(@ $floats, inputs);)?
            self.form().infer(inputs)
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            self.form().rows(site)
        }
    };
    (@ floats, $inputs:ident) => {
        crate::ops::support::float_as_input($inputs)?
    };
}

pub(crate) use through_form;
