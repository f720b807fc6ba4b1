//! What the window functions share: a sum of cosines over a given length.

use crate::build::{Builder, MOST_ELEMENTS};
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
        Some(&[n]) if (0..=MOST_ELEMENTS as i64).contains(&n) => n as usize,
        other => refuse!("its size is {other:?}, expected one constant number up to {MOST_ELEMENTS}"),
    };
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
