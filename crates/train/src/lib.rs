//! Small networks fitted with Burn and saved as ONNX.
//!
//! [`fit`] takes a [`Recipe`] and [`Samples`] and gives a [`Trained`] multilayer perceptron. Losses, updates
//! and first weights are PyTorch's; every draw is keyed by the seed, so the same recipe gives the same bits.

mod activation;
mod error;
mod fit;
mod initialise;
mod loss;
mod named;
mod network;
mod optimiser;
mod recipe;
mod samples;
mod tape;
mod trained;
mod weights;

pub use activation::Activation;
pub use error::{Error, ErrorKind, Result};
pub use fit::{Progress, Step, fit};
pub use initialise::{Biases, Initialisation};
pub use loss::{Balanced, ClassWeights, Loss, PosWeight, Reduction};
pub use optimiser::Optimiser;
pub use recipe::{EarlyStopping, Network, Recipe};
pub use samples::{Samples, Targets};
pub use trained::{Epoch, Head, Layer, Standardisation, Trained};

/// What a random stream is for: the first number of its key.
mod purpose {
    pub(crate) const WEIGHTS: u64 = u64::from_le_bytes(*b"weights\0");
    pub(crate) const BIASES: u64 = u64::from_le_bytes(*b"biases\0\0");
    pub(crate) const SHUFFLE: u64 = u64::from_le_bytes(*b"shuffle\0");
    pub(crate) const DROPOUT: u64 = u64::from_le_bytes(*b"dropout\0");
}
