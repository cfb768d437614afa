//! From frames to events: the inference thread, the second-opinion thread, and uploaded pictures.

pub mod orders;
pub mod second_opinion;
pub mod uploads;
pub mod worker;
