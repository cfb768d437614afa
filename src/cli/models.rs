//! `glimpsed models`

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::fetch;
use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table::{grouped, render};
use glimpsed_core::config::Config;
use glimpsed_core::config::diagnostics::suggestion;
use glimpsed_core::config::typed::Choice;
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::{self, Inspected, precision};
use glimpsed_core::models::catalog;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_inference::Inspection;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every model that has a name
    List(List),
    /// Download models of the catalogue
    Fetch(fetch::Fetch),
    /// Compare the catalogue's models that are here with what they should be
    Verify(fetch::Verify),
    /// Parameters, multiply-accumulates, size, input and output, read from the file
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Names as `glimpsed models list` gives them, or ONNX files
    #[arg(required = true, value_name = "NAME|FILE")]
    names: Vec<String>,
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::List(list) => run_list(list, streams),
        Command::Fetch(options) => fetch::fetch(options, streams),
        Command::Verify(options) => fetch::verify(options, streams),
        Command::Inspect(inspect) => run_inspect(inspect, streams),
    }
}

/// The model of that name.
pub(super) fn find(config: &Config, name: &str) -> Result<ModelSpec> {
    let names = || config.models.iter().map(|model| model.name.as_str());
    let found = config.models.iter().find(|model| model.name == name).cloned();
    found.ok_or_else(|| {
        Error::Failed(format!("no model named `{name}`; {}", suggestion(name, names().collect::<Vec<_>>())))
    })
}

/// The model of that name, or else of that file.
fn find_or_file(config: &Config, given: &str) -> Result<ModelSpec> {
    let path = Path::new(given);
    let is_known = config.models.iter().any(|model| model.name == given);
    let is_path = path.extension().is_some_and(|end| end == "onnx") || path.is_file();
    if is_path && !is_known { Ok(ModelSpec::of_file(path)) } else { find(config, given) }
}

/// As [`find`], among some of the models that can be used.
pub(super) fn find_in(usable: &[ModelSpec], config: &Config, name: &str) -> Result<ModelSpec> {
    if let Some(model) = usable.iter().find(|model| model.name == name) {
        return Ok(model.clone());
    }
    let model = find(config, name)?;
    let hint = match catalog::find(name) {
        Some(entry) if !entry.bundled() => format!("; `glimpsed models fetch {name}` downloads it"),
        _ => String::new(),
    };
    Err(Error::Failed(format!("model `{name}` has no file: `{}` is not there{hint}", model.path.display())))
}

