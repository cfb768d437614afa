//! glimpsed labels what a camera sees and publishes the labels over MQTT.
//!
//! | module | is for |
//! |---|---|
//! | [`web`] | the page, the HTTP interface, the metrics |
//! | [`control`] | changes at run time: the configuration, the model, the camera |
//! | [`app`] | the daemon: build, run, drain |
//! | [`cli`] | the subcommands |
//!
//! What happens to a frame, from the camera to the published event, is in [`glimpsed_core`], so that a change here does not
//! compile it again. Data flows one way; `ARCHITECTURE.md` has the picture and the invariants.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod control;
pub mod web;
