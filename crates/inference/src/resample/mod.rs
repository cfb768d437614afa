//! Pillow's bilinear filter with antialiasing, in integers: the weights along an axis, and the pass along a row.

mod axis;
mod squeeze;

pub use axis::{Axis, KEPT, Key, ONE};
pub use squeeze::squeeze;
