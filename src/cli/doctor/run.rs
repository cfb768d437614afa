//! Runs all checks, one after the other.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::{board, cameras};
use crate::cli::block_on::block_on;
use crate::cli::doctor::finding::{Finding, Verdict};
use crate::cli::files::OptionalConfigFile;
use crate::cli::mqtt::try_broker;
use crate::cli::streams::Streams;
use crate::cli::table;
use glimpsed_core::board::Board;
use glimpsed_core::capture::opener;
use glimpsed_core::config::diagnostics::Problems;
use glimpsed_core::config::typed::Config;
use glimpsed_core::config::{DropIn, Sources, drop_in_directory, keep_default_id};
use glimpsed_core::directories;
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::precision::{self, Chosen};
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::sinks::notify::try_recipient;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let sources = options.file.sources()?;
    let config = match sources.load() {
        Ok(config) => config,
        Err(problems) => {
            let findings = [broken(&sources, &problems)];
            if options.json {
                streams.print_json(&findings)?;
            } else {
                streams.print(&table::render(&findings.iter().map(row).collect::<Vec<_>>()))?;
            }
            return Err(problems.into());
        }
    };
    keep_default_id();
    let models = config.choices();
    let models = models.iter().map(|choice| awaited(&sources, model("model", &choice.spec, choice.precision)));
    let seconds = config.accurate_models();
    let seconds = seconds.iter().map(|spec| model("accurate model", spec, PrecisionChoice::Fp32));
    let findings: Vec<Finding> = [permissions(&sources)]
        .into_iter()
        .chain(models)
        .chain(seconds)
        .chain(config.changes_since_taught().into_iter().map(|says| warning("model", says)))
        .chain(config.cameras_without_views().into_iter().map(|says| warning("camera", says)))
        .chain(cameras::findings(&config, opener))
        .chain([broker(&config)?])
        .chain(notices(&config)?)
        .chain(board::findings(&Board::default(), config.thermal))
        .chain(board::room(&directories::state()))
        .collect();
    if options.json {
        streams.print_json(&findings)?;
    } else {
        let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
        streams.print(&table::render(&rows))?;
    }
    let bad = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    match (bad(Verdict::Failed), bad(Verdict::Unreachable)) {
        (0, 0) => Ok(()),
        (0, unreachable) => Err(Error::Unreachable(format!("{unreachable} of {} cannot be reached", findings.len()))),
        (failed, unreachable) => Err(Error::Failed(format!("{} of {} failed", failed + unreachable, findings.len()))),
    }
}

fn row(finding: &Finding) -> Vec<String> {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed => "FAILED",
        Verdict::Unreachable => "UNREACHABLE",
    };
    vec![verdict.into(), finding.subject.into(), finding.says.clone()]
}

/// What a start would do with a configuration that cannot work.
fn broken(sources: &Sources, problems: &Problems) -> Finding {
    let instead = match Sources::last_good(&sources.path).filter(|kept| kept.load().is_ok()) {
        Some(_) => "a start would go on with the last configuration that worked",
        None => "a start would fail, unless an earlier configuration is kept that only the service can read",
    };
    Finding { subject: "configuration", verdict: Verdict::Failed, says: format!("{}; {instead}", problems.tally()) }
}

/// The model, with what a start does if it cannot be loaded.
fn awaited(sources: &Sources, finding: Finding) -> Finding {
    if finding.verdict != Verdict::Failed || Sources::last_good(&sources.path).is_none() {
        return finding;
    }
    let says =
        format!("{}; until it is, a start labels nothing, or with the last configuration that worked", finding.says);
    Finding { says, ..finding }
}

/// The configuration can be read, or nothing would have come this far; a user who can write it can start programs.
fn permissions(sources: &Sources) -> Finding {
    let is_open =
        |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o022 != 0);
    // Who can write into the directory can add a file.
    let directory = drop_in_directory(&sources.path);
    let open: Vec<String> = sources
        .paths()
        .chain([directory.as_path()])
        .filter(|path| is_open(path))
        .map(|path| path.display().to_string())
        .collect();
    let names: Vec<String> = sources.drop_ins.iter().map(DropIn::name).collect();
    let (verdict, says) = match open.is_empty() {
        false => (
            Verdict::Warning,
            format!("{} can be written by other users: chmod go-w {}", open.join(", "), open.join(" ")),
        ),
        true if names.is_empty() => (Verdict::Ok, format!("{} is valid", sources.path.display())),
        true => (Verdict::Ok, format!("{} is valid, with {}", sources.path.display(), names.join(", "))),
    };
    Finding { subject: "configuration", verdict, says }
}

fn model(subject: &'static str, spec: &ModelSpec, wanted: PrecisionChoice) -> Finding {
    let start = Instant::now();
    let (verdict, says) = match precision::load(spec, wanted) {
        Ok(Chosen { model, why }) => (
            Verdict::Ok,
            format!(
                "{} ({}) loads in {} ms{}",
                model.id.name,
                model.id.precision,
                start.elapsed().as_millis(),
                why.map_or(String::new(), |why| format!("; {why}"))
            ),
        ),
        Err(cause) => {
            let file = spec.path.display();
            (Verdict::Failed, format!("{}: {cause}; is {file} the right file?", spec.name))
        }
    };
    Finding { subject, verdict, says }
}

fn warning(subject: &'static str, says: String) -> Finding {
    Finding { subject, verdict: Verdict::Warning, says }
}

/// Whether those who are told something can be reached. Nothing is sent.
fn notices(config: &Config) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for notice in &config.notices {
        let (verdict, says) = match block_on(try_recipient(&notice.to))? {
            Ok(()) => (Verdict::Ok, "accepts connections; `glimpsed notify test` sends a notice".to_owned()),
            Err(refusal) => (Verdict::Unreachable, refusal.to_string()),
        };
        let says = format!("{}: {says}", notice.describe());
        let finding = Finding { subject: "notice", verdict, says };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    Ok(findings)
}

fn broker(config: &Config) -> Result<Finding> {
    let Some(settings) = &config.mqtt else {
        let says = "none is configured, so nothing is published; set `url` in [mqtt]".into();
        return Ok(Finding { subject: "broker", verdict: Verdict::Warning, says });
    };
    let report = try_broker(config, settings)?;
    let (verdict, says) = match report.failure() {
        None => (
            Verdict::Ok,
            format!("{} accepts the connection, and lets all topics be read and written", settings.connection.broker),
        ),
        Some(failed) => {
            let verdict = if report.reachable { Verdict::Failed } else { Verdict::Unreachable };
            (verdict, format!("{}: {}: {}", settings.connection.broker, failed.step, failed.says))
        }
    };
    Ok(Finding { subject: "broker", verdict, says })
}
