//! Changes to the text of a configuration, which keep its comments and its order.

mod change;
mod edited;
mod planned;
mod setup;
mod views;

pub use edited::{EditError, Edited};
pub use planned::{Planned, planned};
