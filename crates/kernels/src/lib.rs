//! Numbers on slices: the arithmetic under Pellucid, which knows no graph.
//!
//! Every kernel is single-threaded, takes plain slices and sums in one fixed order, so that a result does
//! not depend on threads, tiles or neighbours.

pub mod activation;
pub mod broadcast;
pub mod convolution;
pub mod elementary;
pub mod gather;
pub mod knots;
mod lanes;
pub mod layout;
pub mod matrix;
pub mod normalize;
pub mod points;
pub mod pool;
pub mod random;
pub mod real;
pub mod reduce;
mod scratch;
pub mod vector;

pub use real::Real;

/// Numbers that begin at a line of the cache, so that no register is loaded from two.
type Aligned<T> = aligned_vec::AVec<T, aligned_vec::ConstAlign<64>>;
