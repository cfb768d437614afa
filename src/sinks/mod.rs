//! The consumers of events.

pub mod mqtt;
pub mod notify;
pub mod stdout;
