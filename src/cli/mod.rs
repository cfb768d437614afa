//! The subcommands.

mod addon;
mod arguments;
mod ask;
mod block_on;
mod cameras;
mod check;
mod classify;
mod compare;
mod completions;
mod config;
mod demo;
mod doctor;
mod fetch;
mod files;
mod fleet;
mod health;
mod manual;
mod models;
mod mqtt;
mod notify;
mod progress;
mod setup;
mod streams;
mod table;
mod teach;

pub use arguments::{Arguments, Done};
pub use streams::Streams;
