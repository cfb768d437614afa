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
            Ok(verified) => json!({ "ok": true, "problems": [], "warnings": verified.warnings }),
            Err(Error::Config(problems)) => {
                json!({ "ok": false, "problems": problems.to_json(), "more": problems.has_more() })
            }
            Err(error) => json!({ "ok": false, "problems": [{ "title": error.to_string() }] }),
        };
        streams.print_json(&report)?;
    }
    let Verified { says, warnings } = result?;
    let warnings: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    if options.json { Ok(()) } else { streams.print(&format!("{warnings}{says}")) }
}

/// What is fine, and what is odd.
struct Verified {
    says: String,
    warnings: Vec<String>,
}

fn verify(options: &Options) -> Result<Verified> {
    let config = Sources::read(&options.file.path)?.load()?;
    keep_default_id();
    let failed = |name: &str| {
        let name = name.to_owned();
        move |cause| Error::Model { name, cause }
    };
    let chosen = precision::load(&config.model, config.precision).map_err(failed(&config.model.name))?;
    let second = config.accurate.enabled.then(|| Model::load(&config.accurate.model)).transpose();
    let second = second.map_err(failed(&config.accurate.model.name))?;
    let (mut names, mut warnings) = (Vec::new(), Vec::new());
    for mut model in std::iter::once(chosen.model).chain(second) {
        model.try_pictures().map_err(failed(&model.id.name))?;
        names.push(format!("{} ({})", model.id.name, model.id.precision));
        warnings.extend(model.warning);
    }
    warnings.extend(config.changes_since_taught());
    let broker = config.mqtt.as_ref().map_or("no broker".to_owned(), |mqtt| mqtt.connection.broker.to_string());
    Ok(Verified {
        says: format!("{} is fine: model {}, {broker}\n", options.file.path.display(), names.join(" and ")),
        warnings,
    })
}
