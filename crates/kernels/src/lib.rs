//! Numbers on slices: the arithmetic under Pellucid, which knows no graph.
//!
//! Every kernel is single-threaded, takes plain slices and sums in one fixed order, so that a result does
//! not depend on threads, tiles or neighbours.

pub mod activation;
mod aligned;
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

pub use aligned::Aligned;
pub use real::Real;
