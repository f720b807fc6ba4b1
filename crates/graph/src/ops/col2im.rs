//! Col2Im: blocks, one in each column of [records, channels · block, columns], added where they lie in an image, as sliding windows cut
//! them out.

use std::sync::Arc;

use super::composite::through_body;
use super::conv_transpose::ConvTranspose;
use super::window::Window;
use crate::attributes::Attributes;
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::operator::{Definition, Kind, Operator};
use crate::refuse;
use crate::tensor::{Tensor, elements};

/// Col2Im's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "Col2Im",
    domain: "",
    since: 18,
    summary: "blocks added where sliding windows cut them out of an image, in one to three dimensions",
    derivative: "everywhere",
    import: |node| {
        node.expect_inputs(3, 3)?;
        Ok(Arc::new(Col2Im { window: Window::import(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// Blocks added where sliding windows cut them out; inputs 1 and 2 are the sizes of the image and of a block.
#[derive(Clone, Debug)]
pub struct Col2Im {
    /// How the block slides.
    pub window: Window,
}

fn sizes(b: &Builder, list: ValueId, what: &str) -> OpResult<Vec<usize>> {
    let Some(found) = b.constant(list).and_then(Tensor::to_i64) else {
        refuse!("its {what} must be constant")
    };
    let sizes: Option<Vec<usize>> = found.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
    sizes.ok_or_else(|| OpError(format!("its {what} is {found:?}")))
}

impl Operator for Col2Im {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.window.attributes()
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Affine
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        let &[Some(x), Some(image), Some(block)] = inputs else { refuse!("it needs three inputs") };
        let (image, block) = (sizes(b, image, "image_shape")?, sizes(b, block, "block_shape")?);
        let rank = image.len();
        if !(1..=3).contains(&rank) || block.len() != rank {
            refuse!("its image is {image:?}, its block {block:?}, expected one to three dimensions of both");
        }
        let &[records, rows, columns] = b.shape(x) else {
            refuse!("its input has shape {:?}, expected three dimensions", b.shape(x))
        };
        let taps = elements(&block).filter(|&n| n <= rows && rows % n == 0);
        let Some(taps) = taps else { refuse!("{rows} elements of a column are no blocks of {block:?}") };
        let mut places = Vec::with_capacity(rank);
        let mut output_padding = Vec::with_capacity(rank);
        for (i, &size) in image.iter().enumerate() {
            let (kernel, stride, dilation) = self.window.steps(&block, i)?;
            let (before, after) = self.window.pads(i, rank)?;
            let free = (size as i64).saturating_add(before + after) - (kernel as i64 - 1) * dilation as i64 - 1;
            let Ok(free) = usize::try_from(free) else { refuse!("a block of {block:?} does not fit {image:?}") };
            places.push(free / stride + 1);
            output_padding.push(free % stride);
        }
        if elements(&places) != Some(columns) {
            refuse!("it has {columns} columns for blocks at {places:?} places");
        }
        let count = rows.checked_mul(taps).filter(|&n| n <= crate::build::MOST_ELEMENTS / 8);
        let Some(count) = count else { refuse!("blocks of {block:?} in {rows} rows are too large") };
        // A transposed convolution, channel by channel, whose kernels each put one element of the block in its place.
        let mut weights = vec![0.0; count];
        (0..rows).for_each(|r| weights[r * taps + r % taps] = 1.0);
        let shape: Vec<usize> = [rows, 1].into_iter().chain(block.iter().copied()).collect();
        let weights = Tensor::new(&shape, weights).map(|t| t.with_precision(b.fact(x).dtype));
        let weights = b.constant_value(weights.ok_or_else(|| OpError("its blocks are too large".to_owned()))?);
        let laid: Vec<usize> = [records, rows].into_iter().chain(places).collect();
        let laid = b.reshape(x, &laid)?;
        let window = Window { kernel: block, ..self.window.clone() };
        let put = ConvTranspose { group: rows / taps, window, output_padding, output_shape: Vec::new() };
        Ok(Some(vec![b.push(put, &[laid, weights])?]))
    }

    through_body!();
}

#[cfg(test)]
mod tests {
    use super::Col2Im;
    use crate::cases::{Case, f64s, i64s, refusal};
    use crate::ops::window::Window;
    use crate::tensor::Tensor;

    fn of(strides: &[usize], dilations: &[usize], pads: &[usize]) -> Col2Im {
        let (strides, dilations, pads) = (strides.to_vec(), dilations.to_vec(), pads.to_vec());
        Col2Im { window: Window { strides, dilations, pads, ..Window::default() } }
    }

    pub(super) fn cases() -> Vec<Case> {
        let case = |op: Col2Im, x: Tensor, image: &[i64], block: &[i64]| {
            Case::new(op).input(x).input(i64s(image)).input(i64s(block))
        };
        let random = |op: Col2Im, shape: &[usize], image: &[i64], block: &[i64]| {
            Case::new(op).random(shape).input(i64s(image)).input(i64s(block))
        };
        vec![
            // Two windows of two overlap in the middle of three.
            case(of(&[], &[], &[]), f64s(&[1, 2, 2], &[1.0, 2.0, 10.0, 20.0]), &[3], &[2])
                .expect(f64s(&[1, 1, 3], &[1.0, 12.0, 20.0])),
            // A stride that leaves the last position without a window, and pads that swallow elements.
            case(of(&[2], &[], &[]), f64s(&[1, 2, 2], &[1.0, 2.0, 10.0, 20.0]), &[5], &[2])
                .expect(f64s(&[1, 1, 5], &[1.0, 10.0, 2.0, 20.0, 0.0])),
            case(of(&[2], &[], &[1, 1]), f64s(&[1, 2, 2], &[1.0, 2.0, 10.0, 20.0]), &[2], &[2])
                .expect(f64s(&[1, 1, 2], &[10.0, 2.0])),
            random(of(&[1, 1], &[], &[]), &[2, 12, 6], &[4, 3], &[2, 2]),
            random(of(&[2, 1], &[1, 2], &[1, 0, 1, 0]), &[2, 12, 6], &[6, 4], &[3, 2]),
            random(of(&[], &[], &[]), &[3, 8, 4], &[2, 3, 3], &[2, 2, 2]),
        ]
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = || f64s(&[1, 4, 2], &[0.0; 8]);
        let refused = |x: Tensor, image: &[i64], block: &[i64]| refusal(of(&[], &[], &[]), &[x, i64s(image), i64s(block)]);
        assert!(refused(x(), &[4], &[2]).contains("2 columns for blocks at [3] places"));
        assert!(refused(x(), &[3], &[3]).contains("no blocks of [3]"));
        assert!(refused(x(), &[1], &[2]).contains("does not fit"));
        assert!(refused(x(), &[3, 3], &[2]).contains("expected one to three dimensions"));
        assert!(refused(x(), &[-3], &[2]).contains("image_shape is [-3]"));
        assert!(refused(x(), &[i64::MAX], &[i64::MAX]).contains("no blocks"));
    }
}
