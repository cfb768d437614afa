//! `glimpsed compare`, and the hidden command that it starts for each model.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::{models, progress};
use crate::cli::table::render;
use glimpsed_core::compare;
use glimpsed_core::compare::{Plan, html, subjects, table};
use glimpsed_core::domain::comparison::{Progress, Report};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::catalog;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// A model by name, and once more for each further one [default: all whose file is there]
    #[arg(short, long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Photographs: a directory whose sub-directories are named for what their pictures show (`tabby`, or `tabby|tiger cat`
    /// where both are right), one with a labels.csv of `file,label` lines, or such a file [default: the bundled photographs]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// The model that the others' answers are compared with [default: the configuration's active one]
    #[arg(long, value_name = "NAME")]
    reference: Option<String>,
    /// Turns that each model takes; more make up for a busy machine
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Inferences in a turn
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    runs: u16,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: OptionalConfigFile,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Markdown,
    Json,
    /// A page with plots, in one file
    Html,
}

/// A slow model's turn ends after this, however many inferences it has had.
const TIME_A_TURN: Duration = Duration::from_secs(10);

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let config = options.config.sources()?.load()?;
    let all = subjects::usable(&config.models);
    let models = match options.models.as_slice() {
        [] => all,
        names => names.iter().map(|name| models::find_in(&all, &config, name)).collect::<Result<_>>()?,
    };
    if let Some(reference) = &options.reference
        && !models.iter().any(|model| model.name == *reference)
    {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let hint = glimpsed_core::config::diagnostics::suggestion(reference, names);
        return Err(Error::Failed(format!("the reference `{reference}` is not among the compared models; {hint}")));
    }
    let active = Some(config.first().model.name.clone()).filter(|name| models.iter().any(|model| model.name == *name));
    let directory = options.images.clone().unwrap_or_else(catalog::photographs);
    let mut pictures = subjects::pictures(&directory)?;
    match subjects::check_labels(&pictures, &models) {
        Ok(()) => {}
        // The bundled photographs show what these models have no labels for: their answers are compared, and not judged.
        Err(_) if options.images.is_none() => pictures.iter_mut().for_each(|picture| picture.labels.clear()),
        Err(unknown) => return Err(unknown.into()),
    }
    let source = match &options.images {
        Some(directory) => directory.display().to_string(),
        None => "the bundled photographs".into(),
    };
    let plan = Plan {
        models,
        pictures,
        source,
        reference: options.reference.clone().or(active),
        rounds: options.rounds.into(),
        runs: options.runs.into(),
        time_a_turn: TIME_A_TURN,
        low_priority: false,
    };
    let bar = progress::bar(streams.terminal, 0, "{bar:30} {pos}/{len} {eta} left  {wide_msg}");
    let report = compare::run(&plan, |progress| show(&bar, progress))?;
    bar.finish_and_clear();
    write(options, &report, streams)?;
    match report.models.iter().all(|model| model.error.is_some()) {
        true => Err(Error::Failed(format!("no model could be measured:\n  {}", table::failures(&report).join("\n  ")))),
        false => Ok(()),
    }
}

fn write(options: &Options, report: &Report, streams: &mut Streams) -> Result<()> {
    let format = if options.json { Format::Json } else { options.format };
    let text = match format {
        Format::Table => as_table(report),
        Format::Markdown => table::markdown(report),
        Format::Html => html::page(report),
        Format::Json => {
            let json = serde_json::to_string_pretty(report).map_err(|error| Error::Failed(error.to_string()))?;
            format!("{json}\n")
        }
    };
    let Some(file) = &options.output else { return streams.print(&text) };
    let written = std::fs::File::create(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(Error::io(format!("cannot write `{}`", file.display())))
}

fn as_table(report: &Report) -> String {
    let mut out = render(&table::cells(report));
    out.push_str(&format!("\n{}\n", table::caption(report)));
    if !report.advice.is_empty() {
        out.push('\n');
    }
    let advice: Vec<Vec<String>> =
        report.advice.iter().map(|one| vec![one.kind.to_owned(), one.model.clone(), one.reason.clone()]).collect();
    out.push_str(&render(&advice));
    for failure in table::failures(report) {
        out.push_str(&format!("\nnot measured: {failure}\n"));
    }
    out
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
    bar.set_message(progress.model.clone());
}

/// The process that measures one model.
pub(super) fn serve(streams: &mut Streams) -> Result<()> {
    compare::serve(std::io::stdin().lock(), &mut streams.out).map_err(Error::io("nobody listens any more"))
}
