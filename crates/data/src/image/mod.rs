//! Pictures: decoded, resized, cropped, scaled into a network's input, and the way back to the picture's own pixels.
//!
//! [`ImageSteps`] is the recipe. It travels in a model's metadata as the steps of a table do. [`ImageFolder`] is a data set:
//! the pictures of a folder in the order of their names, read one by one. Reading files needs the feature `images`.

#[cfg(feature = "images")]
mod decode;
mod folder;
#[cfg(feature = "images")]
mod jpeg;
mod pixels;
mod record;
mod resize;
mod steps;
#[cfg(feature = "images")]
mod webp;

#[cfg(feature = "images")]
pub use self::decode::{DecodeOptions, decode, read};
pub use self::folder::{ENDINGS, ImageFile, ImageFolder, is_image};
pub use self::pixels::{Pixels, Size};
pub use self::record::{ImageRecord, read_classes};
pub use self::resize::{Resampling, resize};
pub use self::steps::{Alpha, ChannelOrder, ImageSteps, Layout, PixelScale, Region, Resize, View};
