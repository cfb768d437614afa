//! Changes at run time: configuration, model, camera. Commands are executed one at a time.

mod accurate;
pub mod camera;
mod compare;
mod config_watch;
mod controller;
mod desired;
mod edit;
pub mod from_config;
mod info;
pub mod loader;
mod missing_model;
pub mod model_info;
pub mod model_pool;
mod news;
mod pictures;
mod reload;
mod restart;
mod second;
mod teaching;
mod thermal;
pub mod views;

pub use controller::{Controller, Ending, Parts};
pub use restart::program;