fn run_list(list: &List, streams: &mut Streams) -> Result<()> {
    let config = list.file.sources()?.load_awaiting_models()?;
    if list.json {
        let models = config.models.iter().map(|model| {
            json!({
                "name": model.name,
                "path": model.path,
                "present": model.path.is_file(),
                "active": is_used(&config, model),
                "catalogue": catalog::find(&model.name),
            })
        });
        return streams.print_json(&models.collect::<Vec<_>>());
    }
    let heading = ["", "NAME", "MB", "TOP-1 *", "FILE", "DESCRIPTION"].map(str::to_owned).to_vec();
    let rows = config.models.iter().map(|model| {
        let entry = catalog::find(&model.name);
        let present = std::fs::metadata(&model.path).ok();
        let bytes = present.as_ref().map(std::fs::Metadata::len).or(entry.map(|entry| entry.bytes));
        vec![
            if is_used(&config, model) { "*" } else { "" }.to_owned(),
            model.name.clone(),
            bytes.map_or("?".into(), |bytes| format!("{:.1}", bytes as f64 / 1e6)),
            entry.and_then(|entry| entry.published_top1).map_or("?".into(), |top1| format!("{top1:.1} %")),
            if present.is_some() { "present" } else { "not here" }.to_owned(),
            entry.map_or("from the configuration", |entry| &entry.description).to_owned(),
        ]
    });
    let table = render(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    streams.print(&format!(
        "{table}\n* published for ImageNet; what a model reaches on your pictures only measuring tells\n{}",
        choice(&config)
    ))
}

/// Whether a view labels with it.
fn is_used(config: &Config, model: &ModelSpec) -> bool {
    config.views.iter().any(|view| view.model.name == model.name)
}

/// Which file of each model in use labels, where it has two.
fn choice(config: &Config) -> String {
    config.choices().iter().map(|Choice { spec, precision }| file_of(spec, *precision)).collect()
}

fn file_of(model: &ModelSpec, wanted: PrecisionChoice) -> String {
    if model.int8.is_none() {
        return String::new();
    }
    let says = match wanted {
        PrecisionChoice::Auto => precision::known(model)
            .unwrap_or_else(|| "whichever file is faster here, which is measured when it is first used".into()),
        chosen => format!("{}, because `precision` says so", chosen.name()),
    };
    format!("  {} labels with {says}\n", model.name)
}

fn run_inspect(inspect: &Inspect, streams: &mut Streams) -> Result<()> {
    let config = inspect.file.sources()?.load_awaiting_models()?;
    let mut inspections = Vec::new();
    for name in &inspect.names {
        let spec = find_or_file(&config, name)?;
        inspections.push(infer::inspect(&spec).map_err(|cause| Error::Model { name: name.clone(), cause })?);
    }
    if inspect.json {
        return streams.print_json(&inspections);
    }
    let texts: Vec<String> = inspections.iter().map(describe).collect();
    streams.print(&texts.join("\n"))
}

fn describe(inspected: &Inspected) -> String {
    let model = &inspected.file;
    let input = &model.input;
    let is_known = |key: &str| inspected.to_set.iter().all(|to_set| to_set.key != key);
    let unknown = || "not known, see below".to_owned();
    let operators: Vec<String> = model.operators.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let rows = [
        ("model", inspected.name.clone()),
        (
            "file",
            match &model.weights_file {
                None => format!("{} ({} bytes)", model.path, grouped(model.file_bytes)),
                Some(weights) => {
                    format!("{} with `{weights}` beside it ({} bytes)", model.path, grouped(model.file_bytes))
                }
            },
        ),
        ("sha256", model.sha256.clone()),
        (
            "made by",
            format!("{}, opset {}", if model.producer.is_empty() { "unknown" } else { &model.producer }, model.opset),
        ),
        ("precision", model.precision.to_string()),
        (
            "layers",
            format!(
                "{} with weights, {} connections",
                model.layers,
                if model.residual { "with residual" } else { "no residual" }
            ),
        ),
        ("parameters", grouped(model.parameters)),
        ("MACs", format!("{} (one picture; {} FLOP)", grouped(model.macs), grouped(model.macs.saturating_mul(2)))),
        (
            "memory",
            format!("about {:.1} MB, and more for a moment while it is loaded", model.memory_bytes as f64 / 1e6),
        ),
        (
            "input",
            if is_known("input") {
                format!("{:?} {:?} {:?}, {:?}", input.shape(), input.element, input.layout, input.channels)
                    .to_lowercase()
            } else {
                unknown()
            },
        ),
        (
            "scaling",
            if is_known("family") { format!("(x / 255 - {:?}) / {:?}", input.mean, input.std) } else { unknown() },
        ),
        ("fit", format!("{:?}", input.fit).to_lowercase()),
        (
            "output",
            format!(
                "{:?} {} ({}){}",
                model.output,
                model.scores,
                if model.end.scores.is_some() { format!("ends in {}", model.end.says) } else { "declared".into() },
                if inspected.background_class { ", the first class is the background" } else { "" }
            ),
        ),
        ("labels", labels_of(inspected)),
        ("says of itself", says_of_itself(model)),
        ("to be set", inspected.to_set.iter().map(|key| key.says.as_str()).collect::<Vec<_>>().join("; ")),
        ("operators", operators.join(", ")),
        ("runs on", model.not_native.as_ref().map_or(model.backend.clone(), |why| format!("{}: {why}", model.backend))),
        ("threads", inspected.threads.to_string()),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    render(&rows.map(|(name, value)| vec![name.to_owned(), value]).collect::<Vec<_>>())
}

fn labels_of(inspected: &Inspected) -> String {
    match &inspected.labels {
        Some(labels) => {
            let first: Vec<&str> = labels.first.iter().map(String::as_str).collect();
            let more = if labels.count > first.len() { ", ..." } else { "" };
            format!("{} from `{}`: {}{more}", labels.count, labels.source, first.join(", "))
        }
        None => inspected.labels_error.clone().unwrap_or_default(),
    }
}

/// What its metadata say of it, and where.
fn says_of_itself(model: &Inspection) -> String {
    let declared = &model.declared;
    let task = declared.task.as_ref().map(|task| format!("its task is `{task}`"));
    task.into_iter().chain(declared.input.iter().cloned()).collect::<Vec<_>>().join("; ")
}
