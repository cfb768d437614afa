//! From a picture to the tensor that a model takes, and to a picture for people.
//!
//! ```text
//! bytes of a frame -> source::FrameDecoder -> Samples -> Preprocessor (resample, pack) -> Tensor
//! ```

mod colour;
pub mod decode;
pub mod encode;
mod error;
pub mod foreign;
mod pack;
pub mod picture;
mod png;
mod preprocessor;
mod resample;
pub mod samples;
pub mod source;
pub mod thumbnail;
mod webp;

pub use preprocessor::{Preprocessor, cut, resized, shrunk, turned};
