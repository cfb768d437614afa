//! Changes at run time: configuration, model, camera. Commands are executed one at a time.

pub mod camera;
mod compare;
mod controller;
mod info;
pub mod loader;
pub mod model_info;
mod pictures;
mod reload;
mod second;
mod second_thread;
pub mod settings_of;
mod thermal;
mod watch;

pub use controller::{Controller, Ending, Parts};
