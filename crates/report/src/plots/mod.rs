//! The plots, one file each.

pub(crate) mod attribution;
pub(crate) mod confusion;
pub(crate) mod counts;
pub(crate) mod image;
pub(crate) mod loss;
pub(crate) mod roc;
