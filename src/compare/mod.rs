//! Models side by side on this device: how often they are right, how long they take, what they need.
//!
//! Each model is measured in a process of its own (`child`), so that its memory is known and a model that fails or hangs
//! takes nothing with it. Only one such process runs at a time, because a small board has no memory for more; the models
//! take turns for some rounds instead, so that a disturbance meets all of them.

mod advice;
mod child;
mod escape;
pub mod html;
mod plan;
mod plot;
pub mod report;
pub mod subjects;
pub mod table;
mod turns;

pub use child::{CHILD_COMMAND, serve};
pub use plan::{Content, Picture, Plan};
pub use turns::run;
