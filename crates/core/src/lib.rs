//! From a camera to events: everything that the daemon does with a frame, and nothing that a person steers it with.
//!
//! | module | is for |
//! |---|---|
//! | [`domain`] | the words: frames, classifications, events, settings |
//! | [`bus`] | the channels between threads |
//! | [`capture`] | sources of frames |
//! | [`http_client`] | one connection to a web server elsewhere |
//! | [`preprocess`] | from bytes to the model's tensor |
//! | [`models`] | models as files: the catalogue, specs, labels, downloads |
//! | [`infer`] | from the tensor to class probabilities |
//! | [`decide`] | from a frame's answer to the published events |
//! | [`payload`] | what is published, as JSON |
//! | [`config`] | from a TOML file to a configuration that cannot be invalid |
//! | [`pipeline`] | whose turn it is, and what happens to a frame |
//! | [`teach`] | labels of one's own, from a few pictures of each |
//! | [`sinks`] | consumers of events: MQTT, notices, standard output |
//! | [`compare`] | compares models, each measured in a process of its own |
//! | [`fleet`] | many devices, seen from a client of their broker |
//! | [`telemetry`] | logging, health, notifications to the service manager |
//! | [`command_error`] | what a command over MQTT or HTTP is refused with |
//! | [`error`] | what ends a command, with its exit code |
//! | [`board`], [`directories`] | the machine, and where files are kept |

#![forbid(unsafe_code)]

pub mod board;
pub mod bus;
pub mod capture;
pub mod command_error;
pub mod compare;
pub mod config;
pub mod decide;
pub mod directories;
pub mod domain;
pub mod error;
pub mod fleet;
pub mod http_client;
pub mod infer;
pub mod models;
pub mod payload;
pub mod pipeline;
pub mod preprocess;
pub mod sinks;
pub mod teach;
pub mod telemetry;
