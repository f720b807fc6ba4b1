//! What Softmax and LogSoftmax share: along which axes they run.

use super::support::{axis as checked_axis, fact, float_as_input, no_type, view};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::operator::Arg;
use crate::refuse;
use crate::rows::{self, Rows, RowsSite};
use crate::tensor::{Slice, SliceMut, View, ViewMut};

/// An attribute that ONNX does not have. The older form cannot be said in today's without knowing the rank, so that a file with it
/// is read back by Pellucid, and refused rather than misread by others.
const FLATTEN: &str = "pellucid_flatten";

/// The axis as a node names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Along {
    /// The axis; counted from the end where negative.
    pub(crate) axis: i64,
    /// Whether all axes from this one on are normalized together, as opsets before 13 have it.
    pub(crate) flatten: bool,
}

impl Along {
    /// Reads the attribute as the node's opset means it.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        node.expect_inputs(1, 1)?;
        let old = node.opset < 13;
        let axis = node.int("axis")?.unwrap_or(if old { 1 } else { -1 });
        Ok(Self { axis, flatten: node.flag(FLATTEN, old)? })
    }

    pub(crate) fn attributes(self) -> Attributes {
        let attributes = Attributes::new().with("axis", Attribute::Int(self.axis));
        if self.flatten { attributes.with(FLATTEN, Attribute::Int(1)) } else { attributes }
    }

    /// The axes that are normalized together, in a tensor of `rank` dimensions; none where it is flattened to rows of one element.
    pub(crate) fn axes(self, rank: usize) -> OpResult<Vec<usize>> {
        if self.flatten && self.axis == rank as i64 {
            return Ok(Vec::new());
        }
        let axis = checked_axis(self.axis, rank)?;
        Ok(if self.flatten { (axis..rank).collect() } else { vec![axis] })
    }

    /// The output's type and shape; axes that the shape does not have are refused.
    pub(crate) fn infer(self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        self.axes(fact(inputs, 0)?.shape.len())?;
        float_as_input(inputs)
    }

    /// Where the output's rows lie.
    pub(crate) fn rows(self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        let x = site.input(0).ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        rows::along(site, &self.axes(x.fact.shape.len())?)
    }

    /// The sum over the axes, which stay as dimensions of size one.
    pub(crate) fn sum(self, b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
        let axes = self.axes(b.shape(x).len())?;
        b.reduce_sum(x, &axes, true)
    }

    /// The flattened form through today's, with `apply` for the operator along the last of two axes; `None` for today's form.
    pub(crate) fn lower(
        self,
        b: &mut Builder,
        inputs: &[Option<ValueId>],
        apply: impl Fn(&mut Builder, ValueId) -> OpResult<ValueId>,
    ) -> OpResult<Option<Vec<ValueId>>> {
        if !self.flatten {
            return Ok(None);
        }
        let x = inputs.first().copied().flatten().ok_or_else(|| OpError("input 0 is missing".to_owned()))?;
        let shape = b.shape(x).to_vec();
        let axes = self.axes(shape.len())?;
        let n = axes.iter().map(|&a| shape[a]).product();
        let outer = shape[..shape.len() - axes.len()].iter().product();
        let flat = b.reshape(x, &[outer, n])?;
        let y = apply(b, flat)?;
        Ok(Some(vec![b.reshape(y, &shape)?]))
    }
}

/// Runs a kernel for `f32` and `f64` alike, with the sizes of the axes and of what lies within.
pub(crate) fn run(
    along: Along,
    inputs: &[Option<View<'_>>],
    outputs: &mut [ViewMut<'_>],
    single: impl Fn(&[f32], usize, usize, &mut [f32]),
    double: impl Fn(&[f64], usize, usize, &mut [f64]),
) -> OpResult<()> {
    let x = view(inputs, 0)?;
    let Some(output) = outputs.first_mut() else { refuse!("output 0 is missing") };
    let axes = along.axes(x.shape.len())?;
    let n = axes.iter().map(|&a| x.shape[a]).product();
    let inner = axes.last().map_or(1, |&a| x.shape[a + 1..].iter().product());
    match (x.data, &mut output.data) {
        (Slice::F32(x), SliceMut::F32(o)) => single(x, n, inner, o),
        (Slice::F64(x), SliceMut::F64(o)) => double(x, n, inner, o),
        _ => return no_type(x.data.dtype()),
    }
    Ok(())
}

/// The functions of an operator with the fields `axis` and `flatten` that follow from these.
macro_rules! through_along {
    () => {
        fn attributes(&self) -> crate::attributes::Attributes {
            Along { axis: self.axis, flatten: self.flatten }.attributes()
        }

        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            Along { axis: self.axis, flatten: self.flatten }.infer(inputs)
        }

        fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
            crate::operator::Kind::Normalize
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            Along { axis: self.axis, flatten: self.flatten }.rows(site)
        }

        fn lower(
            &self,
            b: &mut crate::build::Builder,
            inputs: &[Option<crate::graph::ValueId>],
        ) -> crate::error::OpResult<Option<Vec<crate::graph::ValueId>>> {
            let along = Along { axis: self.axis, flatten: self.flatten };
            along.lower(b, inputs, |b, x| b.push(Self { axis: -1, flatten: false }, &[x]))
        }
    };
}

pub(crate) use through_along;

/// Random cases of both operators.
#[cfg(test)]
pub(crate) fn awkward<O: crate::operator::Operator + 'static>(
    of: fn(i64, bool) -> O,
) -> Vec<crate::cases::Case> {
    use crate::cases::Case;
    vec![
        Case::new(of(1, false)).random(&[2, 3, 4]),
        Case::new(of(-1, false)).random(&[3, 17]),
        Case::new(of(0, false)).random(&[3, 4]).mixes().rows(&[0]),
        Case::new(of(1, true)).random(&[2, 3, 4]),
        Case::new(of(-1, true)).random(&[2, 3, 4]),
        Case::new(of(2, true)).random(&[2, 3]),
        Case::new(of(0, false)).random(&[1]),
    ]
}

/// A test of both operators.
#[cfg(test)]
pub(crate) fn the_opset_says_what_the_axis_means(definition: &crate::operator::Definition) {
    use crate::import::ImportInput;
    let name = definition.name;
    let read = |opset, attributes: &Attributes| {
        let inputs = vec![ImportInput::Value(0, None)];
        let mut node = Import { operator: name, opset, attributes, inputs, outputs: 1 };
        let op = (definition.import)(&mut node).unwrap();
        (format!("{op:?}"), op.attributes())
    };
    let none = Attributes::new();
    assert_eq!(read(12, &none).0, format!("{name} {{ axis: 1, flatten: true }}"));
    assert_eq!(read(13, &none).0, format!("{name} {{ axis: -1, flatten: false }}"));
    let (old, attributes) = read(11, &none.with("axis", Attribute::Int(2)));
    assert_eq!(old, format!("{name} {{ axis: 2, flatten: true }}"));
    assert_eq!(read(crate::EXPORT_OPSET, &attributes).0, old);
}
