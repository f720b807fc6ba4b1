//! Numbers that begin at a line of the cache, so that no register is loaded from two.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use aligned_vec::{AVec, ConstAlign};
use bytemuck::Pod;
use memmap2::MmapMut;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// From so many bytes on, numbers have pages of their own. These return to the system as soon as nobody holds them, where an allocator keeps
/// what lies between pieces that are still held.
const OWN_PAGES: usize = 1 << 20;

/// A fixed number of numbers that begin at a line of the cache.
pub struct Aligned<T> {
    bytes: Bytes,
    of: PhantomData<T>,
}

enum Bytes {
    Allocated(AVec<u8, ConstAlign<LINE>>),
    Mapped(MmapMut),
}

impl Bytes {
    fn zeros(size: usize) -> Self {
        let mapped = if size < OWN_PAGES { None } else { MmapMut::map_anon(size).ok() };
        #[cfg(target_os = "linux")]
        if let Some(pages) = &mapped {
            // Fewer, larger pages are had and found sooner. Where the system has none, the small ones do.
            let _ = pages.advise(memmap2::Advice::HugePage);
        }
        // Where there are no pages, the allocator says what becomes of it.
        let allocated = || Self::Allocated(AVec::from_iter(LINE, std::iter::repeat_n(0, size)));
        mapped.map_or_else(allocated, Self::Mapped)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Allocated(bytes) => bytes,
            Self::Mapped(pages) => pages,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Allocated(bytes) => bytes,
            Self::Mapped(pages) => pages,
        }
    }
}

impl<T: Pod> Aligned<T> {
    /// `len` zeros. Panics where so many do not fit into memory's addresses.
    pub fn zeros(len: usize) -> Self {
        const { assert!(align_of::<T>() <= LINE) };
        let size = len.checked_mul(size_of::<T>()).expect("numbers fit into memory");
        Self { bytes: Bytes::zeros(size), of: PhantomData }
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes)
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.bytes)
    }
}

impl<T: Pod> Default for Aligned<T> {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl<T> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut bytes = Bytes::zeros(self.bytes.len());
        bytes.copy_from_slice(&self.bytes);
        Self { bytes, of: PhantomData }
    }
}

impl<T> fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aligned").field("bytes", &self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_numbers_are_zeros_at_a_line() {
        for len in [0, 1, 1000, OWN_PAGES / 4 - 1, OWN_PAGES / 4, OWN_PAGES / 4 + 1001] {
            let mut x = Aligned::<f32>::zeros(len);
            assert_eq!((x.len(), x.as_ptr().addr() % LINE), (len, 0));
            assert!(x.iter().all(|v| *v == 0.0));
            x.fill(2.0);
            let copy = x.clone();
            x.fill(3.0);
            assert!(copy.len() == len && copy.iter().all(|v| *v == 2.0));
        }
        assert_eq!(Aligned::<f64>::default().len(), 0);
    }
}
