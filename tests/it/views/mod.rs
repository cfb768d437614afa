//! Several cameras and several views of one, from the configuration to the broker and the page.

mod configuration;
mod editing;
mod events;
mod live;
mod reload;
