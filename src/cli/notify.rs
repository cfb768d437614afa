//! `glimpsed notify`

use clap::{Args, Subcommand};
use serde_json::json;

use super::block_on::block_on;
use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table;
use crate::error::{Error, Result};
use crate::sinks::notify::send_example;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a notice of each rule now, with an example of a label and without a picture
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// For scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    let Command::Test(options) = command;
    let config = options.file.sources()?.load()?;
    if config.notices.is_empty() {
        return Err(Error::Failed("there is no [[notify]] in the configuration, so nobody is told anything".into()));
    }
    let mut answers = Vec::new();
    for rule in &config.notices {
        answers.push((rule.to.describe(), block_on(send_example(&config, rule))?));
    }
    if options.json {
        let answer = |(to, answer): &(String, std::result::Result<(), String>)| json!({ "to": to, "ok": answer.is_ok(), "error": answer.as_ref().err() });
        streams.print_json(&answers.iter().map(answer).collect::<Vec<_>>())?;
    } else {
        let row = |(to, answer): &(String, std::result::Result<(), String>)| match answer {
            Ok(()) => vec!["ok".into(), to.clone(), "took a notice".into()],
            Err(cause) => vec!["FAILED".into(), to.clone(), cause.clone()],
        };
        streams.print(&table::render(&answers.iter().map(row).collect::<Vec<_>>()))?;
    }
    match answers.iter().filter(|(_, answer)| answer.is_err()).count() {
        0 => Ok(()),
        failed => Err(Error::Unreachable(format!("{failed} of {} notices did not arrive", answers.len()))),
    }
}
