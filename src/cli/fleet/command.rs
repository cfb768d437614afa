//! `glimpsed fleet`

use clap::Subcommand;

use super::{check, compare, steer, targets, top};
use crate::cli::streams::Streams;
use glimpsed_core::error::Result;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// A live table of all devices
    Top(top::Options),
    /// Who is offline, too warm, without labels, or unlike the others; exit code 1 if anybody is
    Check(check::Options),
    /// Where Prometheus reads each device, as its HTTP service discovery has it
    Targets(targets::Options),
    /// Set enabled, model, precision, threshold or accurate on devices, and wait for the answer of each
    Set(steer::Set),
    /// Make devices restart, reload, compare their models or tell their health, and wait for the answer of each
    Request(steer::Request),
    /// Make devices measure their models, and put their reports into one: which board does what
    Compare(compare::Options),
}

pub(in crate::cli) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::Top(options) => top::run(options, streams),
        Command::Check(options) => check::run(options, streams),
        Command::Targets(options) => targets::run(options, streams),
        Command::Set(options) => steer::set(options, streams),
        Command::Request(options) => steer::request(options, streams),
        Command::Compare(options) => compare::run(options, streams),
    }
}
