//! glimpsed labels what a camera sees and publishes the labels over MQTT.
//!
//! | module | is for |
//! |---|---|
//! | [`cli`] | the subcommands |
//! | [`app`] | the daemon: build, run, drain |
//! | [`config`] | from a TOML file to a configuration that cannot be invalid |
//! | [`http_client`] | one connection to a web server elsewhere |
//! | [`capture`] | sources of frames |
//! | [`preprocess`] | from bytes to the model's tensor |
//! | [`models`] | models as files: the catalogue, specs, labels, downloads |
//! | [`infer`] | from the tensor to class probabilities |
//! | [`decide`] | from a frame's answer to the published events |
//! | [`compare`] | compares models, each measured in a process of its own |
//! | [`teach`] | labels of one's own, from a few pictures of each |
//! | [`control`] | changes at run time: the configuration, the model, the camera |
//! | [`sinks`] | consumers of events: MQTT, standard output |
//! | [`web`] | the page, the HTTP interface, the metrics |
//! | [`telemetry`] | logging, health, notifications to the service manager |
//!
//! Data flows one way, in this order; `ARCHITECTURE.md` has the picture and the invariants.

#![forbid(unsafe_code)]

pub mod app;
pub mod board;
pub mod bus;
pub mod capture;
pub mod cli;
pub mod compare;
pub mod config;
pub mod control;
pub mod decide;
pub mod directories;
pub mod domain;
pub mod error;
pub mod http_client;
pub mod infer;
pub mod models;
pub mod payload;
pub mod pipeline;
pub mod preprocess;
pub mod sinks;
pub mod teach;
pub mod telemetry;
pub mod web;
