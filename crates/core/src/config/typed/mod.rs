//! A configuration that cannot be invalid, and the checks that establish that.

mod accurate;
mod broker;
mod camera;
mod checker;
mod configuration;
mod gate;
mod http;
mod labels;
mod models;
mod network_camera;
mod notify;
mod teach;
mod thermal;
mod url;
mod views;

pub use checker::check;
pub use configuration::*;
