//! From frames to events: the thread that labels, the one that gives second opinions, and pictures that people send.

pub mod orders;
pub mod second_opinion;
pub mod uploads;
pub mod worker;
