//! What both loss operators share: the scores of the classes that targets name, weighted, and their sum or mean.

use super::GatherElements;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::ValueId;
use crate::import::Import;
use crate::refuse;
use crate::tensor::DType;

/// What becomes of the elements' losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduced {
    /// They stay.
    None,
    /// Their sum.
    Sum,
    /// Their mean, weighted.
    Mean,
}

/// The attributes of a loss.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// What becomes of the elements' losses.
    pub reduced: Reduced,
    /// The target that does not count.
    pub ignored: Option<i64>,
}

impl Loss {
    /// Reads the attributes.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        node.expect_inputs(2, 3)?;
        let reduced = match node.text("reduction")?.as_deref() {
            None | Some("mean") => Reduced::Mean,
            Some("sum") => Reduced::Sum,
            Some("none") => Reduced::None,
            Some(other) => refuse!("attribute reduction is {other:?}, expected none, sum or mean"),
        };
        Ok(Self { reduced, ignored: node.int("ignore_index")? })
    }

    /// The attributes as ONNX writes them.
    pub(crate) fn attributes(self) -> Attributes {
        let name = match self.reduced {
            Reduced::None => "none",
            Reduced::Sum => "sum",
            Reduced::Mean => "mean",
        };
        let found = Attributes::new().with("reduction", Attribute::Text(name.to_owned()));
        match self.ignored {
            Some(n) => found.with("ignore_index", Attribute::Int(n)),
            None => found,
        }
    }

    /// Minus the scores [batch, classes, …] at the targets [batch, …], weighted by class, and reduced.
    pub(crate) fn of(
        self,
        b: &mut Builder,
        scores: ValueId,
        target: ValueId,
        weights: Option<ValueId>,
    ) -> OpResult<ValueId> {
        let shape = b.shape(scores).to_vec();
        let mut expected = shape.clone();
        if shape.len() < 2 {
            refuse!("scores of shape {shape:?} have no classes");
        }
        let classes = expected.remove(1);
        if b.shape(target) != expected || !matches!(b.fact(target).dtype, DType::I32 | DType::I64) {
            refuse!("targets are {}, expected integers of shape {expected:?}", b.fact(target));
        }
        let mut column = shape;
        column[1] = 1;
        let mut target = b.reshape(target, &column)?;
        let mut counted = None;
        if let Some(ignored) = self.ignored {
            let ignored = b.scalar_like(target, ignored as f64)?;
            let skip = b.equal(target, ignored)?;
            let zero = b.scalar_like(target, 0.0)?;
            // What is ignored may lie outside the classes.
            target = b.select(skip, zero, target)?;
            counted = Some(b.not(skip)?);
        }
        let chosen = b.push(GatherElements { axis: 1 }, &[scores, target])?;
        let mut loss = b.neg(chosen)?;
        let mut weight = match weights {
            Some(weights) => {
                if b.shape(weights) != [classes] {
                    refuse!("weights of shape {:?} are not those of {classes} classes", b.shape(weights));
                }
                Some(b.push(super::Gather { axis: 0 }, &[weights, target])?)
            }
            None => None,
        };
        if let Some(counted) = counted {
            let own = match weight {
                Some(weight) => weight,
                None => {
                    let one = b.scalar_like(loss, 1.0)?;
                    b.expand(one, &column)?
                }
            };
            weight = Some(b.masked(counted, own)?);
        }
        if let Some(weight) = weight {
            loss = b.mul(loss, weight)?;
        }
        let all: Vec<usize> = (0..column.len()).collect();
        match self.reduced {
            Reduced::None => b.reshape(loss, &expected),
            Reduced::Sum => b.reduce_sum(loss, &all, false),
            Reduced::Mean => {
                let sum = b.reduce_sum(loss, &all, false)?;
                match weight {
                    Some(weight) => {
                        let total = b.reduce_sum(weight, &all, false)?;
                        b.div(sum, total)
                    }
                    None => b.scale(sum, 1.0 / column.iter().product::<usize>() as f64),
                }
            }
        }
    }
}
