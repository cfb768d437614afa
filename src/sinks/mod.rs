//! Where events go.

pub mod mqtt;
pub mod stdout;
