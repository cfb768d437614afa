//! `glimpsed fleet targets`

use std::convert::Infallible;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use glimpsed_base::sync::Mutex;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use super::broker::{Broker, Chosen, Reached, chosen};
use super::listen::{Line, listen, stop_signals};
use crate::cli::block_on::block_on;
use crate::cli::streams::Streams;
use glimpsed_core::config::interval::Interval;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::roster::Roster;
use glimpsed_core::fleet::targets::{Hidden, Network, Places, Template, address, document};

/// How often it is looked whether something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    chosen: Chosen,
    /// The address of a device: `{device}` is its id, `{port}` the port of its page
    #[arg(long, value_name = "ADDRESS", required_unless_present = "within")]
    address: Option<Template>,
    /// Take the address that a device says of itself if it is in this network, such as 192.168.0.0/16; may be given several times
    #[arg(long, value_name = "NETWORK")]
    within: Vec<Network>,
    /// Where to write it, for `file_sd_configs` or a web server: a reader sees the old file or the new one [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stay, and write the file anew when a device comes or changes
    #[arg(long, requires = "output")]
    follow: bool,
    /// With `--follow`: how often at most
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "follow")]
    every: Interval,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let reached = options.broker.reached()?;
    if let (true, Some(output)) = (options.follow, &options.output) {
        return block_on(follow(options, &reached, output))?;
    }
    let (roster, gathered) = block_on(reached.snapshot())??;
    if !Reached::all_came(&roster, &gathered) {
        return Err(not_whole());
    }
    reached.somebody(&roster)?;
    let targets = targets(options, &roster);
    let Some(output) = &options.output else { return streams.print_json(&targets) };
    write(output, &targets)?;
    streams.print(&summary(options, &roster))
}

impl Options {
    fn places(&self) -> Places {
        Places { template: self.address.clone(), within: self.within.clone() }
    }
}

fn not_whole() -> Error {
    Error::Failed("not all devices had said where they are, so no targets are written; --patience waits longer".into())
}

fn targets(options: &Options, roster: &Roster) -> Value {
    document(chosen(roster, &options.chosen.filter(), Timestamp::now()), &options.places())
}

/// How many devices are in the document, and which are not.
fn summary(options: &Options, roster: &Roster) -> String {
    let filter = options.chosen.filter();
    let (mut told, mut hidden) = (0, String::new());
    for device in chosen(roster, &filter, Timestamp::now()) {
        match address(device, &options.places()) {
            Ok(_) => told += 1,
            Err(Hidden::Loopback) => {
                hidden.push_str(&format!("left out: {}: its page answers the device itself alone\n", device.id));
            }
            Err(Hidden::Elsewhere) => hidden.push_str(&format!(
                "left out: {}: its address is in no network of --within, and there is no --address\n",
                device.id
            )),
            Err(Hidden::NoPage) => hidden.push_str(&format!("left out: {}: it has no page\n", device.id)),
        }
    }
    format!("{hidden}{told} devices\n")
}

/// A reader sees the old file or the new one.
fn write(output: &Path, targets: &Value) -> Result<()> {
    let failed = || Error::io(format!("cannot write `{}`", output.display()));
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(directory).map_err(failed())?;
    file.write_all(format!("{targets:#}\n").as_bytes()).map_err(failed())?;
    file.persist(output).map(drop).map_err(|error| failed()(error.error))
}

/// Writes the file whenever it would be another one.
async fn follow(options: &Options, reached: &Reached, output: &Path) -> Result<()> {
    let watch = reached.connect().await?;
    let (roster, line) = (reached.nobody(), Mutex::new(Line::Gathering));
    let (mut stop, mut interrupt) = stop_signals()?;
    tokio::select! {
        never = listen(reached, watch, &roster, &line) => match never {},
        failed = keep(options, output, &roster, &line) => failed.map(|never| match never {}),
        _ = stop.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn keep(options: &Options, output: &Path, roster: &Mutex<Roster>, line: &Mutex<Line>) -> Result<Infallible> {
    let mut written = None;
    loop {
        sleep(LOOK_EVERY).await;
        // While it is not known who is there, the file stays.
        match &*line.lock() {
            Line::Connected { all_came: true, .. } if roster.lock().beyond == 0 => {}
            Line::Connected { .. } => return Err(not_whole()),
            Line::Gathering | Line::Away { .. } => continue,
        }
        let targets = targets(options, &roster.lock());
        if written.as_ref() != Some(&targets) {
            write(output, &targets)?;
            written = Some(targets);
            sleep(options.every.0).await;
        }
    }
}
