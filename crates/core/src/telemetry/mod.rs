//! Logging, health, and notifications to the service manager.

pub mod health;
pub mod logging;
pub mod panics;
pub mod service_manager;
pub mod threads;
