//! From the answers for single frames to the published events: pure functions of given times.

mod decider;
pub mod escalation;
pub mod gate;
pub mod groups;
mod overrule;
pub mod rules;
mod several;
mod smooth;
pub mod stable;
pub mod thermal;
pub mod vocabulary;

pub use decider::{Decider, Seen};
