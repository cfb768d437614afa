//! One connection to somebody's web server: a camera's, or that of a service that is told something.

pub mod address;
mod connection;
mod failure;

pub use connection::{connect, next_bytes};
pub use failure::Failure;
