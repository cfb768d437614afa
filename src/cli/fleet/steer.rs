//! `glimpsed fleet set` and `glimpsed fleet request`

use std::io::{BufRead, IsTerminal, Read};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::broker::{Broker, Chosen, Reached, chosen, none_is_meant};
use super::listen::stop_signals;
use crate::cli::block_on::block_on;
use crate::cli::streams::Streams;
use crate::cli::{progress, table};
use glimpsed_core::config::interval::Interval;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::column::Column;
use glimpsed_core::fleet::device::Device;
use glimpsed_core::fleet::order::Order;
use glimpsed_core::fleet::steer::{Outcome, Pace, Steered, steer};

/// How long an answer is waited for: a model is loaded, or a comparison measures.
const WAIT: Duration = Duration::from_secs(30);
const WAIT_FOR_COMPARISON: Duration = Duration::from_secs(900);

/// Of more devices the first are shown before the question, and the number of the others.
const MAX_SHOWN: usize = 40;

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    /// enabled, model, precision, threshold or accurate
    key: String,
    /// ON or OFF, the name of a model, fp32, int8 or auto, or a number from 0 to 1
    value: String,
    /// Only the view of this name [default: all views]
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Request {
    /// restart, reload, compare or health
    request: String,
    #[command(flatten)]
    how: How,
}

/// Whom to ask, and how.
#[derive(Debug, Args)]
pub(super) struct How {
    #[command(flatten)]
    pub(super) broker: Broker,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Do not ask before the devices are
    #[arg(long)]
    pub(super) yes: bool,
    /// At most so many devices are asked at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) at_once: u16,
    /// The longest wait for the answer of a device [default: 30s, of a comparison 15m]
    #[arg(long, value_name = "TIME")]
    pub(super) wait: Option<Interval>,
    /// Print JSON, for scripts; needs `--yes`
    #[arg(long, requires = "yes")]
    pub(super) json: bool,
}

pub(super) fn set(options: &Set, streams: &mut Streams) -> Result<()> {
    let order = Order::set(&options.key, &options.value, options.view.clone()).map_err(Error::failed)?;
    run(&order, &options.how, streams)
}

pub(super) fn request(options: &Request, streams: &mut Streams) -> Result<()> {
    let order = Order::request(&options.request).map_err(Error::failed)?;
    run(&order, &options.how, streams)
}

fn run(order: &Order, how: &How, streams: &mut Streams) -> Result<()> {
    let reached = how.broker.reached()?;
    let Some((steered, notes)) = ask(order, how, &reached, streams)? else {
        return streams.print("nobody was asked\n");
    };
    if how.json {
        streams.print_json(&to_json(order, &steered, &notes))?;
    } else {
        streams.print(&report(&steered))?;
    }
    conclusion(&reached, &steered)
}

/// Finds the devices, shows them, and asks them if the person says yes, with what was not read; `None` if not.
pub(super) fn ask(
    order: &Order,
    how: &How,
    reached: &Reached,
    streams: &mut Streams,
) -> Result<Option<(Steered, Vec<String>)>> {
    let (roster, gathered) = block_on(reached.snapshot())??;
    let notes = reached.notes(&roster, &gathered);
    if !Reached::all_came(&roster, &gathered) {
        return Err(Error::Failed(format!("not all devices are known, so none is asked: {}", notes.join("; "))));
    }
    reached.somebody(&roster)?;
    let (now, filter) = (Timestamp::now(), how.chosen.filter());
    let devices: Vec<&Device> = chosen(&roster, &filter, now).collect();
    if devices.is_empty() {
        return Err(none_is_meant(&roster));
    }
    if !how.json {
        let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
        streams.print(&format!("{}{notes}", question(order, &devices, now)))?;
    }
    if !how.yes && !is_agreed(streams)? {
        return Ok(None);
    }
    let default = if *order == Order::Request("compare") { WAIT_FOR_COMPARISON } else { WAIT };
    let pace = Pace { at_once: how.at_once.into(), wait: how.wait.map_or(default, |wait| wait.0) };
    let bar = progress::bar(streams.terminal, 0, "{pos}/{len} answers {wide_bar} {elapsed}");
    let steered = block_on(asked(order, reached, &devices, pace, &bar))??;
    bar.finish_and_clear();
    Ok(Some((steered, notes)))
}

