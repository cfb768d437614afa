//! From frames to events: the inference thread with its views, the second-opinion thread, and uploaded pictures.

pub mod counters;
mod feed;
pub mod orders;
pub mod scheduler;
pub mod second_opinion;
pub mod uploads;
mod view;
pub mod worker;

pub use feed::Source;
