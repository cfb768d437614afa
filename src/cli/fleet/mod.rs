//! `glimpsed fleet`: many devices, by way of their broker.

mod broker;
mod check;
mod command;
mod compare;
mod listen;
mod screen;
mod steer;
mod targets;
mod top;

pub(super) use command::{Command, run};
