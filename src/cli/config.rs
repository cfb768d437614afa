//! `glimpsed config`

use clap::{Args, Subcommand};

use super::{ConfigFile, Streams};
use crate::config::{Sources, keys};
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every key with its value and where that comes from
    Show(Show),
    /// The JSON Schema of the configuration file
    Schema,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    file: ConfigFile,
    /// For scripts
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::Show(show) => {
            let sources = Sources::read(&show.file.path)?;
            if show.json { streams.print_json(&sources.show_json()?) } else { streams.print(&sources.show()?) }
        }
        Command::Schema => streams.print_json(&keys::schema()),
    }
}
