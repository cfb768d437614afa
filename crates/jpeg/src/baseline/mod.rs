//! Decodes the JPEG pictures of cameras straight to about the size that is wanted.
//!
//! What a model looks at is a tenth of what a camera sends. So the inverse transform computes fewer pixels (`transform`),
//! the colours stay as they are coded until the picture is small, and what lies outside of the part that is looked at is
//! computed roughly. Baseline pictures with one scan are read; whoever calls has another decoder for the unusual ones.

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