async fn asked(
    order: &Order,
    reached: &Reached,
    devices: &[&Device],
    pace: Pace,
    bar: &ProgressBar,
) -> Result<Steered> {
    let (mut terminate, mut interrupt) = stop_signals()?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let mut watch = reached.connect().await?;
    let show = |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let steered = steer(&mut watch, order, devices.iter().copied(), pace, stop, show).await;
    if steered.lost.is_none() {
        watch.end().await;
    }
    Ok(steered)
}

/// Whom it will touch.
fn question(order: &Order, devices: &[&Device], now: Timestamp) -> String {
    const SHOWN: [Column; 6] =
        [Column::Device, Column::Status, Column::Since, Column::Version, Column::Model, Column::Board];
    let heading = SHOWN.map(|column| column.name().to_owned()).to_vec();
    let rows = devices.iter().take(MAX_SHOWN).map(|device| SHOWN.map(|column| column.show(device, now)).to_vec());
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let more = devices.len().saturating_sub(MAX_SHOWN);
    let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
    let twins = devices.iter().filter(|device| device.twin.is_some()).count();
    let twins = if twins > 0 {
        format!("{twins} of these ids are shared by several devices, and each of those will obey\n")
    } else {
        String::new()
    };
    let online = devices.iter().filter(|device| device.is_online()).count();
    let away = devices.len() - online;
    let away = if away > 0 { format!("{away} of them are not online and will not be asked\n") } else { String::new() };
    format!("{}{more}{twins}{away}{}: {online} devices\n", table::render(&rows), order.describe())
}

/// Whether a person says yes.
fn is_agreed(streams: &mut Streams) -> Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Error::Failed(
            "nobody can be asked, because standard input is no terminal; `--yes` goes on without".into(),
        ));
    }
    streams.print("Go on? [y/N] ")?;
    let mut answer = String::new();
    // A line that does not end is no yes.
    input.lock().take(64).read_line(&mut answer).map_err(Error::io("cannot read from the terminal"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Those that have not done it, each with the reason, and how many have.
fn report(steered: &Steered) -> String {
    let others = steered.outcomes.iter().filter(|(_, outcome)| !outcome.is_done());
    let rows: Vec<Vec<String>> = others.map(|(device, outcome)| vec![device.clone(), outcome.describe()]).collect();
    let done = steered.outcomes.len() - rows.len();
    let twice: String = steered
        .answered_twice
        .iter()
        .map(|id| format!("note: `{id}` answered twice: several devices have this id\n"))
        .collect();
    let left_out = match steered.left_out.len() {
        0 => String::new(),
        count => {
            format!("note: the answers of {count} devices were left out, because all of them together are too large\n")
        }
    };
    format!("{}{twice}{left_out}{done} of {} devices have done it\n", table::render(&rows), steered.outcomes.len())
}

pub(super) fn to_json(order: &Order, steered: &Steered, notes: &[String]) -> Value {
    let outcome = |(device, outcome): (&String, &Outcome)| {
        let (error, data) = match outcome {
            Outcome::Done(data) => (None, Some(data)),
            other => (Some(other.describe()), None),
        };
        (device.clone(), json!({ "outcome": outcome.name(), "error": error, "data": data }))
    };
    let devices: Map<String, Value> = steered.outcomes.iter().map(outcome).collect();
    json!({
        "order": order.describe(),
        "ok": steered.lost.is_none() && steered.outcomes.values().all(Outcome::is_done),
        "lost": steered.lost.as_ref().map(ToString::to_string),
        "answered_twice": steered.answered_twice,
        "left_out": steered.left_out,
        "notes": notes,
        "devices": devices,
    })
}

/// The error if not all have done it.
pub(super) fn conclusion(reached: &Reached, steered: &Steered) -> Result<()> {
    let left = steered.outcomes.values().filter(|outcome| !outcome.is_done()).count();
    match &steered.lost {
        Some(loss) => Err(Error::Unreachable(format!(
            "{}: {loss}; of {} devices {left} have not answered",
            reached.settings.connection.broker,
            steered.outcomes.len()
        ))),
        None if left > 0 => {
            Err(Error::Failed(format!("{left} of {} devices have not done it", steered.outcomes.len())))
        }
        None => Ok(()),
    }
}
