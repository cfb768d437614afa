//! Changes at run time: configuration, model, camera. Commands are executed one at a time.

mod accurate;
mod accurate_thread;
pub mod camera;
mod camera_faults;
mod compare;
mod config_watch;
mod controller;
mod desired;
pub mod from_config;
mod info;
pub mod loader;
mod missing_model;
pub mod model_info;
mod pictures;
mod reload;
mod restart;
mod thermal;

pub use controller::{Controller, Ending, Parts};
pub use desired::Start;
pub use restart::program;
