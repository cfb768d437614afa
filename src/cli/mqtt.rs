//! `glimpsed mqtt`

use clap::{Args, Subcommand};
use serde_json::json;

use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table;
use crate::app::runtime;
use crate::config::Config;
use crate::config::typed::Mqtt;
use crate::error::{Error, Result};
use crate::sinks::mqtt::diagnose::{self, Leftovers, Report};

/// Where Home Assistant looks for devices unless it is told otherwise; an entry may be left from when it was enabled.
const DISCOVERY_PREFIX: &str = "homeassistant";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Connect to the broker step by step, try the permissions, and say what to do about what does not work
    Test(Test),
    /// Remove everything that the broker keeps of this device: retained messages, and the entry for Home Assistant
    Clean(Clean),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// For scripts
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
    /// Also when the device says that it is online; a daemon that runs sends its messages again
    #[arg(long)]
    force: bool,
    /// For scripts
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
pub(super) fn try_broker(settings: &Mqtt, device_id: &str) -> Result<Report> {
    block_on(diagnose::test(settings, device_id))
}

fn run_test(options: &Test, streams: &mut Streams) -> Result<()> {
    let config = options.file.sources()?.load()?;
    let settings = broker_of(&config)?;
    let report = try_broker(settings, &config.device.id)?;
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
    let status = format!("{}/{}/status", settings.base_topic, config.device.id);
    let prefix = config.homeassistant.as_deref().unwrap_or(DISCOVERY_PREFIX);
    let topics = block_on(async {
        let unreachable = |loss| Error::Unreachable(format!("{}: {loss}", settings.connection.broker));
        let found = Leftovers::find(settings, &config.device.id, prefix).await.map_err(unreachable)?;
        let online = found.retained.get(&status).is_some_and(|payload| payload == b"online");
        if online && !options.force && !options.dry_run {
            return Err(Error::Failed(format!(
                "`{}` is online and would send everything again; stop the daemon first, or use --force",
                config.device.id
            )));
        }
        let topics: Vec<String> = found.retained.keys().cloned().collect();
        if !options.dry_run {
            found.remove().await.map_err(|loss| Error::Failed(format!("{}: {loss}", settings.connection.broker)))?;
        }
        Ok(topics)
    })??;
    if options.json {
        return streams.print_json(&json!({ "removed": !options.dry_run, "topics": topics }));
    }
    let mut text: String = topics.iter().map(|topic| format!("{topic}\n")).collect();
    text.push_str(&match (topics.len(), options.dry_run) {
        (0, _) => format!("{} keeps nothing of `{}`\n", settings.connection.broker, config.device.id),
        (count, true) => format!("{count} retained messages would be removed\n"),
        (count, false) => format!("{count} retained messages are removed\n"),
    });
    streams.print(&text)
}

fn broker_of(config: &Config) -> Result<&Mqtt> {
    let none = || Error::Failed("no broker is configured; set `url` in [mqtt]".into());
    config.mqtt.as_ref().ok_or_else(none)
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(work);
    // A name lookup may still block a thread of the runtime.
    runtime.shutdown_background();
    Ok(outcome)
}
