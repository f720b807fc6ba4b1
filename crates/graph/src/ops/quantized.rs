//! What the operators of quantised models share: which scale and zero point an element has, and rounding to small integers.

use super::support::axis as checked_axis;
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::import::Import;
use crate::refuse;
use crate::rows::{Rows, RowsSite, same_in_all_rows};
use crate::tensor::{DType, View};

/// Why there is no gradient, in the table and in messages.
pub(crate) const DERIVATIVE: &str =
    "none: gradients through quantised values are refused, perturbations work";

/// The attributes of QuantizeLinear and DequantizeLinear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) axis: i64,
    pub(crate) block: usize,
}

impl Form {
    /// Reads the attributes.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        node.expect_inputs(2, 3)?;
        let block = node.int("block_size")?.unwrap_or(0);
        let block =
            usize::try_from(block).map_err(|_| OpError(format!("attribute block_size is {block}")))?;
        Ok(Self { axis: node.int("axis")?.unwrap_or(1), block })
    }

    /// The attributes as ONNX writes them; the block only where there is one, since older forms do not have it.
    pub(crate) fn attributes(self) -> Attributes {
        let found = Attributes::new().with("axis", Attribute::Int(self.axis));
        match self.block {
            0 => found,
            n => found.with("block_size", Attribute::Int(n as i64)),
        }
    }

    /// Which element of scales of shape `scale` belongs to which of x of shape `x`.
    pub(crate) fn places(self, x: &[usize], scale: &[usize]) -> OpResult<Places> {
        let whole: usize = x.iter().product();
        if scale.iter().product::<usize>() == 1 && scale.len() <= 1 {
            return Ok(Places { size: 1, inner: whole.max(1), block: 1, count: 1 });
        }
        let axis = checked_axis(self.axis, x.len())?;
        let inner: usize = x[axis + 1..].iter().product();
        if self.block == 0 {
            if scale != &x[axis..=axis] {
                refuse!("scales of shape {scale:?} do not fit axis {axis} of {x:?}");
            }
            return Ok(Places { size: x[axis], inner, block: 1, count: x[axis] });
        }
        let count = x[axis].div_ceil(self.block);
        let mut expected = x.to_vec();
        expected[axis] = count;
        if scale != expected {
            refuse!(
                "scales of shape {scale:?} are not {expected:?}, blocks of {} of axis {axis} of {x:?}",
                self.block
            );
        }
        Ok(Places { size: x[axis], inner, block: self.block, count })
    }

    /// Where the output's rows lie: where those of x do. Scales and zero points are the same for all rows.
    pub(crate) fn rows(self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        site.only(&[0])?;
        let Some(rows) = site.rows_of(0) else { return site.all(None) };
        let rank = site.input(0).map_or(0, |x| x.fact.shape.len());
        for parameter in [site.input(1), site.input(2)].into_iter().flatten() {
            let apart = match parameter.fact.shape.len() {
                _ if parameter.fact.len() == 1 => continue,
                1 => (checked_axis(self.axis, rank)? == rows.axis).then_some(Rows { axis: 0, ..rows }),
                _ => Some(rows),
            };
            if apart.is_some_and(|rows| !same_in_all_rows(&parameter, rows, site.rows)) {
                refuse!("it has a scale for each row");
            }
        }
        site.all(Some(rows))
    }
}

/// Which scale belongs to which element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    size: usize,
    inner: usize,
    block: usize,
    count: usize,
}

impl Places {
    /// The position of the scale of element `i`.
    pub(crate) fn of(self, i: usize) -> usize {
        let (outer, rest) = (i / (self.size * self.inner), i % (self.size * self.inner));
        let along = rest / self.inner / self.block;
        if self.block == 1 { along } else { (outer * self.count + along) * self.inner + rest % self.inner }
    }
}

/// The elements of a view as 64-bit floats.
pub(crate) fn floats(x: View<'_>) -> OpResult<Vec<f64>> {
    x.to_tensor().to_f64().ok_or_else(|| OpError(format!("an input is of type {}", x.data.dtype())))
}

/// The integers between which a type's values lie.
pub(crate) fn range(dtype: DType) -> OpResult<(f64, f64)> {
    Ok(match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::U16 => (0.0, 65_535.0),
        DType::I16 => (-32_768.0, 32_767.0),
        other => refuse!("it does not round to elements of type {other}"),
    })
}
