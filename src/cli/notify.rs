//! `glimpsed notify`

use clap::{Args, Subcommand};
use serde_json::json;

use super::block_on::block_on;
use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table;
use glimpsed_base::leaving;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::sinks::notify::send_example;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a notice of each rule now, with an example of a label and without a picture
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
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
        let refusal = block_on(send_example(&config, rule))?.err();
        let refusal = refusal.map(|refusal| leaving::clean_line(&refusal.to_string()).into_owned());
        answers.push((rule.describe(), refusal));
    }
    if options.json {
        let answer =
            |(to, refusal): &(String, Option<String>)| json!({ "to": to, "ok": refusal.is_none(), "error": refusal });
        streams.print_json(&answers.iter().map(answer).collect::<Vec<_>>())?;
    } else {
        let row = |(to, refusal): &(String, Option<String>)| match refusal {
            None => vec!["ok".into(), to.clone(), "took a notice".into()],
            Some(cause) => vec!["FAILED".into(), to.clone(), cause.clone()],
        };
        streams.print(&table::render(&answers.iter().map(row).collect::<Vec<_>>()))?;
    }
    match answers.iter().filter(|(_, refusal)| refusal.is_some()).count() {
        0 => Ok(()),
        failed => Err(Error::Unreachable(format!("{failed} of {} notices did not arrive", answers.len()))),
    }
}
