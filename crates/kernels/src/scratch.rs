//! Room for the numbers that a kernel needs while it runs. Each thread keeps what it has had, so that it is not taken from the system, and cleared,
//! again at every call.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

use crate::Aligned;

/// How many pieces a thread keeps.
const KEPT: usize = 4;

/// A type of number that threads keep room for.
pub trait Scratch: Pod {
    /// Does something with the pieces that this thread keeps.
    #[doc(hidden)]
    fn kept<R>(f: impl FnOnce(&mut Vec<Aligned<Self>>) -> R) -> R;
}

macro_rules! scratch {
    ($($type:ty),*) => { $(
        impl Scratch for $type {
            fn kept<R>(f: impl FnOnce(&mut Vec<Aligned<Self>>) -> R) -> R {
                thread_local! {
                    static KEPT: RefCell<Vec<Aligned<$type>>> = const { RefCell::new(Vec::new()) };
                }
                KEPT.with_borrow_mut(f)
            }
        }
    )* };
}

scratch!(f32, f64);

/// Some numbers, none of which means anything before it is written.
#[derive(Debug)]
pub(crate) struct Room<T: Scratch> {
    all: Aligned<T>,
    len: usize,
}

impl<T: Scratch> Room<T> {
    /// Room for `len` numbers.
    pub(crate) fn new(len: usize) -> Self {
        let all = T::kept(|kept| {
            let fitting = (0..kept.len()).filter(|&i| kept[i].len() >= len).min_by_key(|&i| kept[i].len());
            fitting.map(|i| kept.swap_remove(i))
        });
        Self { all: all.unwrap_or_else(|| Aligned::zeros(len)), len }
    }
}

impl<T: Scratch> Deref for Room<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all[..self.len]
    }
}

impl<T: Scratch> DerefMut for Room<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.all[..self.len]
    }
}

impl<T: Scratch> Drop for Room<T> {
    fn drop(&mut self) {
        let all = std::mem::take(&mut self.all);
        T::kept(|kept| {
            kept.push(all);
            if kept.len() > KEPT {
                // The smallest is the soonest had again.
                let smallest = (0..kept.len()).min_by_key(|&i| kept[i].len());
                smallest.map(|i| kept.swap_remove(i));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_had_again_and_never_twice_at_once() {
        let (first, at) = {
            let room = Room::<f32>::new(1000);
            (room.len(), room.as_ptr())
        };
        let (mut one, mut other) = (Room::<f32>::new(900), Room::<f32>::new(900));
        assert_eq!((first, one.len(), one.as_ptr()), (1000, 900, at));
        assert_eq!(one.as_ptr().addr() % 64, 0);
        one.fill(1.0);
        other.fill(2.0);
        assert!(one.iter().all(|v| *v == 1.0));
        assert!(Room::<f64>::new(0).is_empty());
    }
}
