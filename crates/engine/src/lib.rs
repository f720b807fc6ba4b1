//! Turns a graph into a plan and runs it on tiles of points. Knows nothing of attribution.
//!
//! A [`Plan`] is a graph ready to run on one thread. A [`Sweep`] runs plans over rows × points on all threads, in memory that does
//! not grow with either, with the same bits for any number of threads.

mod chain;
mod columns;
pub mod error;
mod fuse;
mod gate;
mod hinge;
mod lives;
mod moved;
pub mod plan;
pub mod profile;
pub mod stage;
pub mod sweep;
mod tile;

pub use error::{Error, Result};
pub use plan::{Plan, Workspace};
pub use profile::Profile;
pub use stage::{Feed, Stage};
pub use sweep::{Control, GROUP, Points, Sweep, Yield};
