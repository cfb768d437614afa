//! The consumers of events.

pub mod mqtt;
pub mod stdout;
