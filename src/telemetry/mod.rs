//! What the program says of itself and of the board it runs on.

pub mod health;
pub mod logging;
pub mod service;
