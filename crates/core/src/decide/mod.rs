//! From the answers for single frames to the published events: pure functions of given times.

pub mod day;
mod decider;
pub mod escalation;
pub mod gate;
pub mod groups;
pub mod notices;
mod overrule;
pub mod rules;
pub mod scene;
mod several;
mod smooth;
pub mod stable;
pub mod thermal;
pub mod time;
pub mod vocabulary;

pub use decider::{Decider, Seen};
