//! Notices to people, to servers that behave as the services do, and to some that do not.

mod configuration;
mod delivery;
mod listener;
mod services;
