//! Decodes the JPEG pictures of cameras directly to about the wanted size.
//!
//! A model's input has about a tenth of the pixels that a camera sends. So the inverse transform computes fewer pixels
//! (`transform`), the colour components keep their subsampling, and blocks outside of the wanted part are reduced to
//! their mean. Only Huffman-coded sequential pictures with one scan are decoded; the caller needs another decoder for
//! the others.

mod bits;
mod decoder;
mod error;
mod segments;
#[cfg(test)]
mod tests;
mod transform;

pub use decoder::{Decoder, Plane, Wanted};
pub use error::{Refusal, Unusual};
pub use segments::Header;
