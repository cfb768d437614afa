//! The command line of `glimpsed teach`.

use clap::{Args, Subcommand};

use super::{exchange, keep, learn, status};
use crate::cli::streams::Streams;
use glimpsed_core::error::Result;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    learn: learn::Learn,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep pictures under a label
    Add(keep::Add),
    /// Say what is kept and what was taught
    Status(status::Status),
    /// Remove pictures that are kept, a label with all of them, or a view
    Remove(keep::Remove),
    /// Copy the pictures that are kept into a folder or a zip archive, with a folder for each label
    Export(exchange::Export),
    /// Keep the pictures of a folder or a zip archive that has a folder for each label
    Import(exchange::Import),
}

pub(in crate::cli) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    match &options.command {
        None => learn::run(&options.learn, streams),
        Some(Command::Add(add)) => keep::add(add, streams),
        Some(Command::Status(status)) => status::run(status, streams),
        Some(Command::Remove(remove)) => keep::remove(remove, streams),
        Some(Command::Export(export)) => exchange::export(export, streams),
        Some(Command::Import(import)) => exchange::import(import, streams),
    }
}
