//! `glimpsed check`

use clap::Args;
use serde_json::json;

use super::files::ConfigFile;
use super::streams::Streams;
use glimpsed_core::config::typed::Choice;
use glimpsed_core::config::{Config, DropIn, Sources, keep_default_id};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::{Model, precision};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let result = verify(options);
    if options.json {
        let report = match &result {
            Ok(verified) => {
                json!({ "ok": true, "files": verified.files, "problems": [], "warnings": verified.warnings })
            }
            Err(Error::Config(problems)) => {
                json!({ "ok": false, "problems": problems.to_json(), "more": problems.has_more() })
            }
            Err(error) => json!({ "ok": false, "problems": [{ "title": error.to_string() }] }),
        };
        streams.print_json(&report)?;
    }
    let Verified { says, warnings, .. } = result?;
    let warnings: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    if options.json { Ok(()) } else { streams.print(&format!("{warnings}{says}")) }
}

/// What is fine, and what is odd.
struct Verified {
    /// The files that were read.
    files: Vec<String>,
    says: String,
    warnings: Vec<String>,
}

fn verify(options: &Options) -> Result<Verified> {
    let sources = Sources::read(&options.file.path)?;
    let config = sources.load()?;
    keep_default_id();
    let failed = |name: &str| {
        let name = name.to_owned();
        move |cause| Error::Model { name, cause }
    };
    let (mut names, mut warnings) = (Vec::new(), Vec::new());
    let mut verify = |mut model: Model| {
        model.try_pictures().map_err(failed(&model.id.name))?;
        names.push(format!("{} ({})", model.id.name, model.id.precision));
        warnings.extend(model.warning);
        warnings.extend(model.unfamiliar);
        Ok::<_, Error>(())
    };
    for Choice { spec, precision } in config.choices() {
        verify(precision::load(&spec, precision).map_err(failed(&spec.name))?.model)?;
    }
    for spec in config.accurate_models() {
        verify(Model::load(spec).map_err(failed(&spec.name))?)?;
    }
    warnings.extend(config.changes_since_taught());
    warnings.extend(config.cameras_without_views());
    let broker = config.mqtt.as_ref().map_or("no broker".to_owned(), |mqtt| mqtt.connection.broker.to_string());
    Ok(Verified {
        files: sources.paths().map(|path| path.display().to_string()).collect(),
        says: format!(
            "{} fine: {}model {}, {broker}{}\n",
            files(&sources),
            views(&config),
            names.join(" and "),
            notices(&config)
        ),
        warnings,
    })
}

/// The file with those of `conf.d` that are over it.
fn files(sources: &Sources) -> String {
    let more: Vec<String> = sources.drop_ins.iter().map(DropIn::name).collect();
    let main = sources.path.display();
    match more.as_slice() {
        [] => format!("{main} is"),
        [only] => format!("{main} and {only} are"),
        [rest @ .., last] => format!("{main}, {} and {last} are", rest.join(", ")),
    }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How many rules for notices there are.
fn notices(config: &Config) -> String {
    match config.notices.len() {
        0 => String::new(),
        count => format!(", {}", plural(count, "notice")),
    }
}

/// How many cameras and views have names.
fn views(config: &Config) -> String {
    match config.first().name.given() {
        None => String::new(),
        Some(_) => format!("{}, {}, ", plural(config.cameras.len(), "camera"), plural(config.views.len(), "view")),
    }
}
