//! `glimpsed fleet compare`

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::steer::{How, ask, conclusion, to_json};
use crate::cli::streams::Streams;
use crate::cli::table;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::comparison::{Compared, by_board, cells, cells_of_each, read};
use glimpsed_core::fleet::comparison_page::page;
use glimpsed_core::fleet::order::Order;
use glimpsed_core::fleet::steer::{Outcome, Steered};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// A line for each device, in the place of one for each board
    #[arg(long)]
    each: bool,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let how = &options.how;
    let (order, reached) = (Order::request("compare").map_err(Error::failed)?, how.broker.reached()?);
    let Some((mut steered, notes)) = ask(&order, how, &reached, streams)? else {
        return streams.print("nobody was asked\n");
    };
    let compared = reports(&mut steered);
    let others = steered.outcomes.iter().filter(|(_, outcome)| !outcome.is_done());
    let left_out: Vec<(String, String)> =
        others.map(|(device, outcome)| (device.clone(), outcome.describe())).collect();
    let boards = by_board(&compared);
    if how.json {
        let mut told = to_json(&order, &steered, &notes);
        told["boards"] = serde_json::to_value(&boards).unwrap_or(Value::Null);
        streams.print_json(&told)?;
    } else {
        let rows = if options.each { cells_of_each(&compared) } else { cells(&boards) };
        let left_out: String =
            left_out.iter().map(|(device, cause)| format!("no figures: {device}: {cause}\n")).collect();
        streams.print(&format!("{}{left_out}", table::render(&rows)))?;
    }
    if let Some(path) = &options.html {
        let date = Timestamp::now().strftime("%Y-%m-%d").to_string();
        std::fs::write(path, page(&compared, &left_out, &date))
            .map_err(Error::io(format!("cannot write `{}`", path.display())))?;
    }
    conclusion(&reached, &steered)
}

/// The reports that are understood; a device whose report is not has not done it.
fn reports(steered: &mut Steered) -> Vec<Compared> {
    let mut compared = Vec::new();
    for (device, outcome) in &mut steered.outcomes {
        let Outcome::Done(data) = outcome else { continue };
        if steered.left_out.contains(device) {
            let cause = "its report was left out, because all of them together are too large; --where chooses fewer";
            *outcome = Outcome::Refused(cause.to_owned());
            continue;
        }
        match read(device, data) {
            Ok(report) => compared.push(report),
            Err(cause) => *outcome = Outcome::Refused(cause),
        }
    }
    compared
}
