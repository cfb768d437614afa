//! What connects the parts while they run: events out of them, commands into them, frames for whoever watches.

pub mod commands;
pub mod hub;
pub mod preview;
