//! Decodes JPEG pictures directly to about the wanted size.
//!
//! A model's input has about a tenth of the pixels that a camera sends, and a thousandth of those of a photograph. So the
//! inverse transform computes fewer pixels (`transform`), the colour components keep their subsampling, and blocks outside
//! of the wanted part are reduced to their mean. What is in memory is the picture at its reduced size, and for progressive
//! pictures the coefficients that this size needs.
//!
//! Huffman-coded pictures of 8 bits are decoded, sequential and progressive, in any number of scans, with any sampling. One
//! rule holds for all of them: a picture without a missing block is decoded, whether or not its end is marked; a picture
//! that lacks a block is refused.

mod bits;
mod error;
mod exif;
mod frame;
mod planes;
mod progressive;
#[cfg(test)]
mod reference;
mod scan;
mod segments;
mod sequential;
#[cfg(test)]
mod tests;
mod transform;
mod wanted;

pub use error::{Refusal, Unsupported};
pub use exif::orientation;
pub use frame::Decoder;
pub use planes::Plane;
pub use segments::{Colours, Header};
pub use wanted::Wanted;
