//! `glimpsed fleet top`

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::broker::{Broker, Chosen, Reached, chosen};
use super::listen::{Line, listen, stop_signals};
use super::screen::{After, Screen};
use crate::cli::block_on::block_on;
use crate::cli::streams::Streams;
use crate::cli::table;
use glimpsed_base::sync::Mutex;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::column::{self, Column};
use glimpsed_core::fleet::roster::Roster;

/// How soon a key is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often the table is drawn anew while messages arrive.
const DRAW_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    chosen: Chosen,
    /// The column that the devices are in the order of
    #[arg(long, value_name = "COLUMN", default_value = "device", value_parser = column_named)]
    sort: Column,
    /// From the largest to the smallest
    #[arg(long)]
    descending: bool,
    /// Print the table once, as when standard output is no terminal
    #[arg(long)]
    once: bool,
    /// Print JSON, for scripts: all devices once, or with `--follow` a line for each that has said something
    #[arg(long)]
    json: bool,
    /// With `--json`: go on, and print a line for each device that has said something, at most one each second
    #[arg(long, requires = "json")]
    follow: bool,
}

fn column_named(name: &str) -> std::result::Result<Column, String> {
    let names = Column::ALL.iter().map(|column| column.name());
    Column::named(name)
        .ok_or_else(|| format!("there is no such column; there is {}", names.collect::<Vec<_>>().join(", ")))
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let reached = options.broker.reached()?;
    if options.follow {
        return block_on(follow(options, &reached, streams))?;
    }
    if options.once || options.json || !std::io::stdout().is_terminal() {
        return once(options, &reached, streams);
    }
    let mut screen = Screen::new(options.sort, options.descending, options.chosen.filter());
    screen.colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let out = std::mem::replace(&mut streams.out, Box::new(std::io::sink()));
    block_on(live(&reached, screen, out))?
}

fn once(options: &Options, reached: &Reached, streams: &mut Streams) -> Result<()> {
    let (roster, gathered) = block_on(reached.snapshot())??;
    let (now, filter) = (Timestamp::now(), options.chosen.filter());
    let devices = column::sorted(chosen(&roster, &filter, now), options.sort, options.descending, now);
    if options.json {
        let devices: Vec<Value> = devices.into_iter().map(|device| column::json(device, now)).collect();
        streams.print_json(&json!({ "devices": devices, "notes": reached.notes(&roster, &gathered) }))?;
    } else {
        let heading = Column::SHOWN.map(|column| column.name().to_owned()).to_vec();
        let row = |device| Column::SHOWN.map(|column| column.show(device, now)).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(heading).chain(devices.into_iter().map(row)).collect();
        let notes: String = reached.notes(&roster, &gathered).iter().map(|note| format!("note: {note}\n")).collect();
        streams.print(&format!("{}{notes}", table::render(&rows)))?;
    }
    reached.somebody(&roster)
}

/// A line of JSON for each device at first, and then for each that has said something.
async fn follow(options: &Options, reached: &Reached, streams: &mut Streams) -> Result<()> {
    let (mut watch, roster, _) = reached.gather().await?;
    let roster = Mutex::new(roster);
    let filter = options.chosen.filter();
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let (mut stop, mut interrupt) = stop_signals()?;
    loop {
        let now = Timestamp::now();
        for device in chosen(&roster.lock(), &filter, now) {
            let mut line = column::json(device, now);
            let mut without_time = line.clone();
            // It changes by itself.
            without_time["since_s"] = Value::Null;
            if told.get(&device.id) != Some(&without_time) {
                line["ts"] = now.to_string().into();
                if !streams.print_on(&format!("{line}\n"))? {
                    return Ok(());
                }
                told.insert(device.id.clone(), without_time);
            }
        }
        let until = Instant::now() + Duration::from_secs(1);
        loop {
            tokio::select! {
                heard = watch.hear(&roster) => heard.map_err(|loss| reached.unreachable(&loss))?,
                () = sleep_until(until) => break,
                _ = stop.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            }
        }
    }
}

/// The terminal as it was, whatever ends the table.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}

/// The writer puts the screen back when it goes.
struct Alternate(Box<dyn Write + Send>);

impl Write for Alternate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        let _ = execute!(self.0, LeaveAlternateScreen, cursor::Show);
    }
}

async fn live(reached: &Reached, screen: Screen, out: Box<dyn Write + Send>) -> Result<()> {
    // The first connection is made before the screen is taken, so that a mistake is told as by other commands.
    let watch = reached.connect().await?;
    let (roster, line) = (reached.nobody(), Mutex::new(Line::Gathering));
    tokio::select! {
        never = listen(reached, watch, &roster, &line) => match never {},
        ended = interact(reached, &roster, &line, screen, out) => ended,
    }
}

/// Draws the table and obeys the keys, until one or a signal ends it.
async fn interact(
    reached: &Reached,
    roster: &Mutex<Roster>,
    line: &Mutex<Line>,
    mut screen: Screen,
    out: Box<dyn Write + Send>,
) -> Result<()> {
    let terminal = |cause| Error::Io { what: "cannot use the terminal".into(), cause };
    let (mut stop, mut interrupt) = stop_signals()?;
    enable_raw_mode().map_err(terminal)?;
    let _restored = Restored;
    let mut out = Alternate(out);
    execute!(out, EnterAlternateScreen).map_err(terminal)?;
    let mut shown = Terminal::new(CrosstermBackend::new(out)).map_err(terminal)?;
    let broker = reached.settings.connection.broker.to_string();
    let mut draw_at = Instant::now();
    loop {
        if Instant::now() >= draw_at {
            let (roster, line) = (roster.lock(), line.lock());
            shown.draw(|frame| screen.draw(frame, &roster, &broker, &line, Timestamp::now())).map_err(terminal)?;
            draw_at = Instant::now() + DRAW_EVERY;
        }
        tokio::select! {
            _ = stop.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = sleep(LOOK_EVERY) => {}
        }
        while event::poll(Duration::ZERO).map_err(terminal)? {
            draw_at = Instant::now();
            match event::read().map_err(terminal)? {
                Event::Key(key) if key.kind != KeyEventKind::Release && screen.press(key) == After::End => {
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}
