//! `glimpsed check`

use clap::Args;
use serde_json::json;

use super::files::ConfigFile;
use super::streams::Streams;
use crate::config::{Sources, keep_default_id};
use crate::error::{Error, Result};
use crate::infer::{Model, precision};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// For scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let result = verify(options);
    if options.json {
        let report = match &result {
            Ok(_) => json!({ "ok": true, "problems": [] }),
            Err(Error::Config(problems)) => json!({ "ok": false, "problems": problems.to_json() }),
            Err(error) => json!({ "ok": false, "problems": [{ "title": error.to_string() }] }),
        };
        streams.print_json(&report)?;
    }
    let summary = result?;
    if options.json { Ok(()) } else { streams.print(&summary) }
}

fn verify(options: &Options) -> Result<String> {
    let config = Sources::read(&options.file.path)?.load()?;
    keep_default_id();
    let chosen = precision::load(&config.model, config.precision);
    let model = chosen.map_err(|cause| Error::Model { name: config.model.name.clone(), cause })?.model;
    let mut models = format!("model {} ({})", model.id.name, model.id.precision);
    if config.accurate.enabled {
        let spec = &config.accurate.model;
        let second = Model::load(spec).map_err(|cause| Error::Model { name: spec.name.clone(), cause })?;
        models.push_str(&format!(" and {} ({})", second.id.name, second.id.precision));
    }
    let broker = config.mqtt.as_ref().map_or("no broker".to_owned(), |mqtt| mqtt.connection.broker.to_string());
    Ok(format!("{} is fine: {models}, {broker}\n", options.file.path.display(),))
}
