//! `glimpsed fleet check`

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::broker::{Broker, Chosen, Reached, chosen, none_is_meant};
use crate::cli::block_on::block_on;
use crate::cli::streams::Streams;
use crate::cli::table;
use glimpsed_core::config::interval::Interval;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::judge::{Finding, Rules, Wanted, judge};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    chosen: Chosen,
    /// A device as warm as this is too warm, in °C
    #[arg(long, value_name = "DEGREES", default_value_t = 80.0)]
    warm: f64,
    /// A view without an answer for a frame for this long has no labels
    #[arg(long, value_name = "TIME", default_value = "10m")]
    unlabelled: Interval,
    /// The right version; `any` for any [default: that which most devices have]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The right configuration, by `config_hash` in `info` or its first digits; `any` for any [default: that which most devices have]
    #[arg(long, value_name = "HASH")]
    config_hash: Option<String>,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let reached = options.broker.reached()?;
    let (roster, gathered) = block_on(reached.snapshot())??;
    if reached.expected.is_empty() {
        reached.somebody(&roster)?;
    }
    let rules = Rules {
        warm_celsius: options.warm,
        unlabelled_after: options.unlabelled.0,
        version: wanted(options.version.as_deref()),
        config: wanted(options.config_hash.as_deref()),
        expected: reached.expected.clone(),
    };
    let (now, filter) = (Timestamp::now(), options.chosen.filter());
    // Of the expected ones those that were heard of are judged if they are chosen.
    let strangers: Vec<&String> = rules.expected.iter().filter(|id| roster.device(id).is_none()).collect();
    let count = chosen(&roster, &filter, now).count() + strangers.len();
    if count == 0 {
        return Err(none_is_meant(&roster));
    }
    let rules = Rules { expected: strangers.into_iter().cloned().collect(), ..rules };
    let findings = judge(chosen(&roster, &filter, now), &rules, now);
    let notes = reached.notes(&roster, &gathered);
    let ill = unwell(&findings);
    let is_whole = Reached::all_came(&roster, &gathered) && roster.too_large == 0;
    if options.json {
        streams.print_json(&json!({
            "ok": findings.is_empty() && is_whole, "devices": count, "unwell": ill, "findings": findings, "notes": notes,
        }))?;
    } else {
        let rows: Vec<Vec<String>> =
            findings.iter().map(|finding| vec![finding.device.clone(), finding.says.clone()]).collect();
        let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
        let well = if findings.is_empty() && is_whole { format!("{count} devices, all well\n") } else { String::new() };
        streams.print(&format!("{}{notes}{well}", table::render(&rows)))?;
    }
    match (ill, is_whole) {
        (0, true) => Ok(()),
        (0, false) => Err(Error::Failed(
            "not everything that the devices say was read, so nobody knows whether they are well".into(),
        )),
        (ill, _) => Err(Error::Failed(format!("{ill} of {count} devices are not well"))),
    }
}

fn wanted(given: Option<&str>) -> Wanted {
    match given {
        None => Wanted::Most,
        Some("any") => Wanted::Any,
        Some(value) => Wanted::Exactly(value.to_owned()),
    }
}

/// How many devices have a finding; the findings of one stand together.
fn unwell(findings: &[Finding]) -> usize {
    findings.chunk_by(|one, other| one.device == other.device).count()
}
