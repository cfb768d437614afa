//! `glimpsed config`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::files::{ConfigFile, OptionalConfigFile};
use super::streams::Streams;
use glimpsed_core::config::{Sources, key_list};
use glimpsed_core::decide::groups::{Groups, IMAGENET};
use glimpsed_core::error::{Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every key with its value and where that comes from
    Show(Show),
    /// The JSON Schema of the configuration file
    Schema,
    /// The classes that `groups` in [labels] puts together
    Groups(ShowGroups),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    file: ConfigFile,
    /// Only the keys that a file or the environment sets
    #[arg(long)]
    set: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowGroups {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::Show(show) => {
            let sources = Sources::read(&show.file.path)?;
            match (show.json, show.set) {
                (true, only_set) => streams.print_json(&sources.show_places_json(only_set)?),
                (false, true) => streams.print(&sources.show_set()?),
                (false, false) => streams.print(&sources.show()?),
            }
        }
        Command::Groups(show) => run_groups(show, streams),
        Command::Schema => streams.print_json(&key_list::schema()),
    }
}

/// The groups in effect; where none are, the built-in ones.
fn run_groups(show: &ShowGroups, streams: &mut Streams) -> Result<()> {
    let config = show.file.sources()?.load()?;
    let built_in = Groups::parse(IMAGENET).map_err(Error::failed)?;
    let mut groups = config.views.iter().map(|view| &*view.labels.filter.groups);
    let groups = groups.find(|groups| groups.iter().count() > 0).unwrap_or(&built_in);
    if show.json {
        let groups: Map<String, Value> =
            groups.iter().map(|group| (group.name.to_string(), json!(group.members))).collect();
        return streams.print_json(&groups);
    }
    let lines: Vec<String> =
        groups.iter().map(|group| format!("{}: {}\n", group.name, group.members.join(", "))).collect();
    streams.print(&lines.concat())
}
