//! Compares models on this device: accuracy, latency and memory.
//!
//! Each model is measured in a process of its own (`child`), so that its memory is known, and a failure or hang does
//! not affect the others. Only one process runs at a time, because a small board lacks the memory for more. Instead,
//! the models take turns for several rounds, so that a disturbance affects all of them.

mod advice;
mod child;
mod error;
pub(crate) mod escape;
pub mod html;
mod plan;
pub(crate) mod plot;
pub mod report;
pub mod subjects;
pub mod table;
mod turns;

pub use child::{CHILD_COMMAND, serve};
pub use error::CompareError;
pub use plan::{Content, Picture, Plan};
pub use turns::run;
