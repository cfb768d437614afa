//! The built binary as a user runs it, against real brokers, models and photographs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

mod accurate;
mod allocations;
mod answers;
mod bundle;
mod cable;
mod cli;
mod command_source;
mod compare;
mod conf_d;
mod config;
mod control;
mod daemon;
mod day;
mod demo;
mod documents;
mod exported;
mod fetch;
mod fleet;
mod floors;
mod health;
mod hostile;
mod images;
mod limits;
mod mqtt;
mod network_camera;
mod notify;
mod onnx;
mod page_modules;
mod payloads;
mod precision;
mod preprocess;
mod quantize;
mod seeing;
mod service;
mod shared;
mod start;
mod support;
mod switching;
mod teach;
mod uploads;
mod views;
mod waiting;
mod web;
