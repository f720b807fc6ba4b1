//! The product of a few rows and a panel of columns, in registers.

#![allow(unsafe_code)]

use crate::lanes::Lanes;

/// Some rows of a left factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left<T> {
    /// The first row's first element.
    pub(crate) first: *const T,
    /// How far apart neighbours of a column are.
    pub(crate) row: usize,
    /// How far apart neighbours of a row are.
    pub(crate) step: usize,
}

/// Adds to `sums` the products of `M` rows, of `depth` elements each, and a panel of `depth` rows of `P` registers.
///
/// Each sum is one chain of multiply-adds in the order of the depth. `BY_ROWS` says that neighbours of a row lie side by side, otherwise those of
/// a column do.
///
/// # Safety
///
/// The elements lie where `left` and `panel` say, and this is inlined where [`Lanes`] says.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Lanes, const M: usize, const P: usize, const BY_ROWS: bool>(
    left: Left<V::Item>,
    mut panel: *const V::Item,
    depth: usize,
    mut sums: [[V; P]; M],
) -> [[V; P]; M] {
    const { assert!(M <= 12) };
    // SAFETY: all places are among those that the caller vouches for; a pointer is moved on only after its last use or to the next step.
    unsafe {
        if BY_ROWS {
            // Three rows are reached from one pointer.
            let mut heads: [*const V::Item; 4] = std::array::from_fn(|g| {
                if 3 * g < M { left.first.wrapping_add(3 * g * left.row) } else { left.first }
            });
            heads = heads.map(apart);
            for _ in 0..depth {
                #[cfg(target_arch = "x86_64")]
                for j in 0..P {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                        panel.wrapping_add((8 * P + j) * V::COUNT).cast(),
                    );
                }
                let b: [V; P] = std::array::from_fn(|j| V::load(panel.add(j * V::COUNT)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = V::splat(*heads[i / 3].add(i % 3 * left.row));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = a.multiply_add(b, *sum);
                    }
                }
                heads = heads.map(|head| head.wrapping_add(1));
                panel = panel.wrapping_add(P * V::COUNT);
            }
        } else {
            let mut column = left.first;
            for _ in 0..depth {
                let b: [V; P] = std::array::from_fn(|j| V::load(panel.add(j * V::COUNT)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = V::splat(*column.add(i));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = a.multiply_add(b, *sum);
                    }
                }
                column = column.wrapping_add(left.step);
                panel = panel.wrapping_add(P * V::COUNT);
            }
        }
    }
    sums
}

/// As [`multiply`] where the left factor lies in blocks of `M` by `M` elements, row by row, each `apart` elements behind the one before.
///
/// # Safety
///
/// The elements lie where `block`, `apart` and `panel` say, and this is inlined where [`Lanes`] says.
#[inline(always)]
pub(crate) unsafe fn multiply_blocks<V: Lanes, const M: usize, const P: usize>(
    mut block: *const V::Item,
    apart: usize,
    mut panel: *const V::Item,
    mut depth: usize,
    mut sums: [[V; P]; M],
) -> [[V; P]; M] {
    // SAFETY: all places are among those that the caller vouches for; a pointer is moved on only after its last use or to the next step, and what is
    // fetched ahead need not be there.
    unsafe {
        while depth > 0 {
            let steps = depth.min(M);
            let mut column = block;
            let mut ahead = block.wrapping_add(2 * apart);
            for _ in 0..steps {
                #[cfg(target_arch = "x86_64")]
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(ahead.cast());
                ahead = ahead.wrapping_add(M);
                let b: [V; P] = std::array::from_fn(|j| V::load(panel.add(j * V::COUNT)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = V::splat(*column.add(i * M));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = a.multiply_add(b, *sum);
                    }
                }
                column = column.wrapping_add(1);
                panel = panel.wrapping_add(P * V::COUNT);
            }
            depth -= steps;
            block = block.wrapping_add(apart);
        }
    }
    sums
}

/// The pointer itself, so that the compiler does not compute it from another one.
#[inline(always)]
fn apart<T>(mut pointer: *const T) -> *const T {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: no instruction is run.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, readonly, nostack, preserves_flags));
    }
    pointer
}
