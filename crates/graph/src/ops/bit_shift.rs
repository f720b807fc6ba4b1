//! BitShift: the bits of integers moved to the left or the right by as many places as a second input says, broadcast.
//!
//! A shift by no less than the type's bits, or by a negative number, leaves 0, or −1 of a negative number that is moved to the right.

use std::sync::Arc;

use super::elementwise::elementwise;
use super::bitwise::{DERIVATIVE, integers, zip_bits};
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::operator::{Definition, Operator};
use crate::tensor::{View, ViewMut};

/// BitShift's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "BitShift",
    domain: "",
    since: 11,
    summary: "the bits of integers moved to the left or the right, broadcast",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(2, 2)?;
        match node.text("direction")?.as_deref() {
            Some("LEFT") => Ok(Arc::new(BitShift { left: true })),
            Some("RIGHT") => Ok(Arc::new(BitShift { left: false })),
            other => crate::refuse!("attribute direction is {other:?}, expected LEFT or RIGHT"),
        }
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The bits of integers moved to the left or the right, broadcast.
#[derive(Clone, Copy, Debug)]
pub struct BitShift {
    /// Whether bits move to the left.
    pub left: bool,
}

trait Bits: Copy {
    fn moved(self, by: Self, left: bool) -> Self;
    fn sign(self) -> Self;
}

macro_rules! bits {
    ($($type:ty: $sign:expr),*) => { $(
        impl Bits for $type {
            fn sign(self) -> Self {
                $sign(self)
            }

            fn moved(self, by: Self, left: bool) -> Self {
                let places = u32::try_from(by).ok().filter(|&n| n < Self::BITS);
                match places {
                    Some(n) if left => self << n,
                    Some(n) => self >> n,
                    None if left => 0,
                    // What is left of a number that is moved out: its sign.
                    None => self.sign(),
                }
            }
        }
    )* };
}

bits!(
    i8: |v: i8| v >> 7, i16: |v: i16| v >> 15, i32: |v: i32| v >> 31, i64: |v: i64| v >> 63,
    u8: |_| 0, u16: |_| 0, u32: |_| 0, u64: |_| 0
);

impl Operator for BitShift {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let way = if self.left { "LEFT" } else { "RIGHT" };
        Attributes::new().with("direction", Attribute::Text(way.to_owned()))
    }

    elementwise!(integers, Constant);

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        zip_bits!(inputs, outputs, |a, b| a.moved(b, self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::BitShift;
    use crate::cases::Case;
    use crate::tensor::Tensor;

    pub(super) fn cases() -> Vec<Case> {
        let bytes = |data: &[u8]| Tensor::vector(data.to_vec());
        let of = |left| Case::new(BitShift { left });
        vec![
            of(false).input(bytes(&[16, 4, 1, 9])).input(bytes(&[1, 2, 3, 8])).expect(bytes(&[8, 1, 0, 0])),
            of(true).input(bytes(&[16, 129])).input(bytes(&[4, 1])).expect(bytes(&[0, 2])),
            of(false)
                .input(Tensor::vector(vec![-8i32, -1, 8]))
                .input(Tensor::vector(vec![1i32, 40, -1]))
                .expect(Tensor::vector(vec![-4i32, -1, 0])),
        ]
    }
}
