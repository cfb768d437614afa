//! The consumers of events.

pub mod day;
pub mod mqtt;
pub mod notify;
pub mod stdout;
