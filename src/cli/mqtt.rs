//! `glimpsed mqtt`

use clap::{Args, Subcommand};
use serde_json::json;

use super::block_on::block_on;
use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table;
use glimpsed_core::config::Config;
use glimpsed_core::config::typed::Mqtt;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::sinks::mqtt::diagnose::{self, Report};
use glimpsed_core::sinks::mqtt::{Leftovers, Names};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Connect to the broker step by step and test the permissions; each failure comes with its remedy
    Test(Test),
    /// Remove everything that the broker keeps of this device: retained messages, and the entry for Home Assistant
    Clean(Clean),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Clean {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Also when a daemon runs or the device says that it is online; a daemon that runs sends its messages again
    #[arg(long)]
    force: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::Test(options) => run_test(options, streams),
        Command::Clean(options) => run_clean(options, streams),
    }
}

/// Tries the broker, on an asynchronous runtime of its own.
///
/// # Errors
/// When the system has no file descriptors left.
pub(super) fn try_broker(config: &Config, settings: &Mqtt) -> Result<Report> {
    block_on(diagnose::test(config, settings))
}

fn run_test(options: &Test, streams: &mut Streams) -> Result<()> {
    let config = options.file.sources()?.load()?;
    let settings = broker_of(&config)?;
    let report = try_broker(&config, settings)?;
    if options.json {
        streams.print_json(&json!({
            "broker": settings.connection.broker.to_string(), "ok": report.is_ok(), "reachable": report.reachable, "steps": report.steps,
        }))?;
    } else {
        let verdict = |ok: bool| if ok { "ok" } else { "FAILED" };
        let rows: Vec<Vec<String>> = report
            .steps
            .iter()
            .map(|step| vec![verdict(step.ok).into(), step.step.into(), step.says.clone()])
            .collect();
        streams.print(&table::render(&rows))?;
    }
    match (report.is_ok(), report.reachable) {
        (true, _) => Ok(()),
        (false, true) => {
            Err(Error::Failed(format!("{} does not allow everything that is needed", settings.connection.broker)))
        }
        (false, false) => Err(Error::Unreachable(format!("{} cannot be used", settings.connection.broker))),
    }
}

fn run_clean(options: &Clean, streams: &mut Streams) -> Result<()> {
    let config = options.file.sources()?.load()?;
    let settings = broker_of(&config)?;
    let broker = &settings.connection.broker;
    let (id, prefix) = (&config.device.id, config.homeassistant.as_deref());
    let (found, removal) = block_on(async {
        let unreachable = |loss| Error::Unreachable(format!("{broker}: {loss}"));
        let found = Leftovers::find(settings, id, &Names::of(&config), prefix).await.map_err(unreachable)?;
        if options.dry_run {
            return Ok((found, None));
        }
        if found.running && !options.force {
            return Err(Error::Failed(format!(
                "`{id}` is online and would send everything again; stop the daemon first, or use --force"
            )));
        }
        let removal = found.remove().await.map_err(|loss| Error::Failed(format!("{broker}: {loss}")))?;
        Ok((found, Some(removal)))
    })??;
    let topics: Vec<&String> = found.retained.keys().collect();
    let refused: Vec<String> =
        removal.iter().flat_map(|removal| &removal.refused).map(|(topic, why)| format!("{topic} ({why})")).collect();
    let left: Vec<&str> = removal.iter().flat_map(|removal| &removal.left).map(String::as_str).collect();
    let removed = removal.is_some() && left.is_empty() && refused.is_empty();
    if options.json {
        streams.print_json(&json!({
            "removed": removed, "topics": topics, "left": left, "refused": refused, "verified": found.readable,
        }))?;
    } else {
        let mut text: String = topics.iter().map(|topic| format!("{topic}\n")).collect();
        text.push_str(&match (&removal, topics.len()) {
            (Some(removal), _) if !found.readable => format!(
                "this user may not read what `{id}` wrote, so nobody can see what is there: {} topics were emptied; let it read {}/{id}/#\n",
                removal.sent, settings.base_topic
            ),
            (None, _) if !found.readable => format!("this user may not read what `{id}` wrote, so nothing can be shown\n"),
            (_, 0) => format!("{broker} keeps nothing of `{id}`\n"),
            (None, count) => format!("{count} retained messages would be removed\n"),
            (Some(_), count) if left.is_empty() => format!("{count} retained messages are removed\n"),
            (Some(_), count) => format!("of {count} retained messages {} are left\n", left.len()),
        });
        streams.print(&text)?;
    }
    if !refused.is_empty() {
        let topics = refused.join(", ");
        return Err(Error::Failed(format!("{broker} does not let this user write {topics}; check its ACL")));
    }
    if !left.is_empty() {
        let topics = left.join(", ");
        return Err(Error::Failed(format!("{broker} still keeps {topics}; does its ACL let this user write there?")));
    }
    Ok(())
}

fn broker_of(config: &Config) -> Result<&Mqtt> {
    let none = || Error::Failed("no broker is configured; set `url` in [mqtt]".into());
    config.mqtt.as_ref().ok_or_else(none)
}
